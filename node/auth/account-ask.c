/* DOC: accounts of other regions. The question and its answer are an IQ with one element of our own
 * namespace, carried by region links (purpose ASK, ANSWER), which only members of the world can
 * open:
 *   <account user='alice@world.test' keys='scram-sha-256'/>
 *   <account user='alice@world.test' home='eu' exists='true'><key>SCRAM-SHA-256$...</key></account>
 * and, as IQ set, for what changes an account where it is:
 *   <account user='alice@world.test'><key>..</key><key>..</key></account>   (other keys)
 *   <account user='alice@world.test' remove='true'/>                        (to its anchor only)
 *   <account user='alice@world.test'><fast ../></account>                   (account-fast-ask.c)
 * A region answers for its own accounts only, so an answer counts when it names the asked account,
 * its own region as home, and (if asked) keys of the asked digest; anything else counts as silence.
 */
#include "lib/base/log.h"
#include "node/auth/account-fast-int.h"
#include "node/auth/auth-int.h"
#include "node/cluster/world.h"
#include "node/session/user.h"

/* ---- asking */
struct question {
    struct op op;
    struct op_owner ops;
    bool with_keys, is_doubtful; /* an answer made no sense */
    enum digest digest;
    account_cb *cb;
    void *ctx;
    struct str bare;
    char text[];
};

static void question_cancel(struct op *op)
{
    struct question *q = container_of(op, struct question, op);
    op_owner_cancel_all(&q->ops);
    mem_free(q);
}

static void question_end(struct question *q, enum err e, const struct account_info *a)
{
    account_cb *cb = q->cb;
    void *cb_ctx = q->ctx;
    op_end(&q->op);
    op_owner_cancel_all(&q->ops);
    mem_free(q);
    cb(cb_ctx, e, a);
}

static enum err answer_keys(const struct question *q, struct arena *a, const struct xml *el,
                            struct account_info *info)
{
    const struct xml *key = xml_child(el, NS_MERIDIAN_ACCOUNT, "key");
    if (!key)
        return ERR_INVALID;
    enum err e = scram_key_parse(xml_text(a, key), &info->keys);
    info->has_keys = e == ERR_OK;
    return e == ERR_OK && info->keys.digest != q->digest ? ERR_INVALID : e;
}

static enum err answer_read(const struct question *q, const char *region, const struct stanza *s,
                            struct account_info *info)
{
    const struct xml *el = stanza_payload(s);
    if (!xml_is(el, NS_MERIDIAN_ACCOUNT, "account") || !str_eq(xml_get(el, "user"), q->bare))
        return ERR_INVALID;
    struct str exists = xml_get(el, "exists");
    if (str_eqc(exists, "false"))
        return ERR_OK;
    if (!str_eqc(exists, "true") || !str_eqc(xml_get(el, "home"), region) ||
        strlen(region) >= sizeof info->home)
        return ERR_INVALID;
    info->exists = true;
    str_put(info->home, sizeof info->home, region);
    if (!q->with_keys)
        return ERR_OK;
    struct arena *a = arena_new(0);
    enum err e = answer_keys(q, a, el, info);
    arena_free(&a);
    return e;
}

static bool on_answer(void *ctx, enum err e, const char *region, const struct stanza *answer)
{
    struct question *q = ctx;
    struct account_info info = {0};
    if (e != ERR_OK) { /* that was all */
        bool sure = e == ERR_EOF && !q->is_doubtful;
        question_end(q, sure ? ERR_OK : ERR_UNAVAILABLE, &info);
        return false;
    }
    e = answer_read(q, region, answer, &info);
    if (e != ERR_OK) {
        log_warn(NULL, "account.answer.invalid", "region", region, "why", err_text(e));
        q->is_doubtful = true;
        return true;
    }
    if (!info.exists)
        return true;
    question_end(q, ERR_OK, &info);
    mem_wipe(&info, sizeof info);
    return false;
}

/* From our domain to the account: that names the shard there. */
struct xml *account_question_build(struct stanza_build *b, const struct node *n,
                                   enum stanza_type type, struct str bare)
{
    struct arena *a = arena_new(0);
    struct jid self = {0}, to = {0};
    if (jid_make(a, STR_NONE, str_of(n->conf->domains[0]), STR_NONE, &self) != ERR_OK ||
        jid_parse(a, bare, &to, NULL) != ERR_OK)
        log_error(NULL, "account.question.invalid", "user", LOG_STR(bare));
    stanza_build(b, STANZA_IQ, type, &self, &to, STR("ask"));
    struct xml *el = xml_add(b->arena, b->el, NS_MERIDIAN_ACCOUNT, "account");
    xml_set(b->arena, el, "user", bare);
    arena_free(&a);
    return el;
}

