#ifndef LIB_STORE_TESTS_THREADS_INT_H
#define LIB_STORE_TESTS_THREADS_INT_H
/* What a durable driver must stand beside the cases: four shards at once, and kill -9 of a process
 * during commits. Given by the including test: uri, and suite_clear, which forgets all data. */
#include "lib/store/tests-cases-int.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/loop/shard.h"

static char uri[256];
static void suite_clear(void);

/* ---- four shards: each counts up its own owner and all of them one shared owner, by
 * compare-and-set */

enum { SHARDS = 4, ROUNDS = 100 };

struct counter {
    struct mail start, finished;
    struct four *four;
    struct loop *loop;
    struct store_port *port;
    struct str owner;
    char own_name[16];
    unsigned round;
};

struct four {
    struct store *store;
    struct shards *shards;
    struct counter counters[SHARDS];
    unsigned n_finished; /* on shard 0 */
};

static void counter_read(struct counter *c);

static void four_finished(struct mail *m)
{
    struct four *f = container_of(m, struct counter, finished)->four;
    if (++f->n_finished == SHARDS)
        shards_stop(f->shards);
}

static void counter_next(struct counter *c)
{
    c->round++;
    if (c->round == ROUNDS)
        c->owner = STR("shared");
    if (c->round < 2 * ROUNDS) {
        counter_read(c);
        return;
    }
    store_port_close(&c->port);
    c->finished.fn = four_finished;
    loop_post(shards_loop(c->four->shards, 0), &c->finished);
}

static void counter_wrote(void *ctx, enum err e)
{
    struct counter *c = ctx;
    must(e == ERR_OK || (e == ERR_CONFLICT && c->round >= ROUNDS));
    if (e == ERR_OK) {
        counter_next(c);
        return;
    }
    counter_read(c);
}

static void counter_got(void *ctx, enum err e, const struct store_kv *v)
{
    struct counter *c = ctx;
    must(e == ERR_OK || e == ERR_NOTFOUND);
    uint64_t rev = v ? v->rev : 0;
    if (c->round < ROUNDS)
        must(rev == c->round); /* all of mine is confirmed */
    struct store_txn *t = store_txn_new(c->port, c->owner);
    store_txn_kv_put(t, TABLE, STR("n"), STR("x"), rev);
    store_commit(&t, NULL, counter_wrote, c);
}

static void counter_read(struct counter *c)
{
    store_kv_get(c->port, NULL, TABLE, c->owner, STR("n"), counter_got, c);
}

static void counter_start(struct mail *m)
{
    struct counter *c = container_of(m, struct counter, start);
    c->port = store_port_open(c->four->store, c->loop);
    counter_read(c);
}

static void expect_rev(struct store *s, struct str owner, uint64_t rev)
{
    struct suite t = {.store = s};
    struct loop *l = loop_new("test/0", 0);
    t.loop = l;
    op_owner_init(&t.owner);
    t.port = store_port_open(s, l);
    assert_int_equal(kv_get(&t, owner, "n"), ERR_OK);
    assert_int_equal(t.rev, rev);
    suite_forget(&t);
    vec_fini(&t.rows);
    store_port_close(&t.port);
    loop_free(&l);
}

static void four_on(const char *u)
{
    char why[200];
    struct four *f = mem_alloc(sizeof *f);
    assert_int_equal(store_open(u, &f->store, why, sizeof why), ERR_OK);
    f->shards = shards_new("test", SHARDS);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct counter *c = &f->counters[i];
        c->four = f;
        c->loop = shards_loop(f->shards, i);
        snprintf(c->own_name, sizeof c->own_name, "own%u", i);
        c->owner = str_of(c->own_name);
        c->start.fn = counter_start;
        loop_post(c->loop, &c->start);
    }
    shards_run(f->shards);
    for (unsigned i = 0; i < SHARDS; i++)
        expect_rev(f->store, str_of(f->counters[i].own_name), ROUNDS);
    expect_rev(f->store, STR("shared"), (uint64_t)SHARDS * ROUNDS);
    store_close(&f->store);
    shards_free(&f->shards);
    mem_free(f);
}

/* ---- kill -9: a child commits and tells each confirmation; what it told must be there */

enum { SLOTS = 16, CONFIRMATIONS = 150 };

struct writer {
    struct slot {
        struct writer *w;
        char owner[16];
        uint32_t told[2]; /* slot, number */
    } slots[SLOTS];
    struct store_port *port;
    int fd;
};

static void slot_commit(struct slot *s);

static void slot_committed(void *ctx, enum err e)
{
    struct slot *s = ctx;
    if (e || write(s->w->fd, s->told, sizeof s->told) != sizeof s->told)
        _exit(1);
    slot_commit(s);
}

static void slot_commit(struct slot *s)
{
    char id[16];
    snprintf(id, sizeof id, "%u", ++s->told[1]);
    struct store_txn *t = store_txn_new(s->w->port, str_of(s->owner));
    store_txn_kv_put(t, TABLE, STR("n"), str_of(id), STORE_REV_ANY);
    store_txn_log_append(t, TABLE, str_of(id), 1, STR_NONE, STR("<message/>"));
    store_commit(&t, NULL, slot_committed, s);
}

static void writer_main(int fd)
{
    struct writer *w = mem_alloc(sizeof *w);
    struct store *s;
    char why[200];
    struct loop *l = loop_new("child/0", 0);
    if (store_open(uri, &s, why, sizeof why))
        _exit(1);
    w->fd = fd;
    w->port = store_port_open(s, l);
    for (uint32_t i = 0; i < SLOTS; i++) {
        w->slots[i].w = w;
        w->slots[i].told[0] = i;
        snprintf(w->slots[i].owner, sizeof w->slots[i].owner, "slot%u", i);
        slot_commit(&w->slots[i]);
    }
    loop_run(l);
    _exit(1);
}

/* Kill the child after some confirmations; last[] is the highest number told by each slot. */
static void run_and_kill(uint32_t last[SLOTS])
{
    int fds[2];
    uint32_t told[2];
    unsigned n = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        writer_main(fds[1]);
    }
    close(fds[1]);
    while (read(fds[0], told, sizeof told) == sizeof told) {
        assert_true(told[0] < SLOTS);
        last[told[0]] = told[1];
        if (++n == CONFIRMATIONS)
            kill(pid, SIGKILL);
    }
    assert_true(n >= CONFIRMATIONS);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(fds[0]);
}

static void kill_during_commits(void)
{
    for (int round = 0; round < 3; round++) {
        uint32_t last[SLOTS] = {0};
        struct suite t;
        struct loop *l = loop_new("test/0", 0);
        suite_clear();
        run_and_kill(last);
        suite_open(&t, uri, l);
        for (uint32_t i = 0; i < SLOTS; i++) {
            char owner[16];
            snprintf(owner, sizeof owner, "slot%u", i);
            if (last[i] == 0)
                continue;
            assert_int_equal(kv_get(&t, str_of(owner), "n"), ERR_OK);
            uint64_t kept = strtoull(t.rows.p[0].value, NULL, 10);
            assert_true(kept >= last[i] && kept <= last[i] + 1);
            assert_int_equal(log_length(&t, str_of(owner)), ERR_OK);
            assert_int_equal(t.count, kept); /* the transaction as a whole, or nothing of it */
        }
        suite_close(&t);
        loop_free(&l);
    }
}

#endif
