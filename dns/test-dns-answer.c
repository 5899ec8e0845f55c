/* The reader of raw DNS answers: records, chains, negative TTLs, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/raw-int.h"

#define NAME "name.test"

static struct buf raw;
static struct arena *arena;
static struct dns_raw_answer out;

static int set_up(void **state)
{
    (void)state;
    buf_init(&raw, 128 * 1024);
    arena = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&raw);
    arena_free(&arena);
    return 0;
}

static void begin(enum dns_type type)
{
    raw_begin(&raw, RAW_QR | RAW_RD_RA, NAME, type);
}

static void flags(unsigned more)
{
    raw.p[2] = (char)((unsigned char)raw.p[2] | more >> 8);
    raw.p[3] = (char)((unsigned char)raw.p[3] | more);
}

static void rr(const char *name, enum dns_type type, uint32_t ttl, struct str data)
{
    size_t at = raw_rr(&raw, RAW_AT_ANSWERS, name, type, ttl);
    buf_str(&raw, data);
    raw_rr_end(&raw, at);
}

static void rr_name(const char *name, enum dns_type type, uint32_t ttl, struct str before,
                    const char *target)
{
    size_t at = raw_rr(&raw, RAW_AT_ANSWERS, name, type, ttl);
    buf_str(&raw, before);
    raw_name(&raw, target);
    raw_rr_end(&raw, at);
}

static enum err parse(enum dns_type type)
{
    dns_answer_read(arena, buf_view(&raw), NAME, type, &out);
    return out.a.status;
}

static void test_records(void **state)
{
    (void)state;
    begin(DNS_A);
    rr("NAME.Test", DNS_A, 300, STR("\x0a\x01\x02\x03"));
    rr("other.test", DNS_A, 10, STR("\x0a\x01\x02\x04"));
    rr(NAME, DNS_A, 200, STR("\x0a\x01\x02\x05"));
    flags(RAW_AD);
    assert_int_equal(parse(DNS_A), ERR_OK);
    assert_int_equal(out.a.n, 2);
    assert_int_equal(out.a.ttl, 200);
    assert_true(out.a.authenticated);
    char text[ADDR_TEXT_MAX];
    assert_string_equal(addr_format(text, &out.a.records[1].addr), "10.1.2.5:0");

    begin(DNS_AAAA);
    rr(NAME, DNS_AAAA, 300, STR("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"));
    assert_int_equal(parse(DNS_AAAA), ERR_OK);
    assert_string_equal(addr_format(text, &out.a.records[0].addr), "[2001:db8::1]:0");
    assert_false(out.a.authenticated);

    begin(DNS_SRV);
    rr_name(NAME, DNS_SRV, 60, STR("\0\5\0\7\x14\x95"), "Host.Example");
    rr_name(NAME, DNS_SRV, 60, STR("\0\0\0\0\0\0"), "");
    assert_int_equal(parse(DNS_SRV), ERR_OK);
    assert_int_equal(out.a.records[0].priority, 5);
    assert_int_equal(out.a.records[0].weight, 7);
    assert_int_equal(out.a.records[0].port, 5269);
    assert_string_equal(out.a.records[0].target, "host.example");
    assert_string_equal(out.a.records[1].target, "");

    begin(DNS_TXT);
    rr(NAME, DNS_TXT, 60, STR("\5hello"));
    assert_int_equal(parse(DNS_TXT), ERR_OK);
    assert_true(str_eq(out.a.records[0].data, STR("\5hello")));

    begin(DNS_TLSA);
    rr(NAME, DNS_TLSA, 60, STR("\3\1\1\xab\xcd"));
    assert_int_equal(parse(DNS_TLSA), ERR_OK);
    assert_true(str_eq(out.a.records[0].data, STR("\3\1\1\xab\xcd")));
}

static void test_cname(void **state)
{
    (void)state;
    begin(DNS_A); /* in any order */
    rr("c.test", DNS_A, 300, STR("\x0a\0\0\1"));
    rr_name("b.test", DNS_CNAME, 50, STR(""), "c.test");
    rr_name(NAME, DNS_CNAME, 100, STR(""), "b.test");
    assert_int_equal(parse(DNS_A), ERR_OK);
    assert_int_equal(out.a.n, 1);
    assert_int_equal(out.a.ttl, 50);
    assert_int_equal(out.links, 2);

    begin(DNS_A);
    rr_name(NAME, DNS_CNAME, 100, STR(""), "b.test");
    assert_int_equal(parse(DNS_A), ERR_DNS_NODATA);
    assert_string_equal(out.next_name, "b.test");
    assert_int_equal(out.a.ttl, 100);

    begin(DNS_CNAME);
    rr_name(NAME, DNS_CNAME, 100, STR(""), "b.test");
    assert_int_equal(parse(DNS_CNAME), ERR_OK);
    assert_string_equal(out.a.records[0].target, "b.test");

    begin(DNS_A); /* a loop */
    rr_name(NAME, DNS_CNAME, 100, STR(""), "b.test");
    rr_name("b.test", DNS_CNAME, 100, STR(""), NAME);
    assert_int_equal(parse(DNS_A), ERR_PROTOCOL);

    begin(DNS_A); /* the target does not exist */
    rr_name(NAME, DNS_CNAME, 100, STR(""), "b.test");
    raw_soa(&raw, "test", 30, 20);
    flags(3);
    assert_int_equal(parse(DNS_A), ERR_DNS_NXDOMAIN);
    assert_string_equal(out.next_name, "");
    assert_int_equal(out.a.ttl, 20);
}

