/* The store suite on the real platform: every case for mem and for sqlite in a temporary directory;
 * then what needs threads and processes: four shards at once, kill -9 during commits, reopening,
 * schema versions. */
#include "lib/store/tests-cases-int.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/loop/shard.h"
#include "lib/store/sqlite-int.h"

static char dir[] = "/tmp/meridian-store-XXXXXX";
static char uri[128];

static void suite_run(struct suite *t)
{
    if (t->pending)
        loop_run(t->loop);
    assert_int_equal(t->pending, 0);
}

static void suite_stop(struct suite *t)
{
    loop_stop(t->loop);
}

/* Whatever is under way is ahead of this read, which goes to the writer or finds nothing
 * unconfirmed. */
static void suite_settle(struct suite *t)
{
    if (t->port)
        kv_get(t, STR("nobody"), "nothing");
}

static const char *path_of(const char *u)
{
    return u + strlen("sqlite:");
}

static void forget_file(void)
{
    char name[160];
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(name, sizeof name, "%s%s", path_of(uri), tails[i]);
        unlink(name);
    }
}

static void on_both(void (*fn)(struct suite *t))
{
    const char *uris[] = {"mem:", uri};
    for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
        struct suite t;
        struct loop *l = loop_new("test/0", 0);
        forget_file();
        suite_open(&t, uris[i], l);
        fn(&t);
        suite_close(&t);
        loop_free(&l);
    }
}

#define BOTH(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        on_both(case_##name);                                                                      \
    }
#define BOTH_CASES(X)                                                                              \
    X(kv)                                                                                          \
    X(kv_conflicts)                                                                                \
    X(txn_sequence)                                                                                \
    X(atomic)                                                                                      \
    X(map)                                                                                         \
    X(map_version)                                                                                 \
    X(log_ids)                                                                                     \
    X(log_paging)                                                                                  \
    X(log_trim)                                                                                    \
    X(lease)                                                                                       \
    X(any_byte)                                                                                    \
    X(limits)                                                                                      \
    X(owners)                                                                                      \
    X(read_own_writes)                                                                             \
    X(cancel)
BOTH_CASES(BOTH)

static bool one_fault(const char *u, unsigned n)
{
    struct suite t;
    unsigned steps;
    struct loop *l = loop_new("test/0", 0);
    forget_file();
    suite_open(&t, u, l);
    store_fail_nth(t.store, n);
    bool passed = fault_scenario(&t, &steps);
    store_fail_nth(t.store, 0);
    expect_steps(&t, steps);
    fault_clean(&t);
    suite_close(&t);
    loop_free(&l);
    return passed;
}

static void test_faults(void **state)
{
    const char *uris[] = {"mem:", uri};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
        unsigned n = 1;
        while (!one_fault(uris[i], n))
            n++;
        assert_int_equal(n, 12); /* the scenario has eleven calls */
    }
}

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

static void test_four_shards(void **state)
{
    (void)state;
    forget_file();
    four_on("mem:");
    four_on(uri);
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

static void test_kill_during_commits(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        uint32_t last[SLOTS] = {0};
        struct suite t;
        struct loop *l = loop_new("test/0", 0);
        forget_file();
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
            assert_int_equal(log_count(&t, str_of(owner)), ERR_OK);
            assert_int_equal(t.count, kept); /* the transaction as a whole, or nothing of it */
        }
        suite_close(&t);
        loop_free(&l);
    }
}

/* ---- the file */

static void sql(const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of(uri), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_reopen(void **state)
{
    struct suite t;
    struct stat st;
    struct loop *l = loop_new("test/0", 0);
    (void)state;
    forget_file();
    suite_open(&t, uri, l);
    assert_int_equal(kv_put(&t, ALICE, "a", "kept", 0), ERR_OK);
    suite_close(&t);
    assert_int_equal(stat(path_of(uri), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    suite_open(&t, uri, l);
    assert_int_equal(kv_get(&t, ALICE, "a"), ERR_OK);
    assert_string_equal(t.rows.p[0].value, "kept");
    suite_close(&t);
    sql("SELECT 1 / (count(*) = 1) FROM kv WHERE owner = 'alice@example.org' AND value = 'kept'");
    loop_free(&l);
}

static void expect_pragma(struct sqlite_db *d, const char *text, const char *want)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(d->db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), want);
    sqlite3_finalize(st);
}

/* What durability against power loss rests on; a test cannot cut the power. */
static void test_durable_settings(void **state)
{
    struct sqlite_db *d;
    char why[200];
    (void)state;
    forget_file();
    assert_int_equal(sqlite_db_open(path_of(uri), true, &d, why, sizeof why), ERR_OK);
    expect_pragma(d, "PRAGMA journal_mode", "wal");
    expect_pragma(d, "PRAGMA synchronous", "2");
    sqlite_db_close(&d);
}

static void test_refuses(void **state)
{
    char why[200] = "";
    struct store *s = NULL;
    (void)state;
    forget_file();
    sql("PRAGMA user_version = 900");
    assert_int_equal(store_open(uri, &s, why, sizeof why), ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "schema version 900"));
    forget_file();
    FILE *f = fopen(path_of(uri), "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", f);
    fclose(f);
    assert_int_equal(store_open(uri, &s, why, sizeof why), ERR_IO);
    assert_non_null(strstr(why, "not a database"));
    assert_int_equal(store_open("sqlite:/nonexistent/x.db", &s, why, sizeof why), ERR_NOTFOUND);
    assert_non_null(strstr(why, "/nonexistent/x.db"));
    assert_int_equal(store_open("sqlite::memory:", &s, why, sizeof why), ERR_INVALID);
    assert_null(s);
    forget_file();
}

int main(void)
{
#define UNIT(name) cmocka_unit_test(test_##name),
    const struct CMUnitTest tests[] = {
        BOTH_CASES(UNIT) cmocka_unit_test(test_faults), cmocka_unit_test(test_four_shards),
        cmocka_unit_test(test_kill_during_commits),     cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_durable_settings),        cmocka_unit_test(test_refuses),
    };
    if (!mkdtemp(dir))
        return 1;
    snprintf(uri, sizeof uri, "sqlite:%s/store.db", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    forget_file();
    rmdir(dir);
    return failed;
}
