/* DOC: Log lines: form, scopes, levels; and no byte of a peer forges a field or a line. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/rand.h"

static char last[8192];
static unsigned count;
static enum log_level last_level;

static void keep(void *ctx, enum log_level level, const char *line)
{
    assert_ptr_equal(ctx, &count);
    count++;
    last_level = level;
    str_put(last, sizeof last, line);
}

static uint64_t fixed_wall(void)
{
    return 1795315506123456;
}

static int set_up(void **state)
{
    static const struct clock_source source = {fixed_wall, fixed_wall};
    (void)state;
    clock_set_source(&source);
    log_set_capture(keep, &count);
    log_set_level(LOG_INFO);
    count = 0;
    last[0] = '\0';
    return 0;
}

static void assert_value(struct str value, const char *want)
{
    char line[1024];
    set_up(NULL);
    snprintf(line, sizeof line, "2026-11-22T02:45:06.123456Z info t v=%s", want);
    log_info(NULL, "t", "v", LOG_STR(value));
    assert_string_equal(last, line);
}

static void test_log_line_carries_scopes_from_outer_to_inner(void **state)
{
    (void)state;
    struct log_scope outer = {NULL, "stream", "abc", "unset", NULL};
    struct log_scope inner = {&outer, "remote", "x.org", "try", "2"};
    set_up(NULL);
    log_warn(&inner, "s2s.auth.failed", "reason", "not trusted", "port", LOG_NUM(5269));
    assert_string_equal(last, "2026-11-22T02:45:06.123456Z warn s2s.auth.failed stream=abc "
                              "remote=x.org try=2 reason=\"not trusted\" port=5269");
    assert_int_equal(last_level, LOG_WARN);
    log_info(NULL, "node.started");
    assert_string_equal(last, "2026-11-22T02:45:06.123456Z info node.started");
}

static unsigned evaluated;

static const char *evaluate(void)
{
    evaluated++;
    return "x";
}

static void test_log_below_the_level_costs_nothing(void **state)
{
    (void)state;
    set_up(NULL);
    log_debug(NULL, "quiet", "v", evaluate());
    assert_int_equal(count, 0);
    assert_int_equal(evaluated, 0);
    log_set_level(LOG_TRACE);
    log_trace(NULL, "loud", "v", evaluate());
    assert_int_equal(count, 1);
    assert_int_equal(evaluated, 1);
    log_set_level(LOG_ERROR);
    assert_false(log_enabled(LOG_WARN));
    assert_true(log_enabled(LOG_ERROR));
}

static void test_log_level_names(void **state)
{
    (void)state;
    enum log_level l = LOG_ERROR;
    assert_int_equal(log_level_parse(STR("debug"), &l), ERR_OK);
    assert_int_equal(l, LOG_DEBUG);
    assert_int_equal(log_level_parse(STR("DEBUG"), &l), ERR_INVALID);
    assert_int_equal(log_level_parse(STR(""), &l), ERR_INVALID);
    assert_int_equal(l, LOG_DEBUG);
}

static void test_log_values_are_quoted_when_needed(void **state)
{
    (void)state;
    assert_value(STR("a@b/c:d.e-f"), "a@b/c:d.e-f");
    assert_value(STR(""), "\"\"");
    assert_value(STR_NONE, "-");
    assert_value(STR("a b"), "\"a b\"");
    assert_value(STR("a=b"), "\"a=b\"");
    assert_value(STR("say \"hi\""), "\"say \\\"hi\\\"\"");
    assert_value(STR("back\\slash"), "\"back\\\\slash\"");
    assert_value(STR("\r\n\t"), "\"\\r\\n\\t\"");
    assert_value(STR("\x01\x1b[2J\x7f"), "\"\\x01\\x1b[2J\\x7f\"");
    assert_value(STR("a\0b"), "a?b");
}

static void test_log_unicode_passes_but_its_controls_do_not(void **state)
{
    (void)state;
    assert_value(STR("J\xc3\xbcrgen"), "\"J\xc3\xbcrgen\"");
    assert_value(STR("\xf0\x9f\x92\xa9"), "\"\xf0\x9f\x92\xa9\"");
    assert_value(STR("\xc2\x85"), "\"\\u0085\"");       /* next line */
    assert_value(STR("\xe2\x80\xa8x"), "\"\\u2028x\""); /* line separator */
    assert_value(STR("a\xe2\x80\xae"
                     "b"),
                 "\"a\\u202eb\""); /* right-to-left override */
    assert_value(STR("\xff\xc3x"), "\"\\xff\\xc3x\"");
}