static void test_negative(void **state)
{
    static const struct {
        uint32_t ttl, minimum, want;
    } cases[] = {{300, 60, 60}, {30, 600, 30}, {0, 60, 0}, {0x80000000, 60, 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(DNS_SRV);
        raw_soa(&raw, "test", cases[i].ttl, cases[i].minimum);
        assert_int_equal(parse(DNS_SRV), ERR_DNS_NODATA);
        assert_int_equal(out.a.ttl, cases[i].want);
        flags(3);
        assert_int_equal(parse(DNS_SRV), ERR_DNS_NXDOMAIN);
        assert_int_equal(out.a.ttl, cases[i].want);
    }
    begin(DNS_SRV);
    assert_int_equal(parse(DNS_SRV), ERR_DNS_NODATA); /* no SOA: not to be kept */
    assert_int_equal(out.a.ttl, 0);
    static const unsigned failures[] = {1, 2, 4, 5, 9};
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        begin(DNS_A);
        rr(NAME, DNS_A, 300, STR("\x0a\x01\x02\x03"));
        flags(failures[i]);
        assert_int_equal(parse(DNS_A), ERR_DNS_SERVFAIL);
        assert_int_equal(out.a.n, 0);
    }
    begin(DNS_A);
    flags(RAW_TC);
    parse(DNS_A);
    assert_true(out.truncated);
}

