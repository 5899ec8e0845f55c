/* DOC: stream management of a client: enable, resume, and the session that outlives its stream. The
 * counters and what is unacknowledged are lib/stream/f-sm; what came from the client is in
 * c2s-sm-in.c.
 *
 * A session whose stream was cut is detached: it stays bound here and at its anchor, and what comes
 * for it queues. <resume/> on a new stream of the same account gives that stream to the old
 * connection object; a stream that was still open goes to the new object, which closes it with
 * conflict. After the expiry, or past the bound of the queue, the session ends as any other does,
 * and what is unacknowledged goes back to its anchor. Standards: XEP-0198 1.6.3. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/xmpp/delay.h"
#include "lib/xmpp/xep.h"
#include "node/c2s/c2s-int.h"

XEP("0198", "1.6.3", PARTIAL, "no location");

/* ---- what goes to the client */
static struct kept *kept_of(struct sm_entry *e)
{
    return container_of(e, struct kept, e);
}

static bool up_text(void *ctx, struct str text)
{
    struct conn *c = ctx;
    conn_told *told = c->sm->told;
    c->sm->told = NULL;
    if (told)
        told(c, text);
    else if (c->stream && !stream_in_send_text(c->stream, text))
        conn_stop(c, STOP_OUTPUT, true);
    return true;
}

static bool up_entry(void *ctx, struct sm_entry *e)
{
    struct conn *c = ctx;
    if (c->sm->is_replaying) {
        struct stanza *s = delay_stamp(e->st, c->jid.domain, kept_of(e)->at_us);
        (void)conn_put(c, s);
        stanza_unref(&s);
    } else {
        (void)conn_put(c, e->st);
    }
    return true;
}

static void up_acked(void *ctx, struct sm_entry *e)
{
    (void)ctx;
    conn_kept_free(kept_of(e));
}

static void close_too_high(struct conn *c, const struct sm_session *s, uint32_t h)
{
    char app[160], text[100];
    snprintf(app, sizeof app,
             "<handled-count-too-high xmlns='%s' h='%" PRIu32 "' send-count='%" PRIu32 "'/>", NS_SM,
             h, sm_sent(s));
    snprintf(text, sizeof text,
             "You acknowledged %" PRIu32 " stanzas, but I only sent you %" PRIu32 " so far.", h,
             sm_sent(s));
    conn_close_app(c, STREAM_UNDEFINED_CONDITION, text, app);
}

static void up_broken(void *ctx, const char *why)
{
    struct conn *c = ctx;
    uint32_t h;
    log_warn(NULL, "c2s.sm.broken", "jid", LOG_STR(c->jid.full), "why", why);
    if (sm_refused(c->sm->s, &h))
        close_too_high(c, c->sm->s, h);
    else
        conn_close(c, STREAM_BAD_FORMAT, why);
}

bool conn_sm_cut(struct conn *c)
{
    if (c->state != CONN_BOUND || !c->sm || !c->sm->resume_ms || c->sh->c2s->is_stopping)
        return false;
    conn_sm_detach(c);
    return true;
}

/* It does not answer: its stream is as good as cut. Unless it is we who do not listen: what is
 * asked next starts the time again. */
static void up_silent(void *ctx)
{
    struct conn *c = ctx;
    if (c->stream && stream_in_is_held(c->stream))
        return;
    log_info(NULL, "c2s.sm.silent", "jid", LOG_STR(c->jid.full));
    if (!conn_sm_cut(c))
        conn_close(c, STREAM_CONNECTION_TIMEOUT, "no acknowledgement came");
}

static const struct sm_events sm_up = {
    .send_text = up_text,
    .broken = up_broken,
    .silent = up_silent,
    .send_entry = up_entry,
    .acked_entry = up_acked,
};

void conn_sm_write(struct conn *c, struct kept *k)
{
    const struct node_conf *conf = c->sh->node->conf;
    size_t times = c->state == CONN_DETACHED ? 1 : C2S_SM_LIVE;
    if (!k->at_us)
        k->at_us = clock_wall_us();
    (void)sm_send_entry(c->sm->s, &k->e);
    c->out.is_over |= sm_pending(c->sm->s) > conf->sm_queue * times ||
                      sm_pending_bytes(c->sm->s) > conf->sm_queue_bytes * times;
    if (c->out.is_over)
        loop_defer(c->sh->loop, &c->later);
}

struct kept *conn_sm_take(struct conn *c)
{
    struct sm_entry *e = c->sm ? sm_take_entry(c->sm->s) : NULL;
    return e ? kept_of(e) : NULL;
}

/* ---- sessions that ended: how far the client came */
struct grave {
    struct list link;
    char *id, *bare;
    uint32_t h;
};

