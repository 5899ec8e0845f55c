/* The simulator itself: one seed one run, order drawn from the seed, virtual time, what sim_end
 * refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/rand.h"
#include "lib/loop/shard.h"
#include "lib/loop/sim-loop.h"
#include "lib/loop/timer.h"
#include "lib/loop/work.h"

enum { LOOPS = 5, STEPS = 400 };

/* A restless world: each loop's callbacks draw what to do next. Everything is noted in a hash. */
struct world {
    uint64_t hash;
    unsigned steps;
    struct shards *shards;
    struct work_pool *pool;
    struct citizen *citizens;
};
struct citizen {
    struct world *world;
    struct loop *loop;
    unsigned index;
    struct timer timer;
    struct defer defer;
};
struct parcel {
    struct mail mail;
    struct citizen *to;
    unsigned from;
};

static void witness(struct citizen *c, uint64_t what)
{
    const uint64_t facts[] = {clock_mono_us(), c->index, what};
    for (size_t i = 0; i < ARRAY_LEN(facts); i++)
        c->world->hash = (c->world->hash ^ facts[i]) * UINT64_C(0x100000001b3);
    c->world->steps++;
}

static void act(struct citizen *c);

static void on_parcel(struct mail *m)
{
    struct parcel *p = container_of(m, struct parcel, mail);
    struct citizen *c = p->to;
    witness(c, 100 + p->from);
    mem_free(p);
    act(c);
}

static void on_parcel_drop(struct mail *m)
{
    mem_free(container_of(m, struct parcel, mail));
}

static void on_defer(void *ctx)
{
    witness(ctx, 1);
    act(ctx);
}

static void on_timer(void *ctx)
{
    struct citizen *c = ctx;
    witness(c, 2);
    timer_start(&c->timer, 10);
    act(c);
}

static void on_work(void *ctx UNUSED) {}

static void on_work_done(void *ctx)
{
    witness(ctx, 3);
    act(ctx);
}

static void act(struct citizen *c)
{
    const struct work_job job = {on_work, on_work_done, NULL, c};
    switch (rand_below(6)) {
    case 0:
        loop_defer(c->loop, &c->defer);
        break;
    case 1:
        if (work_submit(c->world->pool, c->loop, NULL, &job) != ERR_OK)
            witness(c, 4);
        break;
    default:;
        struct parcel *p = mem_alloc(sizeof *p);
        *p = (struct parcel){
            {NULL, on_parcel, on_parcel_drop}, &c->world->citizens[rand_below(LOOPS)], c->index};
        loop_post(p->to->loop, &p->mail);
    }
}

static bool is_old(void *ctx)
{
    const struct world *w = ctx;
    return w->steps >= STEPS;
}

static uint64_t run_world(uint64_t seed)
{
    struct citizen citizens[LOOPS];
    sim_begin(seed);
    struct world w = {
        .shards = shards_new("eu1", LOOPS), .pool = work_pool_new("w", 2, 3), .citizens = citizens};
    for (unsigned i = 0; i < LOOPS; i++) {
        struct citizen *c = &citizens[i];
        *c = (struct citizen){.world = &w, .loop = shards_loop(w.shards, i), .index = i};
        timer_init(&c->timer, c->loop, on_timer, c);
        defer_init(&c->defer, on_defer, c);
        timer_start(&c->timer, 10);
    }
    assert_true(sim_run(UINT64_C(3600) * 1000000, is_old, &w));
    for (unsigned i = 0; i < LOOPS; i++) {
        timer_stop(&citizens[i].timer);
        defer_cancel(&citizens[i].defer);
    }
    work_pool_free(&w.pool);
    shards_free(&w.shards);
    sim_end();
    return w.hash;
}

/* A loop with one timer, whose turns somebody watches. */
static unsigned turns_seen;

static void watch(struct loop *l, void (*turn)(struct loop *l))
{
    assert_string_equal(loop_name(l), "h/0");
    turns_seen++;
    turn(l);
}

