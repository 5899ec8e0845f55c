/* DOC: registration in the stream. Strangers make accounts before they authenticate: their
 * connection does that (c2s/c2s-register.c), this file counts their attempts. Users who are logged
 * in change their password or remove their account, asked of the domain or of themselves; that is
 * done here, at their anchor. Each of the three is allowed by itself ([modules.register]). The
 * answer to a removal is written before the sessions are closed.
 * Standards: XEP-0077 without data forms (section 4 does not require them). */
#include "node/mod/register.h"
#include "lib/base/log.h"
#include "lib/base/siphash.h"
#include "lib/base/throttle.h"
#include "lib/xmpp/xep.h"
#include "node/auth/account.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

XEP("0077", "2.4", COMPLETE);

enum { TRIES_KEYS = 20000 };

struct state {              /* slot of the shard */
    struct throttle *tries; /* of the keys of this shard */
};

static bool may_try(struct node_shard *sh, struct str key)
{
    struct state *st = module_shard_slot(sh, &mod_register);
    return throttle_take(st->tries, siphash(siphash_secret(), key.p, key.n));
}

/* ---- attempts of strangers */
struct attempt {
    struct node_shard *asker;
    handle h;
    void (*done)(struct node_shard *sh, handle h, bool may);
    bool may;
    char key[16];
    size_t key_n;
};

static void attempt_answered(struct node_shard *sh, void *ctx)
{
    struct attempt *t = ctx;
    t->done(sh, t->h, t->may);
    mem_free(t);
}

static void attempt_count(struct node_shard *sh, void *ctx)
{
    struct attempt *t = ctx;
    t->may = may_try(sh, str_make(t->key, t->key_n));
    node_post(t->asker, attempt_answered, mem_free, t);
}

void mod_register_try(struct node_shard *sh, const struct addr *from, handle h,
                      void (*done)(struct node_shard *sh, handle h, bool may))
{
    struct attempt *t = mem_alloc(sizeof *t);
    *t = (struct attempt){.asker = sh, .h = h, .done = done};
    t->key_n = from->family == ADDR_V6 ? 8 : 4;
    memcpy(t->key, from->ip, t->key_n);
    node_post(node_shard_of(sh->node, str_make(t->key, t->key_n)), attempt_count, mem_free, t);
}

enum stanza_cond mod_register_read(struct arena *a, const struct xml *query,
                                   struct mod_register_wish *out)
{
    const struct xml *username = xml_child(query, NS_REGISTER, "username"),
                     *password = xml_child(query, NS_REGISTER, "password");
    if (!username || !password)
        return STANZA_NOT_ACCEPTABLE;
    out->username = str_trim(xml_text(a, username));
    out->password = xml_text(a, password);
    return out->username.n ? STANZA_OK : STANZA_NOT_ACCEPTABLE;
}

/* ---- users who are logged in */
static bool is_ours(const struct iq_request *r)
{
    const struct jid *from = &r->stanza->from;
    return jid_is_full(from) && from->local.p && node_serves(r->shard->node, from->domain) &&
           (!r->user || jid_bare_eq(from, &r->user->bare));
}

static void on_get(struct iq_request *r)
{
    struct arena *a = arena_new(0);
    struct xml *query = xml_new(a, NS_REGISTER, "query");
    xml_add(a, query, NS_REGISTER, "registered");
    xml_add_text(a, xml_add(a, query, NS_REGISTER, "username"), r->stanza->from.local);
    xml_add(a, query, NS_REGISTER, "password");
    iq_result_el(r, query);
    arena_free(&a);
}

