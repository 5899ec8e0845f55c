/* idle: how large the server is before, with N sessions that do nothing, and after each of them has
 * sent and received some messages; then what holding them costs. */
#include <stdio.h>
#include <stdlib.h>

#include "integration-tests/bench/load-meter.h"
#include "integration-tests/bench/load-part.h"
#include "integration-tests/bench/load-scenario.h"

enum { UNDER_WAY = 64 };

/* --traffic messages of each session, few at a time: memory of idle sessions is asked for, not of
 * queues. */
static void pass_traffic(struct load_part *p)
{
    struct load_loop *l = &p->loop;
    uint64_t flows = 2 * (uint64_t)p->pairs, total = flows * l->opts->traffic;
    load_moved(l);
    while (!l->is_over && p->flows.sent < total) {
        while (p->flows.sent < total && p->flows.sent - p->flows.received < UNDER_WAY)
            load_part_send(p, (unsigned)(p->flows.sent % flows), l->now_ns);
        load_turn(l, UINT64_MAX);
    }
    load_part_drain(p);
}

/* White space (RFC 6120 section 4.6.1), spread evenly over --keepalive. */
static void hold(struct load_part *p, size_t n)
{
    struct load_loop *l = &p->loop;
    double every_ns = l->opts->keepalive * 1e9 / (double)n, next = (double)load_now_ns();
    uint64_t end = load_now_ns() + (uint64_t)(l->opts->hold * 1e9);
    for (size_t i = 0; !l->is_over && load_now_ns() < end;) {
        load_moved(l);
        load_turn(l, every_ns > 0 && next < (double)end ? (uint64_t)next : end);
        for (; every_ns > 0 && next <= (double)l->now_ns; next += every_ns, i++)
            load_conn_put(&p->clients[i % n].conn, " ", 1);
    }
}

static void add_memory(struct load_report *r, uint64_t before, uint64_t idle, uint64_t after,
                       double n)
{
    load_report_whole(r, "rss_before", before);
    load_report_whole(r, "rss_idle", idle);
    load_report_whole(r, "rss_after_traffic", after);
    load_report_real(r, "bytes_per_session", ((double)idle - (double)before) / n);
    load_report_real(r, "bytes_per_session_after_traffic", ((double)after - (double)before) / n);
}

static void measure(struct load_part *p, size_t n, struct load_report *r)
{
    const struct load_opts *o = p->loop.opts;
    struct load_meter m;
    uint64_t before = load_proc_rss(o);
    if (!load_part_login(p))
        return;
    fprintf(stderr, "loadgen: %zu sessions\n", n);
    load_pass(&p->loop, o->settle);
    uint64_t idle = load_proc_rss(o);
    pass_traffic(p);
    load_pass(&p->loop, o->settle);
    uint64_t after = load_proc_rss(o);
    load_meter_start(&m, &p->loop);
    hold(p, n);
    load_meter_stop(&m, &p->loop);
    add_memory(r, before, idle, after, (double)n);
    load_report_real(r, "hold_seconds", load_meter_seconds(&m));
    load_report_real(r, "hold_cpu_percent", load_meter_cpu_us(&m) / load_meter_seconds(&m) / 1e4);
}

void load_run_idle(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    struct load_part *p = calloc(1, sizeof *p);
    unsigned pairs = (o->sessions + 1) / 2;
    if (!p)
        load_die("no memory");
    load_loop_init(&p->loop, o);
    load_part_init(p, pairs, 0);
    load_report_whole(r, "sessions", 2 * (uint64_t)pairs);
    load_report_whole(r, "traffic", o->traffic);
    measure(p, 2 * (size_t)pairs, r);
    load_part_fini(p);
    load_loop_fini(&p->loop);
    load_tally_merge(t, &p->loop.tally);
    free(p);
}
