/* DOC: first-level elements from the client. Before a resource is bound nothing but the bind is
 * accepted; after it stanzas are stamped with the full JID and given to the anchor.
 * Credits bound what one client makes us hold: every so many stanzas one carries a custody, whose
 * release says that all before it were stored, bounced or queued for somebody.
 * Too much outstanding stops the reading (law 6). Standards: RFC 6120
 * sections 4.9.3.12, 4.9.3.24, 8.1.2.1, 10.3. */
#include "lib/base/log.h"
#include "node/c2s/c2s-int.h"

static bool from_is_own(const struct conn *c, const struct stanza *s)
{
    if (!jid_is_set(&s->from))
        return true;
    return jid_is_full(&s->from) ? jid_eq(&s->from, &c->jid) : jid_bare_eq(&s->from, &c->jid);
}

/* A presence for all who may see it stays, here and at the anchor: in as little memory as it
 * needs. */
static struct stanza *packed_presence(struct stanza *s)
{
    if (s->kind != STANZA_PRESENCE || s->type != PRES_AVAILABLE || jid_is_set(&s->to))
        return s;
    struct stanza *packed = stanza_pack(s);
    stanza_unref(&s);
    return packed;
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

/* ---- credits */
struct credit {
    struct custody custody;
    struct node_shard *sh;
    handle conn;
    size_t stanzas, bytes;
};

static bool input_is_full(const struct conn *c)
{
    return c->in.stanzas >= C2S_INPUT_STANZAS || c->in.bytes >= C2S_INPUT_BYTES;
}

void conn_in_count(struct conn *c, size_t stanzas, size_t bytes)
{
    c->in.stanzas += stanzas;
    c->in.bytes += bytes;
    if (input_is_full(c))
        conn_stop(c, STOP_INPUT, true);
}

void conn_in_back(struct conn *c, size_t stanzas, size_t bytes)
{
    c->in.stanzas -= stanzas;
    c->in.bytes -= bytes;
    if (!input_is_full(c))
        conn_stop(c, STOP_INPUT, false);
}

static void credit_back(struct node_shard *sh, void *ctx)
{
    struct credit *k = ctx;
    struct conn *c = handle_get(sh->handles, k->conn);
    if (c)
        conn_in_back(c, k->stanzas, k->bytes);
    mem_free(k);
}

static void credit_release(struct custody *cu)
{
    struct credit *k = container_of(cu, struct credit, custody);
    node_post(k->sh, credit_back, mem_free, k);
}

/* The custody this stanza travels with; NULL for most. */
static struct custody *credit_for(struct conn *c, const struct stanza *s)
{
    c->in.since_n++;
    c->in.since_bytes += s->bytes;
    if (c->in.since_n < C2S_CREDIT_STANZAS && c->in.since_bytes < C2S_CREDIT_BYTES)
        return NULL;
    struct credit *k = mem_alloc(sizeof *k);
    *k = (struct credit){
        .sh = c->sh, .conn = c->h, .stanzas = c->in.since_n, .bytes = c->in.since_bytes};
    refs_init(&k->custody.refs);
    k->custody.release = credit_release;
    k->custody.is_credit = true;
    conn_in_count(c, c->in.since_n, c->in.since_bytes);
    c->in.since_n = c->in.since_bytes = 0;
    return &k->custody;
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
    stanza_set_from(s, &c->jid);
    s = packed_presence(s);
    if (conn_is_bind(s) && !jid_is_set(&s->to)) { /* one resource a connection */
        struct stanza *reply = stanza_error_reply(s, STANZA_NOT_ALLOWED, NULL);
        stanza_unref(&s);
        if (reply)
            conn_reply(c, reply);
        return;
    }
    char trace[33];
    route_trace_new(trace);
    remember_presence(c, s);
    struct custody *cu = c->sm ? conn_sm_custody(c, s, trace) : credit_for(c, s);
    conn_to_anchor(c, s, cu, trace);
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

/* What is no stanza: stream management, client state. */
static bool takes_element(struct conn *c, const struct xml *el)
{
    return (el->ns == NS_SM && conn_sm_element(c, el)) ||
           (el->ns == NS_CSI && c->state == CONN_BOUND && conn_csi_element(c, el));
}

static void stanza_in(struct conn *c, struct xml_doc *doc)
{
    struct stanza *s, *reply;
    bool unknown;
    const size_t bytes = doc->bytes;
    if (takes_element(c, doc->root)) {
        xml_doc_free(&doc);
        return;
    }
    if (doc->root->ns != NS_CLIENT) {
        xml_doc_free(&doc);
        conn_close(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        return;
    }
    enum stanza_cond cond = stanza_from_doc(&doc, &s, &reply, &unknown);
    if (unknown) {
        conn_close(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        return;
    }
    if (c->sm) /* malformed ones, too */
        conn_sm_arrived(c, bytes);
    if (cond != STANZA_OK) {
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
    c->idle.is_heard = true;
    switch (c->state) {
    case CONN_UNBOUND:
    case CONN_BOUND:
        stanza_in(c, doc);
        return;
    case CONN_AUTH:
        if (conn_register(c, &doc))
            return;
        if (takes_element(c, doc->root))
            break;
        conn_close(c, STREAM_NOT_AUTHORIZED, "authenticate first");
        break;
    case CONN_MOVING: /* not read in these */
    case CONN_BINDING:
    case CONN_DETACHED:
        (void)expect(!"element while the stream is stopped");
        conn_close(c, STREAM_INTERNAL_SERVER_ERROR, NULL);
        break;
    case CONN_CLOSING:
    case CONN_STATES:
        break;
    }
    xml_doc_free(&doc);
}
