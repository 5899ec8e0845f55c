/* A stream the server under test opened: offers STARTTLS, then EXTERNAL and dialback, and accepts
 * whichever comes: who the server is, is not what is measured here. Questions about keys of our own
 * streams are answered truly. Source: RFC 6120 sections 4.3, 5, 6; XEP-0220 sections 2.2 to 2.4. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-foreign.h"

/* What is offered: nothing more, TLS, or a proof. */
static const char *features_of(const struct load_peer *p)
{
    if (p->is_proved)
        return "";
    if (!p->is_tls)
        return "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
    if (p->foreign->loop->opts->peers.has_dialback)
        return "<dialback xmlns='urn:xmpp:features:dialback'/>";
    return "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>"
           "</mechanisms><dialback xmlns='urn:xmpp:features:dialback'/>";
}

/* With dialback there are no other features. */
static const char *acks_of(const struct load_peer *p)
{
    const struct load_peers *o = &p->foreign->loop->opts->peers;
    bool is_time = p->is_proved || (p->is_tls && o->has_dialback);
    return o->has_acks && is_time ? "<sm xmlns='urn:xmpp:sm:3'/>" : "";
}

static void on_header(struct load_peer *p, const struct load_item *item)
{
    struct load_foreign *f = p->foreign;
    struct load_span to, version;
    p->domain = load_xml_attr(item->head, "to", &to) ? load_foreign_find(f, to) : f->n;
    if (p->domain == f->n) {
        load_error(f->loop, "the server opened a stream to none of our domains: %.*s",
                   (int)(item->all.len < 200 ? item->all.len : 200), item->all.p);
        load_conn_close(&p->conn);
        return;
    }
    snprintf(p->id, sizeof p->id, "in%u-%d%d%d", p->domain, p->conn.source.fd, p->is_tls,
             p->is_proved);
    load_conn_say(&p->conn,
                  "<?xml version='1.0'?><stream:stream from='%s' to='%s' id='%s' version='1.0' "
                  "xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
                  "xmlns:db='jabber:server:dialback'>",
                  f->name[p->domain], f->loop->opts->target.domain, p->id);
    if (load_xml_attr(item->head, "version", &version))
        load_conn_say(&p->conn, "<stream:features>%s%s</stream:features>", features_of(p),
                      acks_of(p));
}

