/* DOC: the connection and its anchor: attach, what the client sends, leave, and attach again when
 * the anchor changed or its node came back. Here the anchor is called, elsewhere it is written to
 * over the region link, in order: UP, FROM ..., DOWN. The registry's row of a bare JID follows the
 * number of its bound connections on this node, which are all on this shard. */
#include "lib/base/log.h"
#include "node/c2s/c2s-int.h"
#include "node/cluster/world.h"
#include "node/session/user.h"

/* ---- the registry's row */
struct user_count {
    size_t n;
    struct str bare;
    char text[];
};

void conn_count(struct conn *c, bool on)
{
    struct hmap *users = &c->sh->c2s->users;
    const char *region = c->sh->node->conf->region_name;
    if (c->bind.is_counted == on || !region)
        return;
    c->bind.is_counted = on;
    struct user_count *u = hmap_get(users, c->jid.bare);
    if (!u) {
        u = mem_alloc(sizeof *u + c->jid.bare.n + 1);
        memcpy(u->text, c->jid.bare.p, c->jid.bare.n);
        u->bare = str_make(u->text, c->jid.bare.n);
        hmap_put(users, u->bare, u);
    }
    u->n += on ? 1 : (size_t)-1;
    if (on && u->n == 1)
        world_publish(c->sh, u->bare, str_of(c->bind.far ? c->bind.far->home : region));
    if (u->n)
        return;
    world_withdraw(c->sh, u->bare);
    hmap_del(users, u->bare);
    mem_free(u);
}

/* ---- to the anchor */
void conn_set_anchor(struct conn *c, const struct anchor *a)
{
    mem_free(c->bind.far);
    c->bind.far = a && a->what == ANCHOR_PEER ? mem_dup(a, sizeof *a) : NULL;
}

static void send_to_anchor(struct conn *c, enum region_purpose p, struct stanza *s,
                           struct custody *cu, const char *trace)
{
    struct region_route r = {.purpose = p};
    if (trace)
        str_put(r.trace, sizeof r.trace, trace);
    else
        route_trace_new(r.trace);
    str_put(r.resource, sizeof r.resource, c->bind.id);
    str_put(r.home, sizeof r.home, c->bind.far->home);
    world_send(c->sh, c->bind.far->peer, s, cu, &r);
}

/* What an anchor must know of the session: what it asked for inline, what another anchor knew. */
static unsigned wants_of(const struct conn *c)
{
    return c->bind.wants | (conn_inline_wants_carbons(c) ? WISH_CARBONS : 0U);
}

/* A presence from the full JID to the bare one: what UP and DOWN carry, and what the session wants.
 */
static struct stanza *note(const struct conn *c, enum stanza_type t)
{
    struct stanza_build b;
    struct jid bare = jid_to_bare(&c->jid);
    stanza_build(&b, STANZA_PRESENCE, t, &c->jid, &bare, STR_NONE);
    session_wants_add(b.arena, b.el, wants_of(c));
    return stanza_finish(&b);
}

void conn_attach(struct conn *c)
{
    if (c->bind.far) {
        c->bind.is_attached = true;
        send_to_anchor(c, REGION_UP, note(c, PRES_AVAILABLE), NULL, NULL);
        return;
    }
    enum err e = user_attach(c->sh, &c->jid, c->bind.id, SESSION_HERE, c->h, NULL, 0);
    c->bind.is_attached = e == ERR_OK;
    if (e == ERR_OK)
        c->bind.wants = user_wants(c->sh, &c->jid, c->bind.id, wants_of(c));
    if (c->state == CONN_BINDING)
        conn_bind_end(c, e);
    else if (e == ERR_CONFLICT)
        conn_close(c, STREAM_CONFLICT, "replaced by a new connection");
    else if (e != ERR_OK)
        conn_close(c, STREAM_RESOURCE_CONSTRAINT, "too many resources");
}