static void count_up(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void test_sim_around(void **state UNUSED)
{
    struct timer t;
    unsigned fired = 0;
    turns_seen = 0;
    sim_begin(1);
    struct loop *l = loop_new("h/0", 0);
    timer_init(&t, l, count_up, &fired);
    sim_around(watch);
    timer_start(&t, 5);
    sim_run(100000, NULL, NULL);
    assert_int_equal(fired, 1);
    assert_true(turns_seen >= 1);
    unsigned seen = turns_seen;
    sim_around(NULL);
    timer_start(&t, 5);
    sim_run(100000, NULL, NULL);
    assert_int_equal(fired, 2);
    assert_int_equal(turns_seen, seen);
    loop_free(&l);
    sim_end();
}

static void test_sim_seed_is_the_run(void **state UNUSED)
{
    uint64_t hash[20];
    for (unsigned i = 0; i < ARRAY_LEN(hash); i++) {
        hash[i] = run_world(i);
        assert_int_equal(run_world(i), hash[i]);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(hash[k], hash[i]);
    }
}

/* Three senders, one receiver: the order of each is kept, the mixture is drawn. */
enum { SENDERS = 3, LETTERS = 200 };

struct letter {
    struct mail mail;
    unsigned from, number;
};
struct office {
    struct loop *to, *from[SENDERS];
    struct defer send[SENDERS];
    struct letter out[SENDERS][LETTERS];
    unsigned got[SENDERS], total, switches, last;
};
static struct office *office; /* the one under test */

static void on_letter(struct mail *m)
{
    struct letter *x = container_of(m, struct letter, mail);
    assert_int_equal(x->number, office->got[x->from]++);
    office->switches += office->total++ && office->last != x->from;
    office->last = x->from;
}

static void on_send(void *ctx)
{
    struct letter *out = ctx;
    for (unsigned n = 0; n < LETTERS; n++) {
        out[n].mail.fn = on_letter;
        out[n].number = n;
        loop_post(office->to, &out[n].mail);
    }
}

static bool all_came(void *ctx UNUSED)
{
    return office->total == SENDERS * LETTERS;
}

static unsigned run_office(uint64_t seed)
{
    sim_begin(seed);
    office = mem_alloc(sizeof *office);
    office->to = loop_new("h/9", 9);
    for (unsigned i = 0; i < SENDERS; i++) {
        office->from[i] = loop_new("h/0", i);
        for (unsigned n = 0; n < LETTERS; n++)
            office->out[i][n].from = i;
        defer_init(&office->send[i], on_send, office->out[i]);
        loop_defer(office->from[i], &office->send[i]);
    }
    assert_true(sim_run(1000000, all_came, NULL));
    unsigned switches = office->switches;
    for (unsigned i = 0; i < SENDERS; i++)
        loop_free(&office->from[i]);
    loop_free(&office->to);
    mem_free(office);
    sim_end();
    return switches;
}

static void test_sim_mail_keeps_senders_order(void **state UNUSED)
{
    unsigned first = run_office(1), different = 0;
    assert_true(first > 5);
    for (uint64_t seed = 2; seed < 12; seed++)
        different += run_office(seed) != first;
    assert_true(different > 0);
}

/* Mail posted by an event counts as everybody's: what a loop posts later does not overtake it. */
struct relay {
    struct loop *a, *b;
    struct letter x[2];
    struct defer send;
    unsigned n, seen[2];
};
static struct relay *relay;

static void on_relay_mail(struct mail *m)
{
    relay->seen[relay->n++] = container_of(m, struct letter, mail)->number;
}

static void on_relay_send(void *ctx UNUSED)
{
    loop_post(relay->b, &relay->x[1].mail);
}

static void on_relay_event(void *ctx UNUSED)
{
    loop_post(relay->b, &relay->x[0].mail);
    loop_defer(relay->a, &relay->send);
}

static bool relay_done(void *ctx UNUSED)
{
    return relay->n == 2;
}

static void test_sim_event_mail_not_overtaken(void **state UNUSED)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_begin(seed);
        struct relay r = {.a = loop_new("h/0", 0), .b = loop_new("h/1", 1)};
        relay = &r;
        for (unsigned i = 0; i < 2; i++)
            r.x[i] = (struct letter){.mail.fn = on_relay_mail, .number = i};
        defer_init(&r.send, on_relay_send, NULL);
        if (seed % 2)
            sim_after(5, on_relay_event, NULL, NULL);
        else
            sim_after_on(r.a, 5, on_relay_event, NULL, NULL);
        assert_true(sim_run(1000, relay_done, NULL));
        assert_int_equal(r.seen[0], 0);
        assert_int_equal(r.seen[1], 1);
        loop_free(&r.a);
        loop_free(&r.b);
        sim_end();
    }
}

