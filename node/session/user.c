/* Users at their anchor: made on demand, freed when nobody has a use for them. A session is added
 * when a connection binds (here or on another node of the world) and leaves through the user's
 * queue, so that what it sent before is done first. Source: RFC 6120 section 7.7.2.2 (conflict: the
 * newest wins). */
#include "lib/base/log.h"
#include "lib/xmpp/stream-error.h"
#include "node/c2s/c2s.h"
#include "node/cluster/world.h"
#include "node/route/module.h"
#include "node/session/presence.h"
#include "node/session/roster.h"
#include "node/session/session-int.h"

struct user *user_find(struct node_shard *sh, struct str bare)
{
    return hmap_get(&sh->users, bare);
}

struct user *user_get(struct node_shard *sh, const struct jid *bare)
{
    struct user *u = user_find(sh, bare->bare);
    if (u)
        return u;
    u = mem_alloc(sizeof *u + module_user_bytes(sh->node));
    u->shard = sh;
    struct jid b = jid_to_bare(bare);
    jid_dup_heap(&b, &u->bare);
    list_init(&u->sessions);
    list_init(&u->queue);
    op_owner_init(&u->ops);
    hmap_put(&sh->users, u->bare.full, u);
    return u;
}

static void user_free(struct user *u)
{
    hmap_del(&u->shard->users, u->bare.full);
    op_owner_cancel_all(&u->ops);
    leave_free(u);
    module_user_fini(u);
    struct list *n;
    while ((n = list_shift(&u->queue)))
        task_free(list_entry(n, struct task, link));
    while ((n = list_shift(&u->sessions))) {
        struct session *ss = list_entry(n, struct session, link);
        session_free(&ss);
    }
    roster_free(&u->roster);
    jid_fini(&u->bare);
    mem_free(u);
}

void users_free(struct node_shard *sh)
{
    struct user *u;
    for (size_t it = 0; (u = hmap_next(&sh->users, &it, NULL));)
        user_free(u);
    hmap_fini(&sh->users);
}

bool users_busy(struct node_shard *sh)
{
    struct user *u;
    for (size_t it = 0; (u = hmap_next(&sh->users, &it, NULL));)
        if (u->pauses || u->leave || !list_empty(&u->queue))
            return true;
    return false;
}

void user_hold(struct user *u)
{
    u->holds++;
}

void user_release(struct user **pu)
{
    struct user *u = *pu;
    *pu = NULL;
    if (!u)
        return;
    must(u->holds > 0);
    u->holds--;
    if (!u->shard->node->freeing)
        user_kick(u);
}

void user_pause(struct user *u)
{
    u->pauses++;
    user_hold(u);
}

void user_resume(struct user *u)
{
    must(u->pauses > 0);
    u->pauses--;
    user_release(&u);
}

/* Called whenever something ended: go on with the queue, or free the user. */
void user_kick(struct user *u)
{
    if (u->running || u->pauses)
        return;
    if (!list_empty(&u->queue))
        user_run(u);
    else if (!u->n_sessions && !u->holds)
        user_free(u);
}

/* ---- sessions */
void session_free(struct session **pss)
{
    struct session *ss = *pss;
    *pss = NULL;
    list_del(&ss->link);
    handle_free(ss->user->shard->handles, ss->h);
    stanza_unref(&ss->presence);
    directed_clear(ss);
    jid_fini(&ss->full);
    mem_free(ss->peer);
    mem_free(ss);
}

struct session *user_session(struct user *u, struct str resource)
{
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (str_eq(ss->full.resource, resource))
            return ss;
    }
    return NULL;
}

struct session *session_by_handle(struct node_shard *sh, handle h)
{
    return h ? handle_get(sh->handles, h) : NULL;
}

static struct session *session_by_conn(struct user *u, const char *conn_id)
{
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (strcmp(ss->conn_id, conn_id) == 0)
            return ss;
    }
    return NULL;
}

/* Out of the list now (no stanza is delivered to it any more), presence withdrawn in the queue's
 * order. */
static void session_leave(struct session *ss, bool is_front_dead)
{
    struct user *u = ss->user;
    leave_begin(ss, is_front_dead);
    list_del(&ss->link);
    u->n_sessions--;
    handle_free(u->shard->handles, ss->h);
    struct task *t = mem_alloc(sizeof *t);
    t->kind = TASK_GONE;
    t->departed = ss;
    user_task(u, t);
}

