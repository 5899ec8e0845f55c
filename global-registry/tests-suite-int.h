#ifndef GLOBAL_REGISTRY_TESTS_SUITE_INT_H
#define GLOBAL_REGISTRY_TESTS_SUITE_INT_H
/* The contract of a driver, held by each: simtest-reg-fake.c, test-reg-redis.c. The includer
 * defines the functions below and lists SUITE_TESTS; state is a struct suite whose driver is up.
 * Each test uses names of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "global-registry/reg-driver.h"

struct suite {
    struct reg_driver *d;
    bool up;
    unsigned downs, moves, answers;
    char moved[4096]; /* "bare bare " since last cleared */
    enum err e;
    size_t n;
    struct reg_row rows[8];
    struct reg_member members[16];
    bool complete[16];
    char generation[REG_GENERATION_MAX];
};
static void suite_wait(struct suite *s, bool (*until)(void *ctx),
                       void *ctx);        /* fails after a while */
static void suite_flush(struct suite *s); /* somebody wipes the contents */

static void suite_on_up(void *ctx)
{
    ((struct suite *)ctx)->up = true;
}
static void suite_on_down(void *ctx, const char *why)
{
    struct suite *s = ctx;
    assert_true(why[0] != '\0');
    s->up = false;
    s->downs++;
}
static void suite_on_moved(void *ctx, struct str bare)
{
    struct suite *s = ctx;
    size_t at = strlen(s->moved);
    assert_true(at + bare.n + 2 < sizeof s->moved);
    snprintf(s->moved + at, sizeof s->moved - at, STR_FMT " ", STR_ARG(bare));
    s->moves++;
}
static const struct reg_driver_events suite_events = {suite_on_up, suite_on_down, suite_on_moved};

static void suite_on_done(void *ctx, enum err e)
{
    struct suite *s = ctx;
    s->e = e;
    s->answers++;
}
static void suite_on_rows(void *ctx, enum err e, const struct reg_row *rows, size_t n)
{
    struct suite *s = ctx;
    assert_true(n <= ARRAY_LEN(s->rows));
    assert_true(e == ERR_OK || n == 0);
    s->e = e;
    s->n = n;
    if (n)
        memcpy(s->rows, rows, n * sizeof *rows);
    s->answers++;
}
static void suite_on_beat(void *ctx, enum err e, const struct reg_lease_view *v)
{
    struct suite *s = ctx;
    assert_true((v != NULL) == (e == ERR_OK));
    s->e = e;
    s->n = 0;
    for (size_t i = 0; v && i < v->n && s->n < ARRAY_LEN(s->members); i++) {
        s->complete[s->n] = v->complete[i];
        s->members[s->n++] = v->members[i];
    }
    if (v)
        memcpy(s->generation, v->generation, sizeof s->generation);
    s->answers++;
}

static bool suite_is_answered(void *ctx)
{
    return ((struct suite *)ctx)->answers > 0;
}
/* Law 4: not answered inside the call; then wait for it. */
static enum err suite_answer(struct suite *s)
{
    assert_int_equal(s->answers, 0);
    suite_wait(s, suite_is_answered, s);
    assert_int_equal(s->answers, 1);
    s->answers = 0;
    return s->e;
}