static void refuse(struct iq_request *r, enum err e)
{
    log_info(NULL, "register.failed", "user", LOG_STR(r->stanza->from.bare), "why", err_text(e));
    if (e == ERR_INVALID)
        iq_error(r, STANZA_NOT_ACCEPTABLE, "this password cannot be used");
    else if (e == ERR_NOTFOUND)
        iq_error(r, STANZA_REGISTRATION_REQUIRED, NULL);
    else if (e == ERR_LIMIT || e == ERR_CONFLICT)
        iq_error(r, STANZA_RESOURCE_CONSTRAINT, "try again later");
    else
        iq_error(r, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

static void changed(void *ctx, enum err e)
{
    struct iq_request *r = ctx;
    if (e == ERR_OK)
        iq_result(r);
    else
        refuse(r, e);
}

static void change_password(struct iq_request *r, struct arena *a)
{
    const struct node_conf *conf = r->shard->node->conf;
    const struct jid *from = &r->stanza->from;
    struct mod_register_wish w;
    if (!conf->register_password) {
        iq_error(r, STANZA_NOT_ALLOWED, "passwords are not changed here");
        return;
    }
    if (mod_register_read(a, stanza_payload(r->stanza), &w) != STANZA_OK ||
        !str_ieq(w.username, from->local)) {
        iq_error(r, STANZA_BAD_REQUEST, "your username and a new password are needed");
        return;
    }
    const char *wrong = account_password_wrong(conf, from->local, w.password);
    if (wrong)
        iq_error(r, STANZA_NOT_ACCEPTABLE, wrong);
    else if (!may_try(r->shard, from->bare))
        iq_error(r, STANZA_RESOURCE_CONSTRAINT, "too many changes: try again later");
    else
        account_set_password(r->shard, &r->ops, from->bare, w.password, changed, r);
}

/* The sessions are still there: the answer reaches the one that asked before it is closed. */
static void removed(void *ctx, enum err e)
{
    struct iq_request *r = ctx;
    if (e != ERR_OK) {
        refuse(r, e);
        return;
    }
    struct user *u = user_find(r->shard, r->stanza->from.bare);
    struct session *ss = u ? user_session(u, r->stanza->from.resource) : NULL;
    if (ss)
        session_write(ss, stanza_result(r->stanza), custody_ref(r->custody), true, 0);
    iq_answered(r);
}

static void remove_account(struct iq_request *r)
{
    const struct xml *query = stanza_payload(r->stanza);
    if (query->first != query->last)
        iq_error(r, STANZA_BAD_REQUEST, NULL);
    else if (!r->shard->node->conf->register_remove)
        iq_error(r, STANZA_NOT_ALLOWED, "accounts are not removed here");
    else
        account_delete(r->shard, &r->ops, r->stanza->from.bare, removed, r);
}

static bool is_off(const struct node_conf *c)
{
    return !c->register_new && !c->register_password && !c->register_remove;
}

static void on_register(struct iq_request *r)
{
    if (is_off(r->shard->node->conf) || !is_ours(r)) {
        iq_error(r, STANZA_SERVICE_UNAVAILABLE, NULL);
    } else if (r->stanza->type == IQ_GET) {
        on_get(r);
    } else if (xml_child(stanza_payload(r->stanza), NS_REGISTER, "remove")) {
        remove_account(r);
    } else {
        struct arena *a = arena_new(0);
        change_password(r, a);
        arena_free(&a);
    }
}

/* ---- where it is said */
static enum verdict on_features(struct hook_run *run, struct features_subject *f)
{
    if (run->shard->node->conf->register_new && !f->is_authenticated && f->is_secure)
        xml_add(f->arena, f->features, NS_REGISTER_FEATURE, "register");
    return V_PASS;
}

static enum verdict on_disco(struct hook_run *run, struct disco_subject *d)
{
    if (!d->items && !d->account && !d->node.p && !is_off(run->shard->node->conf))
        xml_set(d->arena, xml_add(d->arena, d->query, NS_DISCO_INFO, "feature"), "var",
                STR("jabber:iq:register"));
    return V_PASS;
}

static enum err init(struct node_shard *sh, void *state)
{
    struct state *st = state;
    const struct node_conf *c = sh->node->conf;
    st->tries = throttle_new(c->register_max, c->register_window_ms, TRIES_KEYS);
    return ERR_OK;
}

static void fini(struct node_shard *sh, void *state)
{
    struct state *st = state;
    (void)sh;
    throttle_free(&st->tries);
}

static const struct iq_handler iqs[] = {
    {NS_REGISTER, "query", IQ_TO_SERVER, true, true, false, on_register},
    {NS_REGISTER, "query", IQ_TO_ACCOUNT, true, true, true, on_register},
};
static const struct hook_handler hooks[] = {
    HOOK_ON(stream_features, PH_ANNOTATE, on_features),
    HOOK_ON(disco, PH_ANNOTATE, on_disco),
};

const struct module mod_register = {
    .name = "register",
    .xep = "0077",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .shard_size = sizeof(struct state),
    .init = init,
    .fini = fini,
};
