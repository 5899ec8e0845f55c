/* Readiness of descriptors that belong to other libraries, on uv_poll_t.
 * An error on the descriptor is reported as all that was wanted, so that the library reads or
 * writes and meets the error itself. libuv stops the handle before it reports an error; it is
 * started again if still wanted. The memory goes when libuv has closed the handle, so fdpoll_close
 * may be called from the callback. */
#include <uv.h>

#include "lib/loop/fdpoll.h"
#include "lib/loop/loop-uv.h"

struct fdpoll {
    uv_poll_t uv;
    void (*fn)(void *ctx, int events);
    void *ctx;
    int want;
    bool is_closed;
};

static void on_ready(uv_poll_t *h, int status, int events);

static void apply(struct fdpoll *f)
{
    int events =
        (f->want & FD_READABLE ? UV_READABLE : 0) | (f->want & FD_WRITABLE ? UV_WRITABLE : 0);
    must(events ? uv_poll_start(&f->uv, events, on_ready) == 0 : uv_poll_stop(&f->uv) == 0);
}

static void on_ready(uv_poll_t *h, int status, int events)
{
    struct fdpoll *f = h->data;
    int ready = status < 0 ? f->want
                           : (events & UV_READABLE ? FD_READABLE : 0) |
                                 (events & UV_WRITABLE ? FD_WRITABLE : 0);
    f->fn(f->ctx, ready);
    if (status < 0 && !f->is_closed)
        apply(f);
}

struct fdpoll *fdpoll_open(struct loop *l, int fd, void (*fn)(void *ctx, int events), void *ctx)
{
    struct fdpoll *f = mem_alloc(sizeof *f);
    if (uv_poll_init(loop_uv(l), &f->uv, fd) != 0) {
        mem_free(f);
        return NULL;
    }
    f->uv.data = f;
    f->fn = fn;
    f->ctx = ctx;
    return f;
}

void fdpoll_want(struct fdpoll *f, int events)
{
    must(!f->is_closed);
    if (f->want == events)
        return;
    f->want = events;
    apply(f);
}

static void on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

void fdpoll_close(struct fdpoll **pf)
{
    struct fdpoll *f = *pf;
    *pf = NULL;
    if (!f)
        return;
    f->is_closed = true;
    uv_close((uv_handle_t *)&f->uv, on_closed);
}
