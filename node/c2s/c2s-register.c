/* DOC: a stranger makes an account before it authenticates (node/mod/register.c has the rest of the
 * matter). Over TLS only, one account a connection, so many attempts from an address. While an
 * attempt is under way the client is not read: what hangs on the connection must be over when it
 * moves home. Standards: XEP-0077 section 3.1.1. */
#include "lib/base/log.h"
#include "node/auth/account.h"
#include "node/c2s/c2s-int.h"
#include "node/mod/register.h"

static void reply(struct conn *c, struct stanza *s_or_null)
{
    if (s_or_null)
        conn_reply(c, s_or_null);
    stanza_unref(&c->bind.request);
    conn_stop(c, STOP_REGISTER, false);
}

static void reply_error(struct conn *c, enum stanza_cond cond, const char *text)
{
    log_info(NULL, "c2s.register.refused", "domain", c->domain, "why", text);
    reply(c, stanza_error_reply(c->bind.request, cond, text));
}

static void reply_fields(struct conn *c)
{
    struct stanza_build b;
    stanza_result_build(&b, c->bind.request);
    struct xml *query = xml_add(b.arena, b.el, NS_REGISTER, "query");
    xml_add_text(b.arena, xml_add(b.arena, query, NS_REGISTER, "instructions"),
                 STR("Choose a username and a password."));
    xml_add(b.arena, query, NS_REGISTER, "username");
    xml_add(b.arena, query, NS_REGISTER, "password");
    reply(c, stanza_finish(&b));
}

static void created(void *ctx, enum err e)
{
    struct conn *c = ctx;
    if (e == ERR_OK) {
        c->has_registered = true;
        reply(c, stanza_result(c->bind.request));
    } else if (e == ERR_EXISTS) {
        reply_error(c, STANZA_CONFLICT, "this name is taken");
    } else if (e == ERR_INVALID) {
        reply_error(c, STANZA_NOT_ACCEPTABLE, "this name or password cannot be used");
    } else if (e == ERR_LIMIT || e == ERR_UNAVAILABLE) {
        reply_error(c, STANZA_RESOURCE_CONSTRAINT, "try again later");
    } else {
        reply_error(c, STANZA_INTERNAL_SERVER_ERROR, "the account cannot be written");
    }
}

static void attempt_counted(struct node_shard *sh, handle h, bool may)
{
    struct conn *c = handle_get(sh->handles, h);
    struct mod_register_wish w;
    struct jid j;
    if (!c || c->state != CONN_AUTH || !c->bind.request)
        return;
    if (!may) {
        reply_error(c, STANZA_RESOURCE_CONSTRAINT, "too many attempts: try again later");
        return;
    }
    struct arena *a = arena_new(0);
    if (mod_register_read(a, stanza_payload(c->bind.request), &w) == STANZA_OK &&
        jid_make(a, w.username, str_of(c->domain), STR_NONE, &j) == ERR_OK)
        account_create(sh, &c->ops, j.full, w.password, created, c);
    else
        reply_error(c, STANZA_NOT_ACCEPTABLE, "this name cannot be used");
    arena_free(&a);
}

/* What can be said without asking anybody: NULL, it may go on. */
static const char *objection(const struct conn *c, enum stanza_cond *cond)
{
    struct mod_register_wish w;
    struct arena *a = arena_new(0);
    const char *why = NULL;
    *cond = STANZA_NOT_ACCEPTABLE;
    if (c->has_registered)
        why = "one account a connection";
    else if (mod_register_read(a, stanza_payload(c->bind.request), &w) != STANZA_OK)
        why = "a username and a password are needed";
    else
        why = account_password_wrong(c->sh->node->conf, w.username, w.password);
    arena_free(&a);
    return why;
}

static void on_request(struct conn *c)
{
    enum stanza_cond cond;
    conn_stop(c, STOP_REGISTER, true);
    if (c->bind.request->type == IQ_GET) {
        reply_fields(c);
        return;
    }
    const char *why = objection(c, &cond);
    if (why)
        reply_error(c, cond, why);
    else
        mod_register_try(c->sh, &stream_in_transport(c->stream)->peer, c->h, attempt_counted);
}

static bool is_for_us(const struct conn *c, const struct stanza *s)
{
    return s->kind == STANZA_IQ && stanza_iq_request(s) &&
           xml_is(stanza_payload(s), NS_REGISTER, "query") &&
           (!jid_is_set(&s->to) || str_eqc(s->to.full, c->domain));
}

bool conn_register(struct conn *c, struct xml_doc **doc)
{
    struct stanza *s = NULL, *answer = NULL;
    bool unknown;
    if (!c->sh->node->conf->register_new || !c->domain || !op_owner_idle(&c->ops) ||
        !stream_in_is_secure(c->stream) || !xml_is((*doc)->root, NS_CLIENT, "iq") ||
        !xml_child((*doc)->root, NS_REGISTER, "query"))
        return false;
    enum stanza_cond cond = stanza_from_doc(doc, &s, &answer, &unknown);
    if (cond != STANZA_OK) {
        if (answer)
            conn_reply(c, answer);
    } else if (is_for_us(c, s)) {
        c->bind.request = s;
        on_request(c);
    } else {
        stanza_unref(&s);
        conn_close(c, STREAM_NOT_AUTHORIZED, "authenticate first");
    }
    return true;
}
