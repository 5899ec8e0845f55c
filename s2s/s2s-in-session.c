/* DOC: stream management of the receiving side of a federation stream.
 * Design: a stream that is cut leaves its session: the pairs it proved, the numbers, and as the
 * carrier of what was on its way back. A new stream that proved one of these pairs takes it up with
 * the id; the old object gets the new connection. A peer that begins a new session for the same
 * pair has lost the old one. Sessions that wait are bounded by number (the oldest goes) and time.
 * What waits in one for its peer would wait in vain if the peer forgot it: after PROBE_MS we call
 * the peer ourselves; if that works and it does not come back to its session for GRACE_MS, the
 * session is over and all goes that way. Standards: XEP-0198 sections 3, 5; XEP-0288. */
#include "lib/base/rand.h"
#include "s2s/s2s-int.h"

enum { PROBE_MS = 5000, GRACE_MS = 5000, TICK_MS = 1000, SESSIONS_CUT_MAX = 1000 };

void s2s_in_hurry(struct s2s_in *in)
{
    if (timer_running(&in->hold) && s2s_line_waiting(&in->line) && !in->is_hurried) {
        in->is_hurried = true;
        timer_start(&in->hold, TICK_MS);
    }
}

/* The peer is there, and does not come back to this session. */
static bool is_forgotten(const struct s2s_in *in, const struct s2s_line *way)
{
    const struct s2s_out *o = way ? container_of(way, struct s2s_out, line) : NULL;
    if (!o || o->state != S2S_OUT_READY)
        return false;
    uint64_t since = o->ready_us > in->cut_us ? o->ready_us : in->cut_us;
    return loop_now_us(in->s2s->loop) - since >= GRACE_MS * UINT64_C(1000);
}

static void probe(const struct s2s_in *in, const struct s2s_pair *p)
{
    struct str local = str_of(p->local), remote = str_of(p->remote);
    if (!s2s_way_find(in->s2s, local, remote) &&
        s2s_domain_may_try(s2s_domain_get(in->s2s, remote)))
        (void)s2s_out_new(in->s2s, local, remote);
}

void s2s_in_tick(struct s2s_in *in)
{
    uint64_t cut_ms = (loop_now_us(in->s2s->loop) - in->cut_us) / 1000;
    uint64_t resume_ms = in->s2s->conf.tune.resume_ms;
    const struct s2s_pair *p = &in->line.pairs.p[0];
    const struct s2s_line *way = s2s_road(in->s2s, str_of(p->remote));
    bool is_waiting = s2s_line_waiting(&in->line) > 0;
    if (cut_ms >= resume_ms || (is_waiting && is_forgotten(in, way))) {
        log_info(&in->log, "s2s.in.session.over", "unacknowledged",
                 LOG_NUM(s2s_line_waiting(&in->line)));
        s2s_in_free(in);
        return;
    }
    if (is_waiting && !way && cut_ms >= PROBE_MS)
        probe(in, p);
    in->is_hurried = is_waiting;
    timer_start(&in->hold, is_waiting ? TICK_MS : resume_ms - cut_ms);
}

static void wait_cut(struct s2s_in *in)
{
    struct s2s *s = in->s2s;
    list_push(&s->cut, &in->cut);
    if (++s->n_cut > SESSIONS_CUT_MAX)
        s2s_in_free(list_entry(list_first(&s->cut), struct s2s_in, cut));
}

static void come_back(struct s2s_in *in)
{
    if (!list_linked(&in->cut))
        return;
    list_del(&in->cut);
    in->s2s->n_cut--;
}

void s2s_in_forget(struct s2s_in *in)
{
    come_back(in);
    if (!in->sm_id)
        return;
    (void)hmap_del(&in->s2s->sessions, str_of(in->sm_id));
    mem_free(in->sm_id);
    in->sm_id = NULL;
}

bool s2s_in_hold(struct s2s_in *in, const struct stream_end *e)
{
    if (e->is_orderly || e->received != STREAM_OK || e->sent != STREAM_OK || !in->sm_id ||
        !s2s_line_may_resume(&in->line))
        return false;
    stream_in_free(&in->stream);
    s2s_line_cut(&in->line);
    s2s_bidi_close(in);
    in->cut_us = loop_now_us(in->s2s->loop);
    in->is_hurried = false;
    timer_start(&in->hold, in->s2s->conf.tune.resume_ms);
    s2s_in_hurry(in);
    wait_cut(in);
    return true;
}

/* ---- elements ---- */

static void fail(struct s2s_in *in, const char *condition)
{
    struct buf out;
    buf_init(&out, 1024);
    sm_write_failed(&out, condition, NULL);
    (void)stream_in_send_text(in->stream, buf_view(&out));
    buf_fini(&out);
}

