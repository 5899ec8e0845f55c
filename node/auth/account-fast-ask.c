/* DOC: tokens of accounts of other regions. The question goes the way of account-ask.c, as IQ set:
 *   <account user='alice@world.test'><fast mechanism='..' agent='..' since='us'/></account>
 *   <account user='alice@world.test'><fast mechanism='..' agent='..' proof='base64'
 * binding='base64' count='n' last='true' wants='HT-..'/></account> and its answer, of the account's
 * home only, has outcome='ok', 'wrong' or 'expired' and what is to be told to the client. The proof
 * is judged where the tokens are; a token crosses once, when it is given. Standards: XEP-0484. */
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "node/auth/account-fast-int.h"
#include "node/auth/auth-int.h"
#include "node/cluster/world.h"

#define BINARY_MAX 1024 /* bytes of a proof or a binding */
#define FIELD_BASE64 (BINARY_MAX * 2)

struct fast_question {
    struct op op;
    struct op_owner ops;
    bool is_doubtful;
    account_fast_cb *cb;
    void *ctx;
    struct str bare;
    char text[];
};

static void question_cancel(struct op *op)
{
    struct fast_question *q = container_of(op, struct fast_question, op);
    op_owner_cancel_all(&q->ops);
    mem_free(q);
}

static void question_end(struct fast_question *q, enum err e, const struct account_fast *f)
{
    account_fast_cb *cb = q->cb;
    void *ctx = q->ctx;
    op_end(&q->op);
    op_owner_cancel_all(&q->ops);
    mem_free(q);
    cb(ctx, e, f);
}

static bool read_binary(struct str text, struct buf *out)
{
    return text.p && base64_decode(out, text) == ERR_OK && out->n <= BINARY_MAX;
}

static void set_binary(struct arena *a, struct xml *el, const char *name, struct str bytes)
{
    struct buf text;
    buf_init(&text, FIELD_BASE64);
    base64_encode(&text, bytes.p, bytes.n);
    xml_set(a, el, name, buf_view(&text));
    buf_fini(&text);
}

static void set_number(struct arena *a, struct xml *el, const char *name, uint64_t n)
{
    xml_set(a, el, name, arena_printf(a, "%" PRIu64, n));
}

/* ---- asking */
static enum err answer_ok(const struct xml *el, struct account_fast *f)
{
    const struct str token = xml_get(el, "token");
    struct buf response;
    buf_init(&response, BINARY_MAX);
    bool ok = read_binary(xml_get(el, "response"), &response) && response.n == sizeof f->response &&
              token.n < sizeof f->token;
    if (ok)
        memcpy(f->response, response.p, sizeof f->response);
    buf_fini(&response);
    if (!ok || !token.p)
        return ok ? ERR_OK : ERR_INVALID;
    f->has_token = true;
    memcpy(f->token, token.p, token.n);
    return str_to_u64(xml_get(el, "expires"), UINT64_MAX, &f->expires_us) ? ERR_OK : ERR_INVALID;
}

/* ERR_NOTFOUND: the account is not of that region; ERR_INVALID: it makes no sense. */
static enum err answer_read(const struct fast_question *q, const char *region,
                            const struct stanza *s, struct account_fast *f)
{
    const struct xml *el = stanza_payload(s);
    if (!xml_is(el, NS_MERIDIAN_ACCOUNT, "account") || !str_eq(xml_get(el, "user"), q->bare))
        return ERR_INVALID;
    if (str_eqc(xml_get(el, "exists"), "false"))
        return ERR_NOTFOUND;
    const struct xml *fast = xml_child(el, NS_MERIDIAN_ACCOUNT, "fast");
    const struct str outcome = fast ? xml_get(fast, "outcome") : STR_NONE;
    if (!str_eqc(xml_get(el, "exists"), "true") || !str_eqc(xml_get(el, "home"), region))
        return ERR_INVALID;
    if (str_eqc(outcome, "wrong"))
        return ERR_AUTH;
    if (str_eqc(outcome, "expired"))
        return ERR_EOF;
    return str_eqc(outcome, "ok") ? answer_ok(fast, f) : ERR_INVALID;
}

