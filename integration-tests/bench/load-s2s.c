/* s2s: N local clients, each with a partner f@ in a foreign domain of its own. Flow 2k goes from
 * client k to its partner (out), flow 2k + 1 comes from it (in). One message each opens all
 * streams; then each flow keeps its window, or, with --rate, messages of all flows fall due by a
 * schedule and latency counts from when each was due. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-client.h"
#include "integration-tests/bench/load-flow.h"
#include "integration-tests/bench/load-foreign.h"
#include "integration-tests/bench/load-meter.h"
#include "integration-tests/bench/load-scenario.h"
#include "integration-tests/bench/load-schedule.h"

enum { HEAD_MAX = LOAD_JID_MAX + LOAD_DOMAIN_MAX + 64, OUT = 0, IN = 1 };

struct head {
    char text[HEAD_MAX];
    size_t len;
};

struct s2s {
    struct load_loop loop;
    struct load_login login;
    struct load_flows flows;
    struct load_foreign foreign;
    unsigned n;
    struct load_client *clients;
    struct load_flow *flow; /* 2n */
    struct head *head;      /* 2n */
    bool is_going, is_measuring;
    struct load_schedule schedule; /* with --rate */
    struct load_window window;
    struct load_hist latency, lag;
    uint64_t measured[2];
};

static void send_at(struct s2s *s, unsigned i, uint64_t time_ns)
{
    struct load_client *c = &s->clients[i / 2];
    struct load_conn *conn = i % 2 == OUT ? &c->conn : &s->foreign.out[i / 2].conn;
    struct load_span head = {s->head[i].text, s->head[i].len};
    load_flow_send(&s->flows, &s->flow[i], conn, head, time_ns);
    if (i % 2 == OUT)
        load_client_sent(c);
    else
        load_peer_sent(&s->foreign.out[i / 2]);
}

static void send_next(struct s2s *s, unsigned i)
{
    send_at(s, i, s->loop.now_ns);
}

static void add_latency(struct s2s *s, const struct load_mark *m)
{
    uint64_t now = load_now_ns(), age = load_body_age(m, now);
    if (s->schedule.gap_ns > 0 && load_is_in(&s->window, now - age))
        load_hist_add(&s->latency, age);
}

static void take(struct s2s *s, unsigned i, const struct load_item *item)
{
    struct load_mark m;
    if (!load_flow_take(&s->flows, &s->flow[i], item, "body", &m))
        return;
    add_latency(s, &m);
    if (s->is_measuring)
        s->measured[i % 2]++;
    if (s->is_going)
        send_next(s, i);
}

static void client_stanza(struct load_client *c, const struct load_item *item)
{
    struct s2s *s = c->scenario;
    if (load_span_is(item->name, "message"))
        take(s, 2 * (unsigned)(c - s->clients) + IN, item);
}

static void foreign_message(void *scenario, unsigned domain, const struct load_item *item)
{
    take(scenario, 2 * domain + OUT, item);
}

static const struct load_client_events events = {.stanza = client_stanza};

static bool is_active(const struct s2s *s, unsigned i)
{
    return s->loop.opts->peers.direction & (i % 2 == OUT ? LOAD_OUT : LOAD_IN);
}

static void send_all(struct s2s *s)
{
    for (unsigned i = 0; i < 2 * s->n; i++)
        if (is_active(s, i))
            send_next(s, i);
}

static void make_heads(struct s2s *s)
{
    for (unsigned i = 0; i < 2 * s->n; i++) {
        const char *name = s->foreign.name[i / 2];
        struct head *h = &s->head[i];
        int n = i % 2 == OUT
                    ? snprintf(h->text, HEAD_MAX, "<message type='chat' to='f@%s' id='", name)
                    : snprintf(h->text, HEAD_MAX, "<message type='chat' from='f@%s' to='%s' id='",
                               name, s->clients[i / 2].jid);
        h->len = (size_t)n;
    }
}

static bool set_up(struct s2s *s)
{
    load_clients_login(&s->loop, s->clients, s->n);
    if (!s->loop.is_over && s->loop.opts->peers.direction & LOAD_IN)
        load_foreign_open(&s->foreign);
    if (s->loop.is_over)
        return false;
    make_heads(s);
    load_moved(&s->loop);
    send_all(s);
    load_flows_wait(&s->flows);
    return !s->loop.is_over && s->flows.received == s->flows.sent;
}

/* Any flow of the directions asked for. */
static unsigned draw_flow(struct s2s *s)
{
    enum load_direction d = s->loop.opts->peers.direction;
    unsigned i = (unsigned)(load_schedule_draw(&s->schedule) % (2 * s->n));
    return d == LOAD_BOTH ? i : i / 2 * 2 + (d == LOAD_IN ? IN : OUT);
}

