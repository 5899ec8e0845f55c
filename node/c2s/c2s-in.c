/* DOC: first-level elements from the client. Before a resource is bound nothing but the bind is
 * accepted; after it stanzas are stamped with the full JID and given to the anchor. Standards: RFC
 * 6120 sections 4.9.3.12, 4.9.3.24, 8.1.2.1, 10.3. */
#include "lib/base/log.h"
#include "node/c2s/c2s-int.h"

static bool from_is_own(const struct conn *c, const struct stanza *s)
{
    if (!jid_is_set(&s->from))
        return true;
    return jid_is_full(&s->from) ? jid_eq(&s->from, &c->jid) : jid_bare_eq(&s->from, &c->jid);
}

/* What would have to be said again to an anchor that does not know us. */
static void remember_presence(struct conn *c, struct stanza *s)
{
    if (s->kind != STANZA_PRESENCE || jid_is_set(&s->to))
        return;
    if (s->type != PRES_AVAILABLE && s->type != PRES_UNAVAILABLE)
        return;
    stanza_unref(&c->bind.presence);
    if (s->type == PRES_AVAILABLE)
        c->bind.presence = stanza_ref(s);
}

static void bound_stanza(struct conn *c, struct stanza *s)
{
    if (!from_is_own(c, s)) {
        log_warn(NULL, "c2s.from.invalid", "jid", LOG_STR(c->jid.full), "from",
                 LOG_STR(s->from.full));
        stanza_unref(&s);
        conn_close(c, STREAM_INVALID_FROM, NULL);
        return;
    }
    struct stanza *stamped = stanza_readdress(s, &c->jid, NULL);
    stanza_unref(&s);
    if (conn_is_bind(stamped) && !jid_is_set(&stamped->to)) { /* one resource a connection */
        struct stanza *reply = stanza_error_reply(stamped, STANZA_NOT_ALLOWED, NULL);
        stanza_unref(&stamped);
        if (reply)
            conn_reply(c, reply);
        return;
    }
    char trace[33];
    route_trace_new(trace);
    remember_presence(c, stamped);
    conn_to_anchor(c, stamped, NULL, trace);
}

static void unbound_stanza(struct conn *c, struct stanza *s)
{
    if (conn_is_bind(s)) {
        conn_bind(c, s);
        return;
    }
    stanza_unref(&s);
    conn_close(c, STREAM_NOT_AUTHORIZED, "bind a resource first");
}

static void stanza_in(struct conn *c, struct xml_doc *doc)
{
    struct stanza *s, *reply;
    bool unknown;
    enum stanza_cond cond = stanza_from_doc(&doc, &s, &reply, &unknown);
    if (unknown) {
        conn_close(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
    } else if (cond != STANZA_OK) {
        log_info(NULL, "c2s.stanza.malformed", "jid", LOG_STR(c->jid.full), "why",
                 stanza_cond_name(cond));
        if (reply)
            conn_reply(c, reply);
    } else {
        c->stanzas_in++;
        if (c->state == CONN_BOUND)
            bound_stanza(c, s);
        else
            unbound_stanza(c, s);
    }
}

void conn_element(void *ctx, struct xml_doc *doc)
{
    struct conn *c = ctx;
    switch (c->state) {
    case CONN_UNBOUND:
    case CONN_BOUND:
        stanza_in(c, doc);
        return;
    case CONN_AUTH:
        conn_close(c, STREAM_NOT_AUTHORIZED, "authenticate first");
        break;
    case CONN_MOVING: /* not read in these */
    case CONN_BINDING:
        (void)expect(!"element while the stream is stopped");
        conn_close(c, STREAM_INTERNAL_SERVER_ERROR, NULL);
        break;
    case CONN_CLOSING:
    case CONN_STATES:
        break;
    }
    xml_doc_free(&doc);
}
