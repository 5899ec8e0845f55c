#ifndef LIB_LOOP_FDPOLL_H
#define LIB_LOOP_FDPOLL_H
/* Readiness of foreign descriptors (c-ares, libpq). Not available under simulation. */
#include "lib/loop/loop.h"
enum { FD_READABLE = 1, FD_WRITABLE = 2 };
struct fdpoll;
/* Wants nothing at first. NULL: the descriptor cannot be polled (a regular file). It becomes
 * non-blocking. An error on it is reported as all that is wanted. One fdpoll per descriptor. */
struct fdpoll *fdpoll_open(struct loop *l, int fd, void (*fn)(void *ctx, int events), void *ctx);
void fdpoll_want(struct fdpoll *f, int events); /* 0 = nothing */
void fdpoll_close(struct fdpoll **pf);          /* before the descriptor is; allowed in fn */
#endif
