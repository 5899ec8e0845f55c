/* DOC: The calls of a thread hang on one key of pthread, whose destructor runs while thread-local
 * variables still exist. */
#include "lib/base/thread-end.h"

#include <pthread.h>

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void run_all(void *newest)
{
    for (struct thread_end *e = newest; e; e = e->older)
        e->fn();
}

static void key_make(void)
{
    must(pthread_key_create(&key, run_all) == 0);
}

void thread_end_add(struct thread_end *e, void (*fn)(void))
{
    if (e->fn)
        return;
    must(pthread_once(&key_once, key_make) == 0);
    e->fn = fn;
    e->older = pthread_getspecific(key);
    must(pthread_setspecific(key, e) == 0);
}