static struct question *question_new(struct op_owner *o, struct str bare, account_cb *cb, void *ctx)
{
    struct question *q = mem_alloc(sizeof *q + bare.n + 1);
    *q = (struct question){.cb = cb, .ctx = ctx};
    memcpy(q->text, bare.p, bare.n);
    q->bare = str_make(q->text, bare.n);
    op_owner_init(&q->ops);
    op_start(&q->op, o, question_cancel);
    return q;
}

static void key_add(struct stanza_build *b, struct xml *el, const struct scram_key *k)
{
    struct buf text;
    buf_init(&text, 1024);
    scram_key_format(k, &text);
    xml_add_text(b->arena, xml_add(b->arena, el, NS_MERIDIAN_ACCOUNT, "key"), buf_view(&text));
    buf_fini(&text);
}

struct op *account_ask(struct node_shard *sh, struct op_owner *o, struct str bare, bool with_keys,
                       enum digest digest, account_cb *cb, void *ctx)
{
    struct question *q = question_new(o, bare, cb, ctx);
    q->with_keys = with_keys;
    q->digest = digest;
    struct stanza_build b;
    struct xml *el = account_question_build(&b, sh->node, IQ_GET, bare);
    xml_set(b.arena, el, "keys", str_of(with_keys ? account_key_name(digest) : NULL));
    world_ask(sh, &q->ops, stanza_finish(&b), on_answer, q);
    return &q->op;
}

struct op *account_ask_replace(struct node_shard *sh, struct op_owner *o, struct str bare,
                               const struct scram_key *keys, size_t n, account_cb *cb, void *ctx)
{
    struct question *q = question_new(o, bare, cb, ctx);
    struct stanza_build b;
    struct xml *el = account_question_build(&b, sh->node, IQ_SET, bare);
    for (size_t i = 0; i < n; i++)
        key_add(&b, el, &keys[i]);
    world_ask(sh, &q->ops, stanza_finish(&b), on_answer, q);
    return &q->op;
}

struct op *account_ask_remove(struct node_shard *sh, struct op_owner *o, const char *peer,
                              struct str bare, account_cb *cb, void *ctx)
{
    struct question *q = question_new(o, bare, cb, ctx);
    struct stanza_build b;
    struct xml *el = account_question_build(&b, sh->node, IQ_SET, bare);
    xml_set(b.arena, el, "remove", STR("true"));
    world_ask_member(sh, &q->ops, peer, stanza_finish(&b), on_answer, q);
    return &q->op;
}

/* ---- answering */
struct reply {
    struct op op; /* on the shard: when that goes, the asker gets nothing */
    struct op_owner ops;
    struct node_shard *sh;
    struct defer later;
    struct stanza *ask;
    bool with_keys;
    account_answer_cb *cb;
    void *ctx;
};

static void reply_end(struct reply *r, struct stanza *answer)
{
    account_answer_cb *cb = r->cb;
    void *cb_ctx = r->ctx;
    op_end(&r->op);
    defer_cancel(&r->later);
    op_owner_cancel_all(&r->ops);
    stanza_unref(&r->ask);
    mem_free(r);
    cb(cb_ctx, answer);
}

static void reply_cancel(struct op *op)
{
    reply_end(container_of(op, struct reply, op), NULL);
}

static void reply_nothing(void *ctx)
{
    struct reply *r = ctx;
    log_warn(NULL, "account.ask.invalid", "id", LOG_STR(r->ask->id));
    reply_end(r, NULL);
}

static struct xml *reply_build(struct stanza_build *b, const struct reply *r,
                               const struct account_info *a)
{
    stanza_result_build(b, r->ask);
    struct xml *el = xml_add(b->arena, b->el, NS_MERIDIAN_ACCOUNT, "account");
    xml_set(b->arena, el, "user", xml_get(stanza_payload(r->ask), "user"));
    xml_set(b->arena, el, "exists", a->exists ? STR("true") : STR("false"));
    if (a->exists)
        xml_set(b->arena, el, "home", str_of(a->home));
    return el;
}

static struct stanza *reply_stanza(const struct reply *r, const struct account_info *a)
{
    struct stanza_build b;
    struct xml *el = reply_build(&b, r, a);
    if (a->exists && a->has_keys)
        key_add(&b, el, &a->keys);
    return stanza_finish(&b);
}

