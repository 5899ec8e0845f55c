/* The simulator: loops in virtual time, one thread, one seed.
 * sim_run repeats: among the event that is due and the loops that have work now, one is drawn and
 * run; when there is none, time jumps to the next event or timer. A loop's turn is the real one's
 * (timers, mail, deferred calls) without I/O; I/O comes as events. Mail arrives after a drawn
 * latency; its key is never below that of the sender's last mail to the same loop, which keeps the
 * order of each sender and mixes senders. Mail posted outside any turn (from an event) counts as
 * everybody's: nothing overtakes it, because on the real platform the poster would have been one of
 * the loops. State is one static struct: a process is in at most one simulation. */
#include "lib/base/clock.h"
#include "lib/base/rand.h"
#include "lib/base/vec.h"
#include "lib/loop/sim-int.h"

enum {
    START_US = 1000000, /* of the monotonic clock */
    MAIL_MIN_US = 1,    /* latency of mail */
    MAIL_MAX_US = 50,
    MAX_STEPS_AT_ONCE = 10000000,
};
#define START_WALL_US (UINT64_C(1767225600) * 1000000) /* 2026-01-01T00:00:00Z */

struct pair {
    const struct loop *sender;
    struct sim_key last; /* of the newest mail from sender */
};
struct loop {
    struct loop_core core;
    VEC(struct pair) pairs; /* who sent to this loop */
    struct sim_key newest;  /* of all mail to this loop */
    struct sim_key barrier; /* of the newest mail from outside */
    bool is_stopped;
};

static struct {
    bool is_on, is_running;
    uint64_t now_us, wall_offset_us;
    uint64_t random;
    uint64_t steps; /* since time moved */
    int pools;
    struct loop *current; /* whose turn it is; NULL = the simulation's */
    struct sim_queue queue;
    void (*around)(struct loop *l, void (*turn)(struct loop *l));
    VEC(struct loop *) loops;
} sim;

uint64_t sim_now_us(void)
{
    return sim.now_us;
}

static uint64_t sim_wall_us(void)
{
    return sim.now_us + sim.wall_offset_us;
}

void sim_set_wall(uint64_t wall_us)
{
    must(sim.is_on);
    sim.wall_offset_us = wall_us - sim.now_us;
}

void sim_around(void (*around)(struct loop *l, void (*turn)(struct loop *l)))
{
    must(sim.is_on && !sim.is_running);
    sim.around = around;
}

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t x = sim.random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t sim_rand(uint64_t bound)
{
    must(sim.is_on && bound > 0);
    uint64_t skip =
        -bound % bound; /* 2^64 mod bound: below it a number would count once too often */
    uint64_t x;
    do {
        x = next_random();
    } while (x < skip);
    return x % bound;
}

void sim_begin(uint64_t seed)
{
    static const struct clock_source source = {sim_now_us, sim_wall_us};
    must(!sim.is_on);
    memset(&sim, 0, sizeof sim);
    sim.is_on = true;
    sim.random = seed;
    sim.now_us = START_US;
    sim.wall_offset_us = START_WALL_US - START_US;
    clock_set_source(&source);
    rand_seed(seed);
}

void sim_pool_count(int change)
{
    sim.pools += change;
}

static void drop_event(struct sim_event *e)
{
    if (e->mail && e->mail->drop)
        e->mail->drop(e->mail);
    if (e->on_drop)
        e->on_drop(e->ctx);
}

void sim_end(void)
{
    must(sim.is_on && !sim.is_running);
    if (sim.loops.n > 0)
        loop_die(sim.loops.p[0], "left over at sim_end");
    while (sim.queue.n > 0) {
        struct sim_event e = sim_queue_pop(&sim.queue);
        if (!e.on_drop)
            panic_at(__FILE__, __LINE__, "sim_end: an event without on_drop is left over");
        drop_event(&e);
    }
    if (sim.pools != 0)
        panic_at(__FILE__, __LINE__, "sim_end: a work pool or job is left over");
    sim_queue_fini(&sim.queue);
    vec_fini(&sim.loops);
    clock_set_source(NULL);
    sim.is_on = false;
}

