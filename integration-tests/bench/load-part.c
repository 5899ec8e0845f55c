/* Pairs of clients on one thread: they log in, send, account for what comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-part.h"

static void stanza(struct load_client *c, const struct load_item *item)
{
    struct load_part *p = c->scenario;
    unsigned sender = (unsigned)(c - p->clients) ^ 1;
    struct load_mark m;
    if (load_span_is(item->name, "message") &&
        load_flow_take(&p->flows, &p->flow[sender], item, "body", &m) && p->arrived)
        p->arrived(p, sender, &m);
}

static const struct load_client_events events = {.stanza = stanza};

void load_part_init(struct load_part *p, unsigned n, unsigned first)
{
    const struct load_opts *o = p->loop.opts;
    p->pairs = n;
    p->first_pair = first;
    p->login = (struct load_login){.events = &events, .has_presence = o->target.has_presence};
    load_flows_init(&p->flows, &p->loop);
    p->clients = load_clients_new(&p->loop, &p->login, 2 * n, 2 * first);
    p->flow = calloc(2 * n, sizeof *p->flow);
    p->head = calloc(2 * n, sizeof *p->head);
    if (!p->flow || !p->head)
        load_die("no memory for %u pairs", n);
    for (unsigned i = 0; i < 2 * n; i++) {
        p->flow[i] = (struct load_flow){.pair = first + i / 2, .direction = i % 2};
        p->clients[i].scenario = p;
        p->clients[i].uses_b = o->target.has_b && i % 2;
    }
}

void load_part_fini(struct load_part *p)
{
    load_clients_logout(&p->loop, p->clients, 2 * p->pairs);
    load_text_fini(&p->flows.text);
    free(p->flow);
    free(p->head);
}

bool load_part_login(struct load_part *p)
{
    if (!load_clients_login(&p->loop, p->clients, 2 * p->pairs))
        return false;
    for (unsigned i = 0; i < 2 * p->pairs; i++) {
        int n = snprintf(p->head[i].text, LOAD_HEAD_MAX, "<message type='chat' to='%s' id='",
                         p->clients[i ^ 1].jid);
        p->head[i].len = (size_t)n;
    }
    return true;
}

void load_part_send(struct load_part *p, unsigned i, uint64_t time_ns)
{
    struct load_span head = {p->head[i].text, p->head[i].len};
    load_flow_send(&p->flows, &p->flow[i], &p->clients[i].conn, head, time_ns);
    load_client_sent(&p->clients[i]);
}

void load_part_drain(struct load_part *p)
{
    load_flows_wait(&p->flows);
    p->missing = load_flows_missing(&p->flows);
}