struct hourly {
    struct timer timer;
    unsigned count;
};

static void on_hour(void *ctx)
{
    struct hourly *h = ctx;
    h->count++;
    timer_start(&h->timer, 3600 * 1000);
}

static void test_sim_hours_pass_at_once(void **state UNUSED)
{
    struct timespec before, after;
    struct hourly h = {.count = 0};
    clock_gettime(CLOCK_MONOTONIC, &before);
    sim_begin(7);
    struct loop *l = loop_new("h/0", 0);
    timer_init(&h.timer, l, on_hour, &h);
    timer_start(&h.timer, 3600 * 1000);
    uint64_t start_us = sim_now_us(), wall_us = clock_wall_us();
    assert_int_equal(wall_us / 1000000, 1767225600);
    assert_false(sim_run(UINT64_C(10000) * 3600 * 1000000 + 1000000, NULL, NULL));
    assert_int_equal(h.count, 10000);
    assert_int_equal(sim_now_us() - start_us, UINT64_C(10000) * 3600 * 1000000 + 1000000);
    assert_int_equal(clock_mono_us(), sim_now_us());
    assert_int_equal(loop_now_us(l), sim_now_us());
    assert_int_equal(clock_wall_us() - wall_us, sim_now_us() - start_us);
    sim_set_wall(5000000);
    assert_int_equal(clock_wall_us(), 5000000);
    timer_stop(&h.timer);
    loop_free(&l);
    sim_end();
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < 20);
    assert_true(clock_wall_us() > UINT64_C(1700000000) * 1000000); /* the real clock is back */
}

static void on_mark(void *ctx)
{
    unsigned *mark = ctx;
    ++*mark;
}

static bool is_marked(void *ctx)
{
    return *(unsigned *)ctx > 0;
}

static void test_sim_run_until(void **state UNUSED)
{
    unsigned mark = 0, dropped = 0;
    sim_begin(1);
    uint64_t start_us = sim_now_us();
    sim_after(5000, on_mark, NULL, &mark);
    assert_false(sim_run(4999, is_marked, &mark));
    assert_int_equal(sim_now_us() - start_us, 4999);
    assert_true(sim_run(1000, is_marked, &mark));
    assert_int_equal(sim_now_us() - start_us, 5000);
    assert_true(sim_run(0, is_marked, &mark));
    sim_after(1, on_mark, on_mark, &dropped);
    sim_end();
    assert_int_equal(mark, 1);
    assert_int_equal(dropped, 1);
}

struct racer {
    struct timer timer;
    unsigned *place, won;
};

static void on_race(void *ctx)
{
    struct racer *r = ctx;
    r->won = ++*r->place;
}

/* Timers of one moment, on one loop and on two: either may be first. */
static void test_sim_equal_timers_shuffled(void **state UNUSED)
{
    unsigned second_first[2] = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        unsigned place = 0;
        struct racer a = {.place = &place}, b = {.place = &place};
        sim_begin(seed);
        struct loop *l = loop_new("h/0", 0), *m = loop_new("h/1", 1);
        timer_init(&a.timer, l, on_race, &a);
        timer_init(&b.timer, seed % 2 ? m : l, on_race, &b);
        timer_start(&a.timer, 100);
        timer_start(&b.timer, 100);
        assert_false(sim_run(1000000, NULL, NULL));
        assert_int_equal(place, 2);
        second_first[seed % 2] += b.won == 1;
        loop_free(&l);
        loop_free(&m);
        sim_end();
    }
    for (unsigned i = 0; i < 2; i++)
        assert_true(second_first[i] > 20 && second_first[i] < 80);
}

