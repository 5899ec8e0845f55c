/* presence: one user with a roster of N contacts, all online. Contacts and subscriptions are made
 * first, as clients make them; what is there from an earlier run is kept. Then the user changes its
 * presence K times, --window changes under way, and each contact must get each one.
 * Source: RFC 6121 sections 2.1.6, 3.1, 4.4. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-client.h"
#include "integration-tests/bench/load-flow.h"
#include "integration-tests/bench/load-meter.h"
#include "integration-tests/bench/load-scenario.h"

enum { SUBSCRIBE_AT_ONCE = 32 };

/* The user is client 0, contact i is client i + 1. */
struct presence {
    struct load_loop loop;
    struct load_login login;
    struct load_flows flows;
    struct load_client *clients;
    struct load_flow *flow; /* of contact i */
    bool *is_both;          /* the user's roster says so about contact i */
    unsigned contacts, both;
    bool is_measuring;
    struct load_hist latency;
};

/* The contact a JID belongs to, or the number of contacts. */
static unsigned contact_of(const struct presence *s, struct load_span jid)
{
    const struct load_target *t = &s->loop.opts->target;
    size_t prefix = strlen(t->prefix);
    char digits[12] = "", name[LOAD_JID_MAX];
    if (jid.len <= prefix || memcmp(jid.p, t->prefix, prefix) != 0)
        return s->contacts;
    for (size_t i = prefix, n = 0; i < jid.len && jid.p[i] != '@' && n + 1 < sizeof digits; i++)
        digits[n++] = jid.p[i];
    unsigned long account = strtoul(digits, NULL, 10);
    int n = snprintf(name, sizeof name, "%s%lu@%s", t->prefix, account, t->domain);
    bool is_ours = jid.len >= (size_t)n && memcmp(jid.p, name, (size_t)n) == 0;
    return is_ours && account >= 1 && account <= s->contacts ? (unsigned)account - 1 : s->contacts;
}

static void roster(struct load_client *c, const struct load_item *item)
{
    struct presence *s = c->scenario;
    struct load_span rest = item->all, head, jid, sub;
    if (c != s->clients)
        return;
    while (load_xml_find(&rest, "item", &head)) {
        if (!load_xml_attr(head, "jid", &jid) || !load_xml_attr(head, "subscription", &sub))
            continue;
        unsigned i = contact_of(s, jid);
        if (i == s->contacts || !load_span_is(sub, "both") || s->is_both[i])
            continue;
        s->is_both[i] = true;
        s->both++;
    }
}

static void say_subscription(struct load_client *c, const char *type, unsigned account)
{
    const struct load_target *t = &c->loop->opts->target;
    load_conn_say(&c->conn, "<presence type='%s' to='%s%u@%s'/>", type, t->prefix, account,
                  t->domain);
    load_client_sent(c);
}

static void approve(struct load_client *c, struct load_span from)
{
    load_conn_say(&c->conn, "<presence type='subscribed' to='%.*s'/>", (int)from.len, from.p);
    load_client_sent(c);
}

static void stanza(struct load_client *c, const struct load_item *item)
{
    struct presence *s = c->scenario;
    struct load_span type, from;
    struct load_mark m;
    bool has_type = load_xml_attr(item->head, "type", &type);
    if (!load_span_is(item->name, "presence") || !load_xml_attr(item->head, "from", &from))
        return;
    if (has_type && load_span_is(type, "subscribe"))
        approve(c, from);
    if (s->is_measuring && c != s->clients && load_span_is(from, s->clients[0].jid) &&
        load_flow_take(&s->flows, &s->flow[c - s->clients - 1], item, "status", &m))
        load_hist_add(&s->latency, load_body_age(&m, load_now_ns()));
}

static const struct load_client_events events = {.stanza = stanza, .roster = roster};