static struct reg_member suite_member(const char *region, const char *node, uint64_t incarnation)
{
    struct reg_member m = {.incarnation = incarnation, .endpoint = "127.0.0.1:5280"};
    snprintf(m.region, sizeof m.region, "%s", region);
    snprintf(m.node, sizeof m.node, "%s", node);
    snprintf(m.domain, sizeof m.domain, "%s.world.test", node);
    return m;
}
static enum err suite_beat(struct suite *s, const struct reg_member *m, const char *synced)
{
    s->d->ops->beat(s->d, m, 60000, synced, suite_on_beat, s);
    return suite_answer(s);
}
static enum err suite_assert(struct suite *s, const struct reg_member *m, const char *bare,
                             const char *home, uint64_t seq)
{
    struct str b = str_of(bare), h = str_of(home);
    struct reg_rows_batch batch = {.bares = &b, .homes = &h, .seqs = &seq, .n = 1};
    s->d->ops->assert_rows(s->d, m, &batch, suite_on_done, s);
    return suite_answer(s);
}
static enum err suite_withdraw(struct suite *s, const struct reg_member *m, const char *bare,
                               uint64_t seq)
{
    s->d->ops->withdraw(s->d, m, str_of(bare), seq, suite_on_done, s);
    return suite_answer(s);
}
static enum err suite_leave(struct suite *s, const struct reg_member *m)
{
    s->d->ops->leave(s->d, m, suite_on_done, s);
    return suite_answer(s);
}
/* Rows as "region/node:incarnation:seq:home ", in no particular order for more than one. */
static const char *suite_read(struct suite *s, const char *bare)
{
    static char out[1024];
    out[0] = '\0';
    s->d->ops->read(s->d, str_of(bare), suite_on_rows, s);
    if (suite_answer(s) != ERR_OK)
        return err_name(s->e);
    for (size_t i = 0; i < s->n; i++) {
        size_t at = strlen(out);
        const struct reg_row *r = &s->rows[i];
        snprintf(out + at, sizeof out - at, "%s/%s:%" PRIu64 ":%" PRIu64 ":%s ", r->region, r->node,
                 r->incarnation, r->seq, r->home);
    }
    return out;
}
static struct reg_member *suite_in_view(struct suite *s, const char *node)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->members[i].node, node))
            return &s->members[i];
    return NULL;
}

static bool suite_heard_last(void *ctx)
{
    return strstr(((struct suite *)ctx)->moved, "last@w ") != NULL;
}
/* What was announced until now, and forget it: a row of our own marks the end. */
static const char *suite_moved(struct suite *s)
{
    static char out[sizeof s->moved];
    static uint64_t seq;
    struct reg_member m = suite_member("zz", "marker", 1);
    assert_int_equal(suite_assert(s, &m, "last@w", "zz", ++seq), ERR_OK);
    suite_wait(s, suite_heard_last, s);
    *strstr(s->moved, "last@w ") = '\0';
    memcpy(out, s->moved, sizeof out);
    s->moved[0] = '\0';
    assert_int_equal(suite_withdraw(s, &m, "last@w", ++seq), ERR_OK);
    suite_wait(s, suite_heard_last, s);
    s->moved[0] = '\0';
    return out;
}

static void test_driver_beat_and_fencing(void **state)
{
    struct suite *s = *state;
    struct reg_member old = suite_member("eu", "beat1", 1000),
                      young = suite_member("eu", "beat1", 10000);
    assert_int_equal(suite_beat(s, &old, ""), ERR_OK);
    assert_true(s->generation[0] != '\0');
    assert_int_equal(suite_in_view(s, "beat1")->incarnation, 1000);
    assert_string_equal(suite_in_view(s, "beat1")->region, "eu");
    assert_string_equal(suite_in_view(s, "beat1")->domain, "beat1.world.test");
    assert_string_equal(suite_in_view(s, "beat1")->endpoint, "127.0.0.1:5280");
    assert_int_equal(suite_beat(s, &young, ""), ERR_OK);
    assert_int_equal(suite_in_view(s, "beat1")->incarnation, 10000);
    assert_int_equal(suite_beat(s, &old, ""), ERR_CONFLICT);
    assert_int_equal(suite_leave(s, &young), ERR_OK);
    assert_int_equal(suite_beat(s, &old, ""), ERR_CONFLICT); /* though the lease is gone */
    assert_int_equal(suite_beat(s, &young, ""), ERR_OK);
}

