/* The loop. A turn's input is handled in full before anything is written, so that what a turn has
 * to say to one peer leaves in one write. Connections are opened between turns only: no event of
 * an older descriptor of the same number can meet a new one. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "integration-tests/bench/load-conn.h"
#include "integration-tests/bench/load-loop.h"
#include "integration-tests/bench/load-scram.h"
#include "integration-tests/bench/load-tls.h"

enum { EVENTS = 512 };
static const double REST_S = 0.1, REST_SHARE = 0.03; /* at rest: used less than this share */
static const uint64_t WATCH_NS = 200000000;          /* how often quiet is looked for */

void load_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("loadgen: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n", stderr);
    va_end(args);
    exit(2);
}

void load_loop_init(struct load_loop *l, const struct load_opts *o)
{
    *l = (struct load_loop){.opts = o, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    l->scratch = malloc(LOAD_SCRATCH);
    prctl(PR_SET_TIMERSLACK, 1ul); /* else this thread wakes 50 us late */
    if (l->epoll < 0 || !l->scratch)
        load_die("no epoll or no memory: %s", strerror(errno));
    if (o->target.mode != LOAD_PLAIN)
        l->tls = load_tls_client(o);
    l->keys = load_keys_new(o->target.accounts);
    l->now_ns = l->moved_ns = load_now_ns();
}

void load_loop_fini(struct load_loop *l)
{
    SSL_CTX_free(l->tls);
    load_keys_free(&l->keys);
    free(l->scratch);
    close(l->epoll);
}

static void control(struct load_loop *l, int what, struct load_source *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    if (epoll_ctl(l->epoll, what, s->fd, &e) != 0)
        load_die("epoll_ctl: %s", strerror(errno));
}

void load_loop_watch(struct load_loop *l, struct load_source *s, uint32_t events)
{
    control(l, EPOLL_CTL_ADD, s, events);
}

void load_loop_rewatch(struct load_loop *l, struct load_source *s, uint32_t events)
{
    control(l, EPOLL_CTL_MOD, s, events);
}

__attribute__((format(printf, 2, 0))) static void add_error(struct load_loop *l, const char *format,
                                                            va_list args)
{
    char text[LOAD_ERROR_MAX];
    vsnprintf(text, sizeof text, format, args);
    load_tally_add(&l->tally, "%s", text);
}

void load_error(struct load_loop *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_error(l, format, args);
    va_end(args);
}

void load_fatal(struct load_loop *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_error(l, format, args);
    va_end(args);
    l->is_over = true;
}

void load_moved(struct load_loop *l)
{
    l->moved_ns = l->now_ns;
}

static void wait_events(struct load_loop *l, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = load_now_ns(), left = until_ns > now ? until_ns - now : 0;
    if (left > WATCH_NS)
        left = WATCH_NS;
    struct timespec wait = {.tv_nsec = (long)left};
    int n = epoll_pwait2(l->epoll, events, EVENTS, &wait, NULL);
    if (n < 0 && errno != EINTR)
        load_die("epoll_pwait2: %s", strerror(errno));
    l->now_ns = load_now_ns();
    for (int i = 0; i < n; i++) {
        struct load_source *s = events[i].data.ptr;
        if (s->fd >= 0)
            s->ready(s, events[i].events);
    }
}

static void flush_all(struct load_loop *l)
{
    while (l->dirty) {
        struct load_conn *c = l->dirty;
        l->dirty = c->next_dirty;
        c->is_dirty = false;
        load_conn_flush(c);
    }
}

void load_turn(struct load_loop *l, uint64_t until_ns)
{
    flush_all(l);
    wait_events(l, until_ns);
    flush_all(l);
    double quiet = (double)(l->now_ns - l->moved_ns) / 1e9;
    if (quiet > l->opts->timeout && !l->is_over)
        load_fatal(l, "nothing has moved for %.1f s", quiet);
}

void load_pass(struct load_loop *l, double seconds)
{
    uint64_t end = load_now_ns() + (uint64_t)(seconds * 1e9);
    while (!l->is_over && load_now_ns() < end) {
        load_moved(l);
        load_turn(l, end);
    }
    load_moved(l);
}

void load_settle(struct load_loop *l)
{
    struct load_usage before, after;
    uint64_t end = load_now_ns() + (uint64_t)(l->opts->settle * 1e9);
    if (!load_proc_usage(l->opts, &before))
        return;
    while (!l->is_over && load_now_ns() < end) {
        load_pass(l, REST_S);
        if (!load_proc_usage(l->opts, &after))
            return;
        double wall = (double)(after.wall_ns - before.wall_ns);
        if ((double)(after.cpu_ns - before.cpu_ns) < wall * REST_SHARE)
            return;
        before = after;
    }
}