static void test_malformed(void **state)
{
    static const struct {
        enum dns_type type;
        struct str data;
    } cases[] = {
        {DNS_A, {"\x0a\0\0", 3}},
        {DNS_A, {"\x0a\0\0\1\1", 5}},
        {DNS_AAAA, {"\x0a\0\0\1", 4}},
        {DNS_SRV, {"\0\1\0\1", 4}},
        {DNS_SRV, {"\0\1\0\1\0\1\3abc", 10}},    /* no end of the name */
        {DNS_SRV, {"\0\1\0\1\0\1\3abc\0x", 12}}, /* something behind it */
        {DNS_SRV, {"\0\1\0\1\0\1\xc0\x27", 8}},  /* points at itself or ahead */
        {DNS_SRV, {"\0\1\0\1\0\1\xff\xff", 8}},
        {DNS_SRV, {"\0\1\0\1\0\1\x80\x0c", 8}}, /* reserved label type */
        {DNS_CNAME, {"\0", 1}},                 /* alias of the root */
        {DNS_TXT, {"", 0}},
        {DNS_TLSA, {"\3\1", 2}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum dns_type ask = cases[i].type == DNS_CNAME ? DNS_A : cases[i].type;
        begin(ask);
        rr(NAME, cases[i].type, 60, cases[i].data);
        assert_int_equal(parse(ask), ERR_PROTOCOL);
        assert_int_equal(out.a.n, 0);
    }
    begin(DNS_A); /* a question, not an answer */
    raw.p[2] = 0;
    assert_int_equal(parse(DNS_A), ERR_PROTOCOL);
    begin(DNS_A);
    rr(NAME, DNS_A, 60, STR("\x0a\0\0\1"));
    size_t whole = raw.n;
    for (raw.n = 0; raw.n < whole; raw.n++) /* cut anywhere */
        assert_int_equal(parse(DNS_A), ERR_PROTOCOL);
    raw.n = whole;
    assert_int_equal(parse(DNS_A), ERR_OK);
}

/* Names with bytes that cannot be written make their record useless, not the message. */
static void test_odd_names(void **state)
{
    (void)state;
    begin(DNS_SRV);
    rr(NAME, DNS_SRV, 60, STR("\0\1\0\1\0\1\3a.b\0"));
    rr(NAME, DNS_SRV, 60, STR("\0\1\0\1\0\1\3a\0b\0"));
    rr(NAME, DNS_SRV, 60, STR("\0\1\0\1\0\1\2\xc3\xa4\0"));
    rr_name(NAME, DNS_SRV, 60, STR("\0\1\0\1\0\1"), "good.test");
    assert_int_equal(parse(DNS_SRV), ERR_OK);
    assert_int_equal(out.a.n, 1);
    assert_string_equal(out.a.records[0].target, "good.test");
}

static void test_compression(void **state)
{
    (void)state;
    begin(DNS_SRV); /* the question's name stands at 12 */
    rr(NAME, DNS_SRV, 60, STR("\0\1\0\1\0\1\1h\xc0\x0c"));
    assert_int_equal(parse(DNS_SRV), ERR_OK);
    assert_string_equal(out.a.records[0].target, "h." NAME);
    begin(
        DNS_SRV); /* a chain of pointers, each one back, ends; a name above 255 bytes is refused */
    size_t last = 12;
    for (int i = 0; i < 5; i++) {
        size_t here = raw.n + 11 + sizeof NAME + 6;
        char data[80] = "\0\1\0\1\0\1\x3f";
        memset(data + 7, 'x', 63);
        data[70] = (char)(0xc0 | last >> 8);
        data[71] = (char)last;
        rr(NAME, DNS_SRV, 60, str_make(data, 72));
        last = here;
        assert_int_equal(parse(DNS_SRV), i < 3 ? ERR_OK : ERR_PROTOCOL);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    begin(DNS_A);
    for (int i = 0; i < 500; i++)
        rr(NAME, DNS_A, 60, STR("\x0a\0\0\1"));
    assert_int_equal(parse(DNS_A), ERR_OK);
    assert_int_equal(out.a.n, DNS_RECORDS_MAX);
    while (raw.n <= DNS_RAW_MAX)
        rr(NAME, DNS_A, 60, STR("\x0a\0\0\1"));
    assert_int_equal(parse(DNS_A), ERR_PROTOCOL);
}

/* What is kept of an answer is as large as the answer: a cache has thousands. */
static void test_memory(void **state)
{
    (void)state;
    begin(DNS_A);
    rr(NAME, DNS_A, 300, STR("\x0a\x01\x02\x03"));
    assert_int_equal(parse(DNS_A), ERR_OK);
    assert_in_range(arena_used(arena), sizeof(struct dns_record), 2 * sizeof(struct dns_record));
}

static void test_normalise(void **state)
{
    static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a\tb", "\xc3\xa4.test", "a.."};
    char norm[DNS_NAME_MAX + 1], name[300];
    (void)state;
    assert_int_equal(dns_name_normalise("WWW.Example.ORG.", norm), ERR_OK);
    assert_string_equal(norm, "www.example.org");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(dns_name_normalise(bad[i], norm), ERR_INVALID);
    memset(name, 'a', sizeof name);
    name[63] = '\0';
    assert_int_equal(dns_name_normalise(name, norm), ERR_OK);
    name[63] = 'a';
    name[64] = '\0';
    assert_int_equal(dns_name_normalise(name, norm), ERR_INVALID);
    for (int i = 0; i < 300; i++)
        name[i] = i % 10 == 9 ? '.' : 'a';
    name[253] = '\0';
    assert_int_equal(dns_name_normalise(name, norm), ERR_OK);
    name[253] = 'a';
    name[254] = '\0';
    assert_int_equal(dns_name_normalise(name, norm), ERR_INVALID);
}

int main(void)
{
#define UNIT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        UNIT(test_records),   UNIT(test_cname),     UNIT(test_negative),
        UNIT(test_malformed), UNIT(test_odd_names), UNIT(test_compression),
        UNIT(test_bounds),    UNIT(test_normalise), UNIT(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
