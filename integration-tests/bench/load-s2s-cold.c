/* s2s-cold: one client sends one message to each of N domains the server has never spoken to: name
 * look-up, connect, TLS, proof, delivery. Run it once for each start of the server. */
#include <stdio.h>
#include <stdlib.h>

#include "integration-tests/bench/load-client.h"
#include "integration-tests/bench/load-flow.h"
#include "integration-tests/bench/load-foreign.h"
#include "integration-tests/bench/load-meter.h"
#include "integration-tests/bench/load-scenario.h"

struct cold {
    struct load_loop loop;
    struct load_login login;
    struct load_flows flows;
    struct load_foreign foreign;
    struct load_client *client;
    struct load_flow *flow; /* to domain i */
    struct load_hist latency;
};

static void foreign_message(void *scenario, unsigned domain, const struct load_item *item)
{
    struct cold *s = scenario;
    struct load_mark m;
    if (load_flow_take(&s->flows, &s->flow[domain], item, "body", &m))
        load_hist_add(&s->latency, load_body_age(&m, load_now_ns()));
}

/* Nothing is due to the client: a message is one that came back. */
static void client_stanza(struct load_client *c, const struct load_item *item)
{
    if (load_span_is(item->name, "message"))
        load_error(c->loop, "a message came back: %.*s",
                   (int)(item->all.len < 220 ? item->all.len : 220), item->all.p);
}

static const struct load_client_events events = {.stanza = client_stanza};

static void send_all(struct cold *s)
{
    char head[LOAD_DOMAIN_MAX + 64];
    for (unsigned i = 0; i < s->foreign.n; i++) {
        int n =
            snprintf(head, sizeof head, "<message type='chat' to='f@%s' id='", s->foreign.name[i]);
        load_flow_send(&s->flows, &s->flow[i], &s->client->conn,
                       (struct load_span){head, (size_t)n}, load_now_ns());
        load_client_sent(s->client);
    }
}

static void init(struct cold *s, const struct load_opts *o)
{
    load_loop_init(&s->loop, o);
    load_flows_init(&s->flows, &s->loop);
    load_foreign_init(&s->foreign, &s->loop, foreign_message, s);
    s->login = (struct load_login){.events = &events, .has_presence = o->target.has_presence};
    s->client = load_clients_new(&s->loop, &s->login, 1, 0);
    s->client->scenario = s;
    s->flow = calloc(s->foreign.n, sizeof *s->flow);
    if (!s->flow)
        load_die("no memory for %u domains", s->foreign.n);
    for (unsigned i = 0; i < s->foreign.n; i++)
        s->flow[i].pair = i;
}

static void fini(struct cold *s)
{
    load_clients_logout(&s->loop, s->client, 1);
    load_foreign_fini(&s->foreign);
    load_text_fini(&s->flows.text);
    load_loop_fini(&s->loop);
    free(s->flow);
}

void load_run_s2s_cold(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    struct cold *s = calloc(1, sizeof *s);
    struct load_meter m = {0};
    if (!s)
        load_die("no memory");
    init(s, o);
    if (load_clients_login(&s->loop, s->client, 1)) {
        load_settle(&s->loop);
        load_meter_start(&m, &s->loop);
        send_all(s);
        load_flows_wait(&s->flows);
        load_meter_stop(&m, &s->loop);
    }
    load_report_whole(r, "peer_domains", s->foreign.n);
    load_report_whole(r, "reached", s->flows.received);
    load_meter_report(&m, r, "domain", (double)s->flows.received);
    load_report_real(r, "cpu_us", load_meter_cpu_us(&m));
    load_report_times(r, "", &s->latency);
    load_report_whole(r, "acknowledging", s->foreign.acknowledging);
    load_report_whole(r, "proved_by_certificate", s->foreign.proved_by_cert);
    load_report_whole(r, "proved_by_dialback", s->foreign.proved_by_dialback);
    load_report_whole(r, "missing", load_flows_missing(&s->flows));
    load_report_whole(r, "rss", load_proc_rss(o));
    fini(s);
    load_tally_merge(t, &s->loop.tally);
    free(s);
}
