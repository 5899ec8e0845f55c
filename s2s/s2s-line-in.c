/* DOC: the receiving half of a stream: who may say what.
 * Design: the peer proves domain pairs; a stanza is delivered when (to.domain, from.domain) is such
 * a pair; all else closes the stream with the error of RFC 6120 section 4.9.3. Every stanza is
 * numbered when it arrives; one that goes no further is in our custody at once. After our end tag
 * nothing can be acknowledged any more, so with acknowledgements nothing is taken, either: the peer
 * has it and sends it again. Standards: RFC 6120 sections 4.9.3, 8.1.1.2, 8.1.2.2; XEP-0288
 * section 2.2. */
#include "s2s/s2s-int.h"

/* ---- pairs ---- */

bool s2s_line_has_pair(const struct s2s_line *l, struct str local, struct str remote)
{
    for (size_t i = 0; i < l->pairs.n; i++)
        if (str_eqc(local, l->pairs.p[i].local) && str_eqc(remote, l->pairs.p[i].remote))
            return true;
    return false;
}

bool s2s_line_add_pair(struct s2s_line *l, struct str local, struct str remote, const char *auth)
{
    if (s2s_line_has_pair(l, local, remote))
        return true;
    if (l->pairs.n >= S2S_PAIRS_MAX)
        return false;
    struct s2s_pair p = {.local = str_dup(local),
                         .remote = str_dup(remote),
                         .key = s2s_pair_key(local, remote),
                         .auth = auth};
    vec_push(&l->pairs, p);
    return true;
}

static bool has_remote(const struct s2s_line *l, struct str remote)
{
    for (size_t i = 0; i < l->pairs.n; i++)
        if (str_eqc(remote, l->pairs.p[i].remote))
            return true;
    return false;
}

/* ---- stanzas ---- */

static enum stream_cond check_addresses(const struct s2s_line *l, const struct stanza *st)
{
    const struct s2s *s = l->s2s;
    if (!jid_is_set(&st->from) || !jid_is_set(&st->to))
        return STREAM_IMPROPER_ADDRESSING;
    if (!has_remote(l, st->from.domain))
        return STREAM_INVALID_FROM;
    if (!s->host->is_local_domain(s->ctx, st->to.domain))
        return STREAM_HOST_UNKNOWN;
    return s2s_line_has_pair(l, st->to.domain, st->from.domain) ? STREAM_OK : STREAM_INVALID_FROM;
}

/* The answer to a malformed stanza goes back if its addresses are those of this stream. */
static void answer_malformed(struct s2s_line *l, struct stanza *reply)
{
    bool ok = reply && jid_is_set(&reply->to) && jid_is_set(&reply->from) &&
              s2s_line_has_pair(l, reply->from.domain, reply->to.domain);
    if (ok)
        s2s_send(l->s2s, reply, NULL);
    else
        stanza_unref(&reply);
}

static void deliver(struct s2s_line *l, struct stanza *st, struct s2s_receipt r)
{
    enum stream_cond c = check_addresses(l, st);
    if (c == STREAM_OK && s2s_line_pong(l->s2s, st)) {
        stanza_unref(&st);
        s2s_received(l->s2s, r);
        return;
    }
    if (c == STREAM_OK) {
        l->active_us = l->heard_us;
        l->received++;
        s2s_line_count(l, st->bytes, &r);
        l->s2s->host->deliver(l->s2s->ctx, st, r);
        return;
    }
    log_warn(l->log, "s2s.in.stanza.refused", "condition", stream_cond_name(c), "from",
             LOG_STR(st->from.domain), "to", LOG_STR(st->to.domain));
    stanza_unref(&st);
    l->ops->refuse(l->ctx, c, NULL);
}

/* An element of the content namespace. */
static void on_stanza(struct s2s_line *l, struct xml_doc **doc)
{
    struct stanza *st, *reply = NULL;
    struct s2s_receipt r;
    bool is_unknown = false;
    if (!s2s_line_number(l, &r))
        return;
    enum stanza_cond bad = stanza_from_doc(doc, &st, &reply, &is_unknown);
    if (is_unknown) {
        l->ops->refuse(l->ctx, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
    } else if (bad != STANZA_OK) {
        log_info(l->log, "s2s.in.stanza.malformed", "condition", stanza_cond_name(bad));
        answer_malformed(l, reply);
        s2s_received(l->s2s, r);
    } else {
        deliver(l, st, r);
    }
}

void s2s_line_stanza(struct s2s_line *l, struct xml_doc **doc)
{
    if (l->is_closing && (l->sm || l->is_unheard))
        return;
    if (!l->pairs.n) {
        log_info(l->log, "s2s.in.early", "name", (*doc)->root->name);
        l->ops->refuse(l->ctx, STREAM_NOT_AUTHORIZED, "authenticate first");
    } else if ((*doc)->root->ns != NS_SERVER) {
        l->ops->refuse(l->ctx, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
    } else {
        on_stanza(l, doc);
    }
}
