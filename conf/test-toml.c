/* The TOML reader against the public toml-test cases (where present) and own cases on places and
 * limits. */
#include "conf/toml.h"

#include "lib/base/buf.h"

#include <math.h>
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

static bool read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(out, chunk, n);
    fclose(f);
    return true;
}

/* ---- expected values: tagged JSON, compared while it is read ---- */

struct json_reader {
    const char *p;
};

static void json_space(struct json_reader *j)
{
    while (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r')
        j->p++;
}

static void json_expect(struct json_reader *j, char c)
{
    json_space(j);
    assert_int_equal(*j->p, c);
    j->p++;
}

static bool json_more(struct json_reader *j, char close)
{
    json_space(j);
    if (*j->p == ',')
        j->p++;
    json_space(j);
    return *j->p != close;
}

static void put_char(struct buf *out, unsigned c)
{
    if (c < 0x80) {
        buf_char(out, (char)c);
        return;
    }
    const int tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
    buf_char(out, (char)(lead[tail] | c >> (6 * tail)));
    for (int i = tail - 1; i >= 0; i--)
        buf_char(out, (char)(0x80 | (c >> (6 * i) & 0x3f)));
}

static unsigned json_hex(struct json_reader *j)
{
    unsigned c = 0;
    assert_int_equal(sscanf(j->p, "%4x", &c), 1);
    j->p += 4;
    return c;
}

static void json_escape(struct json_reader *j, struct buf *out)
{
    static const char from[] = "btnfr\"\\/", to[] = "\b\t\n\f\r\"\\/";
    const char c = *j->p++;
    if (c != 'u') {
        const char *at = strchr(from, c);
        assert_non_null(at);
        buf_char(out, to[at - from]);
        return;
    }
    unsigned v = json_hex(j);
    if (v >= 0xd800 && v < 0xdc00) {
        j->p += 2;
        v = 0x10000 + ((v - 0xd800) << 10) + (json_hex(j) - 0xdc00);
    }
    put_char(out, v);
}

static struct str json_string(struct json_reader *j, struct arena *a)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    json_expect(j, '"');
    while (*j->p != '"') {
        if (*j->p == '\\') {
            j->p++;
            json_escape(j, &b);
        } else {
            buf_char(&b, *j->p++);
        }
    }
    j->p++;
    const struct str s = b.n ? arena_dup(a, buf_view(&b)) : STR("");
    buf_fini(&b);
    return s;
}

static void format_date(const struct toml_value *v, char out[64])
{
    const struct toml_datetime *t = &v->u.datetime;
    const bool day = v->type != TOML_LOCAL_TIME, time = v->type != TOML_LOCAL_DATE;
    int n = 0;
    if (day)
        n += snprintf(out + n, 64 - (size_t)n, "%04d-%02d-%02d", t->year, t->month, t->day);
    if (day && time)
        out[n++] = 'T';
    if (time)
        n += snprintf(out + n, 64 - (size_t)n, "%02d:%02d:%02d.%09u", t->hour, t->minute, t->second,
                      t->nanosecond);
    if (v->type == TOML_OFFSET_DATETIME) {
        const int m = abs(t->offset_min);
        snprintf(out + n, 64 - (size_t)n, "%c%02d:%02d", t->offset_min < 0 ? '-' : '+', m / 60,
                 m % 60);
    }
}

/* The expected text in the same form: a full fraction and a numeric offset. */
static void normalise_date(struct str text, bool time, char out[64])
{
    size_t n = 0, i = 0;
    while (i < text.n && (n < 11 || strchr("0123456789:", text.p[i])) && text.p[i] != '.' &&
           n < 40 && text.p[i] != 'Z' && text.p[i] != 'z')
        out[n++] = text.p[i] == ' ' || text.p[i] == 't' ? 'T' : text.p[i], i++;
    if (time) {
        out[n++] = '.';
        i += i < text.n && text.p[i] == '.';
        for (int digits = 0; digits < 9; digits++)
            out[n++] = i < text.n && text.p[i] >= '0' && text.p[i] <= '9' ? text.p[i++] : '0';
    }
    if (i < text.n && (text.p[i] == 'Z' || text.p[i] == 'z')) {
        memcpy(out + n, "+00:00", 6);
        n += 6;
        i++;
    }
    while (i < text.n)
        out[n++] = text.p[i++];
    out[n] = '\0';
    if (strcmp(out + (n > 6 ? n - 6 : 0), "-00:00") == 0)
        out[n - 6] = '+';
}

