#ifndef LIB_LOOP_SHARD_INT_H
#define LIB_LOOP_SHARD_INT_H
#include "lib/loop/shard.h"
struct shards {
    unsigned count;
    struct loop *loops[SHARDS_MAX];
};
#endif