static void grave_free(struct c2s_set *set, struct grave *g)
{
    hmap_del(&set->graves_by_id, str_of(g->id));
    list_del(&g->link);
    mem_free(g->id);
    mem_free(g->bare);
    mem_free(g);
}

static void grave_dig(struct conn *c)
{
    struct c2s_set *set = c->sh->c2s;
    struct grave *g = mem_alloc(sizeof *g);
    g->id = str_dup(str_of(sm_id(c->sm->s)));
    g->bare = str_dup(c->jid.bare);
    g->h = sm_received(c->sm->s); /* all that came is in our hands, and answered for */
    list_push(&set->graves, &g->link);
    hmap_put(&set->graves_by_id, str_of(g->id), g);
    if (hmap_count(&set->graves_by_id) > C2S_GRAVES_MAX)
        grave_free(set, list_entry(list_first(&set->graves), struct grave, link));
}

void conn_graves_free(struct c2s_set *set)
{
    struct list *n;
    while ((n = list_first(&set->graves)))
        grave_free(set, list_entry(n, struct grave, link));
    hmap_fini(&set->graves_by_id);
}

/* ---- enable */
static void fail(struct conn *c, struct buf *out, enum stanza_cond cond, const uint32_t *h)
{
    sm_write_failed(out, stanza_cond_name(cond), h);
    log_info(NULL, "c2s.sm.refused", "jid", LOG_STR(c->jid.full), "why", stanza_cond_name(cond));
}

/* How long the session may wait, as we and the client want; 0: not at all. */
static uint64_t wanted_ms(const struct conn *c, const struct xml *el)
{
    struct str resume = xml_get(el, "resume");
    uint64_t max_s, ours = c->sh->node->conf->sm_resume_ms;
    if (c->is_anonymous || (!str_eqc(resume, "true") && !str_eqc(resume, "1")))
        return 0; /* who is anonymous could not log in as the same again */
    if (str_to_u64(xml_get(el, "max"), UINT32_MAX, &max_s) && max_s && max_s * 1000 < ours)
        return max_s * 1000;
    return ours;
}

static void expired(void *ctx)
{
    struct conn *c = ctx;
    c->sh->stats.sm_expired++;
    log_info(NULL, "c2s.sm.expired", "jid", LOG_STR(c->jid.full), "unacked",
             LOG_NUM(sm_pending(c->sm->s)));
    conn_close(c, STREAM_OK, NULL);
}

void conn_sm_enable(struct conn *c, const struct xml *el, conn_told *told)
{
    char id[RAND_ID_LEN + 1];
    struct conn_sm *sm = c->sm = mem_alloc(sizeof *sm);
    const struct sm_policy policy = {.ask_every = c->sh->node->conf->sm_ask_every,
                                     .ask_idle_ms = C2S_SM_ASK_MS,
                                     .answer_turns = C2S_SM_ANSWER_TURNS,
                                     .silent_ms = C2S_SM_SILENT_MS,
                                     .answers_only = true};
    list_init(&sm->batches);
    timer_init(&sm->expiry, c->sh->loop, expired, c);
    sm->resume_ms = wanted_ms(c, el);
    sm->s = sm_session_new(c->sh->loop, &sm_up, c, NS_CLIENT);
    sm_set_policy(sm->s, &policy);
    sm->told = told;
    sm_accept(sm->s, sm->resume_ms ? rand_id(id) : NULL, (unsigned)(sm->resume_ms / 1000));
    if (sm->resume_ms)
        hmap_put(&c->sh->c2s->by_sm, str_of(sm_id(sm->s)), c);
    c->sh->stats.sm_enabled++;
}

/* False: out says why not. */
static bool enable(struct conn *c, const struct xml *el, struct buf *out)
{
    if (c->state == CONN_BOUND && !c->sm) {
        conn_sm_enable(c, el, NULL);
        return true;
    }
    fail(c, out, STANZA_UNEXPECTED_REQUEST, NULL);
    return false;
}

/* ---- the stream ended */
bool conn_sm_outlives(const struct conn *c, const struct stream_end *e)
{
    return c->state == CONN_BOUND && c->sm && c->sm->resume_ms && !c->sh->c2s->is_stopping &&
           e->sent == STREAM_OK && e->received == STREAM_OK && e->err != ERR_EOF &&
           e->err != ERR_PROTOCOL;
}

void conn_sm_detach(struct conn *c)
{
    conn_set_state(c, CONN_DETACHED);
    sm_detach(c->sm->s);
    conn_sm_store(c);
    stream_in_free(&c->stream);
    c->stops = 0;
    conn_csi_set(c, true);
    timer_start(&c->sm->expiry, c->sm->resume_ms);
    conn_out_return(c, NULL);
    log_info(NULL, "c2s.sm.detached", "jid", LOG_STR(c->jid.full), "unacked",
             LOG_NUM(sm_pending(c->sm->s)));
}