static void test_driver_complete_is_of_this_generation(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "sync1", 5);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_false(s->complete[suite_in_view(s, "sync1") - s->members]);
    assert_int_equal(suite_beat(s, &m, "anothergeneration"), ERR_OK);
    assert_false(s->complete[suite_in_view(s, "sync1") - s->members]);
    char generation[REG_GENERATION_MAX];
    memcpy(generation, s->generation, sizeof generation);
    assert_int_equal(suite_beat(s, &m, generation), ERR_OK);
    assert_true(s->complete[suite_in_view(s, "sync1") - s->members]);
    assert_string_equal(s->generation, generation);
}

static void test_driver_assert_refuses_the_older(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "a1", 10), older = suite_member("eu", "a1", 9);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_string_equal(suite_read(s, "as@w"), "");
    assert_int_equal(suite_assert(s, &m, "as@w", "us", 10), ERR_OK);
    assert_string_equal(suite_read(s, "as@w"), "eu/a1:10:10:us ");
    assert_int_equal(suite_assert(s, &m, "as@w", "eu", 9), ERR_CONFLICT);
    assert_int_equal(suite_assert(s, &older, "as@w", "eu", 99), ERR_CONFLICT);
    assert_string_equal(suite_read(s, "as@w"), "eu/a1:10:10:us ");
    assert_int_equal(suite_assert(s, &m, "as@w", "us", 10), ERR_OK); /* said twice */
    assert_int_equal(suite_assert(s, &m, "as@w", "", 11), ERR_OK);
    assert_string_equal(suite_read(s, "as@w"), "eu/a1:10:11: ");
    m.incarnation = 100;
    assert_int_equal(suite_assert(s, &m, "as@w", "eu", 1), ERR_OK);
    assert_string_equal(suite_read(s, "as@w"), "eu/a1:100:1:eu ");
}

static void test_driver_withdraw_refuses_the_older(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "w1", 10), older = suite_member("eu", "w1", 9);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_int_equal(suite_assert(s, &m, "wi@w", "eu", 10), ERR_OK);
    assert_int_equal(suite_withdraw(s, &m, "wi@w", 9), ERR_CONFLICT);
    assert_int_equal(suite_withdraw(s, &older, "wi@w", 99), ERR_CONFLICT);
    assert_string_equal(suite_read(s, "wi@w"), "eu/w1:10:10:eu ");
    assert_int_equal(suite_withdraw(s, &m, "wi@w", 11), ERR_OK);
    assert_string_equal(suite_read(s, "wi@w"), "");
    assert_int_equal(suite_withdraw(s, &m, "wi@w", 11), ERR_OK);
}

/* The refresh of a session that ended, executed late: it must not come back. */
static void test_driver_late_refresh_is_refused(void **state)
{
    struct suite *s = *state;
    struct reg_member eu = suite_member("eu", "l1", 10), us = suite_member("us", "l1", 10);
    assert_int_equal(suite_beat(s, &eu, ""), ERR_OK);
    assert_int_equal(suite_assert(s, &eu, "la@w", "eu", 1), ERR_OK);
    assert_int_equal(suite_withdraw(s, &eu, "la@w", 3), ERR_OK);
    assert_int_equal(suite_assert(s, &us, "la@w", "eu", 1), ERR_OK);
    assert_int_equal(suite_assert(s, &eu, "la@w", "eu", 2), ERR_CONFLICT);
    assert_string_equal(suite_read(s, "la@w"), "us/l1:10:1:eu ");
    assert_int_equal(suite_withdraw(s, &eu, "lb@w", 3), ERR_OK); /* overtook it altogether */
    assert_int_equal(suite_assert(s, &eu, "lb@w", "eu", 2), ERR_CONFLICT);
    assert_string_equal(suite_read(s, "lb@w"), "");
    assert_int_equal(suite_assert(s, &eu, "lb@w", "eu", 4), ERR_OK); /* the next session */
    assert_string_equal(suite_read(s, "lb@w"), "eu/l1:10:4:eu ");
}

