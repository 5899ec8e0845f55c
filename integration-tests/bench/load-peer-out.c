/* A stream to the server under test: STARTTLS with our certificate, SASL EXTERNAL; if that is not
 * offered or fails, dialback. Source: RFC 6120 sections 5, 6, 9.2; XEP-0178 section 3; XEP-0220
 * section 2.1.
 */
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-foreign.h"

enum { ASK_EVERY = 16 };

static void give_up(struct load_peer *p, const char *doing, struct load_span what)
{
    load_fatal(p->foreign->loop, "stream from %s: %s: %.*s", p->foreign->name[p->domain], doing,
               (int)(what.len < 180 ? what.len : 180), what.p);
    load_conn_close(&p->conn);
    p->state = LOAD_PEER_OFF;
}

static void say_header(struct load_peer *p)
{
    load_conn_say(&p->conn,
                  "<?xml version='1.0'?><stream:stream from='%s' to='%s' version='1.0' "
                  "xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
                  "xmlns:db='jabber:server:dialback'>",
                  p->foreign->name[p->domain], p->foreign->loop->opts->target.domain);
}

static void on_header(struct load_peer *p, const struct load_item *item)
{
    struct load_span id;
    p->id[0] = 0;
    if (load_xml_attr(item->head, "id", &id) && id.len < sizeof p->id) {
        memcpy(p->id, id.p, id.len);
        p->id[id.len] = 0;
    }
}

static void on_features(struct load_peer *p, const struct load_item *item)
{
    struct load_span s;
    if (!load_xml_child(item, "starttls", &s)) {
        give_up(p, "no STARTTLS in", item->all);
        return;
    }
    load_conn_say(&p->conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    p->state = LOAD_PEER_PROCEED;
}

static void on_proceed(struct load_peer *p, const struct load_item *item)
{
    if (load_span_is(item->name, "proceed"))
        load_conn_tls(&p->conn, p->foreign->tls, p->foreign->loop->opts->target.domain, NULL);
    else
        give_up(p, "no TLS", item->all);
}

static void say_key(struct load_peer *p)
{
    char key[LOAD_KEY_MAX];
    load_foreign_key(p->foreign, p->domain, (struct load_span){p->id, strlen(p->id)}, key);
    load_conn_say(&p->conn, "<db:result from='%s' to='%s'>%s</db:result>",
                  p->foreign->name[p->domain], p->foreign->loop->opts->target.domain, key);
    p->state = LOAD_PEER_RESULT;
}

static void on_mechanisms(struct load_peer *p, const struct load_item *item)
{
    struct load_span offer;
    p->is_sm_offered = load_xml_child(item, "sm", &offer);
    bool has_external =
        load_xml_child(item, "mechanisms", &offer) && load_span_has(offer, ">EXTERNAL<");
    if (!has_external || p->foreign->loop->opts->peers.has_dialback) {
        say_key(p);
        return;
    }
    load_conn_say(&p->conn,
                  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>");
    p->state = LOAD_PEER_SASL;
}

static void on_sasl(struct load_peer *p, const struct load_item *item)
{
    if (load_span_is(item->name, "failure")) {
        say_key(p);
        return;
    }
    if (!load_span_is(item->name, "success")) {
        give_up(p, "neither success nor failure", item->all);
        return;
    }
    load_conn_restart(&p->conn);
    say_header(p);
    p->state = LOAD_PEER_SUCCESS;
}

/* Proved; with acknowledgements, if both sides want them. */
static void proved(struct load_peer *p)
{
    p->state = LOAD_PEER_READY;
    if (!p->is_sm_offered || !p->foreign->loop->opts->peers.has_acks)
        return;
    load_conn_say(&p->conn, "<enable xmlns='urn:xmpp:sm:3'/>");
    p->state = LOAD_PEER_ENABLE;
}

static void on_enabled(struct load_peer *p, const struct load_item *item)
{
    if (!load_span_is(item->name, "enabled")) {
        give_up(p, "stream management refused", item->all);
        return;
    }
    p->has_acks = true;
    p->foreign->acknowledging++;
    p->state = LOAD_PEER_READY;
}

static void on_success(struct load_peer *p, const struct load_item *item)
{
    struct load_span offer;
    p->is_sm_offered = load_xml_child(item, "sm", &offer);
    if (load_span_is(item->name, "stream:features"))
        proved(p);
    else
        give_up(p, "no features", item->all);
}

static void on_result(struct load_peer *p, const struct load_item *item)
{
    struct load_span type;
    if (load_span_is(item->name, "db:result") && load_xml_attr(item->head, "type", &type) &&
        load_span_is(type, "valid"))
        proved(p);
    else
        give_up(p, "dialback refused", item->all);
}

void load_peer_sent(struct load_peer *p)
{
    if (p->has_acks && ++p->sent % ASK_EVERY == 0)
        load_conn_say(&p->conn, "<r xmlns='urn:xmpp:sm:3'/>");
}

/* True: it was one; h never goes back nor beyond what was sent. */
static bool takes_ack(struct load_peer *p, const struct load_item *item)
{
    struct load_span h;
    if (!p->has_acks || !load_span_is(item->name, "a") || !load_xml_attr(item->head, "h", &h))
        return false;
    uint64_t n = strtoull(h.p, NULL, 10);
    if (n < p->acked || n > p->sent)
        load_error(p->foreign->loop,
                   "stream from %s: %llu stanzas are acknowledged, %llu were sent",
                   p->foreign->name[p->domain], (unsigned long long)n, (unsigned long long)p->sent);
    p->acked = n;
    return true;
}

static void on_ready(struct load_peer *p, const struct load_item *item)
{
    if (takes_ack(p, item))
        return;
    load_error(p->foreign->loop, "stream from %s: a stanza came the wrong way: %.*s",
               p->foreign->name[p->domain], (int)(item->all.len < 150 ? item->all.len : 150),
               item->all.p);
}

static void (*const on_stanza[])(struct load_peer *p, const struct load_item *item) = {
    [LOAD_PEER_FEATURES] = on_features, [LOAD_PEER_PROCEED] = on_proceed,
    [LOAD_PEER_MECHS] = on_mechanisms,  [LOAD_PEER_SASL] = on_sasl,
    [LOAD_PEER_SUCCESS] = on_success,   [LOAD_PEER_RESULT] = on_result,
    [LOAD_PEER_ENABLE] = on_enabled,    [LOAD_PEER_READY] = on_ready,
};

static void item(void *owner, enum load_xml_kind kind, const struct load_item *i)
{
    struct load_peer *p = owner;
    if (kind == LOAD_XML_HEADER)
        on_header(p, i);
    else if (kind == LOAD_XML_CLOSE || load_span_is(i->name, "stream:error") ||
             !on_stanza[p->state])
        give_up(p, "the server ended the stream", i->all);
    else
        on_stanza[p->state](p, i);
}

static void opened(void *owner, bool is_tls)
{
    struct load_peer *p = owner;
    p->state = is_tls ? LOAD_PEER_MECHS : LOAD_PEER_FEATURES;
    say_header(p);
}

static void ended(void *owner, const char *why)
{
    give_up(owner, "connection ended", (struct load_span){why, strlen(why)});
}

static const struct load_conn_events events = {opened, item, ended};

void load_peer_out_init(struct load_peer *p, struct load_foreign *f, unsigned domain)
{
    load_conn_init(&p->conn, f->loop, &events, p);
    p->foreign = f;
    p->domain = domain;
}

void load_peer_out_start(struct load_peer *p)
{
    p->state = LOAD_PEER_CONNECT;
    load_conn_open(&p->conn, &p->foreign->loop->opts->peers.server);
}
