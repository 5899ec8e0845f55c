/* store-thread, simulated platform: the simulator runs the worker's loop; work takes 0..3 ms of
 * virtual time. */
#include "lib/base/rand.h"
#include "lib/store/store-int.h"

struct store_thread *store_thread_start(struct loop *l)
{
    (void)l;
    return NULL;
}

void store_thread_join(struct store_thread **pt)
{
    *pt = NULL;
}

bool store_thread_is_inline(void)
{
    return true;
}

uint64_t store_thread_delay_ms(void)
{
    return rand_below(4);
}
