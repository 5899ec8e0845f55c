#ifndef LIB_LOOP_SIG_H
#define LIB_LOOP_SIG_H
/* Signals as events. Not available under simulation. */
#include "lib/loop/loop.h"
struct sig;
struct sig *sig_open(struct loop *l, int signum, void (*fn)(void *ctx, int signum), void *ctx);
void sig_close(struct sig **ps);
#endif
