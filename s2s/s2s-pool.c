/* DOC: (local, remote) -> outgoing stream. */
#include "s2s/s2s-int.h"

static struct str key_of(struct arena *a, struct str local, struct str remote)
{
    return arena_printf(a, STR_FMT " " STR_FMT, STR_ARG(local), STR_ARG(remote));
}

struct s2s_out *s2s_pool_get(const struct s2s *s, struct str local, struct str remote)
{
    struct arena *a = arena_new(0);
    struct s2s_out *o = hmap_get(&s->pool, key_of(a, local, remote));
    arena_free(&a);
    return o;
}

void s2s_pool_put(struct s2s *s, struct s2s_out *o)
{
    struct arena *a = arena_new(0);
    o->key = str_dup(key_of(a, str_of(o->local), str_of(o->remote)));
    arena_free(&a);
    must(!hmap_put(&s->pool, str_of(o->key), o));
}

void s2s_pool_del(struct s2s *s, struct s2s_out *o)
{
    (void)hmap_del(&s->pool, str_of(o->key));
    mem_free(o->key);
    o->key = NULL;
}

struct s2s_out *s2s_pool_any(const struct s2s *s, size_t *it)
{
    return hmap_next(&s->pool, it, NULL);
}
