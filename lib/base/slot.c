/* DOC: a counted object behind a mutex: taking a reference and replacing the object exclude each
 * other, nothing else is done under the lock. */
#include "lib/base/slot.h"

#include <pthread.h>

struct slot {
    pthread_mutex_t lock;
    const struct slot_ops *ops;
    void *object; /* under lock */
};

struct slot *slot_new(const struct slot_ops *ops, void *object)
{
    struct slot *s = mem_alloc(sizeof *s);
    must(pthread_mutex_init(&s->lock, NULL) == 0);
    s->ops = ops;
    s->object = object;
    return s;
}

void slot_free(struct slot **ps)
{
    struct slot *s = *ps;
    *ps = NULL;
    if (!s)
        return;
    s->ops->unref(s->object);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

void *slot_get(struct slot *s)
{
    pthread_mutex_lock(&s->lock);
    void *object = s->object;
    s->ops->ref(object);
    pthread_mutex_unlock(&s->lock);
    return object;
}

void slot_set(struct slot *s, void *object)
{
    pthread_mutex_lock(&s->lock);
    void *before = s->object;
    s->object = object;
    pthread_mutex_unlock(&s->lock);
    s->ops->unref(before);
}
