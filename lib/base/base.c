/* DOC: The three strengths of assertion. must() ends in panic_at, which allocates nothing: the heap
 * may be what broke. expect() ends in expect_failed, which logs once per call site however many
 * threads meet it. */
#include <execinfo.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/log.h"

enum { PANIC_FRAMES = 64 };

void panic_at(const char *file, int line, const char *what)
{
    void *frames[PANIC_FRAMES];
    dprintf(STDERR_FILENO, "panic: %s:%d: %s\n", file, line, what);
    backtrace_symbols_fd(frames, backtrace(frames, PANIC_FRAMES), STDERR_FILENO);
    abort();
}

bool expect_failed(const char *file, int line, const char *what, bool *once)
{
    char at[256];
    if (__atomic_exchange_n(once, true, __ATOMIC_RELAXED))
        return false;
    snprintf(at, sizeof at, "%s:%d", file, line);
    log_error(NULL, "expect.failed", "at", at, "what", what);
    return false;
}
