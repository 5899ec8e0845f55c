/* pairs: a closed loop. Each flow keeps --window messages under way; one that comes lets the next
 * one go. With --messages each flow sends its share, else all go on until the window is over. */
#include <stdlib.h>

#include "integration-tests/bench/load-part.h"
#include "integration-tests/bench/load-scenario.h"

/* How many messages flow i sends in all. */
static uint64_t share_of(const struct load_part *p, unsigned i)
{
    const struct load_opts *o = p->loop.opts;
    uint64_t flows = 2 * (uint64_t)o->pairs, at = 2 * (uint64_t)p->first_pair + i;
    return o->messages * (at + 1) / flows - o->messages * at / flows;
}

static bool has_more(const struct load_part *p, unsigned i)
{
    return p->loop.opts->messages ? p->flow[i].sent < share_of(p, i)
                                  : p->loop.now_ns < p->window.until_ns;
}

static void arrived(struct load_part *p, unsigned i, const struct load_mark *m)
{
    uint64_t now = p->loop.now_ns;
    (void)m;
    if (now >= p->window.from_ns && now < p->window.until_ns)
        p->measured++;
    if (has_more(p, i))
        load_part_send(p, i, now);
}

static uint64_t part_share(const struct load_part *p)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < 2 * p->pairs; i++)
        n += share_of(p, i);
    return n;
}

static void work(struct load_part *p)
{
    struct load_loop *l = &p->loop;
    uint64_t goal = l->opts->messages ? part_share(p) : UINT64_MAX;
    p->arrived = arrived;
    for (unsigned w = 0; w < l->opts->window; w++)
        for (unsigned i = 0; i < 2 * p->pairs; i++)
            if (has_more(p, i))
                load_part_send(p, i, l->now_ns);
    while (!l->is_over && p->flows.sent < goal && load_now_ns() < p->window.until_ns)
        load_turn(l, p->window.until_ns);
    if (l->opts->messages)
        load_flows_wait(&p->flows);
}

void load_run_pairs(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    struct load_part *sum = calloc(1, sizeof *sum);
    if (!sum)
        load_die("no memory");
    load_report_whole(r, "window", o->window);
    load_parts_run(o, work, sum, r, t);
    free(sum);
}
