/* Shards on threads: shard 0 in the calling thread, one thread for each other. */
#include "lib/loop/shard-int.h"
#include "lib/loop/thread-int.h"

static void *run_shard(void *arg)
{
    loop_run(arg);
    return NULL;
}

void shards_run(struct shards *s)
{
    pthread_t threads[SHARDS_MAX];
    for (unsigned i = 1; i < s->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "shard-%u", i);
        thread_start(&threads[i], name, run_shard, s->loops[i]);
    }
    loop_run(s->loops[0]);
    for (unsigned i = 1; i < s->count; i++)
        must(pthread_join(threads[i], NULL) == 0);
}
