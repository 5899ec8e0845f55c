#ifndef LIB_BASE_THREAD_END_H
#define LIB_BASE_THREAD_END_H
/* What a thread keeps for itself (free lists) and gives back when it ends. Nothing is called for
 * the main thread: the process ends with it. */
#include "lib/base/base.h"

struct thread_end { /* _Thread_local and static */
    void (*fn)(void);
    struct thread_end *older;
};
/* Call fn in this thread when it ends, the youngest first. Once for each struct; asking again has
 * no effect. */
void thread_end_add(struct thread_end *e, void (*fn)(void));
#endif
