/* The loop on libuv.
 * One turn: libuv polls and runs I/O callbacks; on_check then runs timers, mail and deferred calls;
 * on_prepare, the last thing before the next poll, keeps libuv from sleeping while work is queued
 * (an idle handle) or arms the one uv timer for the wheel. The uv timer and the async handle have
 * nothing to do in their callbacks: they only end the sleep. Mail from other threads is pushed on a
 * lock-free stack; the push that finds it empty wakes the loop; the loop takes the whole stack at
 * once and reverses it, which keeps the order of each sender. Mail from the loop to itself goes
 * straight to the queue of arrived mail.
 * The watchdog compares the thread's processor time between two polls with HOG_US. */
#include <signal.h>
#include <time.h>
#include <uv.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/loop-int.h"
#include "lib/loop/loop-uv.h"

enum { HOG_US = 20000, CLOSE_ROUNDS = 16 };
enum phase { PHASE_IO, PHASE_TIMERS, PHASE_MAIL, PHASE_DEFERS, PHASE_COUNT };

struct loop {
    struct loop_core core;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t tick;
    uint64_t armed_ms;              /* what tick stands for while it is active */
    uint64_t cpu_us;                /* thread time at the last poll */
    uint64_t phase_us[PHASE_COUNT]; /* real time of the callbacks of this turn */
    bool is_closing;
    struct list at_free; /* struct loop_hook */
    /* Shared with other threads, atomic: */
    struct mail *inbox; /* newest first */
    bool is_stopping;
    bool is_running;
};

static _Thread_local struct loop *current; /* whose loop_run is on this thread's stack */

static void ignore_sigpipe(void)
{
    static bool done;
    if (!__atomic_exchange_n(&done, true, __ATOMIC_RELAXED))
        signal(SIGPIPE, SIG_IGN);
}

static uint64_t thread_cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Move what other threads posted to the queue of arrived mail. */
static void take_inbox(struct loop *l)
{
    struct mail *newest = __atomic_exchange_n(&l->inbox, NULL, __ATOMIC_ACQUIRE);
    struct mail *oldest = NULL;
    while (newest) {
        struct mail *m = newest;
        newest = m->next;
        m->next = oldest;
        oldest = m;
    }
    while (oldest) {
        struct mail *m = oldest;
        oldest = m->next;
        loop_queue_mail(&l->core, m);
    }
}

static uint64_t lap(struct loop *l, enum phase phase, uint64_t since_us)
{
    uint64_t now_us = uv_hrtime() / 1000;
    l->phase_us[phase] = now_us - since_us;
    return now_us;
}

static void count_turn(struct loop *l)
{
    uint64_t us = 0;
    for (int i = 0; i < PHASE_COUNT; i++)
        us += l->phase_us[i];
    l->core.stats.turns++;
    metric_observe(&l->core.stats.turn, us);
}

static void on_check(uv_check_t *h)
{
    struct loop *l = h->data;
    uint64_t polled_us = uv_now(&l->uv) * 1000; /* libuv reads the time right after its wait */
    uint64_t t = uv_hrtime() / 1000;
    l->phase_us[PHASE_IO] = t > polled_us ? t - polled_us : 0;
    loop_run_timers(&l->core);
    t = lap(l, PHASE_TIMERS, t);
    take_inbox(l);
    loop_run_mail(&l->core);
    t = lap(l, PHASE_MAIL, t);
    loop_run_defers(&l->core);
    lap(l, PHASE_DEFERS, t);
    count_turn(l);
    if (__atomic_load_n(&l->is_stopping, __ATOMIC_ACQUIRE))
        uv_stop(&l->uv);
}

static void watch_hog(struct loop *l)
{
    static const char *const names[PHASE_COUNT] = {"io", "timers", "mail", "defers"};
    uint64_t before_us = l->cpu_us;
    l->cpu_us = thread_cpu_us();
    if (l->cpu_us - before_us <= HOG_US)
        return;
    int longest = 0;
    l->core.stats.hogs++;
    for (int i = 1; i < PHASE_COUNT; i++)
        if (l->phase_us[i] > l->phase_us[longest])
            longest = i;
    log_warn(NULL, "loop.hog", "loop", l->core.name, "cpu_ms",
             LOG_NUM((l->cpu_us - before_us) / 1000), "phase", names[longest]);
}

static void on_tick(uv_timer_t *h UNUSED) {}

static void on_wake(uv_async_t *h UNUSED) {}

static void on_idle(uv_idle_t *h UNUSED) {}