void session_close(struct session *ss, enum stream_cond why)
{
    struct node_shard *sh = ss->user->shard;
    if (ss->where == SESSION_HERE) {
        leave_begin(ss, false);
        c2s_close(sh, ss->conn_id, why,
                  why == STREAM_CONFLICT ? "replaced by a new connection"
                                         : "the account was removed");
        return;
    }
    struct stanza_build b;
    stanza_build(&b, STANZA_PRESENCE, PRES_UNAVAILABLE, NULL, &ss->full, STR_NONE);
    xml_add(b.arena, b.el, NS_STREAM_ERRORS, stream_cond_name(why));
    struct region_route r = {.purpose = REGION_DOWN};
    route_trace_new(r.trace);
    str_put(r.resource, sizeof r.resource, ss->conn_id);
    world_send(sh, ss->peer, stanza_finish(&b), NULL, &r);
    leave_begin(ss, false); /* its front knows first */
}

size_t user_kick_remote(struct node_shard *sh, const struct jid *whose)
{
    struct user *u = user_find(sh, whose->bare);
    size_t closed = 0;
    if (!u)
        return 0;
    user_hold(u);
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (ss->where != SESSION_REMOTE || (whose->resource.p && !jid_eq(&ss->full, whose)))
            continue;
        session_close(ss, STREAM_POLICY_VIOLATION);
        session_leave(ss, false);
        closed++;
    }
    user_release(&u);
    return closed;
}

static void session_place(struct session *ss, enum session_where where, handle c2s,
                          const char *peer, uint64_t peer_incarnation)
{
    ss->where = where;
    ss->c2s = c2s;
    mem_free(ss->peer);
    ss->peer = peer ? mem_strdup(peer) : NULL;
    ss->peer_incarnation = peer_incarnation;
}

enum err user_attach(struct node_shard *sh, const struct jid *full, const char *conn_id,
                     enum session_where where, handle c2s, const char *peer,
                     uint64_t peer_incarnation)
{
    struct user *u = user_get(sh, full);
    struct session *ss = session_by_conn(u, conn_id);
    if (ss) { /* the same connection again: after a restart of its node's link or a change of
                 anchors */
        session_place(ss, where, c2s, peer, peer_incarnation);
        return ERR_OK;
    }
    user_pause(u); /* what the old connection gives back at once waits for the new session */
    struct session *old = user_session(u, full->resource);
    enum err e = ERR_OK;
    if (old && strcmp(conn_id, old->conn_id) < 0) {
        e = ERR_CONFLICT;
    } else if (old) {
        sh->stats.conflicts++;
        session_close(old, STREAM_CONFLICT);
        session_leave(old, false);
    } else if (u->n_sessions >= sh->tune.sessions_max) {
        e = ERR_LIMIT;
    }
    if (e == ERR_OK) {
        ss = mem_alloc(sizeof *ss);
        ss->user = u;
        ss->h = handle_new(sh->handles, ss);
        jid_dup_heap(full, &ss->full);
        list_init(&ss->directed);
        str_put(ss->conn_id, sizeof ss->conn_id, conn_id);
        session_place(ss, where, c2s, peer, peer_incarnation);
        list_push(&u->sessions, &ss->link);
        u->n_sessions++;
        sh->stats.attaches++;
    }
    user_resume(u);
    return e;
}

bool user_has_session(struct node_shard *sh, const struct jid *full, const char *conn_id)
{
    struct user *u = user_find(sh, full->bare);
    return u && session_by_conn(u, conn_id);
}

void user_detach(struct node_shard *sh, const struct jid *full, const char *conn_id)
{
    struct user *u = user_find(sh, full->bare);
    struct session *ss = u ? session_by_conn(u, conn_id) : NULL;
    if (ss)
        session_leave(ss, false);
}

void user_leaving(struct node_shard *sh, const struct jid *user, const char *conn_id)
{
    struct user *u = user_find(sh, user->bare);
    struct session *ss = u ? session_by_conn(u, conn_id) : NULL;
    if (ss)
        leave_begin(ss, false);
}

static void peer_dead_for(struct user *u, const char *peer, uint64_t incarnation)
{
    user_pause(u); /* who leaves is worked off when the list is left */
    list_each (&u->sessions, n) {
        struct session *ss = list_entry(n, struct session, link);
        if (ss->where == SESSION_REMOTE && strcmp(ss->peer, peer) == 0 &&
            ss->peer_incarnation <= incarnation)
            session_leave(ss, true);
    }
    user_resume(u);
}

