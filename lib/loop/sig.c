/* Signals as events, on uv_signal_t. */
#include <uv.h>

#include "lib/loop/loop-uv.h"
#include "lib/loop/sig.h"

struct sig {
    uv_signal_t uv;
    void (*fn)(void *ctx, int signum);
    void *ctx;
};

static void on_signal(uv_signal_t *h, int signum)
{
    struct sig *s = h->data;
    s->fn(s->ctx, signum);
}

struct sig *sig_open(struct loop *l, int signum, void (*fn)(void *ctx, int signum), void *ctx)
{
    struct sig *s = mem_alloc(sizeof *s);
    s->fn = fn;
    s->ctx = ctx;
    must(uv_signal_init(loop_uv(l), &s->uv) == 0);
    s->uv.data = s;
    must(uv_signal_start(&s->uv, on_signal, signum) == 0);
    return s;
}

static void on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

void sig_close(struct sig **ps)
{
    struct sig *s = *ps;
    *ps = NULL;
    if (s)
        uv_close((uv_handle_t *)&s->uv, on_closed);
}
