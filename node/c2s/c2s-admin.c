/* DOC: client connections of a shard as an operator sees and ends them. */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/net/tls.h"
#include "node/c2s/c2s-int.h"

/* Does the connection belong to it: a domain, an account, a full JID. */
static bool conn_is_of(const struct conn *c, const struct jid *whose)
{
    if (whose->resource.p)
        return jid_eq(&c->jid, whose);
    if (whose->local.p)
        return c->jid.full.p && jid_bare_eq(&c->jid, whose);
    return str_eq(c->jid.domain, whose->domain);
}

static struct json *conn_json(const struct conn *c)
{
    struct json *o = json_new_object();
    const struct transport *t = c->stream ? stream_in_transport(c->stream) : NULL;
    const struct tls_info *tls = t ? transport_tls(t) : NULL;
    char ip[ADDR_TEXT_MAX] = "", since[DATEFMT_LEN + 1];
    if (t)
        addr_format(ip, &t->peer);
    json_set_str(o, "jid", c->jid.full.p ? c->jid.full : STR(""));
    json_set_str(o, "state", str_of(conn_state_name(c->state)));
    json_set_str(o, "ip", str_of(ip));
    json_set_str(o, "tls", str_of(tls ? tls->version : ""));
    json_set_num(o, "shard", c->sh->index);
    if (c->bind.is_attached)
        json_set_str(o, "anchor", c->bind.far ? str_of(c->bind.far->peer) : STR("here"));
    json_set_str(o, "since", str_of(datefmt_utc(since, c->since_us)));
    json_set_num(o, "stanzas_in", (int64_t)c->stanzas_in);
    json_set_num(o, "stanzas_out", (int64_t)c->out.stanzas);
    json_set_num(o, "queued", c->stream ? (int64_t)stream_in_queued(c->stream) : 0);
    if (c->sm)
        json_set_num(o, "unacked", (int64_t)sm_pending(c->sm->s));
    return o;
}

bool c2s_list(struct node_shard *sh, const struct jid *whose, size_t max, struct json *array)
{
    list_each (&sh->c2s->conns, n) {
        const struct conn *c = list_entry(n, struct conn, link);
        if (whose && !conn_is_of(c, whose))
            continue;
        if (json_len(array) == max)
            return false;
        struct json *o = conn_json(c);
        json_push(array, &o);
    }
    return true;
}

size_t c2s_kick(struct node_shard *sh, const struct jid *whose, const char *text)
{
    size_t closed = 0;
    list_each (&sh->c2s->conns, n) {
        struct conn *c = list_entry(n, struct conn, link);
        if (c->state == CONN_CLOSING || !conn_is_of(c, whose))
            continue;
        conn_close(c, STREAM_POLICY_VIOLATION, text);
        closed++;
    }
    return closed;
}

void c2s_count(const struct node_shard *sh, size_t *all, size_t *unauthenticated)
{
    *all = sh->c2s->n;
    *unauthenticated = sh->c2s->unauthenticated;
}