static void test_driver_rows_of_members_are_apart(void **state)
{
    struct suite *s = *state;
    struct reg_member eu = suite_member("eu", "x1", 10), us = suite_member("us", "x1", 20);
    assert_int_equal(suite_beat(s, &eu, ""), ERR_OK);
    assert_int_equal(suite_assert(s, &eu, "tw@w", "eu", 7), ERR_OK);
    assert_int_equal(suite_assert(s, &us, "tw@w", "eu", 1), ERR_OK);
    suite_read(s, "tw@w");
    assert_int_equal(s->n, 2);
    assert_int_equal(suite_withdraw(s, &eu, "tw@w", 8), ERR_OK);
    assert_string_equal(suite_read(s, "tw@w"), "us/x1:20:1:eu ");
}

static void test_driver_batch(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "b1", 10);
    struct str bares[3] = {STR("b0@w"), STR("b1@w"), STR("b2@w")},
               homes[3] = {STR("eu"), STR("us"), STR("ap")};
    uint64_t seqs[3] = {5, 6, 7};
    struct reg_rows_batch batch = {.bares = bares, .homes = homes, .seqs = seqs, .n = 3};
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_int_equal(suite_assert(s, &m, "b1@w", "eu", 99), ERR_OK);
    s->d->ops->assert_rows(s->d, &m, &batch, suite_on_done, s);
    assert_int_equal(suite_answer(s), ERR_CONFLICT); /* one of them; the others stand */
    assert_string_equal(suite_read(s, "b0@w"), "eu/b1:10:5:eu ");
    assert_string_equal(suite_read(s, "b1@w"), "eu/b1:10:99:eu ");
    assert_string_equal(suite_read(s, "b2@w"), "eu/b1:10:7:ap ");
}

static void test_driver_clean_compares(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "c1", 10);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_int_equal(suite_assert(s, &m, "cl@w", "eu", 5), ERR_OK);
    suite_read(s, "cl@w");
    struct reg_row row = s->rows[0], other = row;
    other.seq--;
    s->d->ops->clean(s->d, STR("cl@w"), &other);
    other = row;
    other.incarnation--;
    s->d->ops->clean(s->d, STR("cl@w"), &other);
    assert_string_equal(suite_read(s, "cl@w"), "eu/c1:10:5:eu ");
    s->d->ops->clean(s->d, STR("cl@w"), &row);
    s->d->ops->clean(s->d, STR("nothere@w"), &row);
    assert_string_equal(suite_read(s, "cl@w"), "");
}

static void test_driver_announces_what_changed_for_others(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "m1", 10);
    suite_moved(s);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_string_equal(suite_moved(s), " "); /* a new lease */
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_string_equal(suite_moved(s), "");
    assert_int_equal(suite_assert(s, &m, "mo@w", "eu", 1), ERR_OK);
    assert_string_equal(suite_moved(s), "mo@w ");
    assert_int_equal(suite_assert(s, &m, "mo@w", "eu", 2), ERR_OK);
    assert_string_equal(suite_moved(s), ""); /* asserted again, as it was */
    assert_int_equal(suite_assert(s, &m, "mo@w", "us", 3), ERR_OK);
    assert_string_equal(suite_moved(s), "mo@w ");
    assert_int_equal(suite_assert(s, &m, "mo@w", "us", 1), ERR_CONFLICT);
    assert_string_equal(suite_moved(s), "");
    assert_int_equal(suite_withdraw(s, &m, "mo@w", 4), ERR_OK);
    assert_string_equal(suite_moved(s), "mo@w ");
    assert_int_equal(suite_withdraw(s, &m, "mo@w", 5), ERR_OK);
    assert_string_equal(suite_moved(s), "");
    assert_int_equal(suite_withdraw(s, &m, "unheardof@w", 6), ERR_OK);
    assert_string_equal(suite_moved(s),
                        "unheardof@w "); /* others may remember it from before a wipe */
    assert_int_equal(suite_leave(s, &m), ERR_OK);
    assert_string_equal(suite_moved(s), " ");
    suite_leave(s, &m);
    assert_string_equal(suite_moved(s), "");
}

