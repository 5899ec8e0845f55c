#ifndef LIB_BASE_HANDLE_H
#define LIB_BASE_HANDLE_H
/* 64-bit handles (shard 8 bits, slot 24, generation 32) for what outlives the call stack. 0 is
 * never valid. A table belongs to one shard; handles are plain numbers and travel anywhere. */
#include "lib/base/base.h"

typedef uint64_t handle;
struct handle_table;

struct handle_table *handle_table_new(unsigned shard);
void handle_table_free(struct handle_table **pt);
handle handle_new(struct handle_table *t, void *obj);
void *handle_get(const struct handle_table *t,
                 handle h); /* NULL after free, or when it is another shard's */
void handle_free(struct handle_table *t, handle h); /* unknown handle: no effect */
static inline unsigned handle_shard(handle h)
{
    return (unsigned)(h >> 56);
}
#endif