void user_peer_dead(struct node_shard *sh, const char *peer, uint64_t incarnation)
{
    struct user **all = mem_calloc(hmap_count(&sh->users) + 1, sizeof *all);
    size_t n = 0;
    struct user *u;
    for (size_t it = 0; (u = hmap_next(&sh->users, &it, NULL));) {
        user_hold(u);
        all[n++] = u;
    }
    for (size_t i = 0; i < n; i++) {
        peer_dead_for(all[i], peer, incarnation);
        user_release(&all[i]);
    }
    mem_free(all);
}

/* ---- stanzas in */
static struct task *task_new(enum task_kind kind, struct node_shard *sh, struct stanza *s,
                             struct custody *c)
{
    struct task *t = mem_alloc(sizeof *t);
    t->kind = kind;
    t->route.shard = sh;
    t->route.stanza = s;
    t->route.custody = c;
    return t;
}

static void task_from(struct user *u, handle session, struct stanza *s, struct custody *c,
                      const char *trace)
{
    struct task *t = task_new(TASK_FROM, u->shard, s, c);
    t->session = session;
    t->route.source = ROUTE_CLIENT;
    str_put(t->route.trace, sizeof t->route.trace, trace);
    user_task(u, t);
}

void user_from_session(struct node_shard *sh, const struct jid *full, const char *conn_id,
                       const char *peer, uint64_t peer_incarnation, struct stanza *s,
                       struct custody *c, const char *trace)
{
    struct user *u = user_find(sh, full->bare);
    struct session *ss = u ? session_by_conn(u, conn_id) : NULL;
    if (!ss && peer && /* unless a younger connection took its place */
        user_attach(sh, full, conn_id, SESSION_REMOTE, 0, peer, peer_incarnation) == ERR_OK) {
        u = user_find(sh, full->bare);
        ss = session_by_conn(u, conn_id);
    }
    if (!ss) {
        route_bounce(sh, s, c, STANZA_RECIPIENT_UNAVAILABLE, "the session was replaced");
        return;
    }
    task_from(u, ss->h, s, c, trace);
}

void user_from_former(struct node_shard *sh, struct stanza *s, struct custody *c, const char *trace)
{
    struct jid bare = jid_to_bare(&s->from);
    task_from(user_get(sh, &bare), 0, s, c, trace);
}

void user_to(struct node_shard *sh, struct route *r)
{
    struct task *t = task_new(TASK_TO, sh, r->stanza, r->custody);
    struct user *u = user_get(sh, &r->stanza->to);
    t->route = *r;
    if (leave_holds(u, r))
        leave_hold(u, t);
    else
        user_task(u, t);
}

void user_returned(struct node_shard *sh, struct stanza *s, struct custody *c, unsigned hops)
{
    if (s->kind == STANZA_MESSAGE && hops <= ROUTE_HOPS_MAX) {
        route_start(sh, s, c, ROUTE_RETURNED, hops, NULL);
    } else if (s->kind == STANZA_MESSAGE) { /* no more sessions are tried: deliver keeps it */
        struct route r = {
            .shard = sh, .stanza = s, .custody = c, .source = ROUTE_RETURNED, .hops = hops};
        route_trace_new(r.trace);
        user_to(sh, &r);
    } else if (s->kind == STANZA_IQ) {
        route_bounce(sh, s, c, STANZA_SERVICE_UNAVAILABLE, NULL);
    } else {
        route_drop(sh, s, c); /* presence: what the session had, others have or it is void */
    }
}

void session_write(struct session *ss, struct stanza *s, struct custody *c, bool covered,
                   unsigned hops)
{
    struct node_shard *sh = ss->user->shard;
    if (ss->where == SESSION_REMOTE) {
        struct region_route r = {.purpose = REGION_SESSION, .hops = hops, .covered = covered};
        route_trace_new(r.trace);
        str_put(r.resource, sizeof r.resource, ss->conn_id);
        world_send(sh, ss->peer, s, c, &r);
    } else if (!c2s_write(sh, ss->c2s, s, c, covered, hops)) { /* its end is on the way to us */
        if (covered)
            route_drop(sh, s, c);
        else
            user_returned(sh, s, c, hops + 1);
    }
}