/* Sessions of the same stream, which its peer has lost. */
static void drop_older(struct s2s_in *in)
{
    list_each (&in->s2s->cut, n) {
        struct s2s_in *old = list_entry(n, struct s2s_in, cut);
        bool is_same = old->claimed && in->claimed && strcmp(old->claimed, in->claimed) == 0 &&
                       strcmp(old->to, in->to) == 0;
        if (is_same)
            s2s_in_free(old);
    }
}

static bool wants_resume(const struct xml *el)
{
    struct str resume = xml_get(el, "resume");
    return str_eqc(resume, "true") || str_eqc(resume, "1");
}

/* The id the peer proposes, or one of ours. */
static char *choose_id(const struct s2s *s, const struct xml *el)
{
    char own[RAND_ID_LEN + 1];
    struct arena *a = arena_new(0);
    struct str id = sm_read_id(a, el);
    char *chosen = id.n && !hmap_get(&s->sessions, id) ? str_dup(id) : mem_strdup(rand_id(own));
    arena_free(&a);
    return chosen;
}

static void enable(struct s2s_in *in, const struct xml *el)
{
    const struct s2s_conf *c = &in->s2s->conf;
    bool resumes = wants_resume(el) && !c->no_resume;
    s2s_line_sm_new(&in->line);
    if (resumes) {
        drop_older(in);
        in->sm_id = choose_id(in->s2s, el);
        must(!hmap_put(&in->s2s->sessions, str_of(in->sm_id), in));
    }
    sm_accept(in->line.sm, in->sm_id, (unsigned)(c->tune.resume_ms / 1000));
    if (in->line.is_bidi)
        s2s_in_begin(in);
}

/* The new stream proved what the old one had. */
static bool is_same_peer(const struct s2s_in *old, const struct s2s_in *in)
{
    for (size_t i = 0; i < in->line.pairs.n; i++)
        if (s2s_line_has_pair(&old->line, str_of(in->line.pairs.p[i].local),
                              str_of(in->line.pairs.p[i].remote)))
            return true;
    return false;
}

/* The connection of in goes to old, and in is gone. */
static void take_up(struct s2s_in *old, struct s2s_in *in, uint32_t h)
{
    struct stream_in *stream = in->stream;
    bool is_bidi = in->line.is_bidi;
    size_t max_bytes = in->line.max_bytes;
    uint64_t idle_ms = in->line.peer_idle_ms;
    if (old->stream) { /* it does not know yet that it was cut */
        stream_in_free(&old->stream);
        s2s_line_cut(&old->line);
    }
    in->stream = NULL;
    stream_in_hand_over(stream, s2s_in_conf_for(old->s2s, str_of(old->claimed)), old);
    s2s_in_free(in);
    come_back(old);
    timer_stop(&old->hold);
    old->stream = stream;
    s2s_line_connect(&old->line, stream, NULL);
    old->line.is_bidi = is_bidi;
    old->line.max_bytes = max_bytes;
    old->line.peer_idle_ms = idle_ms;
    log_info(&old->log, "s2s.in.resumed", "unacknowledged", LOG_NUM(sm_pending(old->line.sm)));
    if (!sm_accept_resume(old->line.sm, h))
        return; /* refused: the stream is closing */
    if (is_bidi)
        s2s_in_begin(old);
    else
        s2s_line_resumed(&old->line);
}

static bool resume(struct s2s_in *in, const struct xml *el)
{
    struct str id;
    uint32_t h;
    if (sm_read_resume(el, &id, &h) != ERR_OK)
        return false;
    struct s2s_in *old = hmap_get(&in->s2s->sessions, id);
    if (!old || old == in || old->line.is_closing || !is_same_peer(old, in)) {
        log_info(&in->log, "s2s.in.resume.refused", "why", old ? "not its session" : "unknown");
        fail(in, "item-not-found");
        return true;
    }
    take_up(old, in, h);
    return true;
}

bool s2s_in_session(struct s2s_in *in, const struct xml *el)
{
    if (el->ns != NS_SM || in->s2s->conf.no_acks)
        return false;
    if (!in->line.pairs.n || in->line.is_closing) {
        in->line.is_unheard = in->line.is_closing;
        fail(in, "unexpected-request");
        return true;
    }
    if (in->line.sm) {
        s2s_in_close(in, STREAM_POLICY_VIOLATION, "stream management is on already");
        return true;
    }
    if (xml_is(el, NS_SM, "enable"))
        enable(in, el);
    else if (!resume(in, el))
        return false;
    return true;
}
