/* The client's states, each with what it does about the stanza it waits for. After the bind come
 * the stanzas any client must answer: pings, roster pushes, requests to acknowledge.
 * Source: RFC 6120 sections 5, 6, 7; RFC 6121 sections 2.1.6, 4.2; RFC 3921 section 3;
 * XEP-0198 sections 3, 4; XEP-0199 section 4. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-client.h"

enum { ASK_EVERY = 10 };

static void set_state(struct load_client *c, enum load_client_state s)
{
    c->state = s;
}

static void account_name(const struct load_client *c, char *out, size_t max)
{
    snprintf(out, max, "%s%u", c->loop->opts->target.prefix, c->account);
}

/* This client cannot go on; neither can the run. */
static void give_up(struct load_client *c, const char *doing, struct load_span what)
{
    load_fatal(c->loop, "client %u (%s%u): %s: %.*s", c->index, c->loop->opts->target.prefix,
               c->account, doing, (int)(what.len < 200 ? what.len : 200), what.p);
    load_conn_close(&c->conn);
    set_state(c, LOAD_CLIENT_OFF);
}

static struct load_span span(const char *text)
{
    return (struct load_span){text, strlen(text)};
}

static void say_header(struct load_client *c)
{
    load_conn_say(&c->conn,
                  "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
                  "xmlns:stream='http://etherx.jabber.org/streams'>",
                  c->loop->opts->target.domain);
}

static bool is_result(const struct load_item *item, const char *id)
{
    struct load_span s;
    return load_span_is(item->name, "iq") && load_xml_attr(item->head, "id", &s) &&
           load_span_is(s, id) && load_xml_attr(item->head, "type", &s) &&
           load_span_is(s, "result");
}

/* ---- what comes after the bind, in this order, each only if it is asked for */
static void now_ready(struct load_client *c)
{
    set_state(c, LOAD_CLIENT_READY);
    if (c->login->events->ready)
        c->login->events->ready(c);
}

static void say_presence(struct load_client *c)
{
    if (!c->login->has_presence) {
        now_ready(c);
        return;
    }
    load_conn_say(&c->conn, "<presence/>");
    load_client_sent(c);
    if (c->login->awaits_presence)
        set_state(c, LOAD_CLIENT_PRESENCE);
    else
        now_ready(c);
}

