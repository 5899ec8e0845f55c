/* DOC: addresses: the examples of RFC 7622 section 3.5, each profile, sizes, comparison, copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/xmpp/jid.h"

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void expect_part(struct str got, const char *want)
{
    if (!want)
        assert_null(got.p);
    else if (!str_eqc(got, want))
        fail_msg("got " STR_FMT ", want %s", STR_ARG(got), want);
}

static void test_jid_parses_into_normal_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *local, *domain, *resource;
    } cases[] = {
        {"juliet@example.com", "juliet", "example.com", NULL},
        {"juliet@example.com/foo", "juliet", "example.com", "foo"},
        {"juliet@example.com/foo bar", "juliet", "example.com", "foo bar"},
        {"juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"},
        {"foo\\20bar@example.com", "foo\\20bar", "example.com", NULL},
        {"fussball@example.com", "fussball", "example.com", NULL},
        {"fu\u00DFball@example.com", "fu\u00DFball", "example.com", NULL},
        {"\u03C0@example.com", "\u03C0", "example.com", NULL},
        {"\u03A3@example.com/foo", "\u03C3", "example.com", "foo"},
        {"\u03C3@example.com/foo", "\u03C3", "example.com", "foo"},
        {"\u03C2@example.com/foo", "\u03C2", "example.com", "foo"},
        {"king@example.com/\u265A", "king", "example.com", "\u265A"},
        {"example.com", NULL, "example.com", NULL},
        {"example.com/foobar", NULL, "example.com", "foobar"},
        {"a.example.com/b@example.net", NULL, "a.example.com", "b@example.net"},
        {"JULIET@EXAMPLE.COM/Balcony", "juliet", "example.com", "Balcony"},
        {"a@example.com.", "a", "example.com", NULL},
        {"a@b//", "a", "b", "/"},
        {"a@localhost/ x ", "a", "localhost", " x "},
        {"a@192.0.2.1", "a", "192.0.2.1", NULL},
        {"a@[2001:DB8:0:0::1]/r", "a", "[2001:db8::1]", "r"},
        {"j\u00DCrg@m\u00DCnchen.example", "j\u00FCrg", "m\u00FCnchen.example", NULL},
        {"x@XN--MNCHEN-3ya.example", "x", "m\u00FCnchen.example", NULL},
        {"x@\uFF45xample\u3002com", "x", "example.com", NULL},
        {"x@example\u3002com\u3002", "x", "example.com", NULL},
        {"\uFF2A\uFF35@example.com", "ju", "example.com", NULL},
        {"e\u0301@example.com/e\u0301", "\u00E9", "example.com", "\u00E9"},
        {"a@b/x\u00A0\u3000y", "a", "b", "x  y"},
        {"a@b/\uFF21\u2163", "a", "b", "\uFF21\u2163"},
        {"\u0645\u062B\u0627\u0644@example.com", "\u0645\u062B\u0627\u0644", "example.com", NULL},
        {"l\u00B7l@b", "l\u00B7l", "b", NULL},
        {"\u30A2\u30FB@b", "\u30A2\u30FB", "b", NULL},
        {"\u05D0\u05F3@b", "\u05D0\u05F3", "b", NULL},
        {"\u0375\u03B1@b", "\u0375\u03B1", "b", NULL},
        {"\u0915\u094D\u200C\u0937@b", "\u0915\u094D\u200C\u0937", "b", NULL},
        {"\u0628\u200C\u0628@b", "\u0628\u200C\u0628", "b", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct jid j, again;
        const char *why = "";
        if (jid_parse(arena, str_of(cases[i].text), &j, &why) != ERR_OK)
            fail_msg("%s: %s", cases[i].text, why);
        expect_part(j.local, cases[i].local);
        expect_part(j.domain, cases[i].domain);
        expect_part(j.resource, cases[i].resource);
        assert_int_equal(strlen(j.full.p), j.full.n);
        assert_ptr_equal(j.bare.p, j.full.p);
        assert_int_equal(jid_is_full(&j), cases[i].resource != NULL);
        assert_int_equal(jid_make(arena, j.local, j.domain, j.resource, &again), ERR_OK);
        assert_true(jid_eq(&j, &again));
    }
}

static const char *const bad[] = {
    "\"juliet\"@example.com",
    "foo bar@example.com",
    "juliet@example.com/",
    "@example.com/",
    "@example.com",
    "henry\u2163@example.com",
    "\u265A@example.com",
    "juliet@",
    "/foobar",
    "",
    "@",
    "/",
    ".",
    "a@.",
    "a@b..c",
    "a@.b",
    "a@-b",
    "a@b-",
    "a@b_c",
    "a@b c",
    "a&b@c",
    "a'b@c",
    "a:b@c",
    "a<b@c",
    "a>b@c",
    "a@b@c",
    "a@b/\x7F",
    "a@b/\x01",
    "a\x01@b",
    "a@b\x01",
    "a@[::1",
    "a@[::1]x",
    "a@[]",
    "a@[1.2.3.4]",
    "a@[g::1]",
    "a@[fe80::1%eth0]",
    "\xC3\x28@b",
    "a@b/\xFF",
    "a@\xFF",
    "a@b/\xED\xA0\x80",
    "\uFF20x@example.com", /* full-width @ becomes one */
    "\uFF06@b",            /* and a full-width ampersand */
    "a@b\uFF0Fc",
    "a@b\uFF20c",
    "a@\u00FC_b",
    "a@\u00FC b", /* in a domain */
    "a@xn--",
    "a@xn--a",
    "a@xn--example-.com",
    "a@xn--fuball-cta.xn--\u00FC",
    "a@\u2488com", /* digit one full stop */
    "\u0660\u06F0@b",
    "x\u00B7y@b",
    "\u30FBx@b",
    "\u05F3x@b",
    "\u0375x@b",
    "x\u200Cy@b",
    "x\u200Dy@b",
    "\u05D0a@b",
    "1\u05D0@b",
    "\u05D0\u06611@b",
    "a\u05D0@b", /* Bidi rule */
    "\u0640@b",
    "\u1100@b",
    "\u00AD@b",
    "\uFDD0@b",
    "\u0378@b",
    "\uE000@b",
    "a@b/\u1100",
    "a@b/\u0378",
    "a@b/\u00AD",
    "\u00A0@b",
    "a\u3000@b",
    "\u2028@b",
    "a@b/\u2028",
};

