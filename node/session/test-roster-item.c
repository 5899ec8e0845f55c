/* The text form of roster items: read, written, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/store/store.h"
#include "node/session/roster-int.h"

#define PENDING                                                                                    \
    "&lt;presence type='subscribe' from='eve@x.test' to='alice@im.test'&gt;&lt;status&gt;hi"       \
    "&lt;/status&gt;&lt;/presence&gt;"
static const struct {
    const char *text;
    enum err e;
    uint8_t state;
    bool visible, pending;
    const char *name;
    size_t groups;
} cases[] = {
    {"<item state='3' visible='true' name='B &amp; C'><group>a</group><group>b</group></item>",
     ERR_OK, 3, true, false, "B & C", 2},
    {"<item state='0' visible='true'/>", ERR_OK, 0, true, false, NULL, 0},
    {"<item state='31' visible='true' name=''/>", ERR_OK, 31, true, false, "", 0},
    {"<item state='8'><pending>" PENDING "</pending></item>", ERR_OK, 8, false, true, NULL, 0},
    {"<item state='32'/>", ERR_INVALID, 0, false, false, NULL, 0},
    {"<item state='-1'/>", ERR_INVALID, 0, false, false, NULL, 0},
    {"<item visible='true'/>", ERR_INVALID, 0, false, false, NULL, 0},
    {"<other state='3'/>", ERR_INVALID, 0, false, false, NULL, 0},
    {"<item xmlns='urn:other' state='3'/>", ERR_INVALID, 0, false, false, NULL, 0},
    {"<item state='8'><pending>no stanza</pending></item>", ERR_INVALID, 8, false, false, NULL, 0},
    {"<item state='8'><pending>&lt;message from='a@b' to='c@d'/&gt;</pending></item>", ERR_INVALID,
     8, false, false, NULL, 0},
};

static struct roster_item *read_item(const char *text, enum err want)
{
    struct roster_item *it = mem_alloc(sizeof *it);
    enum err e = roster_item_parse(it, str_of(text));
    if ((want == ERR_OK) != (e == ERR_OK))
        fail_msg("%s: %s", text, err_text(e));
    return it;
}

static void test_roster_item_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct roster_item *it = read_item(cases[i].text, cases[i].e);
        assert_int_equal(it->state, cases[i].state);
        assert_int_equal(it->visible, cases[i].visible);
        assert_int_equal(it->pending != NULL, cases[i].pending);
        assert_int_equal(it->n_groups, cases[i].groups);
        if (cases[i].name)
            assert_string_equal(it->name, cases[i].name);
        else
            assert_null(it->name);
        struct buf text;
        buf_init(&text, STORE_VALUE_MAX);
        roster_item_format(it, &text);
        buf_char(&text, '\0');
        if (cases[i].e == ERR_OK) {
            struct roster_item *again = read_item(text.p, ERR_OK);
            assert_int_equal(again->state, it->state);
            assert_int_equal(again->n_groups, it->n_groups);
            for (size_t g = 0; g < it->n_groups; g++)
                assert_string_equal(again->groups[g], it->groups[g]);
            assert_int_equal(again->pending != NULL, cases[i].pending);
            roster_item_free(again);
        }
        buf_fini(&text);
        roster_item_free(it);
    }
}

static struct stanza *request(const char *child, size_t times)
{
    struct buf text;
    struct stanza *s;
    buf_init(&text, STORE_VALUE_MAX);
    buf_cstr(&text, "<presence from='eve@x.test' to='alice@im.test' type='subscribe' id='i' "
                    "xmlns:p='urn:a:long:name:that:is:written:out:with:every:element'>");
    for (size_t i = 0; i < times; i++)
        buf_cstr(&text, child);
    buf_cstr(&text, "</presence>");
    assert_int_equal(stanza_parse(buf_view(&text), &s), ERR_OK);
    buf_fini(&text);
    return s;
}

/* What is kept of a request is bounded by its size as it is stored. */
static void test_roster_item_pending_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *child;
        size_t times;
        bool whole;
    } sizes[] = {
        {"<p:a/>", 1, true}, {"<p:a/>", 200, false}, {"<status>abcdefgh</status>", 300, false}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct roster_item *it = mem_alloc(sizeof *it);
        struct stanza *s = request(sizes[i].child, sizes[i].times);
        roster_item_set_pending(it, s);
        assert_int_equal(it->pending == s, sizes[i].whole);
        assert_int_equal(it->pending->type, PRES_SUBSCRIBE);
        assert_true(jid_eq(&it->pending->from, &s->from));
        assert_int_equal(stanza_payload(it->pending) != NULL, sizes[i].whole);
        stanza_unref(&s);
        roster_item_free(it);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roster_item_text),
        cmocka_unit_test(test_roster_item_pending_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
