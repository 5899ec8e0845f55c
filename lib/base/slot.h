#ifndef LIB_BASE_SLOT_H
#define LIB_BASE_SLOT_H
/* A place for a shared immutable object that is replaced once in a while, from any thread, while
 * others go on using the one they have. The object is counted (refs.h); the slot holds a reference.
 */
#include "lib/base/base.h"

struct slot_ops {
    void (*ref)(void *object);
    void (*unref)(void *object);
};
struct slot;
struct slot *slot_new(const struct slot_ops *ops, void *object_take); /* ops: static */
void slot_free(struct slot **ps);
void *slot_get(struct slot *s); /* a reference of the caller's own */
void slot_set(struct slot *s, void *object_take);
#endif
