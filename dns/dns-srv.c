/* dns-srv: RFC 2782, "Usage rules". Within one priority: those of weight 0 first, then a number
 * between 0 and the sum of weights is drawn and the first record whose running sum reaches it is
 * taken, until none is left. */
#include "dns/dns-srv.h"
#include "lib/base/rand.h"

static int by_priority_zero_first(const void *a, const void *b)
{
    const struct dns_record *x = &((const struct dns_srv *)a)->record,
                            *y = &((const struct dns_srv *)b)->record;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return (y->weight == 0) - (x->weight == 0);
}

static void move_to_front(struct dns_srv *targets, size_t at)
{
    struct dns_srv taken = targets[at];
    memmove(&targets[1], &targets[0], at * sizeof *targets);
    targets[0] = taken;
}

static void draw_order(struct dns_srv *targets, size_t n)
{
    for (; n > 1; targets++, n--) {
        uint64_t sum = 0, running = 0;
        size_t at = 0;
        for (size_t i = 0; i < n; i++)
            sum += targets[i].record.weight;
        uint64_t drawn = rand_below(sum + 1);
        while ((running += targets[at].record.weight) < drawn)
            at++;
        move_to_front(targets, at);
    }
}

/* Those of weight 0 are all first among their like: which of them is drawn first must not depend on
 * the server's order. */
static void shuffle(struct dns_srv *targets, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rand_below(i);
        struct dns_srv t = targets[i - 1];
        targets[i - 1] = targets[j];
        targets[j] = t;
    }
}

void dns_srv_order(struct dns_srv *targets, size_t n)
{
    if (n < 2)
        return;
    shuffle(targets, n);
    qsort(targets, n, sizeof *targets, by_priority_zero_first);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && targets[to].record.priority == targets[from].record.priority;)
            to++;
        draw_order(targets + from, to - from);
    }
}