static void arm_tick(struct loop *l)
{
    uint64_t at_ms;
    if (!wheel_next(&l->core.wheel, &at_ms)) {
        uv_timer_stop(&l->tick);
        return;
    }
    if (l->armed_ms == at_ms && uv_is_active((uv_handle_t *)&l->tick))
        return;
    uint64_t now_us = clock_mono_us();
    uint64_t wait_ms = at_ms * 1000 > now_us ? (at_ms * 1000 - now_us + 999) / 1000 : 0;
    uv_update_time(&l->uv);
    uv_timer_start(&l->tick, on_tick, wait_ms, 0);
    l->armed_ms = at_ms;
}

static void on_prepare(uv_prepare_t *h)
{
    struct loop *l = h->data;
    watch_hog(l);
    if (loop_busy(&l->core)) {
        uv_idle_start(&l->idle, on_idle);
    } else {
        uv_idle_stop(&l->idle);
        arm_tick(l);
    }
    l->core.has_now = false;
}

struct loop *loop_new(const char *name, unsigned index)
{
    ignore_sigpipe();
    struct loop *l = mem_alloc(sizeof *l);
    list_init(&l->at_free);
    loop_core_init(&l->core, name, index, NULL);
    must(uv_loop_init(&l->uv) == 0);
    must(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_check_init(&l->uv, &l->check);
    uv_idle_init(&l->uv, &l->idle);
    uv_timer_init(&l->uv, &l->tick);
    l->prepare.data = l->check.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    return l;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return &l->uv;
}

void loop_at_free(struct loop *l, struct loop_hook *h)
{
    list_del(&h->link);
    list_push(&l->at_free, &h->link);
}

static void name_open_handle(uv_handle_t *h, void *ctx)
{
    const char **name = ctx;
    if (!uv_is_closing(h))
        *name = uv_handle_type_name(h->type);
}

static void die_of_open_handle(struct loop *l)
{
    const char *type = NULL;
    char text[100];
    uv_walk(&l->uv, name_open_handle, &type);
    snprintf(text, sizeof text, "freed with an open handle: %s", type ? type : "unknown");
    loop_die(l, text);
}

size_t loop_drop_mail(struct loop *l)
{
    size_t n = 0, more;
    do {
        take_inbox(l);
        more = loop_drop_queued(&l->core);
        n += more;
    } while (more > 0);
    return n;
}

void loop_free(struct loop **pl)
{
    struct loop *l = *pl;
    *pl = NULL;
    if (!l)
        return;
    must(!__atomic_load_n(&l->is_running, __ATOMIC_ACQUIRE));
    loop_drop_mail(l);
    for (struct list *n; (n = list_shift(&l->at_free));) {
        struct loop_hook *h = list_entry(n, struct loop_hook, link);
        h->fn(h);
    }
    l->is_closing = true;
    uv_handle_t *own[] = {(uv_handle_t *)&l->wake, (uv_handle_t *)&l->prepare,
                          (uv_handle_t *)&l->check, (uv_handle_t *)&l->idle,
                          (uv_handle_t *)&l->tick};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        uv_close(own[i], NULL);
    for (int round = 0; uv_loop_close(&l->uv) != 0; round++) {
        if (round == CLOSE_ROUNDS)
            die_of_open_handle(l);
        uv_run(&l->uv, UV_RUN_NOWAIT);
    }
    loop_drop_mail(l); /* posted by those who closed */
    loop_core_fini(&l->core);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    must(current == NULL);
    must(!__atomic_exchange_n(&l->is_running, true, __ATOMIC_ACQ_REL));
    current = l;
    take_inbox(
        l); /* so that what this thread posted before stays before what the loop posts to itself */
    l->cpu_us = thread_cpu_us();
    uv_run(&l->uv, UV_RUN_DEFAULT);
    must(__atomic_exchange_n(&l->is_stopping, false, __ATOMIC_ACQ_REL));
    l->core.has_now = false;
    current = NULL;
    __atomic_store_n(&l->is_running, false, __ATOMIC_RELEASE);
}

static void wake(struct loop *l)
{
    if (!l->is_closing)
        uv_async_send(&l->wake);
}

void loop_stop(struct loop *l)
{
    __atomic_store_n(&l->is_stopping, true, __ATOMIC_RELEASE);
    wake(l);
}

void loop_post(struct loop *to, struct mail *m)
{
    if (current == to) {
        loop_queue_mail(&to->core, m);
        return;
    }
    struct mail *head = __atomic_load_n(&to->inbox, __ATOMIC_RELAXED);
    do {
        m->next = head;
    } while (!__atomic_compare_exchange_n(&to->inbox, &head, m, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    if (!head)
        wake(to);
}

bool loop_is_mine(const struct loop *l)
{
    return current == l || !__atomic_load_n(&l->is_running, __ATOMIC_ACQUIRE);
}
