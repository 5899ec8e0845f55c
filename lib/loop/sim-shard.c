/* Shards in the simulator: their loops belong to it, so there is nothing to run. */
#include "lib/loop/shard-int.h"

void shards_run(struct shards *s UNUSED)
{
    panic_at(__FILE__, __LINE__, "shards_run under simulation: use sim_run");
}
