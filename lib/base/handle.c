/* DOC: Handle table: an array of slots, each with the generation of its present or next tenant;
 * free slots form a list. A slot whose generation would wrap is retired, so a stale handle can
 * never name a new object. */
#include "lib/base/handle.h"

#include "lib/base/vec.h"

enum { SLOT_BITS = 24, SHARD_MAX = 255 };
#define SLOT_MAX ((1u << SLOT_BITS) - 1)
#define NO_SLOT UINT32_MAX

struct slot {
    void *obj; /* NULL = free */
    uint32_t generation, next_free;
};

struct handle_table {
    unsigned shard;
    uint32_t first_free;
    VEC(struct slot) slots;
};

struct handle_table *handle_table_new(unsigned shard)
{
    must(shard <= SHARD_MAX);
    struct handle_table *t = mem_alloc(sizeof *t);
    t->shard = shard;
    t->first_free = NO_SLOT;
    return t;
}

void handle_table_free(struct handle_table **pt)
{
    if (*pt) {
        vec_fini(&(*pt)->slots);
        mem_free(*pt);
    }
    *pt = NULL;
}

static handle encode(const struct handle_table *t, uint32_t slot)
{
    return (uint64_t)t->shard << 56 | (uint64_t)slot << 32 | t->slots.p[slot].generation;
}

static struct slot *decode(const struct handle_table *t, handle h)
{
    size_t at = (h >> 32) & SLOT_MAX;
    if (handle_shard(h) != t->shard || at >= t->slots.n)
        return NULL;
    struct slot *s = &t->slots.p[at];
    return s->obj && s->generation == (uint32_t)h ? s : NULL;
}

handle handle_new(struct handle_table *t, void *obj)
{
    must(obj);
    if (t->first_free == NO_SLOT) {
        must(t->slots.n <= SLOT_MAX);
        vec_push(&t->slots, ((struct slot){NULL, 1, NO_SLOT}));
        t->first_free = (uint32_t)t->slots.n - 1;
    }
    uint32_t at = t->first_free;
    t->first_free = t->slots.p[at].next_free;
    t->slots.p[at].obj = obj;
    return encode(t, at);
}

void *handle_get(const struct handle_table *t, handle h)
{
    struct slot *s = decode(t, h);
    return s ? s->obj : NULL;
}

void handle_free(struct handle_table *t, handle h)
{
    struct slot *s = decode(t, h);
    if (!s)
        return;
    s->obj = NULL;
    if (++s->generation == 0)
        return;
    s->next_free = t->first_free;
    t->first_free = (uint32_t)(s - t->slots.p);
}
