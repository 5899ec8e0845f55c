/* DOC: which stream carries an outbox.
 * Design: in this order: an incoming bidirectional stream whose peer proved the remote domain for
 * our local one (XEP-0288); an outgoing stream on which the pair was proved; an outgoing stream to
 * the same server, after dialback for the pair over it (XEP-0220 section 2.6): to the same domain,
 * or to the domain above it when the server's certificate proves this one, too (an answer of a
 * server for another domain than DNS led to proves nothing); else a new stream. Attaching is done
 * from the loop by the stream itself. Both sides may connect at once: each then has two streams and
 * an outbox keeps the one it was attached to first, so order holds; the other stream carries what
 * the peer sends, or goes when it is idle. */
#include "lib/xmpp/xep.h"
#include "s2s/s2s-int.h"

XEP("0288", "1.0.1", COMPLETE);

struct str s2s_pair_name(struct arena *a, struct str local, struct str remote)
{
    size_t n = local.n + 1 + remote.n;
    char *name = arena_alloc(a, n + 1);
    memcpy(name, local.p, local.n);
    name[local.n] = ' ';
    memcpy(name + local.n + 1, remote.p, remote.n);
    name[n] = 0;
    return str_make(name, n);
}

char *s2s_pair_key(struct str local, struct str remote)
{
    struct arena *a = arena_new(0);
    char *key = str_dup(s2s_pair_name(a, local, remote));
    arena_free(&a);
    return key;
}

static struct s2s_out *road(const struct s2s *s, struct str remote)
{
    return hmap_get(&s->roads, remote);
}

struct s2s_line *s2s_road(const struct s2s *s, struct str remote)
{
    struct s2s_out *o = road(s, remote);
    return o ? &o->line : NULL;
}

void s2s_road_open(struct s2s_out *o)
{
    (void)hmap_del(&o->s2s->roads, str_of(o->remote));
    (void)hmap_put(&o->s2s->roads, str_of(o->remote), o);
}

void s2s_road_close(struct s2s_out *o)
{
    if (road(o->s2s, str_of(o->remote)) == o)
        (void)hmap_del(&o->s2s->roads, str_of(o->remote));
}

/* ---- incoming streams ---- */

void s2s_bidi_open(struct s2s_in *in)
{
    struct hmap *m = &in->s2s->bidis;
    for (size_t i = 0; i < in->line.pairs.n; i++) {
        struct str key = str_of(in->line.pairs.p[i].key);
        if (hmap_get(m, key) == in)
            continue;
        (void)hmap_del(m, key);
        (void)hmap_put(m, key, in);
    }
}

void s2s_bidi_close(struct s2s_in *in)
{
    struct hmap *m = &in->s2s->bidis;
    for (size_t i = 0; i < in->line.pairs.n; i++)
        if (hmap_get(m, str_of(in->line.pairs.p[i].key)) == in)
            (void)hmap_del(m, str_of(in->line.pairs.p[i].key));
}

void s2s_ways_fini(struct s2s *s)
{
    hmap_fini(&s->ways);
    hmap_fini(&s->roads);
    hmap_fini(&s->bidis);
    hmap_fini(&s->lines);
    hmap_fini(&s->sessions);
    buf_fini(&s->text);
    s2s_askers_fini(s);
}

/* ---- choosing ---- */

static struct str parent_of(struct str domain)
{
    struct str rest = domain;
    (void)str_cut(&rest, '.');
    return rest;
}

/* A stream to the server of this domain that may be asked for the pair. */
static struct s2s_out *shared_road(const struct s2s *s, const struct s2s_outbox *b)
{
    struct str remote = str_of(b->remote);
    struct s2s_out *o = road(s, remote);
    if (o && s2s_way_may_ask(o, remote))
        return o;
    struct str parent = parent_of(remote);
    o = parent.n ? road(s, parent) : NULL;
    return o && s2s_way_may_ask(o, remote) ? o : NULL;
}

void s2s_carry(struct s2s_outbox *b)
{
    struct s2s *s = b->s2s;
    struct s2s_terms terms;
    if (s2s_denies(s, str_of(b->remote), false, &terms)) {
        s2s_outbox_fail(b, s2s_terms_cause(&terms), terms.why);
        return;
    }
    struct s2s_in *in = hmap_get(&s->bidis, str_of(b->key));
    struct s2s_way *w = hmap_get(&s->ways, str_of(b->key));
    if (in) {
        loop_defer(s->loop, &in->line.adopt);
        return;
    }
    if (w) { /* under way, or ready */
        if (w->out->state == S2S_OUT_READY)
            loop_defer(s->loop, &w->out->line.adopt);
        return;
    }
    struct s2s_out *o = shared_road(s, b);
    if (o)
        s2s_way_ask(o, str_of(b->local), str_of(b->remote));
    else
        (void)s2s_out_new(s, str_of(b->local), str_of(b->remote));
}
