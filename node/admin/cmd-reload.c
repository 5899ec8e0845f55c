/* reload: the configuration and the certificates, taken over anew; the answer is what changed. */
#include "node/admin/admin-int.h"
#include "node/node-reload.h"

static void refuse(struct control_request *r, const struct json *errors)
{
    struct buf text;
    buf_init(&text, CONTROL_ERROR_MAX);
    buf_cstr(&text, "nothing was changed:");
    for (size_t i = 0; i < json_len(errors); i++)
        buf_printf(&text, "\n%s", json_str(json_at(errors, i)));
    buf_char(&text, 0);
    control_fail(r, "%s", buf_ok(&text) ? text.p : "nothing was changed: too many errors");
    buf_fini(&text);
}

static void reloaded(void *ctx, enum err e, struct json **report)
{
    struct control_request *r = ctx;
    if (e == ERR_LIMIT) {
        control_fail(r, "another reload runs");
    } else if (e != ERR_OK) {
        refuse(r, json_get(*report, "errors"));
    } else {
        r->out = *report;
        *report = NULL;
        control_done(r);
    }
}

void control_run_reload(struct control_request *r)
{
    if (r->node->reloader)
        reloader_run(r->node->reloader, &r->ops, reloaded, r);
    else
        control_fail(r, "this node has no configuration file");
}