static void send_due(struct s2s *s)
{
    struct load_schedule *due = &s->schedule;
    while (due->due_ns <= (double)s->loop.now_ns && due->due_ns < (double)s->window.until_ns) {
        uint64_t at = (uint64_t)due->due_ns;
        send_at(s, draw_flow(s), at);
        if (load_is_in(&s->window, at))
            load_hist_add(&s->lag, load_now_ns() - at);
        load_schedule_step(due);
    }
}

static void turn_until(struct s2s *s, uint64_t until_ns)
{
    while (!s->loop.is_over && load_now_ns() < until_ns) {
        load_turn(&s->loop, load_schedule_wake(&s->schedule, until_ns));
        if (s->schedule.gap_ns > 0) {
            if (s->flows.sent == s->flows.received)
                load_moved(&s->loop);
            send_due(s);
        }
    }
}

static void begin(struct s2s *s)
{
    const struct load_opts *o = s->loop.opts;
    if (o->rate > 0) {
        load_schedule_start(&s->schedule, o, 1, 0);
        return;
    }
    s->is_going = true;
    for (unsigned w = 0; w < o->window; w++)
        send_all(s);
}

static void measure(struct s2s *s, struct load_meter *m)
{
    const struct load_opts *o = s->loop.opts;
    s->window.from_ns = load_now_ns() + (uint64_t)(o->warmup * 1e9);
    s->window.until_ns = s->window.from_ns + (uint64_t)(o->seconds * 1e9);
    begin(s);
    turn_until(s, s->window.from_ns);
    load_meter_start(m, &s->loop);
    s->is_measuring = true;
    turn_until(s, s->window.until_ns);
    s->is_measuring = s->is_going = false;
    load_meter_stop(m, &s->loop);
    load_flows_wait(&s->flows);
}

static void init(struct s2s *s, const struct load_opts *o)
{
    load_loop_init(&s->loop, o);
    load_flows_init(&s->flows, &s->loop);
    load_foreign_init(&s->foreign, &s->loop, foreign_message, s);
    s->n = o->peers.domains;
    s->login = (struct load_login){.events = &events, .has_presence = o->target.has_presence};
    s->clients = load_clients_new(&s->loop, &s->login, s->n, 0);
    s->flow = calloc(2 * s->n, sizeof *s->flow);
    s->head = calloc(2 * s->n, sizeof *s->head);
    if (!s->flow || !s->head)
        load_die("no memory for %u domains", s->n);
    for (unsigned i = 0; i < 2 * s->n; i++)
        s->flow[i] = (struct load_flow){.pair = i / 2, .direction = i % 2};
    for (unsigned i = 0; i < s->n; i++)
        s->clients[i].scenario = s;
}

static void fini(struct s2s *s)
{
    load_clients_logout(&s->loop, s->clients, s->n);
    load_foreign_fini(&s->foreign);
    load_text_fini(&s->flows.text);
    load_loop_fini(&s->loop);
    free(s->flow);
    free(s->head);
}

static void report(const struct s2s *s, const struct load_meter *m, struct load_report *r)
{
    double out = (double)s->measured[OUT], in = (double)s->measured[IN],
           wall = load_meter_seconds(m);
    load_report_whole(r, "stanzas", s->measured[OUT] + s->measured[IN]);
    load_meter_report(m, r, "stanza", out + in);
    load_report_whole(r, "stanzas_out", s->measured[OUT]);
    load_report_real(r, "rate_out", out / wall);
    load_report_whole(r, "stanzas_in", s->measured[IN]);
    load_report_real(r, "rate_in", in / wall);
    if (s->loop.opts->rate > 0) {
        load_report_whole(r, "latencies", s->latency.n);
        load_report_times(r, "", &s->latency);
        load_report_times(r, "send_lag_", &s->lag);
    }
}

void load_run_s2s(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    static const char *const directions[] = {"none", "in", "out", "both"};
    struct s2s *s = calloc(1, sizeof *s);
    struct load_meter m = {0};
    if (!s)
        load_die("no memory");
    init(s, o);
    if (set_up(s))
        measure(s, &m);
    load_report_text(r, "direction", directions[o->peers.direction]);
    load_report_whole(r, "peer_domains", s->n);
    load_report_whole(r, "window", o->window);
    report(s, &m, r);
    load_report_whole(r, "acknowledging", s->foreign.acknowledging);
    load_report_whole(r, "proved_by_certificate", s->foreign.proved_by_cert);
    load_report_whole(r, "proved_by_dialback", s->foreign.proved_by_dialback);
    load_report_whole(r, "missing", load_flows_missing(&s->flows));
    load_report_whole(r, "rss", load_proc_rss(o));
    fini(s);
    load_tally_merge(t, &s->loop.tally);
    free(s);
}