static void test_jid_refuses_what_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct jid j;
        const char *why = NULL;
        if (jid_parse(arena, str_of(bad[i]), &j, &why) != ERR_INVALID)
            fail_msg("case %zu: %s", i, bad[i]);
        assert_non_null(why);
    }
    struct jid j;
    assert_int_equal(jid_parse(arena, STR("a\0b@c"), &j, NULL), ERR_INVALID);
    assert_int_equal(jid_parse(arena, STR("a@c\0"), &j, NULL), ERR_INVALID);
    assert_int_equal(jid_parse(arena, STR("a@c\0\xC3\xBC"), &j, NULL), ERR_INVALID);
    assert_int_equal(jid_parse(arena, STR("a@c/\0"), &j, NULL), ERR_INVALID);
    assert_int_equal(jid_parse(arena, STR_NONE, &j, NULL), ERR_INVALID);
}

static struct str times(const char *s, size_t n)
{
    const size_t len = strlen(s);
    char *p = arena_alloc(arena, n * len + 1);
    for (size_t i = 0; i < n; i++)
        memcpy(p + i * len, s, len);
    return str_make(p, n * len);
}

static void test_jid_parts_hold_1023_bytes(void **state)
{
    (void)state;
    struct jid j;
    const struct str d = STR("d");
    assert_int_equal(jid_make(arena, times("x", 1023), d, times("y", 1023), &j), ERR_OK);
    assert_int_equal(j.full.n, 1023 + 1 + 1 + 1 + 1023);
    assert_int_equal(jid_make(arena, times("x", 1024), d, STR_NONE, &j), ERR_LIMIT);
    assert_int_equal(jid_make(arena, STR_NONE, d, times("x", 1024), &j), ERR_LIMIT);
    assert_int_equal(jid_make(arena, times("\u00FC", 511), d, STR_NONE, &j), ERR_OK);
    assert_int_equal(jid_make(arena, times("\u00FC", 512), d, STR_NONE, &j), ERR_LIMIT);
    assert_int_equal(jid_make(arena, times("\uFF21", 1023), d, STR_NONE, &j),
                     ERR_OK); /* 3,069 bytes before */
    assert_int_equal(j.local.n, 1023);
    assert_int_equal(jid_make(arena, times("\uFF21", 1024), d, STR_NONE, &j), ERR_LIMIT);
    assert_int_equal(jid_make(arena, times("\u0390", 511), d, STR_NONE, &j), ERR_OK);
    assert_int_equal(jid_make(arena, STR_NONE, times("x", 63), STR_NONE, &j), ERR_OK);
    assert_int_equal(jid_make(arena, STR_NONE, times("x", 64), STR_NONE, &j), ERR_INVALID);
    assert_int_equal(jid_make(arena, STR_NONE, times("a.", 512), STR_NONE, &j), ERR_OK);
    assert_int_equal(j.domain.n, 1023); /* the final dot is gone */
    assert_int_equal(jid_make(arena, STR_NONE, times("ab.", 342), STR_NONE, &j), ERR_LIMIT);
    assert_int_equal(jid_parse(arena, times("x", 1 << 20), &j, NULL), ERR_LIMIT);
}