void conn_sm_end(struct conn *c)
{
    struct c2s_set *set = c->sh->c2s;
    struct conn_sm *sm = c->sm;
    if (!sm)
        return;
    sm_detach(sm->s);
    timer_stop(&sm->expiry);
    if (hmap_get(&set->by_sm, str_of(sm_id(sm->s))) != c)
        return;
    hmap_del(&set->by_sm, str_of(sm_id(sm->s)));
    conn_sm_store(c);
    grave_dig(c);
}

void conn_sm_free(struct conn *c)
{
    struct conn_sm *sm = c->sm;
    if (!sm)
        return;
    if (hmap_get(&c->sh->c2s->by_sm, str_of(sm_id(sm->s))) == c)
        hmap_del(&c->sh->c2s->by_sm, str_of(sm_id(sm->s)));
    timer_stop(&sm->expiry);
    conn_sm_drop_batches(c);
    sm_session_free(&sm->s);
    mem_free(sm);
    c->sm = NULL;
}

/* ---- resume */
static struct conn *resumable(struct conn *fresh, struct str previd)
{
    struct conn *old = hmap_get(&fresh->sh->c2s->by_sm, previd);
    return old && jid_bare_eq(&old->jid, &fresh->jid) ? old : NULL;
}

static void fail_unknown(struct conn *fresh, struct buf *out, struct str previd)
{
    const struct grave *g = hmap_get(&fresh->sh->c2s->graves_by_id, previd);
    bool is_ours = g && str_eqc(fresh->jid.bare, g->bare);
    fresh->sh->stats.sm_resume_failed++;
    fail(fresh, out, STANZA_ITEM_NOT_FOUND, is_ours ? &g->h : NULL);
}

/* The old object gets the new stream, the new one what is left of the old. */
static void swap_streams(struct conn *old, struct conn *fresh)
{
    struct stream_in *s = old->stream;
    old->stream = fresh->stream;
    fresh->stream = s;
    stream_in_hand_over(old->stream, &old->conf, old);
    if (s)
        stream_in_hand_over(s, &fresh->conf, fresh);
    conn_inline_free(old);
    old->login = fresh->login;
    fresh->login = NULL;
    old->stops = 0;
    old->out.added = old->out.left[0] = old->out.left[1] = 0;
    old->out.is_over = false;
}

static void take_up(struct conn *old, struct conn *fresh, uint32_t h, conn_told *told)
{
    if (old->state == CONN_BOUND) { /* its stream is still open */
        conn_set_state(old, CONN_DETACHED);
        sm_detach(old->sm->s);
        conn_out_return(old, NULL);
    }
    timer_stop(&old->sm->expiry);
    conn_set_state(old, CONN_BOUND);
    swap_streams(old, fresh);
    conn_close(fresh, STREAM_CONFLICT, "resumed by another connection");
    conn_sm_count_all(old);
    old->sm->is_replaying = true;
    old->sm->told = told;
    (void)expect(sm_accept_resume(old->sm->s, h)); /* h was looked at */
    old->sm->is_replaying = false;
    conn_csi_set(old, false);
    old->sh->stats.sm_resumed++;
    log_info(NULL, "c2s.sm.resumed", "jid", LOG_STR(old->jid.full), "conn", old->bind.id, "unacked",
             LOG_NUM(sm_pending(old->sm->s)));
}

bool conn_sm_resume(struct conn *c, const struct xml *el, struct buf *out, conn_told *told)
{
    struct str previd;
    uint32_t h;
    struct conn *old = NULL;
    if (c->state != CONN_UNBOUND)
        fail(c, out, STANZA_UNEXPECTED_REQUEST, NULL);
    else if (sm_read_resume(el, &previd, &h) != ERR_OK)
        fail(c, out, STANZA_BAD_REQUEST, NULL);
    else if (!(old = resumable(c, previd)))
        fail_unknown(c, out, previd);
    else if (!sm_may_ack(old->sm->s, h))
        close_too_high(c, old->sm->s, h);
    else
        take_up(old, c, h, told);
    return old != NULL;
}

bool conn_sm_element(struct conn *c, const struct xml *el)
{
    const bool is_enable = xml_is(el, NS_SM, "enable");
    if (!is_enable && !xml_is(el, NS_SM, "resume"))
        return c->sm && sm_element(c->sm->s, el);
    struct buf out;
    buf_init(&out, SIZE_MAX);
    if (!(is_enable ? enable(c, el, &out) : conn_sm_resume(c, el, &out, NULL))) {
        (void)stream_in_send_text(c->stream, buf_view(&out));
        if (is_enable && c->sm)
            conn_close(c, STREAM_POLICY_VIOLATION, "stream management is enabled already");
    }
    buf_fini(&out);
    return true;
}
