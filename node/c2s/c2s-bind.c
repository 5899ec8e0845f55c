/* DOC: resource binding. The resource is the client's wish or a random one; the connection id is
 * new with every attempt, so that a late answer to an earlier one finds nobody. The client is not
 * read until the anchor answered, at most C2S_ATTACH_MS. Standards: RFC 6120 section 7;
 * XEP-0386 (c2s-inline.c asks for it). */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "node/c2s/c2s-int.h"

bool conn_is_bind(const struct stanza *s)
{
    return s->kind == STANZA_IQ && s->type == IQ_SET && xml_is(stanza_payload(s), NS_BIND, "bind");
}

void conn_bind_drop(struct conn *c)
{
    if (c->bind.id[0] && conn_by_id(c->sh, c->bind.id) == c)
        hmap_del(&c->sh->c2s->by_id, str_of(c->bind.id));
    c->bind.id[0] = 0;
    stanza_unref(&c->bind.request);
}

static void bind_fail(struct conn *c, enum stanza_cond cond, const char *text)
{
    struct stanza *reply = c->bind.request ? stanza_error_reply(c->bind.request, cond, text) : NULL;
    log_info(NULL, "c2s.bind.failed", "jid", LOG_STR(c->jid.full), "why", text);
    conn_leave(c);
    conn_gave_back(c);
    conn_bind_drop(c);
    conn_unbound(c);
    if (reply)
        conn_reply(c, reply);
    else
        conn_inline_end(c, false);
    conn_stop(c, STOP_BIND, false);
}

static void bind_late(void *ctx)
{
    struct conn *c = ctx;
    op_owner_cancel_all(&c->ops);
    bind_fail(c, STANZA_INTERNAL_SERVER_ERROR, "the home region of the account does not answer");
}

static void bind_reply(struct conn *c)
{
    struct stanza_build b;
    stanza_result_build(&b, c->bind.request);
    struct xml *bind = xml_add(b.arena, b.el, NS_BIND, "bind");
    xml_add_text(b.arena, xml_add(b.arena, bind, NS_BIND, "jid"), c->jid.full);
    stanza_unref(&c->bind.request);
    conn_reply(c, stanza_finish(&b));
}

void conn_bind_end(struct conn *c, enum err e)
{
    if (e != ERR_OK) {
        c->bind.is_attached = false;
        if (e == ERR_LIMIT)
            bind_fail(c, STANZA_RESOURCE_CONSTRAINT, "too many resources");
        else if (e == ERR_CONFLICT)
            bind_fail(c, STANZA_CONFLICT, "a younger connection has this resource");
        else
            bind_fail(c, STANZA_INTERNAL_SERVER_ERROR,
                      "the home region of the account is out of reach");
        return;
    }
    timer_stop(&c->deadline);
    conn_set_state(c, CONN_BOUND);
    conn_count(c, true);
    if (c->bind.request)
        bind_reply(c);
    else
        conn_inline_end(c, true);
    conn_stop(c, STOP_BIND, false);
    log_info(NULL, "c2s.bound", "jid", LOG_STR(c->jid.full), "conn", c->bind.id);
}

static void bind_anchor(void *ctx, const struct anchor *a)
{
    struct conn *c = ctx;
    conn_set_anchor(c, a);
    switch (a->what) {
    case ANCHOR_HERE:
    case ANCHOR_PEER:
        conn_attach(c);
        break;
    case ANCHOR_NO_ACCOUNT: /* removed since it authenticated */
        bind_fail(c, STANZA_NOT_ALLOWED, "there is no such account");
        conn_close(c, STREAM_NOT_AUTHORIZED, "the account was removed");
        break;
    case ANCHOR_UNKNOWN:
        conn_bind_end(c, ERR_UNAVAILABLE);
        break;
    }
}

/* The full JID to be. */
static enum err bind_choose(struct conn *c, struct str wish)
{
    struct arena *a = arena_new(0);
    struct jid j;
    enum err e = jid_make(a, c->jid.local, c->jid.domain, wish, &j);
    if (e == ERR_OK) {
        struct jid old = c->jid;
        jid_dup_heap(&j, &c->jid);
        jid_fini(&old);
    }
    arena_free(&a);
    return e;
}

/* The client's wish, else a random one. */
static enum err bind_choose_for(struct conn *c, const struct stanza *s)
{
    char generated[RAND_ID_LEN + 1];
    struct arena *a = arena_new(0);
    const struct xml *el = xml_child(stanza_payload(s), NS_BIND, "resource");
    struct str wish = el ? xml_text(a, el) : STR_NONE;
    enum err e = bind_choose(c, wish.n ? wish : str_of(rand_id(generated)));
    arena_free(&a);
    return e;
}

/* Unique in the world, and later ones sort behind earlier ones: of two connections that claim one
 * full JID the anchor takes the younger, whatever order it hears of them in. */
static void bind_name(struct conn *c)
{
    char random[RAND_ID_LEN + 1];
    snprintf(c->bind.id, sizeof c->bind.id, "%014" PRIx64 ".%.16s", clock_wall_us(),
             rand_id(random));
}

static void bind_start(struct conn *c)
{
    bind_name(c);
    hmap_put(&c->sh->c2s->by_id, str_of(c->bind.id), c);
    conn_set_state(c, CONN_BINDING);
    conn_stop(c, STOP_BIND, true);
    conn_deadline(c, bind_late, C2S_ATTACH_MS);
    struct anchor a;
    if (anchor_now(c->sh, c->jid.bare, &a))
        bind_anchor(c, &a);
    else
        anchor_ask(c->sh, &c->ops, c->jid.bare, bind_anchor, NULL, c);
}

enum err conn_bind_inline(struct conn *c, struct str resource)
{
    enum err e = bind_choose(c, resource);
    if (e == ERR_OK)
        bind_start(c);
    return e;
}

void conn_bind(struct conn *c, struct stanza *s)
{
    if (bind_choose_for(c, s) != ERR_OK) {
        struct stanza *reply = stanza_error_reply(s, STANZA_BAD_REQUEST, "malformed resource");
        stanza_unref(&s);
        if (reply)
            conn_reply(c, reply);
        return;
    }
    c->bind.request = s;
    bind_start(c);
}
