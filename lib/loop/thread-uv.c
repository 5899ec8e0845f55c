/* Start of a thread. Signals are blocked around pthread_create, so the new thread never takes one.
 */
#include <signal.h>

#include "lib/base/base.h"
#include "lib/loop/thread-int.h"

struct start {
    char name[16];
    void *(*fn)(void *arg);
    void *arg;
};

static void *begin(void *ctx)
{
    struct start s = *(struct start *)ctx;
    mem_free(ctx);
    pthread_setname_np(pthread_self(), s.name);
    return s.fn(s.arg);
}

void thread_start(pthread_t *out, const char *name, void *(*fn)(void *arg), void *arg)
{
    static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                 SIGABRT, SIGTRAP, SIGSYS, SIGPROF};
    sigset_t block, before;
    sigfillset(&block);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        sigdelset(&block, faults[i]);
    must(pthread_sigmask(SIG_BLOCK, &block, &before) == 0);
    struct start *s = mem_alloc(sizeof *s);
    snprintf(s->name, sizeof s->name, "%.15s", name);
    s->fn = fn;
    s->arg = arg;
    must(pthread_create(out, NULL, begin, s) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}
