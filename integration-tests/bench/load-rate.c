/* rate: an open loop. Messages fall due by a schedule that knows nothing of the server, and are
 * sent then, whatever is still under way; latency counts from when a message was due, not from when
 * it was sent, so a server (or generator) that stalls pays for all that fell due meanwhile. */
#include <math.h>
#include <stdlib.h>

#include "integration-tests/bench/load-part.h"
#include "integration-tests/bench/load-scenario.h"

struct schedule {
    double due_ns, gap_ns;
    uint64_t seed;
};

static uint64_t draw(struct schedule *s)
{
    s->seed ^= s->seed << 13;
    s->seed ^= s->seed >> 7;
    s->seed ^= s->seed << 17;
    return s->seed;
}

static void step(struct schedule *s, enum load_schedule kind)
{
    double gap = s->gap_ns;
    if (kind == LOAD_EXPONENTIAL)
        gap *= -log(((double)(draw(s) >> 11) + 1) / 9007199254740993.0);
    s->due_ns += gap;
}

static bool is_in(const struct load_window *w, uint64_t ns)
{
    return ns >= w->from_ns && ns < w->until_ns;
}

static void arrived(struct load_part *p, unsigned i, const struct load_mark *m)
{
    uint64_t now = load_now_ns(), age = load_body_age(m, now);
    (void)i;
    if (is_in(&p->window, now - age))
        load_hist_add(&p->latency, age);
    if (is_in(&p->window, now))
        p->measured++;
}

static void send_due(struct load_part *p, struct schedule *s)
{
    const struct load_opts *o = p->loop.opts;
    while (s->due_ns <= (double)p->loop.now_ns && s->due_ns < (double)p->window.until_ns) {
        uint64_t due = (uint64_t)s->due_ns;
        load_part_send(p, (unsigned)(draw(s) % (2 * p->pairs)), due);
        if (is_in(&p->window, due))
            load_hist_add(&p->lag, load_now_ns() - due);
        step(s, o->schedule);
    }
}

static void work(struct load_part *p)
{
    struct load_loop *l = &p->loop;
    const struct load_opts *o = l->opts;
    struct schedule s = {.due_ns = (double)load_now_ns(),
                         .gap_ns = 1e9 * o->threads / o->rate,
                         .seed = 88172645463325252u + p->index};
    p->arrived = arrived;
    step(&s, o->schedule);
    while (!l->is_over && load_now_ns() < p->window.until_ns) {
        uint64_t due = (uint64_t)s.due_ns;
        load_turn(l, due < p->window.until_ns ? due : p->window.until_ns);
        if (p->flows.sent == p->flows.received)
            load_moved(l);
        send_due(p, &s);
    }
}

void load_run_rate(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    struct load_part *sum = calloc(1, sizeof *sum);
    if (!sum)
        load_die("no memory");
    load_report_real(r, "asked_rate", o->rate);
    load_report_text(r, "schedule", o->schedule == LOAD_EVEN ? "even" : "exponential");
    load_parts_run(o, work, sum, r, t);
    load_report_whole(r, "latencies", sum->latency.n);
    load_report_times(r, "", &sum->latency);
    load_report_times(r, "send_lag_", &sum->lag);
    free(sum);
}