static bool same_scalar(const struct toml_value *v, struct str type, struct str text)
{
    char got[64] = "", want[64] = "";
    if (str_eqc(type, "string"))
        return v->type == TOML_STRING && str_eq(v->u.string, text);
    if (str_eqc(type, "integer"))
        return v->type == TOML_INTEGER && v->u.integer == strtoll(text.p, NULL, 10);
    if (str_eqc(type, "bool"))
        return v->type == TOML_BOOL && v->u.boolean == str_eqc(text, "true");
    if (str_eqc(type, "float")) {
        const double d = strtod(text.p, NULL);
        return v->type == TOML_FLOAT && (isnan(d) ? isnan(v->u.number) : d == v->u.number);
    }
    static const char *const dates[] = {[TOML_OFFSET_DATETIME] = "datetime",
                                        [TOML_LOCAL_DATETIME] = "datetime-local",
                                        [TOML_LOCAL_DATE] = "date-local",
                                        [TOML_LOCAL_TIME] = "time-local"};
    if (v->type < TOML_OFFSET_DATETIME || v->type > TOML_LOCAL_TIME ||
        !str_eqc(type, dates[v->type]))
        return false;
    format_date(v, got);
    normalise_date(text, v->type != TOML_LOCAL_DATE, want);
    if (strcmp(got, want) != 0)
        print_error("got %s, want %s\n", got, want);
    return strcmp(got, want) == 0;
}

static bool same_value(struct json_reader *j, struct arena *a, const struct toml_value *v);

/* {"type": T, "value": V} at j, without moving j when it is something else. */
static bool tagged(struct json_reader *j, struct arena *a, struct str *type, struct str *text)
{
    struct json_reader at = *j;
    json_expect(&at, '{');
    for (int i = 0; i < 2; i++) {
        if (!json_more(&at, '}'))
            return false;
        const struct str key = json_string(&at, a);
        json_expect(&at, ':');
        json_space(&at);
        if (*at.p != '"' || !str_eqc(key, i == 0 ? "type" : "value"))
            return false;
        *(i == 0 ? type : text) = json_string(&at, a);
    }
    json_expect(&at, '}');
    *j = at;
    return true;
}

static bool same_table(struct json_reader *j, struct arena *a, const struct toml_table *t)
{
    size_t n = 0;
    json_expect(j, '{');
    for (; json_more(j, '}'); n++) {
        const struct toml_pair *pair = toml_find(t, json_string(j, a));
        json_expect(j, ':');
        if (!pair || !same_value(j, a, &pair->value))
            return false;
    }
    json_expect(j, '}');
    return n == t->n;
}

static bool same_value(struct json_reader *j, struct arena *a, const struct toml_value *v)
{
    struct str type, text;
    json_space(j);
    if (*j->p == '[') {
        size_t n = 0;
        j->p++;
        for (; json_more(j, ']'); n++)
            if (v->type != TOML_ARRAY || n >= v->u.array.n ||
                !same_value(j, a, &v->u.array.items[n]))
                return false;
        j->p++;
        return v->type == TOML_ARRAY && n == v->u.array.n;
    }
    if (tagged(j, a, &type, &text))
        return same_scalar(v, type, text);
    return v->type == TOML_TABLE && same_table(j, a, v->u.table);
}

/* ---- the public cases ---- */

static bool find_cases(char *out, size_t size)
{
    static const char *const places[] = {"testdata", "../shared/testdata", "../../shared/testdata"};
    const char *said = getenv("MERIDIAN_TOML_TEST");
    if (said) {
        snprintf(out, size, "%s/tests", said);
        return access(out, R_OK) == 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        snprintf(out, size, MERIDIAN_SOURCE_DIR "/%s/toml-test/tests", places[i]);
        if (access(out, R_OK) == 0)
            return true;
    }
    return false;
}

