/* DOC: what the operator sees of federation: one object per outgoing stream with its waiting pair,
 * one per pair of an incoming stream (or one without pair while nothing is proved). */
#include "s2s/s2s-int.h"

static struct json *row(const struct s2s *s, const char *direction, const char *local,
                        const char *remote, const char *state, uint64_t since_us)
{
    struct json *j = json_new_object();
    json_set_str(j, "direction", str_of(direction));
    json_set_str(j, "local", str_of(local ? local : ""));
    json_set_str(j, "remote", str_of(remote ? remote : ""));
    json_set_str(j, "state", str_of(state));
    json_set_num(j, "age", (int64_t)((loop_now_us(s->loop) - since_us) / 1000000));
    return j;
}

static void list_out(const struct s2s *s, const struct s2s_out *o, struct json *array)
{
    struct json *j = row(s, "out", o->local, o->remote, s2s_out_state_name(o->state), o->since_us);
    const struct s2s_outbox *b = s2s_outbox_find(s, str_of(o->local), str_of(o->remote));
    json_set_bool(j, "secured", o->stream && o->is_secure);
    json_set_str(j, "auth", str_of(o->auth));
    json_set_bool(j, "bidi", o->line.is_bidi);
    json_set_bool(j, "acks", o->line.sm != NULL);
    json_set_num(j, "stanzas", (int64_t)o->line.sent);
    json_set_num(j, "waiting", b ? (int64_t)b->n : 0);
    json_set_str(j, "last_error", str_of(o->last_error));
    json_push(array, &j);
}

static void list_in(const struct s2s *s, const struct s2s_in *in, const struct s2s_pair *p,
                    struct json *array)
{
    const char *state = in->line.is_closing ? "closing"
                        : !in->stream       ? "cut"
                        : p                 ? "ready"
                                            : "negotiating";
    struct json *j =
        row(s, "in", p ? p->local : in->to, p ? p->remote : in->claimed, state, in->since_us);
    json_set_bool(j, "secured", in->stream && stream_in_is_secure(in->stream));
    json_set_str(j, "auth", str_of(p ? p->auth : ""));
    json_set_bool(j, "bidi", in->line.is_bidi);
    json_set_bool(j, "acks", in->line.sm != NULL);
    json_set_num(j, "stanzas", (int64_t)in->line.received);
    json_set_num(j, "waiting", 0);
    json_set_str(j, "last_error", str_of(in->last_error));
    json_push(array, &j);
}

void s2s_list(const struct s2s *s, struct json *array)
{
    for (const struct list *n = s->outs.next; n != &s->outs; n = n->next)
        list_out(s, container_of(n, struct s2s_out, link), array);
    for (const struct list *n = s->ins.next; n != &s->ins; n = n->next) {
        const struct s2s_in *in = container_of(n, struct s2s_in, link);
        if (!in->line.pairs.n)
            list_in(s, in, NULL, array);
        for (size_t i = 0; i < in->line.pairs.n; i++)
            list_in(s, in, &in->line.pairs.p[i], array);
    }
}

void s2s_stats(const struct s2s *s, struct s2s_stats *out)
{
    size_t it = 0;
    *out = s->stats;
    out->out_streams = out->in_streams = out->waiting = 0;
    for (const struct s2s_outbox *b; (b = s2s_outbox_any(s, &it));)
        out->waiting += b->n;
    for (const struct list *n = s->outs.next; n != &s->outs; n = n->next)
        out->out_streams++;
    for (const struct list *n = s->ins.next; n != &s->ins; n = n->next)
        out->in_streams++;
}