/* Both sides ask, both approve; the user's roster tells when a pair is through. */
static bool subscribe_all(struct presence *s)
{
    load_moved(&s->loop);
    for (unsigned next = 0, asked = 0, had = s->both; s->both < s->contacts && !s->loop.is_over;) {
        for (; next < s->contacts && asked - (s->both - had) < SUBSCRIBE_AT_ONCE; next++) {
            if (s->is_both[next])
                continue;
            asked++;
            say_subscription(&s->clients[0], "subscribe", next + 1);
            say_subscription(&s->clients[next + 1], "subscribe", 0);
        }
        load_turn(&s->loop, UINT64_MAX);
    }
    return !s->loop.is_over;
}

static void change(struct presence *s)
{
    static const char open[] = "<presence><status>", close[] = "</status></presence>";
    struct load_conn *c = &s->clients[0].conn;
    struct load_mark m = {
        .pair = 0, .direction = 0, .seq = s->flow[0].sent, .time_ns = load_now_ns()};
    load_conn_put(c, open, sizeof open - 1);
    load_body_write(&s->flows.text, &m, load_conn_reserve(c, s->flows.text.size));
    load_conn_added(c, s->flows.text.size);
    load_conn_put(c, close, sizeof close - 1);
    load_client_sent(&s->clients[0]);
    for (unsigned i = 0; i < s->contacts; i++)
        s->flow[i].sent++;
    s->flows.sent += s->contacts;
}

static void change_all(struct presence *s)
{
    struct load_loop *l = &s->loop;
    uint64_t total = (uint64_t)l->opts->count * s->contacts,
             window = (uint64_t)l->opts->window * s->contacts;
    load_moved(l);
    while (!l->is_over && s->flows.sent < total) {
        while (s->flows.sent < total && s->flows.sent - s->flows.received < window)
            change(s);
        load_turn(l, UINT64_MAX);
    }
    load_flows_wait(&s->flows);
    load_flows_missing(&s->flows);
}

static void init(struct presence *s, const struct load_opts *o)
{
    load_loop_init(&s->loop, o);
    load_flows_init(&s->flows, &s->loop);
    s->login = (struct load_login){
        .events = &events, .has_roster = true, .has_presence = true, .awaits_presence = true};
    s->contacts = o->roster;
    s->clients = load_clients_new(&s->loop, &s->login, s->contacts + 1, 0);
    s->flow = calloc(s->contacts, sizeof *s->flow);
    s->is_both = calloc(s->contacts, sizeof *s->is_both);
    if (!s->flow || !s->is_both)
        load_die("no memory for %u contacts", s->contacts);
    for (unsigned i = 0; i <= s->contacts; i++)
        s->clients[i].scenario = s;
}

static void fini(struct presence *s)
{
    load_clients_logout(&s->loop, s->clients, s->contacts + 1);
    load_text_fini(&s->flows.text);
    load_loop_fini(&s->loop);
    free(s->flow);
    free(s->is_both);
}

static void measure(struct presence *s, struct load_report *r)
{
    struct load_meter m;
    if (!load_clients_login(&s->loop, s->clients, s->contacts + 1) || !subscribe_all(s))
        return;
    load_settle(&s->loop);
    s->is_measuring = true;
    load_meter_start(&m, &s->loop);
    change_all(s);
    load_meter_stop(&m, &s->loop);
    load_report_whole(r, "deliveries", s->flows.received);
    load_meter_report(&m, r, "delivery", (double)s->flows.received);
    load_report_times(r, "", &s->latency);
    load_report_whole(r, "rss", load_proc_rss(s->loop.opts));
}

void load_run_presence(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    struct presence *s = calloc(1, sizeof *s);
    if (!s)
        load_die("no memory");
    init(s, o);
    load_report_whole(r, "roster", o->roster);
    load_report_whole(r, "changes", o->count);
    measure(s, r);
    fini(s);
    load_tally_merge(t, &s->loop.tally);
    free(s);
}