static bool run_case(const char *folder, const char *name)
{
    char path[1200];
    struct buf text, expected;
    struct toml_error err = {0};
    const struct toml_table *root = NULL;
    struct arena *a = arena_new(0);
    buf_init(&text, 1 << 20);
    buf_init(&expected, 1 << 20);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_true(read_file(path, &text));
    const enum err e = toml_parse(a, buf_view(&text), &root, &err);
    bool ok = e != ERR_OK && err.pos.line > 0 && err.pos.col > 0 && err.what[0];
    if (name[0] == 'v') {
        snprintf(path, sizeof path, "%s/%.*sjson", folder, (int)strlen(name) - 4, name);
        assert_true(read_file(path, &expected));
        buf_char(&expected, '\0');
        struct json_reader j = {expected.p};
        ok = e == ERR_OK && same_table(&j, a, root);
    }
    if (!ok)
        print_error("%s: %s (%u:%u: %s)\n", name, err_name(e), err.pos.line, err.pos.col, err.what);
    buf_fini(&text);
    buf_fini(&expected);
    arena_free(&a);
    return ok;
}

static void test_toml_public_cases(void **state)
{
    (void)state;
    char folder[512], path[600], line[256];
    if (!find_cases(folder, sizeof folder)) {
        print_message("skipped: no toml-test cases here; set MERIDIAN_TOML_TEST to their folder\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/files-toml-1.0.0", folder);
    FILE *list = fopen(path, "r");
    assert_non_null(list);
    unsigned cases = 0, failed = 0;
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!str_ends(str_of(line), STR(".toml")))
            continue;
        cases++;
        failed += !run_case(folder, line);
    }
    fclose(list);
    print_message("%u cases, %u failed\n", cases, failed);
    assert_true(cases > 400);
    assert_int_equal(failed, 0);
}

/* ---- own cases ---- */

static const struct {
    const char *text;
    unsigned line, col;
    const char *what; /* part of the message; NULL: must parse */
} own[] = {
    {"", 0, 0, NULL},
    {"a = 1\nb = [1,\n  2, # two\n]\n", 0, 0, NULL},
    {"a = 1\n  a = 2\n", 2, 3, "defined in line 1"},
    {"a = \n", 1, 5, "no value"},
    {"a = hello", 1, 5, "quotes"},
    {"a 1", 1, 3, "\"=\""},
    {"[a\n", 1, 3, "\"]\""},
    {"a = 1 b = 2", 1, 7, "must end here"},
    {"a = \"x\ny\"", 1, 5, "not closed"},
    {"\n\na = \"\"\"x\ny", 3, 5, "not closed"},
    {"a = [1,\n2", 1, 5, "not closed"},
    {"a = 9223372036854775808", 1, 5, "out of range"},
    {"a = -9223372036854775808", 0, 0, NULL},
    {"a = \"\\q\"", 1, 6, "escape"},
    {"a = \"\\ud800\"", 1, 6, "scalar"},
    {"b = 2\na = \"\xff\"", 2, 6, "UTF-8"},
    {"a = \"\x01\"", 1, 6, "control"},
    {"# \x7f", 1, 3, "control"},
    {"[a.b]\n[a]\nb.c = 1", 3, 1, "defined in line 1"},
    {"a.b = 1\n[a]", 2, 2, "defined in line 1"},
    {"a = {b = 1}\n[a.c]", 2, 2, "defined in line 1"},
    {"a = [{b = 1}]\n[[a]]", 2, 3, "defined in line 1"},
    {"a = 1979-05-27 07:32:00Z", 0, 0, NULL},
    {"a = 1979-02-29", 1, 5, "no value"},
    {"a = 1e400", 1, 5, "out of range"},
    {"a = 1\rb = 2", 1, 6, "must end here"},
};