void conn_leave(struct conn *c)
{
    if (!c->bind.is_attached)
        return;
    c->bind.is_attached = false;
    if (c->bind.far)
        send_to_anchor(c, REGION_DOWN, note(c, PRES_UNAVAILABLE), NULL, NULL);
    else
        user_detach(c->sh, &c->jid, c->bind.id);
}

void conn_gave_back(struct conn *c)
{
    if (!c->bind.id[0])
        return;
    if (!c->bind.far)
        user_gave_back(c->sh, &c->jid, c->bind.id);
    else if (c->bind.is_asked)
        world_gave_back(c->sh, c->bind.far->peer, &c->jid, c->bind.id);
    c->bind.is_asked = false;
}

bool c2s_will_give_back(struct node_shard *sh, const char *conn_id, const char *peer)
{
    struct conn *c = conn_by_id(sh, conn_id);
    if (!c || c->state != CONN_CLOSING || list_empty(&c->out.kept) || !c->bind.far ||
        strcmp(c->bind.far->peer, peer) != 0)
        return false;
    c->bind.is_asked = true;
    return true;
}

void conn_to_anchor(struct conn *c, struct stanza *s, struct custody *cu, const char *trace)
{
    if (c->bind.far)
        send_to_anchor(c, REGION_FROM, s, cu, trace);
    else
        user_from_session(c->sh, &c->jid, c->bind.id, NULL, 0, s, cu, trace);
}

/* The anchor on another node answered. */
void c2s_attached(struct node_shard *sh, const char *conn_id, enum err e)
{
    struct conn *c = conn_by_id(sh, conn_id);
    if (!c)
        return;
    if (c->state == CONN_BINDING)
        conn_bind_end(c, e);
    else if (conn_is_session(c) && e == ERR_LIMIT)
        conn_close(c, STREAM_RESOURCE_CONSTRAINT, "too many resources");
    else if (e != ERR_OK) /* it attaches again when its anchor is back */
        log_info(NULL, "c2s.attach.failed", "jid", LOG_STR(c->jid.full), "why", err_text(e));
}

void c2s_wants(struct node_shard *sh, const char *conn_id, unsigned wants)
{
    struct conn *c = conn_by_id(sh, conn_id);
    if (c)
        c->bind.wants = wants;
}

/* ---- attach again */
static bool peer_lives(const struct node_shard *sh, const char *peer)
{
    const struct world_view *v = world_view(sh);
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->members[i].id, peer) == 0)
            return v->members[i].live;
    return false;
}

static bool is_attached_at(const struct conn *c, const struct anchor *a)
{
    if (!c->bind.far)
        return a->what == ANCHOR_HERE;
    return a->what == ANCHOR_PEER && strcmp(a->peer, c->bind.far->peer) == 0;
}

static void presence_again(struct conn *c)
{
    char trace[33];
    route_trace_new(trace);
    if (conn_is_session(c) && c->bind.presence)
        conn_to_anchor(c, stanza_ref(c->bind.presence), NULL, trace);
}

/* What it had from there it has still. */
static void part_from_anchor(struct conn *c)
{
    conn_leave(c);
    conn_gave_back(c);
}

static void reattach(struct conn *c, const struct anchor *a)
{
    bool is_alive = !c->bind.far || peer_lives(c->sh, c->bind.far->peer);
    if (is_alive && !is_attached_at(c, a))
        part_from_anchor(c);
    log_info(NULL, "c2s.reattach", "jid", LOG_STR(c->jid.full), "anchor",
             a->what == ANCHOR_HERE ? "here" : a->peer);
    conn_set_anchor(c, a);
    conn_attach(c);
    presence_again(c);
}

struct recheck { /* the anchor had to be asked */
    struct node_shard *sh;
    handle h;
    char peer[130];
};

/* The anchor of today; peer: what happened to it means to attach again even if it is the same. */
static void recheck(struct conn *c, const struct anchor *a, const char *peer)
{
    if (!conn_is_session(c) || (a->what != ANCHOR_HERE && a->what != ANCHOR_PEER))
        return;
    if (is_attached_at(c, a)) {
        if (a->what == ANCHOR_HERE || !peer || strcmp(a->peer, peer) != 0)
            return;
        if (!peer_lives(c->sh, a->peer))
            return; /* the last of its region: stanzas wait, we attach when it returns */
    }
    reattach(c, a);
}

