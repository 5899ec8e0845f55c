/* DOC: client connections of a shard: accepted, moved home, bound, ended. This file has the set and
 * the life of a connection; the phases are in c2s-auth.c, c2s-move.c, c2s-bind.c and c2s-anchor.c,
 * stanzas in c2s-in.c and c2s-out.c, pings in c2s-idle.c. A connection is one object from accept to
 * end; it belongs to one shard at a time and to none while it travels. Others name it by handle
 * (same shard) or by connection id (the world). Ends are told to the anchor exactly once: by
 * conn_leave. Standards: RFC 6120 section 4.9 (stream errors), RFC 7590. */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "lib/net/tls.h"
#include "node/c2s/c2s-int.h"
#include "node/route/hooks.h"
#include "node/session/user.h"

/* ---- states */
static const char *const state_names[CONN_STATES] = {
    [CONN_AUTH] = "auth",       [CONN_MOVING] = "moving", [CONN_UNBOUND] = "unbound",
    [CONN_BINDING] = "binding", [CONN_BOUND] = "bound",   [CONN_DETACHED] = "detached",
    [CONN_CLOSING] = "closing",
};
#define TO(s) (1U << (CONN_##s))
static const unsigned state_next[CONN_STATES] = {
    [CONN_AUTH] = TO(MOVING) | TO(UNBOUND) | TO(CLOSING),
    [CONN_MOVING] = TO(UNBOUND) | TO(CLOSING),
    [CONN_UNBOUND] = TO(BINDING) | TO(CLOSING),
    [CONN_BINDING] = TO(UNBOUND) | TO(BOUND) | TO(CLOSING),
    [CONN_BOUND] = TO(DETACHED) | TO(CLOSING),
    [CONN_DETACHED] = TO(BOUND) | TO(CLOSING),
    [CONN_CLOSING] = 0,
};

const char *conn_state_name(enum conn_state s)
{
    return state_names[s];
}

/* ---- who is not logged in yet: past the bound a new one is refused, so that those who are half
 * through it, when all come back at once, get in ---- */
static void one_less(struct node_shard *sh)
{
    struct c2s_set *s = sh->c2s;
    if (--s->unauthenticated < sh->node->half_open_max / 2)
        s->is_crowded = false;
}

static bool has_room(struct node_shard *sh)
{
    struct c2s_set *s = sh->c2s;
    if (s->unauthenticated < sh->node->half_open_max)
        return true;
    sh->stats.connections_refused++;
    if (!s->is_crowded)
        log_warn(NULL, "c2s.crowded", "connections", LOG_NUM(s->unauthenticated), "why",
                 "so many are not logged in; new ones are refused");
    s->is_crowded = true;
    return false;
}

void conn_set_state(struct conn *c, enum conn_state s)
{
    must(state_next[c->state] & 1U << s);
    log_debug(NULL, "c2s.state", "jid", LOG_STR(c->jid.full), "from", state_names[c->state], "to",
              state_names[s]);
    if (c->state == CONN_AUTH)
        one_less(c->sh);
    c->state = s;
}

/* ---- the set */
struct c2s_set *c2s_set_new(struct node_shard *sh)
{
    struct c2s_set *s = mem_alloc(sizeof *s);
    s->sh = sh;
    list_init(&s->conns);
    c2s_idle_init(s);
    list_init(&s->graves);
    return s;
}

static void set_stopped(void *ctx)
{
    struct c2s_set *s = ctx;
    timer_stop(&s->stop_deadline);
    timer_stop(&s->stop_look);
    void (*done)(void *ctx) = s->stopped;
    s->stopped = NULL;
    if (done)
        done(s->stopped_ctx);
}

/* All are gone, and what they gave back has reached the store. */
static void set_look(void *ctx)
{
    struct c2s_set *s = ctx;
    if (!s->stopped || s->n)
        return;
    if (users_busy(s->sh))
        timer_start(&s->stop_look, C2S_STOP_LOOK_MS);
    else
        timer_start(&s->stop_deadline, 0);
}

void c2s_stop(struct node_shard *sh, void (*done)(void *ctx), void *ctx)
{
    struct c2s_set *s = sh->c2s;
    s->is_stopping = true;
    s->stopped = done;
    s->stopped_ctx = ctx;
    timer_init(&s->stop_deadline, sh->loop, set_stopped, s);
    timer_init(&s->stop_look, sh->loop, set_look, s);
    timer_start(&s->stop_deadline, C2S_STOP_MS);
    list_each (&s->conns, n) {
        conn_close(list_entry(n, struct conn, link), STREAM_SYSTEM_SHUTDOWN, "the server stops");
    }
    set_look(s);
}