static void test_log_slices_are_cut_between_characters(void **state)
{
    (void)state;
    char text[400], want[300];
    memset(text, 'a', sizeof text);
    memset(want, 'a', sizeof want);
    want[255] = '\0';
    assert_value(str_make(text, 255), want);
    assert_value(str_make(text, 256), want);
    memcpy(text + 253, "\xe2\x82\xac", 3); /* the euro sign would end at 256 */
    want[253] = '\0';
    assert_value(str_make(text, 300), want);
}

/* Whatever the bytes: one line, valid UTF-8, no control, and the quotes are balanced. */
static void test_log_hostile_bytes_never_break_a_line(void **state)
{
    (void)state;
    char value[256];
    set_up(NULL);
    for (int round = 0; round < 3000; round++) {
        size_t n = (size_t)rand_below(sizeof value - 1);
        rand_bytes(value, n);
        value[n] = '\0';
        log_info(NULL, "t", "v", value, "end", "1");
        size_t length = strlen(last);
        assert_true(utf8_valid(str_of(last)));
        assert_string_equal(last + length - 6, " end=1");
        for (size_t i = 0; i < length; i++)
            assert_true((unsigned char)last[i] >= ' ' && last[i] != 0x7f);
    }
    log_info(NULL, "bad event\n", "bad key=\n", "v");
    assert_string_equal(last + 28, "info bad_event_ bad_key__=v");
}

static void test_log_long_lines_are_cut_and_say_so(void **state)
{
    (void)state;
    static char huge[10000];
    set_up(NULL);
    for (size_t n = 4000; n < 4200; n++) {
        for (int quoted = 0; quoted < 2; quoted++) {
            memset(huge, quoted ? ' ' : 'x', n);
            huge[n] = '\0';
            log_info(NULL, "t", "a", "1", "v", huge, "after", "2");
            assert_true(strlen(last) < 4096);
            bool cut = strstr(last, "after=2") == NULL;
            assert_int_equal(cut, str_ends(str_of(last), STR(" log.cut=true")));
        }
    }
    memset(huge, '"', sizeof huge - 1);
    log_info(NULL, "t", "v", huge);
    assert_true(str_ends(str_of(last), STR("\\\"\" log.cut=true")));
}

static void *log_many(void *name)
{
    for (int i = 0; i < 500; i++)
        log_info(NULL, "thread", "name", (const char *)name, "filler", "some words to say");
    return NULL;
}

/* The real way: two threads, one pipe for stderr, whole lines only. */
static void test_log_lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDERR_FILENO);
    pthread_t a, b;
    char line[256], one[] = "one", two[] = "two";
    unsigned lines = 0;
    set_up(NULL);
    log_set_capture(NULL, NULL);
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 18) >= 1 << 18);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    assert_int_equal(pthread_create(&a, NULL, log_many, one), 0);
    assert_int_equal(pthread_create(&b, NULL, log_many, two), 0);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    FILE *f = fdopen(ends[0], "r");
    for (; fgets(line, sizeof line, f); lines++) {
        line[strlen(line) - 1] = '\0';
        assert_true(str_ends(str_of(line), STR("one filler=\"some words to say\"")) ||
                    str_ends(str_of(line), STR("two filler=\"some words to say\"")));
        assert_int_equal(strlen(line), strlen("2026-11-22T02:45:06.123456Z info thread name=one "
                                              "filler=\"some words to say\""));
    }
    fclose(f);
    assert_int_equal(lines, 1000);
}

static struct json *last_as_json(void)
{
    struct json *j = NULL;
    char why[128] = "";
    if (json_parse(str_of(last), sizeof last, &j, why, sizeof why) != ERR_OK)
        fail_msg("%s: %s", why, last);
    return j;
}