static void test_toml_places(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        struct arena *a = arena_new(0);
        struct toml_error err = {0};
        const struct toml_table *root;
        const enum err e = toml_parse(a, str_of(own[i].text), &root, &err);
        if (!own[i].what) {
            assert_int_equal(e, ERR_OK);
        } else {
            const bool ok = e == ERR_INVALID && err.pos.line == own[i].line &&
                            err.pos.col == own[i].col && strstr(err.what, own[i].what);
            if (!ok)
                print_error("case %zu: %u:%u: %s\n", i, err.pos.line, err.pos.col, err.what);
            assert_true(ok);
        }
        arena_free(&a);
    }
}

static void test_toml_positions_of_values(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct toml_error err;
    const struct toml_table *root;
    assert_int_equal(toml_parse(a, STR("[x]\n  key  =  [ 1,\n 22 ]\n"), &root, &err), ERR_OK);
    const struct toml_pair *x = toml_find(root, STR("x"));
    assert_int_equal(x->pos.line, 1);
    assert_int_equal(x->pos.col, 2);
    const struct toml_pair *key = toml_find(x->value.u.table, STR("key"));
    assert_int_equal(key->pos.line, 2);
    assert_int_equal(key->pos.col, 3);
    assert_int_equal(key->value.pos.col, 11);
    assert_int_equal(key->value.u.array.items[1].pos.line, 3);
    assert_int_equal(key->value.u.array.items[1].pos.col, 2);
    assert_null(toml_find(root, STR("y")));
    arena_free(&a);
}

static enum err parse_buf(const struct buf *b)
{
    struct arena *a = arena_new(0);
    struct toml_error err;
    const struct toml_table *root;
    const enum err e = toml_parse(a, buf_view(b), &root, &err);
    arena_free(&a);
    return e;
}

/* "a = [[[...]]]" of that depth. */
static enum err parse_nested(unsigned depth)
{
    struct buf b;
    buf_init(&b, 4 * TOML_SIZE_MAX);
    buf_cstr(&b, "a = ");
    for (unsigned i = 0; i < depth; i++)
        buf_char(&b, '[');
    for (unsigned i = 0; i < depth; i++)
        buf_char(&b, ']');
    const enum err e = parse_buf(&b);
    buf_fini(&b);
    return e;
}

static enum err parse_keys(unsigned n)
{
    struct buf b;
    buf_init(&b, 4 * TOML_SIZE_MAX);
    for (unsigned i = 0; i < n; i++)
        buf_printf(&b, "k%u = 1\n", i);
    const enum err e = parse_buf(&b);
    buf_fini(&b);
    return e;
}

static enum err parse_filled(const char *start, char fill, size_t n, const char *end)
{
    struct buf b;
    buf_init(&b, 4 * TOML_SIZE_MAX);
    buf_cstr(&b, start);
    for (size_t i = 0; i < n; i++)
        buf_char(&b, fill);
    buf_cstr(&b, end);
    const enum err e = parse_buf(&b);
    buf_fini(&b);
    return e;
}

static void test_toml_limits(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(TOML_DEPTH_MAX), ERR_OK);
    assert_int_equal(parse_nested(TOML_DEPTH_MAX + 1), ERR_LIMIT);
    assert_int_equal(parse_nested(100000), ERR_LIMIT);
    assert_int_equal(parse_keys(TOML_TABLE_MAX), ERR_OK);
    assert_int_equal(parse_keys(TOML_TABLE_MAX + 1), ERR_LIMIT);
    assert_int_equal(parse_filled("", 'k', TOML_KEY_MAX, " = 1"), ERR_OK);
    assert_int_equal(parse_filled("", 'k', TOML_KEY_MAX + 1, " = 1"), ERR_LIMIT);
    assert_int_equal(parse_filled("#", 'k', TOML_SIZE_MAX - 1, ""), ERR_OK);
    assert_int_equal(parse_filled("#", 'k', TOML_SIZE_MAX, ""), ERR_LIMIT);
    assert_int_equal(parse_filled("a = 1.", '1', 600, ""), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_toml_public_cases),
        cmocka_unit_test(test_toml_places),
        cmocka_unit_test(test_toml_positions_of_values),
        cmocka_unit_test(test_toml_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
