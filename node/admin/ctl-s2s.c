/* s2s: one question, whose answer may take as long as another server does: after a second the time
 * is shown on standard error. What is not reached is exit code 1. */
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "node/admin/control.h"
#include "node/admin/ctl.h"

enum { TICK_MS = 1000 };

struct waiter {
    struct loop *loop;
    struct ctl_call call;
    struct timer tick;
    uint64_t begun_us;
    bool is_tty, as_json;
    enum ctl_exit code;
};

static void on_tick(void *ctx)
{
    struct waiter *w = ctx;
    fprintf(stderr, "\rwaiting for the other server: %" PRIu64 " s",
            (clock_mono_us() - w->begun_us) / 1000000);
    timer_start(&w->tick, TICK_MS);
}

static void show(struct waiter *w, struct json *answer)
{
    struct json *result = json_get(answer, "result");
    bool ok = json_get_bool(answer, "ok", false);
    bool works = json_kind(result) != JSON_KIND_OBJECT || json_get_bool(result, "works", true);
    w->code = ok && works ? CTL_OK : CTL_REFUSED;
    if (ok || w->as_json)
        ctl_print(ok ? result : answer, w->as_json);
    else
        fprintf(stderr, "meridianctl: %s\n", json_get_str(answer, "error"));
}

static void on_done(void *ctx, struct json **answer, const char *why)
{
    struct waiter *w = ctx;
    if (w->is_tty && clock_mono_us() - w->begun_us >= TICK_MS * UINT64_C(1000))
        fputc('\n', stderr);
    if (*answer)
        show(w, *answer);
    else
        fprintf(stderr, "meridianctl: %s\n", why);
    loop_stop(w->loop);
}

bool ctl_s2s_fits(size_t n, char *const *args)
{
    for (size_t i = 0; n && i < control_s2s_verbs_n; i++) {
        const struct control_verb *v = &control_s2s_verbs[i];
        if (strcmp(v->name, args[0]) != 0)
            continue;
        bool fits = n - 1 >= v->min_args && n - 1 <= v->max_args;
        if (!fits)
            fprintf(stderr, "usage: meridianctl s2s %s %s\n", v->name, v->args);
        return fits;
    }
    if (n)
        fprintf(stderr, "meridianctl: there is no s2s %s; meridianctl help s2s lists them\n",
                args[0]);
    return n == 0;
}

enum ctl_exit ctl_s2s(const char *path, struct json **question_take, bool as_json)
{
    struct waiter w = {.loop = loop_new("meridianctl/0", 0),
                       .begun_us = clock_mono_us(),
                       .is_tty = isatty(STDERR_FILENO) == 1,
                       .as_json = as_json,
                       .code = CTL_UNAVAILABLE};
    ctl_call_init(&w.call, w.loop, path, on_done, &w);
    timer_init(&w.tick, w.loop, on_tick, &w);
    if (w.is_tty)
        timer_start(&w.tick, TICK_MS);
    if (ctl_call_start(&w.call, question_take) == ERR_OK)
        loop_run(w.loop);
    else
        fprintf(stderr, "meridianctl: the arguments are too long\n");
    timer_stop(&w.tick);
    ctl_call_fini(&w.call);
    loop_free(&w.loop);
    return w.code;
}