static void test_log_json_line(void **state)
{
    (void)state;
    struct log_scope scope = {NULL, "stream", "abc", NULL, NULL};
    set_up(NULL);
    log_set_format(LOG_JSON);
    log_warn(&scope, "s2s.auth.failed", "reason", "not \"trusted\"\n", "port", LOG_NUM(5269));
    assert_string_equal(last,
                        "{\"time\":\"2026-11-22T02:45:06.123456Z\",\"level\":\"warn\",\"event\":"
                        "\"s2s.auth.failed\",\"stream\":\"abc\",\"reason\":\"not \\\"trusted"
                        "\\\"\\u000a\",\"port\":\"5269\"}");
    log_set_format(LOG_TEXT);
}

/* Whatever the bytes and however long: one JSON object on one line, all fields or log.cut. */
static void test_log_json_hostile_bytes(void **state)
{
    (void)state;
    static char value[6000];
    set_up(NULL);
    log_set_format(LOG_JSON);
    for (int round = 0; round < 2000; round++) {
        size_t n = (size_t)rand_below(round % 2 ? 64 : sizeof value - 1);
        rand_bytes(value, n);
        value[n] = '\0';
        log_info(NULL, "t", "v", value, "end", "1");
        struct json *j = last_as_json();
        assert_string_equal(json_get_str(j, "event"), "t");
        const char *end = json_get_str(j, "end"), *cut = json_get_str(j, "log.cut");
        assert_true((end && !cut) || (!end && cut && strcmp(cut, "true") == 0));
        assert_true(strlen(last) < 4096);
        json_free(&j);
    }
    log_set_format(LOG_TEXT);
}

static bool is_logged(enum log_level l, const char *event, const char *key, const char *value)
{
    unsigned before = count;
    log_at(l, NULL, event, key, value);
    return count > before;
}

static void test_log_rules_of_categories(void **state)
{
    (void)state;
    struct log_rule r[LOG_RULES_MAX];
    set_up(NULL);
    assert_int_equal(log_rule_set(LOG_BY_CATEGORY, "s2s", LOG_DEBUG), ERR_OK);
    assert_int_equal(log_rule_set(LOG_BY_CATEGORY, "s2s.auth", LOG_ERROR), ERR_OK);
    assert_true(is_logged(LOG_DEBUG, "s2s.open", "k", "v"));
    assert_false(is_logged(LOG_TRACE, "s2s.open", "k", "v"));
    assert_false(is_logged(LOG_WARN, "s2s.auth.failed", "k", "v"));
    assert_true(is_logged(LOG_ERROR, "s2s.auth", "k", "v"));
    assert_false(is_logged(LOG_DEBUG, "s2sx", "k", "v"));
    assert_true(is_logged(LOG_INFO, "c2s.open", "k", "v"));
    assert_int_equal(log_rule_set(LOG_BY_CATEGORY, "s2s.auth", LOG_WARN), ERR_OK);
    assert_int_equal(log_rules(r), 2);
    assert_true(is_logged(LOG_WARN, "s2s.auth.failed", "k", "v"));
    assert_true(log_rule_del(LOG_BY_CATEGORY, "s2s.auth"));
    assert_false(log_rule_del(LOG_BY_CATEGORY, "s2s.auth"));
    assert_true(log_rule_del(LOG_BY_CATEGORY, "s2s"));
    assert_int_equal(log_rules(r), 0);
    assert_false(log_enabled(LOG_DEBUG));
    assert_int_equal(log_rule_set(LOG_BY_CATEGORY, "", LOG_DEBUG), ERR_INVALID);
}