static void reply_ready(void *ctx, enum err e, const struct account_info *a)
{
    struct reply *r = ctx;
    if (e == ERR_OK)
        reply_end(r, reply_stanza(r, a));
    else
        reply_end(r, stanza_error_reply(r->ask, STANZA_INTERNAL_SERVER_ERROR, NULL));
}

static void reply_fast(void *ctx, enum err e, const struct account_fast *f)
{
    struct reply *r = ctx;
    struct account_info info = {.exists = e != ERR_NOTFOUND};
    struct stanza_build b;
    str_put(info.home, sizeof info.home, r->sh->node->conf->region_name);
    if (e != ERR_OK && e != ERR_AUTH && e != ERR_EOF && e != ERR_NOTFOUND) {
        reply_ready(r, e, &info);
        return;
    }
    struct xml *el = reply_build(&b, r, &info);
    if (info.exists)
        account_fast_answer_add(b.arena, el, e, f);
    reply_end(r, stanza_finish(&b));
}

/* A change was made, or there is no such account here. */
static void reply_changed(void *ctx, enum err e)
{
    struct reply *r = ctx;
    const char *region = r->sh->node->conf->region_name;
    struct account_info info = {.exists = e == ERR_OK};
    str_put(info.home, sizeof info.home, region ? region : "");
    reply_ready(r, e == ERR_NOTFOUND ? ERR_OK : e, &info);
}

/* The account asked for: in normal form, of a domain we serve, and this is its shard. */
static bool ask_names(const struct reply *r, struct str bare)
{
    struct arena *a = arena_new(0);
    struct jid j;
    bool ok = bare.p && str_eq(bare, r->ask->to.full) && jid_parse(a, bare, &j, NULL) == ERR_OK &&
              j.local.p && !jid_is_full(&j) && str_eq(j.full, bare) &&
              node_serves(r->sh->node, j.domain);
    arena_free(&a);
    return ok;
}

/* IQ get: look it up. */
static bool answer_look_up(struct reply *r, struct str bare, const struct xml *el)
{
    enum digest digest = DIGEST_SHA256;
    struct str keys = xml_get(el, "keys");
    r->with_keys = keys.p != NULL;
    if (keys.p && !account_key_find(keys, &digest))
        return false;
    account_lookup_here(r->sh, &r->ops, bare, r->with_keys, digest, reply_ready, r);
    return true;
}

/* IQ set with keys: they replace what is there. */
static bool answer_replace(struct reply *r, struct str bare, const struct xml *el)
{
    struct scram_key keys[ACCOUNT_KEYS_MAX];
    size_t n = 0;
    struct arena *a = arena_new(0);
    bool ok = true;
    xml_each(el, c)
    {
        ok = ok && n < ACCOUNT_KEYS_MAX && xml_is(c->el, NS_MERIDIAN_ACCOUNT, "key") &&
             scram_key_parse(xml_text(a, c->el), &keys[n]) == ERR_OK;
        n++;
    }
    arena_free(&a);
    ok = ok && n > 0;
    if (ok)
        account_store_replace(r->sh, &r->ops, bare, keys, n, reply_changed, r);
    mem_wipe(keys, sizeof keys);
    return ok;
}

/* IQ set with remove: we are its anchor, or views differ and the asker shall try again. */
static bool answer_remove(struct reply *r)
{
    user_erase(r->sh, &r->ops, &r->ask->to, reply_changed, r);
    return true;
}

static bool answer_start(struct reply *r)
{
    const struct xml *el = stanza_payload(r->ask);
    struct str bare = xml_get(el, "user");
    if (!xml_is(el, NS_MERIDIAN_ACCOUNT, "account") || !ask_names(r, bare))
        return false;
    if (r->ask->type == IQ_GET)
        return answer_look_up(r, bare, el);
    if (r->ask->type != IQ_SET)
        return false;
    const struct xml *fast = xml_child(el, NS_MERIDIAN_ACCOUNT, "fast");
    if (fast)
        return account_fast_answer(r->sh, &r->ops, bare, fast, reply_fast, r);
    return str_eqc(xml_get(el, "remove"), "true") ? answer_remove(r) : answer_replace(r, bare, el);
}

void account_answer(struct node_shard *sh, struct stanza *ask, account_answer_cb *cb, void *ctx)
{
    struct reply *r = mem_alloc(sizeof *r);
    *r = (struct reply){.sh = sh, .ask = stanza_ref(ask), .cb = cb, .ctx = ctx};
    op_owner_init(&r->ops);
    op_start(&r->op, &sh->ops, reply_cancel);
    defer_init(&r->later, reply_nothing, r);
    if (!answer_start(r))
        loop_defer(sh->loop, &r->later);
}
