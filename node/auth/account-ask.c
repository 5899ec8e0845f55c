/* DOC: accounts of other regions. The question and its answer are an IQ with one element of our own
 * namespace, carried by region links (purpose ASK, ANSWER), which only members of the world can
 * open:
 *   <account user='alice@world.test' keys='scram-sha-256'/>
 *   <account user='alice@world.test' home='eu' exists='true'><key>SCRAM-SHA-256$...</key></account>
 * A region answers for its own accounts only, so an answer counts when it names the asked account,
 * its own region as home, and (if asked) keys of the asked digest; anything else counts as silence.
 */
#include "lib/base/log.h"
#include "node/auth/auth-int.h"
#include "node/cluster/world.h"

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

static struct stanza *question_stanza(const struct node *n, struct str bare, const char *keys)
{
    struct arena *a = arena_new(0);
    struct jid self = {0};
    struct stanza_build b;
    if (jid_make(a, STR_NONE, str_of(n->conf->domains[0]), STR_NONE, &self) != ERR_OK)
        log_error(NULL, "account.domain.invalid", "domain", n->conf->domains[0]);
    stanza_build(&b, STANZA_IQ, IQ_GET, &self, &self, STR("ask"));
    struct xml *el = xml_add(b.arena, b.el, NS_MERIDIAN_ACCOUNT, "account");
    xml_set(b.arena, el, "user", bare);
    xml_set(b.arena, el, "keys", str_of(keys));
    struct stanza *s = stanza_finish(&b);
    arena_free(&a);
    return s;
}

struct op *account_ask(struct node_shard *sh, struct op_owner *o, struct str bare, bool with_keys,
                       enum digest digest, account_cb *cb, void *ctx)
{
    struct question *q = mem_alloc(sizeof *q + bare.n + 1);
    *q = (struct question){.with_keys = with_keys, .digest = digest, .cb = cb, .ctx = ctx};
    memcpy(q->text, bare.p, bare.n);
    q->bare = str_make(q->text, bare.n);
    op_owner_init(&q->ops);
    op_start(&q->op, o, question_cancel);
    const char *keys = with_keys ? account_key_name(digest) : NULL;
    world_ask(sh, &q->ops, question_stanza(sh->node, bare, keys), on_answer, q);
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

static struct stanza *reply_stanza(const struct reply *r, const struct account_info *a)
{
    struct stanza_build b;
    stanza_result_build(&b, r->ask);
    struct xml *el = xml_add(b.arena, b.el, NS_MERIDIAN_ACCOUNT, "account");
    xml_set(b.arena, el, "user", xml_get(stanza_payload(r->ask), "user"));
    xml_set(b.arena, el, "exists", a->exists ? STR("true") : STR("false"));
    if (a->exists)
        xml_set(b.arena, el, "home", str_of(a->home));
    if (a->exists && a->has_keys) {
        struct buf text;
        buf_init(&text, 1024);
        scram_key_format(&a->keys, &text);
        xml_add_text(b.arena, xml_add(b.arena, el, NS_MERIDIAN_ACCOUNT, "key"), buf_view(&text));
        buf_fini(&text);
    }
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

/* The account asked for, in normal form and of a domain we serve, and the digest (or none). */
static bool ask_read(const struct reply *r, struct str *bare, bool *with_keys, enum digest *digest)
{
    const struct xml *el = stanza_payload(r->ask);
    if (r->ask->type != IQ_GET || !xml_is(el, NS_MERIDIAN_ACCOUNT, "account"))
        return false;
    *bare = xml_get(el, "user");
    struct str keys = xml_get(el, "keys");
    *with_keys = keys.p != NULL;
    if (keys.p && !account_key_find(keys, digest))
        return false;
    struct arena *a = arena_new(0);
    struct jid j;
    bool ok = bare->p && jid_parse(a, *bare, &j, NULL) == ERR_OK && j.local.p && !jid_is_full(&j) &&
              str_eq(j.full, *bare) && node_serves(r->sh->node, j.domain);
    arena_free(&a);
    return ok;
}

void account_answer(struct node_shard *sh, struct stanza *ask, account_answer_cb *cb, void *ctx)
{
    struct reply *r = mem_alloc(sizeof *r);
    *r = (struct reply){.sh = sh, .ask = stanza_ref(ask), .cb = cb, .ctx = ctx};
    op_owner_init(&r->ops);
    op_start(&r->op, &sh->ops, reply_cancel);
    defer_init(&r->later, reply_nothing, r);
    struct str bare;
    enum digest digest = DIGEST_SHA256;
    if (ask_read(r, &bare, &r->with_keys, &digest))
        account_lookup_here(sh, &r->ops, bare, r->with_keys, digest, reply_ready, r);
    else
        loop_defer(sh->loop, &r->later);
}
