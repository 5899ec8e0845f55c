/* s2s-idle: how large the server is before, with N streams from foreign domains and with N to them,
 * when each has carried a message or more and is silent again. */
#include <stdio.h>
#include <stdlib.h>

#include "integration-tests/bench/load-client.h"
#include "integration-tests/bench/load-flow.h"
#include "integration-tests/bench/load-foreign.h"
#include "integration-tests/bench/load-scenario.h"

enum { OUT = 0, IN = 1, HEAD_MAX = LOAD_JID_MAX + LOAD_DOMAIN_MAX + 64, UNDER_WAY = 16 };

struct idle {
    struct load_loop loop;
    struct load_login login;
    struct load_flows flows;
    struct load_foreign foreign;
    struct load_client *client;
    struct load_flow *flow; /* flow 2i to domain i, 2i + 1 from it */
};

static void take(struct idle *s, unsigned i, const struct load_item *item)
{
    struct load_mark m;
    (void)load_flow_take(&s->flows, &s->flow[i], item, "body", &m);
}

static void foreign_message(void *scenario, unsigned domain, const struct load_item *item)
{
    take(scenario, 2 * domain + OUT, item);
}

/* The sender's domain says which flow it is. */
static void client_stanza(struct load_client *c, const struct load_item *item)
{
    struct idle *s = c->scenario;
    struct load_span from;
    if (!load_span_is(item->name, "message") || !load_xml_attr(item->head, "from", &from))
        return;
    struct load_span domain = from.len > 2 ? (struct load_span){from.p + 2, from.len - 2} : from;
    unsigned n = load_foreign_find(&s->foreign, domain);
    if (n == s->foreign.n)
        load_error(c->loop, "a message from %.*s", (int)(from.len < 200 ? from.len : 200), from.p);
    else
        take(s, 2 * n + IN, item);
}

static const struct load_client_events events = {.stanza = client_stanza};

static void send_out(struct idle *s, unsigned domain)
{
    char head[HEAD_MAX];
    int n =
        snprintf(head, sizeof head, "<message type='chat' to='f@%s' id='", s->foreign.name[domain]);
    load_flow_send(&s->flows, &s->flow[2 * domain + OUT], &s->client->conn,
                   (struct load_span){head, (size_t)n}, load_now_ns());
    load_client_sent(s->client);
}

static void send_in(struct idle *s, unsigned domain)
{
    char head[HEAD_MAX];
    int n = snprintf(head, sizeof head, "<message type='chat' from='f@%s' to='%s' id='",
                     s->foreign.name[domain], s->client->jid);
    load_flow_send(&s->flows, &s->flow[2 * domain + IN], &s->foreign.out[domain].conn,
                   (struct load_span){head, (size_t)n}, load_now_ns());
    load_peer_sent(&s->foreign.out[domain]);
}

/* --traffic messages over each stream, few at a time: queues are not what is asked for. Then the
 * memory, when it has been silent for --settle. */
static uint64_t pass_traffic(struct idle *s, void (*send)(struct idle *s, unsigned domain))
{
    uint64_t total = (uint64_t)s->foreign.n * s->loop.opts->traffic, sent = 0;
    while (!s->loop.is_over && sent < total) {
        while (sent < total && s->flows.sent - s->flows.received < UNDER_WAY)
            send(s, (unsigned)(sent++ % s->foreign.n));
        load_turn(&s->loop, UINT64_MAX);
    }
    load_flows_wait(&s->flows);
    load_pass(&s->loop, s->loop.opts->settle);
    return load_proc_rss(s->loop.opts);
}

static void init(struct idle *s, const struct load_opts *o)
{
    load_loop_init(&s->loop, o);
    load_flows_init(&s->flows, &s->loop);
    load_foreign_init(&s->foreign, &s->loop, foreign_message, s);
    s->login = (struct load_login){.events = &events, .has_presence = o->target.has_presence};
    s->client = load_clients_new(&s->loop, &s->login, 1, 0);
    s->client->scenario = s;
    s->flow = calloc(2 * (size_t)s->foreign.n, sizeof *s->flow);
    if (!s->flow)
        load_die("no memory for %u domains", s->foreign.n);
    for (unsigned i = 0; i < 2 * s->foreign.n; i++)
        s->flow[i] = (struct load_flow){.pair = i / 2, .direction = i % 2};
}

static void fini(struct idle *s)
{
    load_clients_logout(&s->loop, s->client, 1);
    load_foreign_fini(&s->foreign);
    load_text_fini(&s->flows.text);
    load_loop_fini(&s->loop);
    free(s->flow);
}

static void measure(struct idle *s, struct load_report *r)
{
    const struct load_opts *o = s->loop.opts;
    double n = s->foreign.n;
    if (!load_clients_login(&s->loop, s->client, 1))
        return;
    load_pass(&s->loop, o->settle);
    uint64_t before = load_proc_rss(o);
    if (!load_foreign_open(&s->foreign))
        return;
    uint64_t in = pass_traffic(s, send_in), both = pass_traffic(s, send_out);
    load_report_whole(r, "rss_before", before);
    load_report_whole(r, "rss_in", in);
    load_report_whole(r, "rss_both", both);
    load_report_real(r, "bytes_per_stream_in", ((double)in - (double)before) / n);
    load_report_real(r, "bytes_per_stream_out", ((double)both - (double)in) / n);
    load_report_real(r, "bytes_per_stream", ((double)both - (double)before) / (2 * n));
}

void load_run_s2s_idle(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    struct idle *s = calloc(1, sizeof *s);
    if (!s)
        load_die("no memory");
    init(s, o);
    load_report_whole(r, "peer_domains", s->foreign.n);
    load_report_whole(r, "traffic", o->traffic);
    measure(s, r);
    load_report_whole(r, "acknowledging", s->foreign.acknowledging);
    load_report_whole(r, "proved_by_certificate", s->foreign.proved_by_cert);
    load_report_whole(r, "proved_by_dialback", s->foreign.proved_by_dialback);
    load_report_whole(r, "missing", load_flows_missing(&s->flows));
    fini(s);
    load_tally_merge(t, &s->loop.tally);
    free(s);
}
