/* DOC: the domain pairs of one outgoing stream.
 * Design: the first is the one the stream was opened for, proved by EXTERNAL or dialback; further
 * ones are asked for by dialback over the ready stream. One that is refused, or not answered in
 * time, gets a stream of its own, where its own certificate may speak for it; only what is refused
 * there is told. Standards: XEP-0220 sections 2.1, 2.5, 2.6. */
#include "s2s/s2s-int.h"

struct s2s_way *s2s_way_find(const struct s2s *s, struct str local, struct str remote)
{
    char *key = s2s_pair_key(local, remote);
    struct s2s_way *w = hmap_get(&s->ways, str_of(key));
    mem_free(key);
    return w;
}

void s2s_way_free(struct s2s_way *w)
{
    list_del(&w->link);
    timer_stop(&w->deadline);
    (void)hmap_del(&w->out->s2s->ways, str_of(w->key));
    mem_free(w->local);
    mem_free(w->remote);
    mem_free(w->key);
    mem_free(w);
}

/* Not over this stream: over one of its own, if anything still waits. */
static void give_up(struct s2s_way *w)
{
    struct s2s *s = w->out->s2s;
    struct s2s_outbox *b = s2s_outbox_find(s, str_of(w->local), str_of(w->remote));
    s2s_way_free(w);
    if (b && !b->carrier && !s->is_stopping)
        (void)s2s_out_new(s, str_of(b->local), str_of(b->remote));
}

static void on_deadline(void *ctx)
{
    struct s2s_way *w = ctx;
    log_info(&w->out->log, "s2s.out.pair.late", "pair", w->key);
    give_up(w);
}

struct s2s_way *s2s_way_new(struct s2s_out *o, struct str local, struct str remote)
{
    struct s2s_way *w = mem_alloc(sizeof *w);
    w->out = o;
    w->local = str_dup(local);
    w->remote = str_dup(remote);
    w->key = s2s_pair_key(local, remote);
    timer_init(&w->deadline, o->s2s->loop, on_deadline, w);
    list_push(&o->ways, &w->link);
    must(!hmap_put(&o->s2s->ways, str_of(w->key), w));
    return w;
}

void s2s_way_key(struct s2s_way *w)
{
    char key[DIALBACK_KEY_LEN + 1];
    struct arena *a = arena_new(0);
    dialback_key(&w->out->s2s->secret, str_of(w->remote), str_of(w->local),
                 s2s_line_stream_id(&w->out->line), key);
    struct dialback_msg m = {.from = str_of(w->local), .to = str_of(w->remote), .key = str_of(key)};
    (void)s2s_line_el(&w->out->line, dialback_build(a, &m));
    arena_free(&a);
}

/* For the domain the stream was opened to any of ours may be asked for; for another one only if the
 * server proves it by its certificate and answers errors (section 2.6.2). */
bool s2s_way_may_ask(const struct s2s_out *o, struct str remote)
{
    struct s2s_evidence e;
    if (!o->is_dialback_offered || !o->s2s->conf.dialback || o->line.is_closing)
        return false;
    if (str_eqc(remote, o->remote))
        return true;
    s2s_evidence_take(&e, s2s_line_transport(&o->line), remote);
    return dialback_is_offered(stream_out_features(o->stream)) && s2s_evidence_proves(&e);
}

void s2s_way_ask(struct s2s_out *o, struct str local, struct str remote)
{
    struct s2s_way *w = s2s_way_new(o, local, remote);
    timer_start(&w->deadline, o->s2s->conf.tune.connect_timeout_ms);
    if (!o->is_ahead)
        s2s_way_key(w);
}

bool s2s_way_answered(struct s2s_out *o, const struct dialback_msg *m)
{
    struct s2s_way *w = s2s_way_find(o->s2s, m->to, m->from);
    if (!w || w->out != o || w->is_proved)
        return false;
    timer_stop(&w->deadline);
    if (m->type == DIALBACK_VALID) {
        w->is_proved = true;
        if (o->line.is_bidi)
            (void)s2s_line_add_pair(&o->line, m->to, m->from, "dialback");
        loop_defer(o->s2s->loop, &o->line.adopt);
        log_info(&o->log, "s2s.out.pair", "pair", w->key);
    } else {
        log_info(&o->log, "s2s.out.pair.refused", "pair", w->key, "condition", m->condition);
        give_up(w);
    }
    return true;
}
