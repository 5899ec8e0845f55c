#ifndef LIB_LOOP_SHARD_H
#define LIB_LOOP_SHARD_H
/* N loops on N threads. Shard 0 runs in the thread that calls shards_run; the others get a thread
 * each. Under simulation all loops belong to the simulator and shards_run is not called. */
#include "lib/loop/loop.h"

#define SHARDS_MAX 64
struct shards;
struct shards *shards_new(const char *host,
                          unsigned n); /* 1..SHARDS_MAX; loops exist, nothing runs */
unsigned shards_count(const struct shards *s);
struct loop *shards_loop(const struct shards *s, unsigned i);
void shards_run(struct shards *s);  /* until shards_stop; joins the threads */
void shards_stop(struct shards *s); /* thread-safe */
void shards_free(struct shards **ps);
/* The shard that owns a key (a bare JID, a remote domain). The same on every node with the same
 * count. */
unsigned shard_of(struct str key, unsigned count);
#endif
