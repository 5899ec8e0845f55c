/* DOC: logins with tokens. What <authenticate/> says of them is read here: who the installation is,
 * how often it used the token, whether it wants another. A token is asked for before it is known
 * who asks, and is given when the mechanism is done: with a token in the same change of the store
 * that its use is, else at home, before all other inline matters. A client that gets none for a
 * reason of ours is logged in without. Standards: XEP-0484 sections 3.2 to 3.6. */
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "node/auth/account-fast.h"
#include "node/c2s/c2s-int.h"

static struct str agent_of(const struct xml *request)
{
    const struct xml *agent = xml_child(request, NS_SASL2, "user-agent");
    const struct str id = agent ? xml_get(agent, "id") : STR_NONE;
    return id.n <= ACCOUNT_AGENT_MAX ? id : STR_NONE;
}

/* Of those we offer. */
static bool wanted(struct conn *c, const struct xml *request, enum sasl_mech *m)
{
    const struct xml *el = xml_child(request, NS_FAST, "request-token");
    return el && sasl_mech_find(xml_get(el, "mechanism"), m) && sasl_mech_is_ht(*m) &&
           conn_mechanisms(c) & 1U << *m;
}

static void keep_token(struct conn *c, const struct account_fast *f)
{
    char expiry[DATEFMT_LEN + 1];
    if (!f->has_token)
        return;
    struct buf *out = &c->login->token;
    buf_printf(out, "<token xmlns='%s' expiry='%s' token='", NS_FAST,
               datefmt_utc(expiry, f->expires_us));
    xml_escape(out, str_of(f->token));
    buf_cstr(out, "'/>");
}

/* ---- login */
static bool read_count(const struct xml *fast, uint64_t *count)
{
    const struct str text = xml_get(fast, "count");
    *count = 0;
    return !text.p || (str_to_u64(text, INT32_MAX, count) && *count > 0);
}

static bool is_true(struct str s)
{
    return str_eqc(s, "true") || str_eqc(s, "1");
}

static void on_login(void *ctx, enum err e, const struct account_fast *f)
{
    struct conn *c = ctx;
    if (e == ERR_OK) {
        c->login->is_by_token = true;
        keep_token(c, f);
        stream_in_token(c->stream, f->response);
        return;
    }
    const bool is_wrong = e == ERR_AUTH || e == ERR_EOF;
    if (!is_wrong) {
        conn_try_void(c);
        c->sh->stats.c2s_auth_unavailable++;
        log_warn(NULL, "c2s.auth.unavailable", "why", err_text(e));
    }
    stream_in_verdict(c->stream, e == ERR_AUTH  ? SASL_FAIL_NOT_AUTHORIZED
                                 : e == ERR_EOF ? SASL_FAIL_CREDENTIALS_EXPIRED
                                                : SASL_FAIL_TEMPORARY_AUTH_FAILURE);
}

/* What of it can be judged before the account is looked at. */
static enum sasl_failure read_try(struct conn *c, struct arena *a, const struct stream_in_need *n,
                                  struct account_fast_try *try)
{
    const struct xml *request = stream_in_request(c->stream);
    const struct xml *fast = request ? xml_child(request, NS_FAST, "fast") : NULL;
    struct jid j;
    *try = (struct account_fast_try){.mech = n->mech, .proof = n->proof, .binding = n->binding};
    if (!fast || !read_count(fast, &try->count))
        return SASL_FAIL_MALFORMED_REQUEST;
    try->agent = agent_of(request);
    try->is_last = is_true(xml_get(fast, "invalidate"));
    try->wants_token = wanted(c, request, &try->wanted);
    if (!try->agent.n)
        return SASL_FAIL_MALFORMED_REQUEST;
    if (jid_make(a, n->user, str_of(c->domain), STR_NONE, &j) != ERR_OK || !j.local.n ||
        conn_inline_is_other(c, &j))
        return SASL_FAIL_NOT_AUTHORIZED;
    try->bare = j.full;
    return SASL_FAIL_NONE;
}

void conn_fast_need(struct conn *c, const struct stream_in_need *n)
{
    struct account_fast_try try;
    struct arena *a = arena_new(0);
    enum sasl_failure f = read_try(c, a, n, &try);
    if (!conn_try_begin(c, f == SASL_FAIL_NONE ? try.bare : n->user))
        f = SASL_FAIL_TEMPORARY_AUTH_FAILURE;
    if (f == SASL_FAIL_NONE)
        account_fast_login(c->sh, &c->ops, &try, on_login, c);
    else
        stream_in_verdict(c->stream, f);
    arena_free(&a);
}

/* ---- a token for the next one */
static void on_issued(void *ctx, enum err e, const struct account_fast *f)
{
    struct conn *c = ctx;
    if (e == ERR_OK)
        keep_token(c, f);
    else
        log_info(NULL, "c2s.token.refused", "jid", LOG_STR(c->jid.full), "why", err_text(e));
    conn_inline_go(c);
}

bool conn_fast_issue(struct conn *c)
{
    const struct xml *request = stream_in_request(c->stream);
    const struct str agent = agent_of(request);
    enum sasl_mech m;
    if (c->is_anonymous || c->login->is_by_token || !agent.n || !wanted(c, request, &m))
        return false;
    account_fast_issue(c->sh, &c->ops, c->jid.bare, agent, m, c->login->since_us, on_issued, c);
    return true;
}