static void test_jid_compares_and_derives(void **state)
{
    (void)state;
    struct jid a, b, c, none = {0};
    assert_int_equal(jid_parse(arena, STR("A@b/R"), &a, NULL), ERR_OK);
    assert_int_equal(jid_parse(arena, STR("a@B/R"), &b, NULL), ERR_OK);
    assert_int_equal(jid_parse(arena, STR("a@b/r"), &c, NULL), ERR_OK);
    assert_true(jid_eq(&a, &b));
    assert_false(jid_eq(&a, &c));
    assert_true(jid_bare_eq(&a, &c));
    assert_false(jid_eq(&a, &none));
    assert_false(jid_is_set(&none));
    const struct jid bare = jid_to_bare(&a), domain = jid_to_domain(&a);
    expect_part(bare.full, "a@b");
    expect_part(bare.resource, NULL);
    expect_part(domain.full, "b");
    expect_part(domain.bare, "b");
    expect_part(domain.local, NULL);
    assert_false(jid_is_full(&bare));
}

static void test_jid_copies_stand_alone(void **state)
{
    (void)state;
    struct arena *other = arena_new(0);
    struct jid j, heap, none = {0};
    assert_int_equal(jid_parse(other, STR("a@b/R"), &j, NULL), ERR_OK);
    const struct jid bare = jid_to_bare(&j);
    const struct jid d = jid_dup(arena, &bare);
    jid_dup_heap(&j, &heap);
    arena_free(&other);
    assert_string_equal(d.full.p, "a@b");
    expect_part(d.local, "a");
    assert_string_equal(heap.full.p, "a@b/R");
    expect_part(heap.resource, "R");
    expect_part(heap.bare, "a@b");
    jid_fini(&heap);
    assert_false(jid_is_set(&heap));
    jid_dup_heap(&none, &heap);
    assert_false(jid_is_set(&heap));
    jid_fini(&heap);
}

