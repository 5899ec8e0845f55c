/* The course of a run. The main thread only waits and reads the clocks when the window begins and
 * ends; each part has a thread. They talk by pipes: READY or FAILED up, the window down, DONE up.
 * Nothing is shared while both run: a part's figures are read after it was joined. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "integration-tests/bench/load-meter.h"
#include "integration-tests/bench/load-part.h"

enum word { READY, DONE, FAILED };

struct worker {
    const struct load_opts *opts;
    void (*work)(struct load_part *p);
    pthread_t thread;
    int up, down[2];
    struct load_part part;
};

static void tell(int fd, const void *p, size_t n)
{
    if (write(fd, p, n) != (ssize_t)n)
        load_die("a pipe between threads broke: %s", strerror(errno));
}

static void hear(int fd, void *p, size_t n)
{
    if (read(fd, p, n) != (ssize_t)n)
        load_die("a pipe between threads broke: %s", strerror(errno));
}

static void tell_word(struct worker *w, enum word word)
{
    unsigned char byte = (unsigned char)word;
    tell(w->up, &byte, 1);
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct load_part *p = &w->part;
    unsigned n = w->opts->pairs, parts = w->opts->threads;
    unsigned first = (unsigned)((uint64_t)n * p->index / parts),
             next = (unsigned)((uint64_t)n * (p->index + 1) / parts);
    load_loop_init(&p->loop, w->opts);
    load_part_init(p, next - first, first);
    tell_word(w, load_part_login(p) ? READY : FAILED);
    hear(w->down[0], &p->window, sizeof p->window);
    if (p->window.until_ns > p->window.from_ns && !p->loop.is_over) {
        load_moved(&p->loop);
        w->work(p);
        tell_word(w, DONE);
        load_part_drain(p);
    } else {
        tell_word(w, DONE);
    }
    load_part_fini(p);
    load_loop_fini(&p->loop);
    return NULL;
}

static struct worker *start(const struct load_opts *o, void (*work)(struct load_part *p), int up)
{
    struct worker *all = calloc(o->threads, sizeof *all);
    if (!all)
        load_die("no memory for %u threads", o->threads);
    for (unsigned i = 0; i < o->threads; i++) {
        struct worker *w = &all[i];
        w->opts = o;
        w->work = work;
        w->up = up;
        w->part.index = i;
        if (pipe(w->down) != 0 || pthread_create(&w->thread, NULL, run_worker, w) != 0)
            load_die("no thread: %s", strerror(errno));
    }
    return all;
}

/* Wait for n words or until a time. True if all of them were the one wanted. */
static bool await(int up, unsigned n, enum word wanted, uint64_t until_ns)
{
    bool is_as_wanted = true;
    while (n > 0) {
        uint64_t now = load_now_ns();
        struct pollfd p = {.fd = up, .events = POLLIN};
        struct timespec wait = {.tv_sec = 3600};
        if (until_ns != UINT64_MAX) {
            uint64_t left = until_ns > now ? until_ns - now : 0;
            wait = (struct timespec){(time_t)(left / 1000000000), (long)(left % 1000000000)};
        }
        if (ppoll(&p, 1, &wait, NULL) <= 0 && until_ns != UINT64_MAX && load_now_ns() >= until_ns)
            return false;
        if (p.revents & POLLIN) {
            unsigned char word;
            hear(up, &word, 1);
            is_as_wanted &= word == wanted;
            n--;
        }
    }
    return is_as_wanted;
}

/* With --messages from now on until they are through, else by the clock. */
static struct load_window make_window(const struct load_opts *o)
{
    uint64_t now = load_now_ns();
    if (o->messages)
        return (struct load_window){now, UINT64_MAX};
    uint64_t from = now + (uint64_t)(o->warmup * 1e9);
    return (struct load_window){from, from + (uint64_t)(o->seconds * 1e9)};
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static void measure(const struct load_opts *o, struct worker *all, int up, struct load_meter *m,
                    struct load_tally *t)
{
    bool is_up = await(up, o->threads, READY, UINT64_MAX);
    if (is_up)
        fprintf(stderr, "loadgen: %u clients are in\n", 2 * o->pairs);
    struct load_window w = is_up ? make_window(o) : (struct load_window){0, 0};
    for (unsigned i = 0; i < o->threads; i++)
        tell(all[i].down[1], &w, sizeof w);
    bool has_all = true;
    sleep_until(w.from_ns);
    has_all &= load_proc_usage(o, &m->from);
    await(up, o->threads, DONE, w.until_ns ? w.until_ns : UINT64_MAX);
    has_all &= load_proc_usage(o, &m->until);
    if (!has_all)
        load_tally_add(t, "a process of --pid is gone");
}

static void merge(struct worker *all, unsigned n, struct load_part *sum, struct load_tally *t)
{
    for (unsigned i = 0; i < n; i++) {
        pthread_join(all[i].thread, NULL);
        struct load_part *p = &all[i].part;
        sum->measured += p->measured;
        sum->missing += p->missing;
        load_hist_merge(&sum->latency, &p->latency);
        load_hist_merge(&sum->lag, &p->lag);
        load_tally_merge(t, &p->loop.tally);
        close(all[i].down[0]);
        close(all[i].down[1]);
    }
}

void load_parts_run(const struct load_opts *o, void (*work)(struct load_part *p),
                    struct load_part *sum, struct load_report *r, struct load_tally *t)
{
    int up[2];
    struct load_meter m;
    struct load_tally gone = {0};
    if (pipe(up) != 0)
        load_die("pipe: %s", strerror(errno));
    struct worker *all = start(o, work, up[1]);
    measure(o, all, up[0], &m, &gone);
    uint64_t rss = load_proc_rss(o);
    merge(all, o->threads, sum, t);
    load_tally_merge(t, &gone);
    load_report_whole(r, "pairs", o->pairs);
    load_report_whole(r, "size", o->size);
    load_report_whole(r, "threads", o->threads);
    load_report_whole(r, "messages", sum->measured);
    load_meter_report(&m, r, "message", (double)sum->measured);
    load_report_whole(r, "rss", rss);
    load_report_whole(r, "missing", sum->missing);
    free(all);
    close(up[0]);
    close(up[1]);
}