static void on_starttls(struct load_peer *p, const struct load_item *item)
{
    (void)item;
    load_conn_say(&p->conn, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    load_conn_tls(&p->conn, p->foreign->tls, NULL, NULL);
}

static void on_auth(struct load_peer *p, const struct load_item *item)
{
    (void)item;
    load_conn_say(&p->conn, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    load_conn_restart(&p->conn);
    p->is_proved = true;
    p->foreign->proved_by_cert++;
}

/* from and to of an element of dialback, the other way round. */
static void say_verdict(struct load_peer *p, const struct load_item *item, const char *name,
                        bool is_valid)
{
    struct load_span from = {"", 0}, to = {"", 0}, id;
    bool has_id = load_xml_attr(item->head, "id", &id);
    load_xml_attr(item->head, "from", &from);
    load_xml_attr(item->head, "to", &to);
    load_conn_say(&p->conn, "<%s from='%.*s' to='%.*s' type='%s'%s%.*s%s/>", name, (int)to.len,
                  to.p, (int)from.len, from.p, is_valid ? "valid" : "invalid",
                  has_id ? " id='" : "", has_id ? (int)id.len : 0, has_id ? id.p : "",
                  has_id ? "'" : "");
}

static void on_result(struct load_peer *p, const struct load_item *item)
{
    say_verdict(p, item, "db:result", true);
    p->foreign->proved_by_dialback++;
}

static void on_verify(struct load_peer *p, const struct load_item *item)
{
    struct load_span id, to, text = load_xml_text(item->all);
    char key[LOAD_KEY_MAX];
    unsigned domain =
        load_xml_attr(item->head, "to", &to) ? load_foreign_find(p->foreign, to) : p->foreign->n;
    bool is_valid = false;
    if (domain < p->foreign->n && load_xml_attr(item->head, "id", &id)) {
        load_foreign_key(p->foreign, domain, id, key);
        is_valid = load_span_is(text, key);
    }
    say_verdict(p, item, "db:verify", is_valid);
}

static void on_enable(struct load_peer *p, const struct load_item *item)
{
    (void)item;
    p->handled = 0;
    p->foreign->acknowledging++;
    load_conn_say(&p->conn, "<enabled xmlns='urn:xmpp:sm:3'/>");
}

static void on_request(struct load_peer *p, const struct load_item *item)
{
    (void)item;
    load_conn_say(&p->conn, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", p->handled);
}

static void on_message(struct load_peer *p, const struct load_item *item)
{
    p->foreign->message(p->foreign->scenario, p->domain, item);
}

/* Answers go over the stream we opened, if there is one: servers ask for disco or pings. */
static void on_iq(struct load_peer *p, const struct load_item *item)
{
    struct load_peer *out = &p->foreign->out[p->domain];
    struct load_span from, to, id, type;
    if (out->state != LOAD_PEER_READY || !load_xml_attr(item->head, "type", &type) ||
        load_span_is(type, "result") || load_span_is(type, "error") ||
        !load_xml_attr(item->head, "from", &from) || !load_xml_attr(item->head, "to", &to) ||
        !load_xml_attr(item->head, "id", &id))
        return;
    load_conn_say(&out->conn,
                  "<iq type='error' from='%.*s' to='%.*s' id='%.*s'><error type='cancel'>"
                  "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
                  (int)to.len, to.p, (int)from.len, from.p, (int)id.len, id.p);
}

static void on_error(struct load_peer *p, const struct load_item *item)
{
    load_error(p->foreign->loop, "the server's stream to %s: %.*s", p->foreign->name[p->domain],
               (int)(item->all.len < 180 ? item->all.len : 180), item->all.p);
    load_conn_close(&p->conn);
}

static const struct {
    const char *name;
    void (*take)(struct load_peer *p, const struct load_item *item);
} takers[] = {{"message", on_message},   {"iq", on_iq},
              {"starttls", on_starttls}, {"auth", on_auth},
              {"enable", on_enable},     {"r", on_request},
              {"db:result", on_result},  {"db:verify", on_verify},
              {"stream:error", on_error}};

static bool is_stanza(const struct load_item *i)
{
    return load_span_is(i->name, "message") || load_span_is(i->name, "iq") ||
           load_span_is(i->name, "presence");
}

static void item(void *owner, enum load_xml_kind kind, const struct load_item *i)
{
    struct load_peer *p = owner;
    if (kind == LOAD_XML_HEADER) {
        on_header(p, i);
        return;
    }
    if (kind == LOAD_XML_CLOSE) {
        load_conn_close(&p->conn);
        return;
    }
    p->handled += is_stanza(i);
    for (unsigned t = 0; t < sizeof takers / sizeof takers[0]; t++) {
        if (load_span_is(i->name, takers[t].name)) {
            takers[t].take(p, i);
            return;
        }
    }
}

static void opened(void *owner, bool is_tls)
{
    struct load_peer *p = owner;
    p->is_tls = is_tls;
}

/* A server may close streams that nobody needs; what that loses is missed by the account. */
static void ended(void *owner, const char *why)
{
    (void)owner;
    (void)why;
}

static const struct load_conn_events events = {opened, item, ended};

struct load_peer *load_peer_in_new(struct load_foreign *f, int fd)
{
    struct load_peer *p = calloc(1, sizeof *p);
    if (!p)
        load_die("no memory for a stream");
    load_conn_init(&p->conn, f->loop, &events, p);
    p->foreign = f;
    p->domain = f->n;
    p->state = LOAD_PEER_READY;
    load_conn_accept(&p->conn, fd);
    return p;
}
