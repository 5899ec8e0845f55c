/* offline: messages to users who are not there, then their logins. Three rounds of logins: before
 * anything is stored (what was left by others is passed over), after, when all must come in order,
 * and once more, when nothing may come again. The last is what a login costs: the first wakes up
 * more in a server that has just started. */
#include <stdio.h>
#include <stdlib.h>

#include "integration-tests/bench/load-client.h"
#include "integration-tests/bench/load-flow.h"
#include "integration-tests/bench/load-meter.h"
#include "integration-tests/bench/load-scenario.h"

enum { PING_EVERY = 64 };
enum round { ROUND_BEFORE, ROUND_FLUSH, ROUND_AGAIN };

struct offline {
    struct load_loop loop;
    struct load_login login, sender_login;
    struct load_flows flows;
    unsigned users;
    struct load_client *clients; /* the users */
    struct load_client *sender;
    struct load_flow *flow; /* to user i */
    enum round round;
    unsigned pings, pongs;
};

static void user_stanza(struct load_client *c, const struct load_item *item)
{
    struct offline *s = c->scenario;
    unsigned i = (unsigned)(c - s->clients);
    struct load_mark m;
    if (!load_span_is(item->name, "message") || s->round == ROUND_BEFORE)
        return;
    (void)load_flow_take(&s->flows, &s->flow[i], item, "body", &m);
}

static void sender_stanza(struct load_client *c, const struct load_item *item)
{
    struct offline *s = c->scenario;
    struct load_span type;
    if (!load_xml_attr(item->head, "type", &type))
        return;
    if (load_span_is(item->name, "iq"))
        s->pongs++;
    else if (load_span_is(item->name, "message") && load_span_is(type, "error"))
        load_error(&s->loop, "a message was not stored: %.*s",
                   (int)(item->all.len < 200 ? item->all.len : 200), item->all.p);
}

static const struct load_client_events user_events = {.stanza = user_stanza},
                                       sender_events = {.stanza = sender_stanza};

/* All users in, until each has what it is due; all out. */
static void log_in_all(struct offline *s)
{
    struct load_loop *l = &s->loop;
    s->clients = load_clients_new(l, &s->login, s->users, 0);
    for (unsigned i = 0; i < s->users; i++)
        s->clients[i].scenario = s;
    load_clients_login(l, s->clients, s->users);
    if (s->round == ROUND_FLUSH)
        load_flows_wait(&s->flows);
    else
        load_settle(l);
    load_clients_logout(l, s->clients, s->users);
}

static void ping(struct offline *s)
{
    s->pings++;
    load_conn_say(&s->sender->conn,
                  "<iq type='get' id='ping%u' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", s->pings,
                  s->loop.opts->target.domain);
    load_client_sent(s->sender);
}

static void send_one(struct offline *s, unsigned user)
{
    const struct load_target *t = &s->loop.opts->target;
    char head[LOAD_JID_MAX + 64];
    int n = snprintf(head, sizeof head, "<message type='chat' to='%.64s%u@%.300s' id='", t->prefix,
                     user, t->domain);
    load_flow_send(&s->flows, &s->flow[user], &s->sender->conn, (struct load_span){head, (size_t)n},
                   s->loop.now_ns);
    load_client_sent(s->sender);
}

/* One message to each user in turn. The server's answers to pings hold the sender back. */
static void send_all(struct offline *s)
{
    struct load_loop *l = &s->loop;
    uint64_t total = s->users * l->opts->messages;
    load_moved(l);
    while (!l->is_over && (s->flows.sent < total || s->pongs < s->pings)) {
        while (s->flows.sent < total && s->pings - s->pongs < 2) {
            send_one(s, (unsigned)(s->flows.sent % s->users));
            if (s->flows.sent % PING_EVERY == 0 || s->flows.sent == total)
                ping(s);
        }
        load_turn(l, UINT64_MAX);
    }
    load_settle(l);
}

static void init(struct offline *s, const struct load_opts *o)
{
    load_loop_init(&s->loop, o);
    load_flows_init(&s->flows, &s->loop);
    s->login = (struct load_login){.events = &user_events, .has_presence = true};
    s->sender_login = (struct load_login){.events = &sender_events, .has_presence = true};
    s->users = o->users;
    s->flow = calloc(s->users, sizeof *s->flow);
    if (!s->flow)
        load_die("no memory for %u users", s->users);
    for (unsigned i = 0; i < s->users; i++)
        s->flow[i].pair = i;
    s->sender = load_clients_new(&s->loop, &s->sender_login, 1, s->users);
    s->sender->scenario = s;
}

static void fini(struct offline *s)
{
    load_clients_logout(&s->loop, s->sender, 1);
    load_text_fini(&s->flows.text);
    load_loop_fini(&s->loop);
    free(s->flow);
}

static void run_rounds(struct offline *s, struct load_meter m[3])
{
    struct load_loop *l = &s->loop;
    log_in_all(s);
    if (l->is_over || !load_clients_login(l, s->sender, 1))
        return;
    load_settle(l);
    load_meter_start(&m[0], l);
    send_all(s);
    load_meter_stop(&m[0], l);
    s->round = ROUND_FLUSH;
    load_meter_start(&m[1], l);
    log_in_all(s);
    load_meter_stop(&m[1], l);
    load_flows_missing(&s->flows);
    s->round = ROUND_AGAIN;
    load_meter_start(&m[2], l);
    log_in_all(s);
    load_meter_stop(&m[2], l);
}

void load_run_offline(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    struct offline *s = calloc(1, sizeof *s);
    struct load_meter m[3] = {0};
    if (!s)
        load_die("no memory");
    init(s, o);
    run_rounds(s, m);
    double n = (double)s->flows.sent, flush = load_meter_cpu_us(&m[1]) - load_meter_cpu_us(&m[2]);
    load_report_whole(r, "users", o->users);
    load_report_whole(r, "messages", s->flows.sent);
    load_report_real(r, "store_seconds", load_meter_seconds(&m[0]));
    load_report_real(r, "cpu_us_per_stored", load_meter_cpu_us(&m[0]) / n);
    load_report_real(r, "flush_seconds", load_meter_seconds(&m[1]));
    load_report_real(r, "cpu_us_per_login", load_meter_cpu_us(&m[2]) / o->users);
    load_report_real(r, "cpu_us_per_flushed", flush / n);
    load_report_whole(r, "missing", s->flows.sent - s->flows.received);
    load_report_whole(r, "rss", load_proc_rss(o));
    fini(s);
    load_tally_merge(t, &s->loop.tally);
    free(s);
}