static void ask_roster(struct load_client *c)
{
    if (!c->login->has_roster) {
        say_presence(c);
        return;
    }
    load_conn_say(&c->conn, "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
    load_client_sent(c);
    set_state(c, LOAD_CLIENT_ROSTER);
}

static void ask_sm(struct load_client *c)
{
    if (!c->loop->opts->target.has_sm) {
        ask_roster(c);
        return;
    }
    load_conn_say(&c->conn, "<enable xmlns='urn:xmpp:sm:3'/>");
    set_state(c, LOAD_CLIENT_ENABLE);
}

/* ---- SASL */
static enum load_mech choose(enum load_mech wanted, struct load_span offer)
{
    static const struct {
        enum load_mech mech;
        const char *text;
    } best_first[] = {{LOAD_MECH_SHA256, ">SCRAM-SHA-256<"},
                      {LOAD_MECH_SHA1, ">SCRAM-SHA-1<"},
                      {LOAD_MECH_PLAIN, ">PLAIN<"}};
    for (unsigned i = 0; i < 3; i++)
        if ((wanted == LOAD_MECH_ANY || wanted == best_first[i].mech) &&
            load_span_has(offer, best_first[i].text))
            return best_first[i].mech;
    return LOAD_MECH_ANY;
}

static void say_plain(struct load_client *c, const char *user)
{
    char text[LOAD_SCRAM_TEXT], coded[2 * LOAD_SCRAM_TEXT];
    int n =
        snprintf(text, sizeof text, "%c%.200s%c%.200s", 0, user, 0, c->loop->opts->target.password);
    load_base64(text, (size_t)n, coded);
    load_conn_say(&c->conn,
                  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
                  coded);
}

static void say_scram(struct load_client *c, const char *user, bool is_256)
{
    char coded[2 * LOAD_SCRAM_TEXT];
    load_scram_first(&c->scram, is_256 ? EVP_sha256() : EVP_sha1(), user, coded);
    load_conn_say(&c->conn,
                  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-%s'>%s"
                  "</auth>",
                  is_256 ? "256" : "1", coded);
}

static void on_mechanisms(struct load_client *c, const struct load_item *item)
{
    struct load_span offer;
    char user[128];
    if (!load_xml_child(item, "mechanisms", &offer)) {
        give_up(c, "no mechanisms in", item->all);
        return;
    }
    account_name(c, user, sizeof user);
    enum load_mech mech = choose(c->loop->opts->target.mech, offer);
    c->scram.md = NULL;
    if (mech == LOAD_MECH_ANY) {
        give_up(c, "no mechanism we may use in", offer);
        return;
    }
    if (mech == LOAD_MECH_PLAIN)
        say_plain(c, user);
    else
        say_scram(c, user, mech == LOAD_MECH_SHA256);
    set_state(c, LOAD_CLIENT_SASL);
}

static void on_success(struct load_client *c, const struct load_item *item)
{
    struct load_span text = load_xml_text(item->all);
    if (c->scram.md && !load_scram_verify(&c->scram, text.p, text.len)) {
        give_up(c, "the server does not know our key", item->all);
        return;
    }
    load_conn_restart(&c->conn);
    say_header(c);
    set_state(c, LOAD_CLIENT_SUCCESS);
}

static void on_sasl(struct load_client *c, const struct load_item *item)
{
    struct load_span text = load_xml_text(item->all);
    char out[2 * LOAD_SCRAM_TEXT];
    if (load_span_is(item->name, "success")) {
        on_success(c, item);
        return;
    }
    if (!load_span_is(item->name, "challenge") || !c->scram.md ||
        !load_scram_final(&c->scram, &c->loop->keys->key[c->account],
                          c->loop->opts->target.password, text.p, text.len, out)) {
        give_up(c, "login refused", item->all);
        return;
    }
    load_conn_say(&c->conn, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>",
                  out);
}

/* ---- the other states */
static void on_features(struct load_client *c, const struct load_item *item)
{
    struct load_span s;
    bool has_tls = load_xml_child(item, "starttls", &s);
    if (c->loop->opts->target.mode == LOAD_PLAIN) {
        on_mechanisms(c, item);
    } else if (!has_tls) {
        give_up(c, "no STARTTLS in", item->all);
    } else {
        load_conn_say(&c->conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        set_state(c, LOAD_CLIENT_PROCEED);
    }
}

static void begin_tls(struct load_client *c)
{
    bool is_direct = c->loop->opts->target.mode == LOAD_DIRECT;
    load_conn_tls(&c->conn, c->loop->tls, c->loop->opts->target.domain,
                  is_direct ? "xmpp-client" : NULL);
}

static void on_proceed(struct load_client *c, const struct load_item *item)
{
    if (load_span_is(item->name, "proceed"))
        begin_tls(c);
    else
        give_up(c, "no TLS", item->all);
}

/* The old session is needed unless it is marked as optional, or not offered at all. */
static void on_bind_features(struct load_client *c, const struct load_item *item)
{
    struct load_span s;
    if (!load_xml_child(item, "bind", &s)) {
        give_up(c, "no bind in", item->all);
        return;
    }
    if (c->loop->opts->target.has_sm && !load_xml_child(item, "sm", &s)) {
        give_up(c, "no stream management in", item->all);
        return;
    }
    bool needs_session = load_xml_child(item, "session", &s) && !load_span_has(s, "<optional");
    load_conn_say(&c->conn,
                  "<iq type='set' id='%s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  "<resource>r%u</resource></bind></iq>",
                  needs_session ? "bind-session" : "bind", c->index);
    set_state(c, LOAD_CLIENT_BIND);
}

static bool read_jid(struct load_client *c, const struct load_item *item)
{
    struct load_span bind, head;
    if (!load_xml_child(item, "bind", &bind) || !load_xml_find(&bind, "jid", &head))
        return false;
    size_t len = head.len + bind.len; /* the element, up to the end of bind */
    struct load_span jid = load_xml_text((struct load_span){head.p, len});
    if (jid.len == 0 || jid.len >= sizeof c->jid)
        return false;
    memcpy(c->jid, jid.p, jid.len);
    c->jid[jid.len] = 0;
    return true;
}

static void on_bound(struct load_client *c, const struct load_item *item)
{
    bool needs_session = is_result(item, "bind-session");
    if ((!needs_session && !is_result(item, "bind")) || !read_jid(c, item)) {
        give_up(c, "not bound", item->all);
        return;
    }
    if (needs_session) {
        load_conn_say(&c->conn, "<iq type='set' id='session'><session "
                                "xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
        set_state(c, LOAD_CLIENT_SESSION);
    } else {
        ask_sm(c);
    }
}

static void on_session(struct load_client *c, const struct load_item *item)
{
    if (is_result(item, "session"))
        ask_sm(c);
    else
        give_up(c, "no session", item->all);
}

static void on_enabled(struct load_client *c, const struct load_item *item)
{
    if (!load_span_is(item->name, "enabled")) {
        give_up(c, "no stream management", item->all);
        return;
    }
    c->sm = (struct load_sm){.is_on = true};
    ask_roster(c);
}

static void on_roster(struct load_client *c, const struct load_item *item)
{
    struct load_span id;
    if (is_result(item, "roster")) {
        if (c->login->events->roster)
            c->login->events->roster(c, item);
        say_presence(c);
        return;
    }
    if (load_span_is(item->name, "iq") && load_xml_attr(item->head, "id", &id) &&
        load_span_is(id, "roster"))
        give_up(c, "no roster", item->all);
}

static void on_presence(struct load_client *c, const struct load_item *item)
{
    struct load_span from;
    if (load_span_is(item->name, "presence") && load_xml_attr(item->head, "from", &from) &&
        load_span_is(from, c->jid))
        now_ready(c);
}

static void on_ready(struct load_client *c, const struct load_item *item)
{
    c->login->events->stanza(c, item);
}

/* ---- stanzas any client answers */
static void answer_iq(struct load_client *c, const struct load_item *item, bool is_get)
{
    struct load_span id = {"", 0}, from, s;
    bool has_from = load_xml_attr(item->head, "from", &from);
    bool is_known = is_get ? load_xml_child(item, "ping", &s) : load_xml_child(item, "query", &s);
    load_xml_attr(item->head, "id", &id);
    if (!is_get && is_known && c->login->events->roster)
        c->login->events->roster(c, item);
    load_conn_say(&c->conn, "<iq type='%s' id='%.*s'%s%.*s%s", is_known ? "result" : "error",
                  (int)id.len, id.p, has_from ? " to='" : "", has_from ? (int)from.len : 0,
                  has_from ? from.p : "", has_from ? "'" : "");
    load_conn_say(&c->conn, "%s",
                  is_known ? "/>"
                           : "><error type='cancel'><service-unavailable "
                             "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
    load_client_sent(c);
}

static void on_ack(struct load_client *c, const struct load_item *item)
{
    struct load_span s;
    char text[16] = "";
    if (load_xml_attr(item->head, "h", &s) && s.len < sizeof text)
        memcpy(text, s.p, s.len);
    uint32_t h = (uint32_t)strtoul(text, NULL, 10);
    if (!text[0] || h - c->sm.acked > c->sm.sent - c->sm.acked)
        load_error(c->loop, "client %u: acknowledged %s of %u sent, %u before", c->index, text,
                   c->sm.sent, c->sm.acked);
    c->sm.acked = h;
}

/* Stream management's own elements. */
static bool took_sm(struct load_client *c, const struct load_item *item)
{
    if (item->name.len != 1)
        return false;
    if (item->name.p[0] == 'r')
        load_conn_say(&c->conn, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->sm.received);
    else if (item->name.p[0] == 'a')
        on_ack(c, item);
    else
        return false;
    return true;
}

/* True if that was all there was to do about it. */
static bool took_common(struct load_client *c, const struct load_item *item)
{
    struct load_span type;
    if (took_sm(c, item))
        return true;
    c->sm.received++;
    if (!load_span_is(item->name, "iq") || !load_xml_attr(item->head, "type", &type))
        return false;
    bool is_get = load_span_is(type, "get");
    if (!is_get && !load_span_is(type, "set"))
        return false;
    answer_iq(c, item, is_get);
    return true;
}

static void (*const on_stanza[])(struct load_client *c, const struct load_item *item) = {
    [LOAD_CLIENT_FEATURES] = on_features,     [LOAD_CLIENT_PROCEED] = on_proceed,
    [LOAD_CLIENT_MECHS] = on_mechanisms,      [LOAD_CLIENT_SASL] = on_sasl,
    [LOAD_CLIENT_SUCCESS] = on_bind_features, [LOAD_CLIENT_BIND] = on_bound,
    [LOAD_CLIENT_SESSION] = on_session,       [LOAD_CLIENT_ENABLE] = on_enabled,
    [LOAD_CLIENT_ROSTER] = on_roster,         [LOAD_CLIENT_PRESENCE] = on_presence,
    [LOAD_CLIENT_READY] = on_ready,           [LOAD_CLIENT_CLOSING] = on_ready,
};

static void closed(struct load_client *c)
{
    load_conn_close(&c->conn);
    set_state(c, LOAD_CLIENT_OFF);
    if (c->login->events->closed)
        c->login->events->closed(c);
}

static void item(void *owner, enum load_xml_kind kind, const struct load_item *i)
{
    struct load_client *c = owner;
    if (kind == LOAD_XML_HEADER)
        return;
    if (kind == LOAD_XML_CLOSE && c->state == LOAD_CLIENT_CLOSING) {
        closed(c);
        return;
    }
    if (kind == LOAD_XML_CLOSE || load_span_is(i->name, "stream:error") || !on_stanza[c->state]) {
        give_up(c, "the server ended the stream", i->all);
        return;
    }
    if (c->state >= LOAD_CLIENT_ROSTER && took_common(c, i))
        return;
    on_stanza[c->state](c, i);
}

static void opened(void *owner, bool is_tls)
{
    struct load_client *c = owner;
    enum load_mode mode = c->loop->opts->target.mode;
    if (is_tls)
        c->was_resumed = SSL_session_reused(c->conn.ssl);
    if (mode == LOAD_DIRECT && !is_tls) {
        begin_tls(c);
        return;
    }
    set_state(c, mode == LOAD_STARTTLS && !is_tls ? LOAD_CLIENT_FEATURES : LOAD_CLIENT_MECHS);
    say_header(c);
}

static void ended(void *owner, const char *why)
{
    struct load_client *c = owner;
    if (c->state == LOAD_CLIENT_CLOSING)
        closed(c);
    else
        give_up(c, "connection ended", span(why));
}

static const struct load_conn_events conn_events = {opened, item, ended};

void load_client_init(struct load_client *c, struct load_loop *l, const struct load_login *login,
                      unsigned index, unsigned account)
{
    load_conn_init(&c->conn, l, &conn_events, c);
    c->loop = l;
    c->login = login;
    c->index = index;
    c->account = account;
    c->conn.wants_ticket = login->wants_ticket;
}

void load_client_fini(struct load_client *c)
{
    load_conn_fini(&c->conn);
}

void load_client_start(struct load_client *c)
{
    const struct load_target *t = &c->loop->opts->target;
    c->sm = (struct load_sm){0};
    set_state(c, LOAD_CLIENT_CONNECT);
    load_conn_open(&c->conn, c->uses_b ? &t->server_b : &t->server);
}

void load_client_stop(struct load_client *c)
{
    load_conn_say(&c->conn, "</stream:stream>");
    set_state(c, LOAD_CLIENT_CLOSING);
}

void load_client_sent(struct load_client *c)
{
    if (!c->sm.is_on)
        return;
    c->sm.sent++;
    if (++c->sm.unasked < ASK_EVERY)
        return;
    c->sm.unasked = 0;
    load_conn_put(&c->conn, "<r xmlns='urn:xmpp:sm:3'/>", 26);
}
