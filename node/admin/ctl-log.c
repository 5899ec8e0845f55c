/* log: one question whose answer does not end. Each line of JSON holds a line of the log, or the
 * refusal. */
#include <stdio.h>

#include "lib/net/dial.h"
#include "node/admin/ctl.h"

enum { LINE_MAX_BYTES = 1 << 17 };

struct follower {
    struct loop *loop;
    struct op_owner ops;
    struct transport *transport;
    struct buf question, in;
    const char *path;
    bool as_json;
    enum ctl_exit code;
};

static void finish(struct follower *f, enum ctl_exit code, const char *why)
{
    if (why)
        fprintf(stderr, "meridianctl: %s\n", why);
    f->code = code;
    loop_stop(f->loop);
}

/* False: it was the last. */
static bool show(struct follower *f, struct str line)
{
    struct json *j = NULL;
    char why[128];
    if (json_parse(line, LINE_MAX_BYTES, &j, why, sizeof why) != ERR_OK) {
        finish(f, CTL_UNAVAILABLE, "the answer is no JSON");
        return false;
    }
    const char *text = json_get_str(j, "line");
    if (text && f->as_json)
        printf("%.*s\n", STR_ARG(line));
    else if (text)
        puts(text);
    else
        finish(f, CTL_REFUSED, json_get_str(j, "error"));
    fflush(stdout);
    bool more = text != NULL;
    json_free(&j);
    return more;
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}

static void on_data(void *ctx, struct str bytes)
{
    struct follower *f = ctx;
    buf_str(&f->in, bytes);
    if (!buf_ok(&f->in)) {
        finish(f, CTL_UNAVAILABLE, "a line is too long");
        return;
    }
    for (ptrdiff_t end; (end = str_find(buf_view(&f->in), '\n')) >= 0;) {
        bool more = show(f, str_make(f->in.p, (size_t)end));
        buf_consume(&f->in, (size_t)end + 1);
        if (!more)
            return;
    }
}

static void on_end(void *ctx, enum err why)
{
    (void)why;
    finish(ctx, CTL_UNAVAILABLE, "the node closed the connection");
}
static const struct transport_events events = {on_nothing, on_data, on_nothing, on_end};

static void on_connected(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct follower *f = ctx;
    (void)r;
    if (e != ERR_OK) {
        finish(f, CTL_UNAVAILABLE, "no node is listening");
        return;
    }
    f->transport = t;
    transport_set_events(t, &events, f);
    transport_send(t, buf_view(&f->question));
}

enum ctl_exit ctl_log(const char *path, struct json **question_take, bool as_json)
{
    struct follower f = {.path = path, .as_json = as_json};
    buf_init(&f.question, CTL_QUESTION_MAX);
    buf_init(&f.in, 2 * LINE_MAX_BYTES);
    json_write(&f.question, *question_take, false);
    buf_char(&f.question, '\n');
    json_free(question_take);
    op_owner_init(&f.ops);
    f.loop = loop_new("meridianctl/0", 0);
    dial_unix(f.loop, &f.ops, path, on_connected, &f);
    loop_run(f.loop);
    op_owner_cancel_all(&f.ops);
    if (f.transport)
        transport_abort(&f.transport);
    loop_free(&f.loop);
    buf_fini(&f.question);
    buf_fini(&f.in);
    return f.code;
}