static bool on_answer(void *ctx, enum err e, const char *region, const struct stanza *answer)
{
    struct fast_question *q = ctx;
    struct account_fast f = {0};
    if (e != ERR_OK) { /* that was all */
        question_end(q, e == ERR_EOF && !q->is_doubtful ? ERR_NOTFOUND : ERR_UNAVAILABLE, &f);
        return false;
    }
    e = answer_read(q, region, answer, &f);
    if (e == ERR_INVALID) {
        log_warn(NULL, "account.answer.invalid", "region", region, "why", err_text(e));
        q->is_doubtful = true;
    }
    if (e == ERR_INVALID || e == ERR_NOTFOUND)
        return true;
    question_end(q, e, &f);
    mem_wipe(&f, sizeof f);
    return false;
}

struct op *account_fast_ask(struct node_shard *sh, struct op_owner *o,
                            const struct account_fast_question *what, account_fast_cb *cb,
                            void *ctx)
{
    const struct account_fast_try *try = &what->try;
    struct fast_question *q = mem_alloc(sizeof *q + try->bare.n + 1);
    *q = (struct fast_question){.cb = cb, .ctx = ctx};
    memcpy(q->text, try->bare.p, try->bare.n);
    q->bare = str_make(q->text, try->bare.n);
    op_owner_init(&q->ops);
    op_start(&q->op, o, question_cancel);
    struct stanza_build b;
    struct xml *el = xml_add(b.arena, account_question_build(&b, sh->node, IQ_SET, q->bare),
                             NS_MERIDIAN_ACCOUNT, "fast");
    xml_set(b.arena, el, "mechanism", str_of(sasl_mech_name(try->mech)));
    xml_set(b.arena, el, "agent", try->agent);
    if (what->is_login) {
        set_binary(b.arena, el, "proof", try->proof);
        set_binary(b.arena, el, "binding", try->binding);
        set_number(b.arena, el, "count", try->count);
        xml_set(b.arena, el, "last", str_of(try->is_last ? "true" : NULL));
        xml_set(b.arena, el, "wants",
                str_of(try->wants_token ? sasl_mech_name(try->wanted) : NULL));
    } else {
        set_number(b.arena, el, "since", what->since_us);
    }
    world_ask(sh, &q->ops, stanza_finish(&b), on_answer, q);
    return &q->op;
}

/* ---- answering */
void account_fast_answer_add(struct arena *a, struct xml *el, enum err e,
                             const struct account_fast *f)
{
    struct xml *fast = xml_add(a, el, NS_MERIDIAN_ACCOUNT, "fast");
    xml_set(a, fast, "outcome", str_of(e == ERR_OK ? "ok" : e == ERR_EOF ? "expired" : "wrong"));
    if (e != ERR_OK)
        return;
    set_binary(a, fast, "response", str_make((const char *)f->response, sizeof f->response));
    if (!f->has_token)
        return;
    xml_set(a, fast, "token", str_of(f->token));
    set_number(a, fast, "expires", f->expires_us);
}

static bool read_mech(struct str name, enum sasl_mech *m)
{
    return sasl_mech_find(name, m) && sasl_mech_is_ht(*m);
}

static bool question_read(const struct xml *el, struct account_fast_question *q, struct buf *proof,
                          struct buf *binding)
{
    struct account_fast_try *try = &q->try;
    const struct str wants = xml_get(el, "wants");
    try->agent = xml_get(el, "agent");
    if (!read_mech(xml_get(el, "mechanism"), &try->mech) || !try->agent.n ||
        try->agent.n > ACCOUNT_AGENT_MAX)
        return false;
    if (str_to_u64(xml_get(el, "since"), UINT64_MAX, &q->since_us))
        return true;
    q->is_login = true;
    try->is_last = str_eqc(xml_get(el, "last"), "true");
    try->wants_token = wants.p != NULL;
    bool ok = read_binary(xml_get(el, "proof"), proof) &&
              read_binary(xml_get(el, "binding"), binding) &&
              str_to_u64(xml_get(el, "count"), INT32_MAX, &try->count) &&
              (!wants.p || read_mech(wants, &try->wanted));
    try->proof = buf_view(proof);
    try->binding = buf_view(binding);
    return ok;
}

bool account_fast_answer(struct node_shard *sh, struct op_owner *o, struct str bare,
                         const struct xml *el, account_fast_cb *cb, void *ctx)
{
    struct account_fast_question q = {.try = {.bare = bare}};
    struct buf proof, binding;
    buf_init(&proof, BINARY_MAX);
    buf_init(&binding, BINARY_MAX);
    bool ok = question_read(el, &q, &proof, &binding);
    if (ok)
        account_fast_here(sh, o, &q, cb, ctx);
    buf_fini(&proof);
    buf_fini(&binding);
    return ok;
}
