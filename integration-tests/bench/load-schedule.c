/* Gaps between messages: even, or exponential, which is how messages of many people come. */
#include <math.h>

#include "integration-tests/bench/load-proc.h"
#include "integration-tests/bench/load-schedule.h"

uint64_t load_schedule_draw(struct load_schedule *s)
{
    s->seed ^= s->seed << 13;
    s->seed ^= s->seed >> 7;
    s->seed ^= s->seed << 17;
    return s->seed;
}

void load_schedule_step(struct load_schedule *s)
{
    double gap = s->gap_ns;
    if (s->kind == LOAD_EXPONENTIAL)
        gap *= -log(((double)(load_schedule_draw(s) >> 11) + 1) / 9007199254740993.0);
    s->due_ns += gap;
}

void load_schedule_start(struct load_schedule *s, const struct load_opts *o, double share,
                         unsigned number)
{
    *s = (struct load_schedule){.due_ns = (double)load_now_ns(),
                                .gap_ns = 1e9 / (o->rate * share),
                                .seed = 88172645463325252u + number,
                                .kind = o->schedule};
    load_schedule_step(s);
}

uint64_t load_schedule_wake(const struct load_schedule *s, uint64_t until_ns)
{
    uint64_t due = (uint64_t)s->due_ns;
    return s->gap_ns > 0 && due < until_ns ? due : until_ns;
}

bool load_is_in(const struct load_window *w, uint64_t ns)
{
    return ns >= w->from_ns && ns < w->until_ns;
}
