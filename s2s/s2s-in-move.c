/* DOC: the one move of an incoming stream, to the instance that sends to its peer.
 * Design: only there can a bidirectional stream carry what goes back, and only there is a session
 * that is to be resumed. So a stream whose first domain is proved, and is another instance's, stops
 * reading, and at the end of that turn goes with what was proved over to it; elements not yet
 * delivered travel along. Nothing else is under way then: no question of dialback, no outbox, no
 * session. What is proved later stays where the stream is. */
#include "s2s/s2s-int.h"

struct s2s_parcel {
    struct stream_parcel *stream;
    char *claimed, *to, *external;
    const char *auth; /* of (to, claimed) */
    uint64_t since_us, peer_idle_ms;
    size_t max_bytes;
    bool is_bidi;
};

void s2s_parcel_drop(struct s2s_parcel **pp)
{
    struct s2s_parcel *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    stream_parcel_drop(&p->stream);
    mem_free(p->claimed);
    mem_free(p->to);
    mem_free(p->external);
    mem_free(p);
}

static bool is_elsewhere(const struct s2s_in *in)
{
    const struct s2s_host_ops *h = in->s2s->host;
    const struct s2s_line *l = &in->line;
    return h->move && h->owns && in->claimed && l->pairs.n == 1 && !l->n_verifies && !l->sm &&
           strcmp(l->pairs.p[0].remote, in->claimed) == 0 &&
           strcmp(l->pairs.p[0].local, in->to) == 0 && !h->owns(in->s2s->ctx, str_of(in->claimed));
}

void s2s_in_may_move(struct s2s_in *in)
{
    if (!is_elsewhere(in))
        return;
    stream_in_pause(in->stream, true);
    loop_defer(in->s2s->loop, &in->move);
}

/* At the end of the turn: no frame of the stream is on the stack. */
void s2s_in_move(struct s2s_in *in)
{
    const struct s2s_host_ops *h = in->s2s->host;
    struct s2s *s = in->s2s;
    struct stream_parcel *stream =
        is_elsewhere(in) && !s->is_stopping ? stream_in_detach(&in->stream) : NULL;
    if (!stream) { /* it is ending, or the other side has more to prove */
        stream_in_pause(in->stream, false);
        return;
    }
    struct s2s_parcel *p = mem_alloc(sizeof *p);
    *p = (struct s2s_parcel){.stream = stream,
                             .claimed = in->claimed,
                             .to = in->to,
                             .external = in->external,
                             .auth = in->line.pairs.p[0].auth,
                             .since_us = in->since_us,
                             .peer_idle_ms = in->line.peer_idle_ms,
                             .max_bytes = in->line.max_bytes,
                             .is_bidi = in->line.is_bidi};
    in->to = in->external = NULL;
    in->claimed = NULL;
    h->move(s->ctx, str_of(p->claimed), p);
    s2s_in_free(in);
}

void s2s_take(struct s2s *s, struct s2s_parcel **pp)
{
    struct s2s_parcel *p = *pp;
    *pp = NULL;
    struct s2s_in *in = s2s_in_make(s);
    in->claimed = p->claimed;
    in->to = p->to;
    in->external = p->external;
    in->since_us = p->since_us;
    in->log.value2 = in->claimed;
    in->stream = s2s_in_attach(in, &p->stream);
    s2s_line_connect(&in->line, in->stream, NULL);
    in->line.is_bidi = p->is_bidi;
    in->line.max_bytes = p->max_bytes;
    in->line.peer_idle_ms = p->peer_idle_ms;
    (void)s2s_line_add_pair(&in->line, str_of(in->to), str_of(in->claimed), p->auth);
    s2s_domain_alive(s, str_of(in->claimed));
    mem_free(p);
    if (s->is_stopping)
        s2s_in_close(in, STREAM_OK, NULL);
    else
        s2s_enforce_in(in); /* it may have been under way when the policy changed */
}
