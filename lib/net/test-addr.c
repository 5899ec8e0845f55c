/* Socket addresses: literals there and back, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/net/addr.h"

static void test_addr_hostport(void **state UNUSED)
{
    static const struct {
        const char *text, *out; /* NULL: refused */
    } rows[] = {
        {"1.2.3.4:5", "1.2.3.4:5"},
        {"[::1]:5222", "[::1]:5222"},
        {"[2001:DB8:0:0:0:0:0:1]:65535", "[2001:db8::1]:65535"},
        {"[::ffff:1.2.3.4]:5", "1.2.3.4:5"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"", NULL},
        {":", NULL},
        {"1.2.3.4", NULL},
        {"1.2.3.4:", NULL},
        {"1.2.3.4:65536", NULL},
        {"1.2.3.4:-1", NULL},
        {"1.2.3.4: 5", NULL},
        {"1.2.3:5", NULL},
        {"01.2.3.4:5", NULL},
        {"::1:5", NULL},
        {"[::1]", NULL},
        {"[::1]5", NULL},
        {"[::1:5", NULL},
        {"[1.2.3.4]:5", NULL},
        {"[fe80::1%eth0]:5", NULL},
        {"localhost:5", NULL},
        {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd]:1", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr a = {.port = 9};
        char text[ADDR_TEXT_MAX];
        enum err e = addr_parse_hostport(str_of(rows[i].text), &a);
        assert_int_equal(e, rows[i].out ? ERR_OK : ERR_INVALID);
        if (rows[i].out)
            assert_string_equal(addr_format(text, &a), rows[i].out);
        else
            assert_int_equal(a.port, 9); /* untouched */
    }
    assert_int_equal(addr_parse(str_make("1.2.3.4\0", 8), 1, &(struct addr){0}), ERR_INVALID);
    assert_int_equal(addr_parse(STR_NONE, 1, &(struct addr){0}), ERR_INVALID);
}

static struct addr addr_of(const char *ip, uint16_t port)
{
    struct addr a;
    assert_int_equal(addr_parse(str_of(ip), port, &a), ERR_OK);
    return a;
}

static void test_addr_compare(void **state UNUSED)
{
    struct addr a = addr_of("10.0.0.1", 1), b = a, none = {.family = ADDR_NONE};
    char text[ADDR_TEXT_MAX];
    assert_true(addr_eq(&a, &b));
    b.ip[9] = 1; /* beyond the four bytes */
    assert_true(addr_eq(&a, &b));
    b = addr_of("10.0.0.1", 2);
    assert_false(addr_eq(&a, &b));
    b = addr_of("::1", 1);
    assert_false(addr_eq(&a, &b));
    assert_true(addr_eq(&none, &none));
    assert_string_equal(addr_format(text, &none), "-");
}

static void test_addr_loopback(void **state UNUSED)
{
    struct addr a = addr_of("127.9.9.9", 0);
    assert_true(addr_is_loopback(&a));
    a = addr_of("::1", 0);
    assert_true(addr_is_loopback(&a));
    a = addr_of("::ffff:127.0.0.1", 0);
    assert_true(addr_is_loopback(&a));
    a = addr_of("128.0.0.1", 0);
    assert_false(addr_is_loopback(&a));
    a = addr_of("::2", 0);
    assert_false(addr_is_loopback(&a));
    a.family = ADDR_NONE;
    assert_false(addr_is_loopback(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addr_hostport),
                                       cmocka_unit_test(test_addr_compare),
                                       cmocka_unit_test(test_addr_loopback)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
