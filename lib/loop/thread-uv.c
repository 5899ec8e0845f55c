/* Start of a thread. Signals are blocked around pthread_create, so the new thread never takes one.
 */
#include <signal.h>

#include "lib/base/base.h"
#include "lib/loop/thread-int.h"

void thread_start(pthread_t *out, const char *name, void *(*fn)(void *arg), void *arg)
{
    static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                 SIGABRT, SIGTRAP, SIGSYS, SIGPROF};
    sigset_t block, before;
    sigfillset(&block);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        sigdelset(&block, faults[i]);
    must(pthread_sigmask(SIG_BLOCK, &block, &before) == 0);
    must(pthread_create(out, NULL, fn, arg) == 0);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    char cut[16];
    snprintf(cut, sizeof cut, "%.15s", name);
    pthread_setname_np(*out, cut);
}
