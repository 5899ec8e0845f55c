/* rate: an open loop. Messages fall due by a schedule that knows nothing of the server, and are
 * sent then, whatever is still under way; latency counts from when a message was due, not from when
 * it was sent, so a server (or generator) that stalls pays for all that fell due meanwhile. */
#include <stdlib.h>

#include "integration-tests/bench/load-part.h"
#include "integration-tests/bench/load-scenario.h"
#include "integration-tests/bench/load-schedule.h"

static void arrived(struct load_part *p, unsigned i, const struct load_mark *m)
{
    uint64_t now = load_now_ns(), age = load_body_age(m, now);
    (void)i;
    if (load_is_in(&p->window, now - age))
        load_hist_add(&p->latency, age);
    if (load_is_in(&p->window, now))
        p->measured++;
}

static void send_due(struct load_part *p, struct load_schedule *s)
{
    while (s->due_ns <= (double)p->loop.now_ns && s->due_ns < (double)p->window.until_ns) {
        uint64_t due = (uint64_t)s->due_ns;
        load_part_send(p, (unsigned)(load_schedule_draw(s) % (2 * p->pairs)), due);
        if (load_is_in(&p->window, due))
            load_hist_add(&p->lag, load_now_ns() - due);
        load_schedule_step(s);
    }
}

static void work(struct load_part *p)
{
    struct load_loop *l = &p->loop;
    struct load_schedule s;
    load_schedule_start(&s, l->opts, 1.0 / l->opts->threads, p->index);
    p->arrived = arrived;
    while (!l->is_over && load_now_ns() < p->window.until_ns) {
        load_turn(l, load_schedule_wake(&s, p->window.until_ns));
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
