/* Shards on threads: a flood of mail between all of them, order of each sender, stop, what is left
 * at the end. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/loop/shard.h"
#include "lib/loop/timer.h"

enum { SHARDS = 4, PER_PAIR = 20000, PER_TURN = 500 };

struct letter {
    struct mail mail;
    struct party *from, *to;
    unsigned number;
};
struct party { /* one per shard */
    struct shards *shards;
    struct loop *loop;
    struct defer send;
    unsigned sent;        /* to each */
    unsigned got[SHARDS]; /* from each */
    struct letter *out[SHARDS];
    struct mail ready; /* to shard 0 when all has come */
    struct party *all;
    unsigned ready_count; /* shard 0 */
    char thread_name[16];
    pthread_t thread;
};

static void on_ready(struct mail *m)
{
    struct party *p = container_of(m, struct party, ready);
    if (++p->all[0].ready_count == SHARDS)
        shards_stop(p->shards);
}

static void on_letter(struct mail *m)
{
    struct letter *x = container_of(m, struct letter, mail);
    struct party *p = x->to;
    unsigned from = loop_index(x->from->loop), total = 0;
    if (x->number != p->got[from]++) /* cmocka may fail only in the main thread */
        panic_at(__FILE__, __LINE__, "mail out of order");
    for (unsigned i = 0; i < SHARDS; i++)
        total += p->got[i];
    if (total == SHARDS * PER_PAIR)
        loop_post(p->all[0].loop, &p->ready);
}

static void on_send(void *ctx)
{
    struct party *p = ctx;
    for (unsigned n = 0; n < PER_TURN; n++, p->sent++)
        for (unsigned i = 0; i < SHARDS; i++)
            loop_post(p->all[i].loop, &p->out[i][p->sent].mail);
    if (p->sent < PER_PAIR)
        loop_defer(p->loop, &p->send);
    p->thread = pthread_self();
    pthread_getname_np(p->thread, p->thread_name, sizeof p->thread_name);
}

static void party_init(struct party *p, struct party *all, struct shards *s, unsigned index)
{
    p->shards = s;
    p->loop = shards_loop(s, index);
    p->all = all;
    p->ready.fn = on_ready;
    for (unsigned i = 0; i < SHARDS; i++) {
        p->out[i] = mem_calloc(PER_PAIR, sizeof *p->out[i]);
        for (unsigned n = 0; n < PER_PAIR; n++)
            p->out[i][n] =
                (struct letter){.mail.fn = on_letter, .from = p, .to = &all[i], .number = n};
    }
    defer_init(&p->send, on_send, p);
    loop_defer(p->loop, &p->send);
}

static void test_shard_flood_keeps_order(void **state UNUSED)
{
    struct shards *s = shards_new("t", SHARDS);
    struct party *all = mem_calloc(SHARDS, sizeof *all);
    for (unsigned i = 0; i < SHARDS; i++)
        party_init(&all[i], all, s, i);
    shards_run(s);
    for (unsigned i = 0; i < SHARDS; i++) {
        char name[16];
        snprintf(name, sizeof name, "shard-%u", i);
        for (unsigned k = 0; k < SHARDS; k++)
            assert_int_equal(all[i].got[k], PER_PAIR);
        assert_int_equal(pthread_equal(all[i].thread, pthread_self()) != 0, i == 0);
        if (i > 0)
            assert_string_equal(all[i].thread_name, name);
        assert_int_equal(loop_index(all[i].loop), i);
    }
    assert_string_equal(loop_name(all[3].loop), "t/3");
    shards_free(&s);
    assert_null(s);
    for (unsigned i = 0; i < SHARDS; i++)
        for (unsigned k = 0; k < SHARDS; k++)
            mem_free(all[i].out[k]);
    mem_free(all);
}

struct note {
    struct mail mail;
    struct shards *shards;
    struct loop *next; /* where drop sends it on to */
    unsigned ran, dropped;
};

static void on_note_stop(struct mail *m)
{
    struct note *x = container_of(m, struct note, mail);
    x->ran++;
    shards_stop(x->shards);
}

static void on_note_drop(struct mail *m)
{
    struct note *x = container_of(m, struct note, mail);
    struct loop *next = x->next;
    x->dropped++;
    x->next = NULL;
    if (next)
        loop_post(next, m);
}

/* Stopped from a thread of its own, run again, stopped before it runs; then mail comes too late and
 * is dropped, even when dropping it sends more. */
static void test_shard_stop_run_again_drop(void **state UNUSED)
{
    struct shards *s = shards_new("t", 3);
    assert_int_equal(shards_count(s), 3);
    struct note x = {.mail = {.fn = on_note_stop, .drop = on_note_drop}, .shards = s};
    for (unsigned round = 1; round <= 5; round++) {
        loop_post(shards_loop(s, round % 3), &x.mail);
        shards_run(s);
        assert_int_equal(x.ran, round);
    }
    shards_stop(s);
    shards_run(s);
    x.next = shards_loop(s, 0);
    loop_post(shards_loop(s, 2), &x.mail);
    shards_free(&s);
    assert_int_equal(x.ran, 5);
    assert_int_equal(x.dropped, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shard_flood_keeps_order),
        cmocka_unit_test(test_shard_stop_run_again_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
