/* One question to a node over its control socket. What the transport says only sets the state; the
 * end is told from the loop, so that the caller may start again or go at once. */
#include "lib/net/dial.h"
#include "node/admin/ctl.h"

enum { ANSWER_MS = 65000 }; /* a node gives up after a minute */

static void call_over(struct ctl_call *c)
{
    loop_defer(c->loop, &c->later);
}

static void call_failed(struct ctl_call *c, const char *why)
{
    snprintf(c->failure, sizeof c->failure, "%s: %s", c->path, why);
    call_over(c);
}

static void call_reset(struct ctl_call *c)
{
    timer_stop(&c->deadline);
    defer_cancel(&c->later);
    op_owner_cancel_all(&c->ops);
    if (c->transport)
        transport_abort(&c->transport);
    if (c->question.p)
        mem_wipe(c->question.p, c->question.n); /* a password may be in it */
    buf_clear(&c->question);
}

static void on_over(void *ctx)
{
    struct ctl_call *c = ctx;
    struct json *a = NULL;
    char why[128] = "";
    call_reset(c);
    if (!c->failure[0] &&
        json_parse(buf_view(&c->answer), CTL_ANSWER_MAX, &a, why, sizeof why) != ERR_OK)
        snprintf(c->failure, sizeof c->failure, "%s: the answer is no JSON: %s", c->path, why);
    c->done(c->ctx, &a, c->failure);
    json_free(&a);
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}
static void on_data(void *ctx, struct str bytes)
{
    struct ctl_call *c = ctx;
    buf_str(&c->answer, bytes);
    if (!buf_ok(&c->answer))
        call_failed(c, "the answer is too large");
    else if (bytes.n && bytes.p[bytes.n - 1] == '\n')
        call_over(c);
}
static void on_end(void *ctx, enum err why)
{
    struct ctl_call *c = ctx;
    if (c->answer.n)
        call_over(c);
    else
        call_failed(c, why == ERR_EOF ? "the node closed without an answer" : err_text(why));
}
static void on_deadline(void *ctx)
{
    call_failed(ctx, "no answer within a minute");
}
static const struct transport_events events = {on_nothing, on_data, on_nothing, on_end};

static void on_connected(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    (void)r;
    struct ctl_call *c = ctx;
    if (e != ERR_OK) {
        call_failed(c,
                    e == ERR_NOTFOUND || e == ERR_REFUSED ? "no node is listening" : err_text(e));
        return;
    }
    c->transport = t;
    transport_set_events(t, &events, c);
    transport_send(t, buf_view(&c->question));
}

void ctl_call_init(struct ctl_call *c, struct loop *l, const char *path, ctl_done *done, void *ctx)
{
    *c = (struct ctl_call){.loop = l, .path = path, .done = done, .ctx = ctx};
    op_owner_init(&c->ops);
    timer_init(&c->deadline, l, on_deadline, c);
    defer_init(&c->later, on_over, c);
    buf_init(&c->question, CTL_QUESTION_MAX);
    buf_init(&c->answer, CTL_ANSWER_MAX);
}

struct json *ctl_question(const char *command, struct json **args_take)
{
    struct json *q = json_new_object();
    json_set_str(q, "command", str_of(command));
    json_set(q, "args", args_take);
    return q;
}

enum err ctl_call_start(struct ctl_call *c, struct json **question_take)
{
    json_write(&c->question, *question_take, false);
    buf_char(&c->question, '\n');
    json_free(question_take);
    if (!buf_ok(&c->question)) {
        call_reset(c);
        return ERR_LIMIT;
    }
    buf_clear(&c->answer);
    c->failure[0] = 0;
    timer_start(&c->deadline, ANSWER_MS);
    dial_unix(c->loop, &c->ops, c->path, on_connected, c);
    return ERR_OK;
}

void ctl_call_fini(struct ctl_call *c)
{
    call_reset(c);
    buf_fini(&c->question);
    buf_fini(&c->answer);
}