static struct sim_key draw_key(uint64_t delay_us)
{
    return (struct sim_key){sim.now_us + delay_us, next_random()};
}

void sim_after(uint64_t delay_us, void (*fn)(void *ctx), void (*on_drop)(void *ctx), void *ctx)
{
    must(sim.is_on);
    struct sim_event e = {.key = draw_key(delay_us), .fn = fn, .on_drop = on_drop, .ctx = ctx};
    sim_queue_push(&sim.queue, e);
}

void sim_after_on(struct loop *l, uint64_t delay_us, void (*fn)(void *ctx),
                  void (*on_drop)(void *ctx), void *ctx)
{
    must(sim.is_on && l);
    struct sim_event e = {
        .key = draw_key(delay_us), .loop = l, .fn = fn, .on_drop = on_drop, .ctx = ctx};
    sim_queue_push(&sim.queue, e);
}

struct loop *loop_new(const char *name, unsigned index)
{
    must(sim.is_on);
    struct loop *l = mem_alloc(sizeof *l);
    loop_core_init(&l->core, name, index, sim_rand);
    vec_push(&sim.loops, l);
    return l;
}

/* What arrived is older than what is under way; dropping may post more. I/O of the loop goes with
 * its mail. */
size_t loop_drop_mail(struct loop *l)
{
    struct sim_queue gone = {0};
    size_t n = 0;
    do {
        n += loop_drop_queued(&l->core);
        sim_queue_take(&sim.queue, l, &gone);
        for (; gone.n > 0; n++) {
            struct sim_event e = sim_queue_pop(&gone);
            drop_event(&e);
        }
        sim_queue_take(&sim.queue, l, &gone);
    } while (gone.n > 0 || l->core.mail_first);
    sim_queue_fini(&gone);
    return n;
}

static void forget_loop(struct loop *l)
{
    for (size_t i = sim.loops.n; i-- > 0;) {
        struct loop *other = sim.loops.p[i];
        if (other == l) {
            vec_remove(&sim.loops, i);
            continue;
        }
        for (size_t k = other->pairs.n; k-- > 0;)
            if (other->pairs.p[k].sender == l)
                vec_remove(&other->pairs, k);
    }
}

void loop_free(struct loop **pl)
{
    struct loop *l = *pl;
    *pl = NULL;
    if (!l)
        return;
    must(sim.current != l);
    loop_drop_mail(l);
    if (l->core.wheel.count > 0)
        loop_die(l, "freed while timers run on it");
    if (!list_empty(&l->core.defers))
        loop_die(l, "freed while calls are deferred on it");
    forget_loop(l);
    loop_core_fini(&l->core);
    vec_fini(&l->pairs);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    loop_die(l, "loop_run under simulation: use sim_run");
}

void loop_stop(struct loop *l)
{
    l->is_stopped = true;
}

bool loop_is_mine(const struct loop *l)
{
    return !sim.current || sim.current == l;
}

static bool is_alive(const struct loop *l)
{
    for (size_t i = 0; i < sim.loops.n; i++)
        if (sim.loops.p[i] == l)
            return true;
    return false;
}

static struct sim_key later(struct sim_key a, struct sim_key b)
{
    return sim_key_cmp(a, b) < 0 ? b : a;
}

static struct sim_key *last_of_pair(struct loop *to, const struct loop *sender)
{
    for (size_t i = 0; i < to->pairs.n; i++)
        if (to->pairs.p[i].sender == sender)
            return &to->pairs.p[i].last;
    vec_push(&to->pairs, ((struct pair){.sender = sender}));
    return &to->pairs.p[to->pairs.n - 1].last;
}

