/* What the commands of meridianctl share: one question asked to its end, answers printed. */
#include "node/admin/ctl.h"

#include <stdio.h>

#include "node/admin/render.h"

/* ---- once */
struct once {
    struct loop *loop;
    struct json *answer;
    char *why;
    size_t why_size;
};

static void once_done(void *ctx, struct json **answer, const char *why)
{
    struct once *o = ctx;
    o->answer = *answer;
    *answer = NULL;
    snprintf(o->why, o->why_size, "%s", why);
    loop_stop(o->loop);
}

struct json *ctl_ask(const char *path, struct json **question_take, char *why, size_t why_size)
{
    struct once o = {.loop = loop_new("meridianctl/0", 0), .why = why, .why_size = why_size};
    struct ctl_call c;
    ctl_call_init(&c, o.loop, path, once_done, &o);
    if (ctl_call_start(&c, question_take) == ERR_OK)
        loop_run(o.loop);
    else
        snprintf(why, why_size, "%s: the arguments are too long", path);
    ctl_call_fini(&c);
    loop_free(&o.loop);
    return o.answer;
}

void ctl_print(const struct json *value, bool as_json)
{
    struct buf text;
    buf_init(&text, CTL_ANSWER_MAX);
    if (as_json) {
        json_write(&text, value, true);
        buf_char(&text, '\n');
    } else {
        render(&text, value);
    }
    fwrite(text.p ? text.p : "", 1, text.n, stdout);
    buf_fini(&text);
}