void c2s_set_free(struct c2s_set **ps)
{
    struct c2s_set *s = *ps;
    if (!s)
        return;
    struct list *n;
    while ((n = list_first(&s->conns)))
        conn_free(list_entry(n, struct conn, link));
    c2s_drain_end(s->sh);
    *ps = NULL;
    if (s->stop_deadline.fn) {
        timer_stop(&s->stop_deadline);
        timer_stop(&s->stop_look);
    }
    timer_stop(&s->idle);
    conn_graves_free(s);
    hmap_fini(&s->by_sm);
    hmap_fini(&s->by_id);
    void *count;
    for (size_t it = 0; (count = hmap_next(&s->users, &it, NULL));)
        mem_free(count);
    hmap_fini(&s->users);
    mem_free(s);
}

void conn_join(struct conn *c, struct node_shard *sh)
{
    c->sh = sh;
    c->h = handle_new(sh->handles, c);
    list_push(&sh->c2s->conns, &c->link);
    sh->c2s->n++;
    c2s_idle_watch(sh->c2s);
    conn_out_join(c);
}

void conn_part(struct conn *c)
{
    if (!c->h)
        return;
    handle_free(c->sh->handles, c->h);
    c->h = 0;
    list_del(&c->link);
    c->sh->c2s->n--;
    if (c->state == CONN_AUTH)
        one_less(c->sh);
}

struct conn *conn_by_id(struct node_shard *sh, const char *conn_id)
{
    return hmap_get(&sh->c2s->by_id, str_of(conn_id));
}

/* ---- events of the stream */
static void features_collected(void *ctx, struct hook_run *run, struct features_subject *f,
                               enum verdict v)
{
    (void)ctx;
    (void)run;
    (void)f;
    (void)v;
}

static void conn_features(void *ctx, struct arena *a, struct xml *features)
{
    struct conn *c = ctx;
    if (conn_redirect(c, stream_in_is_secure(c->stream), stream_in_is_authenticated(c->stream)))
        return;
    struct features_subject f = {.arena = a,
                                 .features = features,
                                 .is_authenticated = stream_in_is_authenticated(c->stream),
                                 .is_secure = stream_in_is_secure(c->stream)};
    hook_run_stream_features(c->sh, &f, features_collected, NULL);
    if (!f.is_authenticated)
        return;
    if (c->state != CONN_BOUND) { /* else it was bound inline */
        xml_add(a, features, NS_BIND, "bind");
        struct xml *session = xml_add(a, features, NS_SESSION, "session");
        xml_add(a, session, NS_SESSION, "optional");
    }
    if (!c->sm) /* else it was enabled inline */
        xml_add(a, features, NS_SM, "sm");
    xml_add(a, features, NS_CSI, "csi");
}

static void conn_drain(void *ctx)
{
    struct conn *c = ctx;
    conn_stop(c, STOP_OUTPUT, false);
    loop_defer(c->sh->loop, &c->later);
}

static void conn_over(struct conn *c, const struct stream_end *orderly_or_null)
{
    struct node_shard *sh = c->sh;
    conn_leave(c);
    conn_sm_end(c);
    conn_out_return(c, orderly_or_null);
    conn_count(c, false);
    conn_free(c);
    set_look(sh->c2s);
}

static void conn_end(void *ctx, const struct stream_end *e)
{
    struct conn *c = ctx;
    c->sh->stats.c2s_closed++;
    conn_try_failed(c);
    log_info(NULL, "c2s.closed", "jid", LOG_STR(c->jid.full), "why", e->text);
    if (conn_sm_outlives(c, e))
        conn_sm_detach(c);
    else
        conn_over(c, e->is_orderly ? e : NULL);
}

const struct stream_in_events conn_events = {
    .header = conn_header,
    .features = conn_features,
    .mechanisms = conn_mechanisms,
    .need = conn_need,
    .authenticated = conn_authenticated,
    .element = conn_element,
    .drain = conn_drain,
    .end = conn_end,
    .inline_features = conn_inline_features,
};

