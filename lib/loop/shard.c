/* The shards of a host: their loops and which of them owns a key. Running them is the platform's
 * (shard-uv.c). */
#include "lib/base/siphash.h"
#include "lib/loop/loop-int.h"
#include "lib/loop/shard-int.h"

struct shards *shards_new(const char *host, unsigned n)
{
    must(n >= 1 && n <= SHARDS_MAX);
    struct shards *s = mem_alloc(sizeof *s);
    s->count = n;
    for (unsigned i = 0; i < n; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%u", host, i);
        s->loops[i] = loop_new(name, i);
    }
    return s;
}

unsigned shards_count(const struct shards *s)
{
    return s->count;
}

struct loop *shards_loop(const struct shards *s, unsigned i)
{
    must(i < s->count);
    return s->loops[i];
}

void shards_stop(struct shards *s)
{
    for (unsigned i = 0; i < s->count; i++)
        loop_stop(s->loops[i]);
}

/* Dropping mail on one loop may post to another: empty all before the first is freed. */
static void drop_all_mail(struct shards *s)
{
    size_t dropped;
    do {
        dropped = 0;
        for (unsigned i = 0; i < s->count; i++)
            dropped += loop_drop_mail(s->loops[i]);
    } while (dropped > 0);
}

void shards_free(struct shards **ps)
{
    struct shards *s = *ps;
    *ps = NULL;
    if (!s)
        return;
    drop_all_mail(s);
    for (unsigned i = 0; i < s->count; i++)
        loop_free(&s->loops[i]);
    mem_free(s);
}

unsigned shard_of(struct str key, unsigned count)
{
    must(count > 0);
    return (unsigned)(hash_stable(key) % count);
}