static void test_log_rules_of_names(void **state)
{
    (void)state;
    set_up(NULL);
    assert_int_equal(log_rule_set(LOG_BY_NAME, "a@x.org", LOG_DEBUG), ERR_OK);
    assert_true(is_logged(LOG_DEBUG, "t", "jid", "a@x.org"));
    assert_true(is_logged(LOG_DEBUG, "t", "to", "a@x.org/phone"));
    assert_false(is_logged(LOG_DEBUG, "t", "jid", "a@x.org.evil"));
    assert_false(is_logged(LOG_DEBUG, "t", "jid", "ba@x.org"));
    assert_false(is_logged(LOG_DEBUG, "t", "jid", NULL));
    assert_true(is_logged(LOG_INFO, "t", "jid", "b@y.org"));
    assert_true(log_rule_del(LOG_BY_NAME, "a@x.org"));
    assert_int_equal(log_rule_set(LOG_BY_NAME, "y.org", LOG_DEBUG), ERR_OK);
    assert_true(is_logged(LOG_DEBUG, "t", "remote", "y.org"));
    assert_true(is_logged(LOG_DEBUG, "t", "from", "b@y.org/r"));
    assert_false(is_logged(LOG_DEBUG, "t", "from", "b@y.orgs"));
    assert_true(log_rule_del(LOG_BY_NAME, "y.org"));
    char name[LOG_RULE_TEXT + 1];
    memset(name, 'x', sizeof name);
    name[LOG_RULE_TEXT] = 0;
    assert_int_equal(log_rule_set(LOG_BY_NAME, name, LOG_DEBUG), ERR_INVALID);
    for (int i = 0; i < LOG_RULES_MAX; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(log_rule_set(LOG_BY_NAME, name, LOG_DEBUG), ERR_OK);
    }
    assert_int_equal(log_rule_set(LOG_BY_NAME, "one more", LOG_DEBUG), ERR_LIMIT);
    for (int i = 0; i < LOG_RULES_MAX; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_true(log_rule_del(LOG_BY_NAME, name));
    }
}

static void tap_keep(void *ctx, const char *line)
{
    (void)line;
    ++*(unsigned *)ctx;
}

static void test_log_taps_see_what_is_not_logged(void **state)
{
    (void)state;
    unsigned seen = 0, id[LOG_TAPS_MAX + 1];
    set_up(NULL);
    for (unsigned i = 0; i < LOG_TAPS_MAX; i++)
        assert_int_equal(
            log_tap_open(LOG_BY_NAME, i ? "nobody" : "a@x.org", LOG_TRACE, tap_keep, &seen, &id[i]),
            ERR_OK);
    assert_int_equal(log_tap_open(LOG_BY_NAME, "b", LOG_TRACE, tap_keep, &seen, &id[LOG_TAPS_MAX]),
                     ERR_LIMIT);
    assert_false(is_logged(LOG_TRACE, "t", "jid", "a@x.org/r"));
    assert_int_equal(seen, 1);
    assert_true(is_logged(LOG_INFO, "t", "jid", "a@x.org/r"));
    assert_int_equal(seen, 2);
    assert_false(is_logged(LOG_TRACE, "t", "jid", "b@x.org"));
    assert_int_equal(seen, 2);
    for (int i = 0; i < LOG_TAP_LINES; i++)
        log_trace(NULL, "t", "jid", "a@x.org");
    assert_int_equal(seen, LOG_TAP_LINES); /* nobody took the first two */
    log_tap_took(id[0]);
    log_trace(NULL, "t", "jid", "a@x.org");
    log_trace(NULL, "t", "jid", "a@x.org");
    assert_int_equal(seen, LOG_TAP_LINES + 1);
    seen = 2;
    for (unsigned i = 0; i < LOG_TAPS_MAX; i++)
        log_tap_close(id[i]);
    assert_false(log_enabled(LOG_DEBUG));
    assert_true(is_logged(LOG_INFO, "t", "jid", "a@x.org/r"));
    assert_int_equal(seen, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_line_carries_scopes_from_outer_to_inner),
        cmocka_unit_test(test_log_below_the_level_costs_nothing),
        cmocka_unit_test(test_log_level_names),
        cmocka_unit_test(test_log_values_are_quoted_when_needed),
        cmocka_unit_test(test_log_unicode_passes_but_its_controls_do_not),
        cmocka_unit_test(test_log_slices_are_cut_between_characters),
        cmocka_unit_test(test_log_hostile_bytes_never_break_a_line),
        cmocka_unit_test(test_log_long_lines_are_cut_and_say_so),
        cmocka_unit_test(test_log_json_line),
        cmocka_unit_test(test_log_json_hostile_bytes),
        cmocka_unit_test(test_log_rules_of_categories),
        cmocka_unit_test(test_log_rules_of_names),
        cmocka_unit_test(test_log_taps_see_what_is_not_logged),
        cmocka_unit_test(test_log_lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