/* A stopped loop takes no turn and no I/O; its mail waits for its end. */
static void test_sim_stopped_loop(void **state UNUSED)
{
    unsigned ran = 0, dropped = 0;
    struct defer d;
    sim_begin(1);
    struct loop *l = loop_new("h/0", 0);
    defer_init(&d, on_mark, &ran);
    loop_stop(l);
    loop_defer(l, &d);
    sim_after_on(l, 10, on_mark, on_mark, &dropped);
    sim_after_on(l, 10000000, on_mark, on_mark, &dropped);
    assert_false(sim_run(1000000, NULL, NULL));
    assert_int_equal(ran, 0);
    assert_int_equal(dropped, 1);
    defer_cancel(&d);
    loop_free(&l);
    assert_int_equal(dropped, 2);
    sim_end();
}

/* What must kill the process does, in a child, saying why. */
static void assert_dies(void (*fn)(void), const char *why)
{
    char said[4096] = "";
    size_t n = 0;
    int fds[2], status;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(fds[1]);
    for (ssize_t got;
         n < sizeof said - 1 && (got = read(fds[0], said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)got;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(said, why));
}

static void leave_loop(void)
{
    sim_begin(1);
    loop_new("h/0", 0);
    sim_end();
}

static void leave_timer(void)
{
    struct timer t;
    sim_begin(1);
    struct loop *l = loop_new("h/0", 0);
    timer_init(&t, l, on_mark, NULL);
    timer_start(&t, 5);
    loop_free(&l);
}

static void leave_event(void)
{
    sim_begin(1);
    sim_after(5, on_mark, NULL, NULL);
    sim_end();
}

static void leave_pool(void)
{
    sim_begin(1);
    work_pool_new("w", 1, 1);
    sim_end();
}

static void run_real_loop(void)
{
    sim_begin(1);
    loop_run(loop_new("h/0", 0));
}

static void run_real_shards(void)
{
    sim_begin(1);
    shards_run(shards_new("h", 1));
}

struct endless {
    struct loop *loop;
    struct defer defer;
};

static void on_endless_defer(void *ctx)
{
    struct endless *e = ctx;
    loop_defer(e->loop, &e->defer);
}

static void run_endless(void)
{
    sim_begin(1);
    struct endless e = {.loop = loop_new("h/0", 0)};
    defer_init(&e.defer, on_endless_defer, &e);
    loop_defer(e.loop, &e.defer);
    sim_run(1, NULL, NULL);
}

/* One loop's turn starts a timer of another loop: a race on the real platform. */
static void on_trespass(void *ctx)
{
    struct timer *other = ctx;
    timer_start(other, 1);
}

UNUSED static void trespass(void)
{
    struct timer mine, other;
    sim_begin(1);
    struct loop *a = loop_new("h/0", 0), *b = loop_new("h/1", 1);
    timer_init(&mine, a, on_trespass, &other);
    timer_init(&other, b, on_trespass, NULL);
    timer_start(&mine, 1);
    sim_run(1000000, NULL, NULL);
}

static void test_sim_refuses(void **state UNUSED)
{
    assert_dies(leave_loop, "h/0: left over");
    assert_dies(leave_timer, "timers run");
    assert_dies(leave_event, "an event");
    assert_dies(leave_pool, "work pool");
    assert_dies(run_real_loop, "use sim_run");
    assert_dies(run_real_shards, "use sim_run");
    assert_dies(run_endless, "endless activity");
#ifndef NDEBUG
    assert_dies(trespass, "loop_is_mine");
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_seed_is_the_run),
        cmocka_unit_test(test_sim_mail_keeps_senders_order),
        cmocka_unit_test(test_sim_event_mail_not_overtaken),
        cmocka_unit_test(test_sim_hours_pass_at_once),
        cmocka_unit_test(test_sim_run_until),
        cmocka_unit_test(test_sim_equal_timers_shuffled),
        cmocka_unit_test(test_sim_stopped_loop),
        cmocka_unit_test(test_sim_around),
        cmocka_unit_test(test_sim_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