/* ---- life */
static void conn_later(void *ctx)
{
    struct conn *c = ctx;
    conn_sm_turn(c);
    if (c->state == CONN_MOVING)
        conn_move(c);
    else if (c->state == CONN_CLOSING && !c->stream)
        conn_over(c, NULL);
    else if (c->state == CONN_UNBOUND && stream_in_request(c->stream))
        conn_inline(c);
    else
        conn_out_look(c);
}

static struct conn *conn_new(struct node_shard *sh)
{
    const struct node *n = sh->node;
    struct conn *c = mem_alloc(sizeof *c);
    c->conf = (struct stream_in_conf){
        .content_ns = NS_CLIENT,
        .tls = n->tls_c2s,
        .tls_required = n->conf->c2s_tls_required,
        .limits = &n->conf->limits,
        .default_from = n->conf->domains[0],
        .fake = &sh->fake,
    };
    c->since_us = clock_wall_us();
    op_owner_init(&c->ops);
    list_init(&c->out.kept);
    defer_init(&c->later, conn_later, c);
    conn_join(c, sh);
    sh->c2s->unauthenticated++;
    return c;
}

void c2s_accept(struct node_shard *sh, struct transport *t, bool direct_tls,
                const struct stream_rate *rate)
{
    sh->stats.c2s_accepted++;
    if (sh->c2s->is_stopping)
        log_warn(NULL, "c2s.refused", "why", "stopping");
    if (sh->c2s->is_stopping || !has_room(sh)) {
        transport_abort(&t);
        return;
    }
    struct conn *c = conn_new(sh);
    if (direct_tls)
        t = tls_server(&t, sh->node->tls_c2s);
    c->stream = stream_in_new(&t, &c->conf, &conn_events, c);
    stream_in_set_rate(c->stream, rate);
}

void conn_free(struct conn *c)
{
    op_owner_cancel_all(&c->ops);
    defer_cancel(&c->later);
    if (c->deadline.fn)
        timer_stop(&c->deadline);
    conn_anonymous_end(c);
    conn_bind_drop(c);
    stanza_unref(&c->bind.presence);
    mem_free(c->bind.far);
    conn_out_free(c);
    conn_inline_free(c);
    conn_csi_free(c);
    conn_sm_free(c);
    conn_part(c);
    stream_in_free(&c->stream);
    jid_fini(&c->jid);
    mem_free(c->domain);
    mem_free(c);
}

void conn_stop(struct conn *c, enum conn_stop why, bool on)
{
    bool was = c->stops != 0;
    c->stops = on ? c->stops | why : c->stops & ~(unsigned)why;
    if (c->stream && was != (c->stops != 0))
        stream_in_pause(c->stream, c->stops != 0);
}

void conn_deadline(struct conn *c, void (*late)(void *ctx), uint64_t ms)
{
    if (c->deadline.fn)
        timer_stop(&c->deadline);
    timer_init(&c->deadline, c->sh->loop, late, c);
    timer_start(&c->deadline, ms);
}

bool conn_is_session(const struct conn *c)
{
    return c->state == CONN_BOUND || c->state == CONN_DETACHED;
}

void conn_reply(struct conn *c, struct stanza *s)
{
    if (c->sm && conn_write(c, s, NULL, true, 0)) /* it is counted, too */
        return;
    if (!stream_in_send_stanza(c->stream, s))
        conn_stop(c, STOP_OUTPUT, true);
    stanza_unref(&s);
}

void conn_close(struct conn *c, enum stream_cond cond, const char *text)
{
    conn_close_app(c, cond, text, NULL);
}

/* With stream management nothing more is acknowledged: what is not goes back at once, so that what
 * comes now comes after it. */
void conn_close_app(struct conn *c, enum stream_cond cond, const char *text, const char *app_xml)
{
    if (c->state == CONN_CLOSING)
        return;
    op_owner_cancel_all(&c->ops);
    if (c->deadline.fn)
        timer_stop(&c->deadline);
    conn_leave(c);
    conn_set_state(c, CONN_CLOSING);
    if (c->sm) {
        conn_sm_end(c);
        conn_out_return(c, NULL);
    }
    if (c->stream)
        stream_in_close_app(c->stream, cond, text, app_xml);
    else
        loop_defer(c->sh->loop, &c->later);
}

void c2s_close(struct node_shard *sh, const char *conn_id, enum stream_cond c, const char *text)
{
    struct conn *conn = conn_by_id(sh, conn_id);
    if (!conn)
        return;
    conn->bind.is_attached = false; /* the anchor knows */
    conn_close(conn, c, text);
}