static void recheck_known(void *ctx, const struct anchor *a)
{
    struct recheck *r = ctx;
    struct conn *c = handle_get(r->sh->handles, r->h);
    if (c)
        recheck(c, a, r->peer);
    mem_free(r);
}

void c2s_reattach(struct node_shard *sh, const char *peer_or_null)
{
    if (!sh->c2s)
        return;
    list_each (&sh->c2s->conns, n) {
        struct conn *c = list_entry(n, struct conn, link);
        struct anchor a;
        if (!conn_is_session(c))
            continue;
        if (anchor_now(sh, c->jid.bare, &a)) {
            recheck(c, &a, peer_or_null);
            continue;
        }
        struct recheck *r = mem_alloc(sizeof *r);
        *r = (struct recheck){.sh = sh, .h = c->h};
        str_put(r->peer, sizeof r->peer, peer_or_null ? peer_or_null : "");
        anchor_ask(sh, &c->ops, c->jid.bare, recheck_known, mem_free, r);
    }
}

/* ---- what could not reach its anchor */
struct returned {
    struct node_shard *sh;
    struct stanza *stanza;
    struct custody *custody;
    char conn_id[64], peer[130];
};

static void returned_free(void *ctx)
{
    struct returned *r = ctx;
    stanza_unref(&r->stanza);
    custody_unref(&r->custody);
    mem_free(r);
}

static void returned_refuse(struct returned *r)
{
    struct stanza *e = stanza_error_reply(r->stanza, STANZA_REMOTE_SERVER_TIMEOUT,
                                          "the region of your account cannot be reached");
    r->sh->stats.stanzas_bounced++;
    if (e && !c2s_write_to(r->sh, r->conn_id, e, NULL, true, 0))
        stanza_unref(&e);
}

/* The client is gone: what it addressed to others still goes there. */
static void returned_orphan(struct returned *r)
{
    struct stanza *s = r->stanza;
    struct custody *cu = r->custody;
    r->stanza = NULL;
    r->custody = NULL;
    if (s->kind == STANZA_MESSAGE && jid_is_set(&s->to))
        route_start(r->sh, s, cu, ROUTE_CLIENT, 1, NULL);
    else
        route_drop(r->sh, s, cu);
}

static void returned_known(void *ctx, const struct anchor *a)
{
    struct returned *r = ctx;
    struct conn *c = conn_by_id(r->sh, r->conn_id);
    bool moved =
        a->what == ANCHOR_HERE || (a->what == ANCHOR_PEER && strcmp(a->peer, r->peer) != 0);
    if (!c || !conn_is_session(c)) {
        returned_orphan(r);
    } else if (!moved) {
        returned_refuse(r);
    } else {
        char trace[33];
        route_trace_new(trace);
        if (!is_attached_at(c, a))
            reattach(c, a);
        struct stanza *s = r->stanza;
        struct custody *cu = r->custody;
        r->stanza = NULL;
        r->custody = NULL;
        if (conn_is_session(c))
            conn_to_anchor(c, s, cu, trace);
        else
            route_drop(r->sh, s, cu);
    }
    returned_free(r);
}

void c2s_returned(struct node_shard *sh, struct stanza *s, struct custody *c, const char *conn_id,
                  const char *peer)
{
    struct returned *r = mem_alloc(sizeof *r);
    *r = (struct returned){.sh = sh, .stanza = s, .custody = c};
    str_put(r->conn_id, sizeof r->conn_id, conn_id);
    str_put(r->peer, sizeof r->peer, peer);
    struct anchor a;
    if (anchor_now(sh, s->from.bare, &a))
        returned_known(r, &a);
    else
        anchor_ask(sh, &sh->ops, s->from.bare, returned_known, returned_free, r);
}