static void test_jid_domain_ascii_is_for_dns(void **state)
{
    (void)state;
    char out[256];
    assert_int_equal(jid_domain_ascii(STR("m\u00FCnchen.example"), out), ERR_OK);
    assert_string_equal(out, "xn--mnchen-3ya.example");
    assert_int_equal(jid_domain_ascii(STR("Example.COM"), out), ERR_OK);
    assert_string_equal(out, "example.com");
    assert_int_equal(jid_domain_ascii(STR("r3---sn.example"), out), ERR_OK);
    assert_string_equal(out, "r3---sn.example");
    assert_int_equal(jid_domain_ascii(STR("[2001:db8::1]"), out), ERR_OK);
    assert_string_equal(out, "[2001:db8::1]");
    assert_int_equal(jid_domain_ascii(times("a", 0), out), ERR_INVALID);
    assert_int_equal(jid_domain_ascii(STR("a b"), out), ERR_INVALID);
    assert_int_equal(jid_domain_ascii(STR("a/\xFF"), out), ERR_INVALID);
    const struct str d = times("a.", 127);
    assert_int_equal(jid_domain_ascii(str_make(d.p, 253), out), ERR_OK);
    assert_int_equal(jid_domain_ascii(str_make(times("a.", 128).p, 255), out), ERR_LIMIT);
}

static void test_jid_prep_for_sasl(void **state)
{
    (void)state;
    struct str out;
    assert_int_equal(jid_prep_username(arena, STR("J\u00DCrg@x"), &out), ERR_OK);
    expect_part(out, "j\u00FCrg@x");
    assert_int_equal(jid_prep_username(arena, STR("a b"), &out), ERR_INVALID);
    assert_int_equal(jid_prep_username(arena, STR(""), &out), ERR_INVALID);
    assert_int_equal(jid_prep_password(arena, STR("Pa\u00A0ss \uFF21e\u0301"), &out), ERR_OK);
    expect_part(out, "Pa ss \uFF21\u00E9");
    assert_int_equal(jid_prep_password(arena, STR("a\tb"), &out), ERR_INVALID);
    assert_int_equal(jid_prep_password(arena, STR("\xFF"), &out), ERR_INVALID);
    assert_int_equal(jid_prep_password(arena, times("x", 4000), &out), ERR_LIMIT);
}

/* jid_parse takes addresses in normal form without preparing them, jid_make prepares each part:
 * they must agree on everything. */
static void test_jid_plain_way_agrees_with_the_prepared(void **state)
{
    static const char pool[] = "ab9-._Z:x ";
    unsigned x = 7;
    unsigned taken = 0;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char part[3][9], text[32];
        struct str in[3];
        for (int k = 0; k < 3; k++) {
            x = x * 1103515245 + 12345;
            const size_t n = 1 + (x >> 16) % 8;
            for (size_t i = 0; i < n; i++) {
                x = x * 1103515245 + 12345;
                part[k][i] = pool[(x >> 16) % (round % 3 ? 6 : sizeof pool - 1)];
            }
            in[k] = str_make(part[k], n);
        }
        snprintf(text, sizeof text, STR_FMT "@" STR_FMT "/" STR_FMT, STR_ARG(in[0]), STR_ARG(in[1]),
                 STR_ARG(in[2]));
        struct arena *a = arena_new(0);
        struct jid parsed, made;
        const enum err e = jid_parse(a, str_of(text), &parsed, NULL);
        assert_int_equal(e, jid_make(a, in[0], in[1], in[2], &made));
        if (e == ERR_OK) {
            assert_true(jid_eq(&parsed, &made) && str_eq(parsed.local, made.local) &&
                        str_eq(parsed.domain, made.domain) && str_eq(parsed.bare, made.bare) &&
                        str_eq(parsed.resource, made.resource));
            assert_int_equal(parsed.full.p[parsed.full.n], 0);
            taken++;
        }
        arena_free(&a);
    }
    assert_true(taken > 1000 && taken < 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jid_plain_way_agrees_with_the_prepared),
        cmocka_unit_test(test_jid_parses_into_normal_form),
        cmocka_unit_test(test_jid_refuses_what_is_none),
        cmocka_unit_test(test_jid_parts_hold_1023_bytes),
        cmocka_unit_test(test_jid_compares_and_derives),
        cmocka_unit_test(test_jid_copies_stand_alone),
        cmocka_unit_test(test_jid_domain_ascii_is_for_dns),
        cmocka_unit_test(test_jid_prep_for_sasl),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