static void test_driver_leave_is_for_ones_own_lease(void **state)
{
    struct suite *s = *state;
    struct reg_member old = suite_member("eu", "v1", 10), young = suite_member("eu", "v1", 11);
    struct reg_member look = suite_member("eu", "v2", 1);
    assert_int_equal(suite_beat(s, &young, ""), ERR_OK);
    suite_leave(s, &old);
    assert_int_equal(suite_beat(s, &look, ""), ERR_OK);
    assert_non_null(suite_in_view(s, "v1"));
    assert_int_equal(suite_leave(s, &young), ERR_OK);
    assert_int_equal(suite_beat(s, &look, ""), ERR_OK);
    assert_null(suite_in_view(s, "v1"));
}

static void test_driver_read_notices_a_wipe(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "f1", 10);
    char generation[REG_GENERATION_MAX];
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    memcpy(generation, s->generation, sizeof generation);
    assert_int_equal(suite_assert(s, &m, "fl@w", "eu", 5), ERR_OK);
    assert_string_equal(suite_read(s, "fl@w"), "eu/f1:10:5:eu ");
    suite_flush(s);
    assert_string_equal(suite_read(s, "fl@w"), "AGAIN");
    assert_int_equal(suite_beat(s, &m, generation), ERR_OK);
    assert_string_not_equal(s->generation, generation);
    assert_false(s->complete[suite_in_view(s, "f1") - s->members]);
    assert_string_equal(suite_read(s, "fl@w"), "");
}

static void test_driver_numbers_have_64_bits(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "n1", UINT64_MAX),
                      less = suite_member("eu", "n1", UINT64_MAX - 1);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_int_equal(suite_in_view(s, "n1")->incarnation, UINT64_MAX);
    assert_int_equal(suite_beat(s, &less, ""), ERR_CONFLICT);
    assert_int_equal(suite_assert(s, &m, "nu@w", "eu", UINT64_MAX - 1), ERR_OK);
    assert_int_equal(suite_assert(s, &m, "nu@w", "eu", UINT64_MAX - 2), ERR_CONFLICT);
    assert_int_equal(suite_assert(s, &less, "nu@w", "eu", UINT64_MAX), ERR_CONFLICT);
    assert_string_equal(suite_read(s, "nu@w"),
                        "eu/n1:18446744073709551615:18446744073709551614:eu ");
}

static void test_driver_any_bare_jid(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "j1", 10);
    static const char *const bares[] = {"{tag}@w", "sp\\20ace@w", "%s\r\n\"'@w",
                                        "\xc3\xa9t\xc3\xa9@w.test", "domain.only"};
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bares); i++) {
        suite_moved(s);
        assert_int_equal(suite_assert(s, &m, bares[i], "eu", 5), ERR_OK);
        assert_string_equal(suite_read(s, bares[i]), "eu/j1:10:5:eu ");
        assert_true(str_starts(str_of(suite_moved(s)), str_of(bares[i])));
    }
}

#define SUITE_TESTS                                                                                \
    cmocka_unit_test(test_driver_beat_and_fencing),                                                \
        cmocka_unit_test(test_driver_complete_is_of_this_generation),                              \
        cmocka_unit_test(test_driver_assert_refuses_the_older),                                    \
        cmocka_unit_test(test_driver_withdraw_refuses_the_older),                                  \
        cmocka_unit_test(test_driver_late_refresh_is_refused),                                     \
        cmocka_unit_test(test_driver_rows_of_members_are_apart),                                   \
        cmocka_unit_test(test_driver_batch), cmocka_unit_test(test_driver_clean_compares),         \
        cmocka_unit_test(test_driver_announces_what_changed_for_others),                           \
        cmocka_unit_test(test_driver_leave_is_for_ones_own_lease),                                 \
        cmocka_unit_test(test_driver_read_notices_a_wipe),                                         \
        cmocka_unit_test(test_driver_numbers_have_64_bits),                                        \
        cmocka_unit_test(test_driver_any_bare_jid)
#endif