void loop_post(struct loop *to, struct mail *m)
{
    must(sim.is_on && is_alive(to));
    struct sim_key key = draw_key(MAIL_MIN_US + sim_rand(MAIL_MAX_US - MAIL_MIN_US + 1));
    if (sim.current) {
        struct sim_key *last = last_of_pair(to, sim.current);
        key = *last = later(later(key, *last), to->barrier);
    } else {
        key = to->barrier = later(key, to->newest);
    }
    to->newest = later(to->newest, key);
    m->next = NULL;
    sim_queue_push(&sim.queue, (struct sim_event){.key = key, .loop = to, .mail = m});
}

/* Virtual time of the next thing a loop does by itself; UINT64_MAX = none. Up to now = it is ready.
 */
static uint64_t loop_wants_us(struct loop *l)
{
    uint64_t at_ms;
    if (l->is_stopped)
        return UINT64_MAX;
    if (loop_busy(&l->core))
        return sim.now_us;
    return wheel_next(&l->core.wheel, &at_ms) ? at_ms * 1000 : UINT64_MAX;
}

static void run_turn(struct loop *l)
{
    loop_run_timers(&l->core);
    loop_run_mail(&l->core);
    loop_run_defers(&l->core);
}

static void take_turn(struct loop *l)
{
    sim.current = l;
    if (sim.around)
        sim.around(l, run_turn);
    else
        run_turn(l);
    sim.current = NULL;
}

static void run_event(void)
{
    struct sim_event e = sim_queue_pop(&sim.queue);
    if (e.mail) {
        loop_queue_mail(loop_core(e.loop), e.mail);
        return;
    }
    if (e.loop && e.loop->is_stopped) {
        drop_event(&e);
        return;
    }
    sim.current = e.loop;
    e.fn(e.ctx);
    sim.current = NULL;
}

/* Run one thing that can run now. False: nothing can. next_us is when something will. */
static bool run_one(uint64_t *next_us)
{
    const struct sim_event *first = sim_queue_peek(&sim.queue);
    uint64_t ready = first && first->key.at_us <= sim.now_us;
    bool has_event = ready;
    *next_us = first ? first->key.at_us : UINT64_MAX;
    for (size_t i = 0; i < sim.loops.n; i++) {
        uint64_t at_us = loop_wants_us(sim.loops.p[i]);
        ready += at_us <= sim.now_us;
        *next_us = at_us < *next_us ? at_us : *next_us;
    }
    if (ready == 0)
        return false;
    uint64_t pick = ready > 1 ? sim_rand(ready) : 0;
    if (has_event && pick-- == 0) {
        run_event();
        return true;
    }
    for (size_t i = 0;; i++) {
        if (loop_wants_us(sim.loops.p[i]) <= sim.now_us && pick-- == 0) {
            take_turn(sim.loops.p[i]);
            return true;
        }
    }
}

static void move_time(uint64_t to_us)
{
    sim.now_us = to_us;
    sim.steps = 0;
    for (size_t i = 0; i < sim.loops.n; i++)
        sim.loops.p[i]->core.has_now = false;
}

static void count_step(void)
{
    char text[100];
    if (++sim.steps <= MAX_STEPS_AT_ONCE)
        return;
    snprintf(text, sizeof text, "sim_run: endless activity at virtual time %" PRIu64 " us",
             sim.now_us);
    panic_at(__FILE__, __LINE__, text);
}

bool sim_run(uint64_t for_us, bool (*pred)(void *ctx), void *ctx)
{
    must(sim.is_on && !sim.is_running);
    sim.is_running = true;
    uint64_t end_us = sim.now_us + for_us;
    bool is_done = false;
    while (!(is_done = pred && pred(ctx))) {
        uint64_t next_us;
        if (run_one(&next_us)) {
            count_step();
            continue;
        }
        if (next_us > end_us) {
            move_time(end_us);
            break;
        }
        move_time(next_us);
    }
    sim.is_running = false;
    return is_done;
}
