/* Option tables, values, errors, secrets, printing and comparing of snapshots. */
#include "conf/conf-int.h"
#include "conf/conf-print.h"

#include <limits.h>
#include <setjmp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum mode { MODE_OFF, MODE_SOFT, MODE_HARD };
static const char *const modes[] = {"off", "soft", "hard", NULL};

struct general {
    const char *domain, *password;
    bool open;
    int64_t shards, offset;
    uint64_t budget, idle_ms;
    enum mode mode;
    struct conf_list peers;
};
struct port {
    const char *address;
    int64_t port;
    enum mode mode;
};
struct off {
    uint64_t keep_ms;
};
struct rate {
    const char *name;
    int64_t bytes;
};
struct root {
    struct general general;
    struct port *c2s;
    size_t c2s_count;
    struct rate *rates;
    size_t rates_count;
    struct off offline;
    struct off top;
};

static const struct conf_option general_options[] = {
    CONF_STRING(struct general, domain, "domain", .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .doc = "Domain"),
    CONF_STRING(struct general, password, "password", .flags = CONF_SECRET, .apply = CONF_RELOAD,
                .doc = "Password"),
    CONF_BOOL(struct general, open, "open", .def = "true", .apply = CONF_RELOAD, .doc = "Open"),
    CONF_INT(struct general, shards, "shards", .def = "4", .min = 1, .max = 64, .unit = "threads",
             .doc = "Shards"),
    CONF_INT(struct general, offset, "offset", .min = -5, .max = 5, .doc = "Offset"),
    CONF_SIZE(struct general, budget, "budget", .def = "64KiB", .min = 1024, .max = 1 << 20,
              .apply = CONF_RELOAD, .doc = "Budget"),
    CONF_DURATION(struct general, idle_ms, "idle", .def = "1m30s", .min = 1000, .max = 86400000,
                  .apply = CONF_RELOAD, .doc = "Idle"),
    CONF_ENUM(struct general, mode, "mode", modes, .def = "soft", .doc = "Mode"),
    CONF_LIST(struct general, peers, "peers", .def = "a, b", .apply = CONF_RELOAD, .doc = "Peers"),
};
static const struct conf_option port_options[] = {
    CONF_STRING(struct port, address, "address", .def = "::", .doc = "Address"),
    CONF_INT(struct port, port, "port", .flags = CONF_REQUIRED, .min = 1, .max = 65535,
             .apply = CONF_RELOAD, .doc = "Port"),
    CONF_ENUM(struct port, mode, "mode", modes, .doc = "Mode"),
};
static const struct conf_option off_options[] = {
    CONF_DURATION(struct off, keep_ms, "keep", .def = "7d", .doc = "Keep"),
};
static const struct conf_option top_options[] = {
    CONF_DURATION(struct off, keep_ms, "grace", .def = "5s", .doc = "Grace"),
};
static const struct conf_option rate_options[] = {
    CONF_INT(struct rate, bytes, "bytes", .def = "7", .max = 100, .doc = "Bytes"),
};
static const struct conf_section sections[] = {
    CONF_SECTION(struct root, general, "general", general_options, .min_count = 1, .doc = "Node"),
    CONF_ARRAY(struct root, c2s, c2s_count, "listen.c2s", port_options, .doc = "Ports"),
    CONF_NAMED(struct root, rates, rates_count, name, "rate", rate_options, .doc = "Rates"),
    CONF_SECTION(struct root, offline, "modules.offline", off_options, .doc = "Offline"),
    CONF_SECTION(struct root, top, "", top_options, .doc = "Top"),
};

static void verify(const struct conf *c, const void *root, struct conf_errors *errs)
{
    const struct root *r = root;
    for (size_t i = 0; i < r->c2s_count; i++)
        if (r->c2s[i].port == 666)
            conf_error_at(errs, c, "listen.c2s", i, "port", "%d is not allowed", 666);
}

static const struct conf_schema schema = {sections, ARRAY_LEN(sections), sizeof(struct root),
                                          verify, NULL};

static struct conf *load(const char *text)
{
    struct conf *c = NULL;
    struct conf_errors errs;
    conf_errors_init(&errs);
    const enum err e = conf_parse(str_of(text), "x.toml", &schema, &c, &errs);
    for (size_t i = 0; i < errs.n; i++)
        print_error("%s\n", errs.lines[i]);
    assert_int_equal(e, ERR_OK);
    assert_int_equal(errs.n, 0);
    conf_errors_fini(&errs);
    return c;
}

static void test_conf_values(void **state)
{
    (void)state;
    struct conf *c = load("grace = 0\n"
                          "[general]\ndomain = \"example.com\"\nopen = false\nshards = 2\n"
                          "offset = -3\nbudget = 4096\nidle = \"1h500ms\"\nmode = \"hard\"\n"
                          "peers = []\npassword = \"plain\"\n"
                          "[[listen.c2s]]\nport = 5222\n[[listen.c2s]]\nport = 5223\n"
                          "address = \"::1\"\nmode = \"soft\"\n"
                          "[modules.offline]\nkeep = \"2d\"\n");
    const struct root *r = conf_root(c);
    assert_string_equal(r->general.domain, "example.com");
    assert_string_equal(r->general.password, "plain");
    assert_false(r->general.open);
    assert_int_equal(r->general.shards, 2);
    assert_int_equal(r->general.offset, -3);
    assert_int_equal(r->general.budget, 4096);
    assert_int_equal(r->general.idle_ms, 3600500);
    assert_int_equal(r->general.mode, MODE_HARD);
    assert_int_equal(r->general.peers.n, 0);
    assert_int_equal(r->c2s_count, 2);
    assert_string_equal(r->c2s[0].address, "::");
    assert_int_equal(r->c2s[0].mode, MODE_OFF);
    assert_int_equal(r->c2s[1].port, 5223);
    assert_string_equal(r->c2s[1].address, "::1");
    assert_int_equal(r->offline.keep_ms, 2 * 86400000);
    assert_int_equal(r->top.keep_ms, 0);
    assert_true(conf_has_section(c, "modules.offline"));
    assert_true(conf_is_set(c, "listen.c2s", 1, "address"));
    assert_false(conf_is_set(c, "listen.c2s", 0, "address"));
    assert_false(conf_is_set(c, "listen.c2s", 2, "address"));
    struct conf *second = conf_ref(c);
    conf_unref(&c);
    assert_null(c);
    assert_string_equal(((const struct root *)conf_root(second))->general.domain, "example.com");
    conf_unref(&second);
}

static void test_conf_defaults(void **state)
{
    (void)state;
    struct conf *c = load("[general]\ndomain = \"example.com\"\n");
    const struct root *r = conf_root(c);
    assert_null(r->general.password);
    assert_true(r->general.open);
    assert_int_equal(r->general.shards, 4);
    assert_int_equal(r->general.offset, 0);
    assert_int_equal(r->general.budget, 65536);
    assert_int_equal(r->general.idle_ms, 90000);
    assert_int_equal(r->general.mode, MODE_SOFT);
    assert_int_equal(r->general.peers.n, 2);
    assert_string_equal(r->general.peers.items[0], "a");
    assert_string_equal(r->general.peers.items[1], "b");
    assert_null(r->general.peers.items[2]);
    assert_int_equal(r->c2s_count, 0);
    assert_int_equal(r->offline.keep_ms, 7 * 86400000);
    assert_int_equal(r->top.keep_ms, 5000);
    assert_false(conf_has_section(c, "modules.offline"));
    assert_false(conf_has_section(c, "listen.c2s"));
    conf_unref(&c);
}

#define GENERAL "[general]\ndomain = \"d\"\n"
static const struct {
    const char *text, *error;
} bad[] = {
    {"", "x.toml:1:1: section [general] must be there"},
    {"[general]\n", "x.toml:1:2: [general] domain is required"},
    {"[general]\ndomain = \"\"\n", "x.toml:2:10: [general] domain must not be empty"},
    {"[general]\ndomain = 5\n", "x.toml:2:10: [general] domain must be a string, not an integer"},
    {"[general]\ndomain = \"a\\u0000b\"\n", "x.toml:2:10: [general] domain must not contain NUL"},
    {"[[general]]\ndomain = \"d\"\n", "x.toml:1:3: there is only one of this: write [general]"},
    {"general = 1\n", "x.toml:1:1: [general] must be a table, not an integer"},
    {GENERAL "shards = 0\n", "x.toml:3:10: [general] shards must be at least 1 threads"},
    {GENERAL "shards = 65\n", "x.toml:3:10: [general] shards must be at most 64 threads"},
    {GENERAL "shards = \"1\"\n", "x.toml:3:10: [general] shards must be an integer, not a string"},
    {GENERAL "offset = -6\n", "x.toml:3:10: [general] offset must be at least -5"},
    {GENERAL "open = 1\n", "x.toml:3:8: [general] open must be true or false, not an integer"},
    {GENERAL "budget = \"2MiB\"\n", "x.toml:3:10: [general] budget must be at most 1MiB"},
    {GENERAL "budget = -1\n", "x.toml:3:10: [general] budget must not be negative"},
    {GENERAL "budget = \"5 parsecs\"\n",
     "x.toml:3:10: [general] budget must be a size in bytes such "
     "as 65536 or \"64KiB\""},
    {GENERAL "budget = \"99999999999999999999GB\"\n",
     "x.toml:3:10: [general] budget must be a size in bytes such as 65536 or \"64KiB\""},
    {GENERAL "idle = 30\n", "x.toml:3:8: [general] idle needs a unit: \"500ms\", \"30s\", \"5m\", "
                            "\"1h\", \"7d\""},
    {GENERAL "idle = \"999ms\"\n", "x.toml:3:8: [general] idle must be at least 1s"},
    {GENERAL "idle = \"\"\n",
     "x.toml:3:8: [general] idle must be a duration with its unit, such as "
     "\"500ms\", \"30s\", \"1h30m\""},
    {GENERAL "mode = \"sotf\"\n",
     "x.toml:3:8: [general] mode must be one of \"off\", \"soft\", \"hard\""},
    {GENERAL "peers = [\"a\", 2]\n",
     "x.toml:3:9: [general] peers must be a list of strings; item 2 is an integer"},
    {GENERAL "peers = \"a\"\n",
     "x.toml:3:9: [general] peers must be a list of strings, not a string"},
    {GENERAL "shrads = 3\n",
     "x.toml:3:1: [general] unknown option \"shrads\"; did you mean \"shards\"?"},
    {GENERAL "zzzzz = 3\n", "x.toml:3:1: [general] unknown option \"zzzzz\""},
    {GENERAL "port = 3\n",
     "x.toml:3:1: [general] unknown option \"port\"; it belongs into [listen.c2s]"},
    {GENERAL "[genral]\n", "x.toml:3:2: unknown section \"genral\"; did you mean \"general\"?"},
    {GENERAL "[listen.s2s]\n",
     "x.toml:3:9: [listen] unknown section \"s2s\"; did you mean \"c2s\"?"},
    {GENERAL "[\"listen.c2s\"]\n", "x.toml:3:2: unknown section \"listen.c2s\""},
    {GENERAL "[general.x]\n", "x.toml:3:10: [general] unknown section \"x\""},
    {"listen = 1\n" GENERAL, "x.toml:1:1: [listen] must be a table, not an integer"},
    {GENERAL "[listen.c2s]\nport = 1\n",
     "x.toml:3:9: there can be several of this: write [[listen.c2s]]"},
    {GENERAL "[listen]\nc2s = [1]\n", "x.toml:4:8: [[listen.c2s]] must be a table, not an integer"},
    {GENERAL "[[listen.c2s]]\n", "x.toml:3:10: [listen.c2s] port is required"},
    {GENERAL "[[listen.c2s]]\nport = 1\n[[listen.c2s]]\nport = 2\nprot = 3\n",
     "x.toml:7:1: [listen.c2s] unknown option \"prot\"; did you mean \"port\"?"},
    {GENERAL "[[listen.c2s]]\nport = 1\n[[listen.c2s]]\nport = 666\n",
     "x.toml:6:8: 666 is not allowed"},
    {"rate = 1\n" GENERAL, "x.toml:1:1: each of these has a name: write [rate.NAME]"},
    {GENERAL "[rate]\nbytes = 1\n", "x.toml:4:1: [rate] each has a name: write [rate.NAME]"},
    {GENERAL "[[rate]]\nbytes = 1\n", "x.toml:3:3: each of these has a name: write [rate.NAME]"},
    {GENERAL "[rate.a]\n[rate.b]\nbyte = 1\n",
     "x.toml:5:1: [rate] unknown option \"byte\"; did you mean \"bytes\"?"},
    {GENERAL "[rate.a]\n[rate.b]\nbytes = 101\n", "x.toml:5:9: [rate] bytes must be at most 100"},
    {GENERAL "[rat.a]\n", "x.toml:3:2: unknown section \"rat\"; did you mean \"rate\"?"},
    {"grace = 5\n" GENERAL, "x.toml:1:9: grace needs a unit: \"500ms\", \"30s\", \"5m\", \"1h\", "
                            "\"7d\""},
    {GENERAL "domain = \"e\"\n", "x.toml:3:1: \"domain\" is a string defined in line 2 already"},
    {GENERAL "\"a\\nb\" = 1\n", "x.toml:3:1: [general] unknown option \"a?b\""},
    {GENERAL "password = \"env:MERIDIAN_TEST_NOT_SET\"\n",
     "x.toml:3:12: [general] password secret environment variable is not set: "
     "\"MERIDIAN_TEST_NOT_SET\""},
    {GENERAL "password = \"file:/nonexistent/x\"\n",
     "x.toml:3:12: [general] password secret file \"/nonexistent/x\": No such file or directory"},
};

static void test_conf_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct conf *c = NULL;
        struct conf_errors errs;
        conf_errors_init(&errs);
        assert_int_equal(conf_parse(str_of(bad[i].text), "x.toml", &schema, &c, &errs),
                         ERR_INVALID);
        assert_null(c);
        assert_true(errs.n > 0);
        assert_string_equal(errs.lines[0], bad[i].error);
        assert_int_equal(errs.n, 1);
        conf_errors_fini(&errs);
    }
}

static void test_conf_all_errors_at_once(void **state)
{
    (void)state;
    struct conf *c = NULL;
    struct conf_errors errs;
    struct buf text;
    conf_errors_init(&errs);
    assert_int_equal(
        conf_parse(STR("[general]\nshards = 0\nidle = 1\nnothing = 2\n"), "x", &schema, &c, &errs),
        ERR_INVALID);
    assert_int_equal(errs.n, 4); /* domain, shards, idle, nothing */
    assert_false(errs.truncated);
    conf_errors_fini(&errs);
    buf_init(&text, 1 << 16);
    buf_cstr(&text, GENERAL);
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "unknown%d = 1\n", i);
    assert_int_equal(conf_parse(buf_view(&text), "x", &schema, &c, &errs), ERR_INVALID);
    assert_int_equal(errs.n, CONF_ERRORS_MAX);
    assert_true(errs.truncated);
    conf_errors_fini(&errs);
    buf_fini(&text);
}

/* A folder with a configuration and a secret beside it. */
struct folder {
    char path[64], conf[96], secret[96];
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void folder_make(struct folder *f)
{
    snprintf(f->path, sizeof f->path, "/tmp/meridian-conf-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->conf, sizeof f->conf, "%s/m.toml", f->path);
    snprintf(f->secret, sizeof f->secret, "%s/secret", f->path);
}

static void folder_remove(struct folder *f)
{
    unlink(f->conf);
    unlink(f->secret);
    rmdir(f->path);
}

static void test_conf_secrets(void **state)
{
    (void)state;
    struct folder f;
    struct conf *c = NULL;
    struct conf_errors errs;
    folder_make(&f);
    conf_errors_init(&errs);
    write_file(f.conf, GENERAL "password = \"file:secret\"\n");
    write_file(f.secret, "hunter2\r\nsecond line\n");
    assert_int_equal(conf_load(f.conf, &schema, &c, &errs), ERR_OK);
    assert_string_equal(((const struct root *)conf_root(c))->general.password, "hunter2");
    struct buf out;
    buf_init(&out, 1 << 16);
    conf_print(c, &out);
    buf_char(&out, '\0');
    assert_null(strstr(out.p, "hunter2"));
    assert_non_null(strstr(out.p, "password = \"(secret)\"\n"));
    buf_fini(&out);
    conf_unref(&c);
    write_file(f.secret, "\nx\n");
    assert_int_equal(conf_load(f.conf, &schema, &c, &errs), ERR_INVALID);
    assert_non_null(strstr(errs.lines[0], "nothing in the first line of secret file"));
    conf_errors_fini(&errs);
    setenv("MERIDIAN_TEST_SECRET", "swordfish", 1);
    write_file(f.conf, GENERAL "password = \"env:MERIDIAN_TEST_SECRET\"\n");
    assert_int_equal(conf_load(f.conf, &schema, &c, &errs), ERR_OK);
    assert_string_equal(((const struct root *)conf_root(c))->general.password, "swordfish");
    conf_unref(&c);
    folder_remove(&f);
    assert_int_equal(conf_load(f.conf, &schema, &c, &errs), ERR_INVALID);
    assert_non_null(strstr(errs.lines[0], "m.toml: cannot read: No such file"));
    conf_errors_fini(&errs);
    assert_int_equal(conf_load("/tmp", &schema, &c, &errs), ERR_INVALID);
    assert_int_equal(errs.n, 1);
    conf_errors_fini(&errs);
}

static void test_conf_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
        const char *printed;
    } durations[] = {{"0", 0, "0s"},          {"500ms", 500, "500ms"},     {"90s", 90000, "1m30s"},
                     {"7d", 604800000, "7d"}, {"1h30m", 5400000, "1h30m"}, {"2 h", 7200000, "2h"}},
      sizes[] = {{"0", 0, "0B"},          {"64KiB", 65536, "64KiB"},     {"1MB", 1000000, "1MB"},
                 {"1023", 1023, "1023B"}, {"3 GiB", 3221225472, "3GiB"}, {"12B", 12, "12B"}};
    static const char *const wrong[] = {"",    "s",    "1",    "1x",
                                        "-1s", "1h 2", "1.5h", "9223372036854775807d"};
    struct buf b;
    uint64_t v;
    buf_init(&b, 64);
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        assert_true(conf_duration_parse(str_of(durations[i].text), &v));
        assert_int_equal(v, durations[i].value);
        buf_clear(&b);
        conf_duration_print(&b, v);
        assert_true(str_eqc(buf_view(&b), durations[i].printed));
        assert_true(conf_size_parse(str_of(sizes[i].text), &v));
        assert_int_equal(v, sizes[i].value);
        buf_clear(&b);
        conf_size_print(&b, v);
        assert_true(str_eqc(buf_view(&b), sizes[i].printed));
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(conf_duration_parse(str_of(wrong[i]), &v));
        if (strcmp(wrong[i], "1") != 0) /* bytes need no unit */
            assert_false(conf_size_parse(str_of(wrong[i]), &v));
    }
    buf_fini(&b);
}

/* What is printed must read back to the same values. */
static void test_conf_print_reads_back(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    struct conf *c = load("[general]\ndomain = \"q\\\"\\\\\\n\"\npeers = [\"x\", \"y z\"]\n"
                          "idle = \"61s\"\n[[listen.c2s]]\nport = 1\n[[listen.c2s]]\nport = 2\n");
    conf_print(c, &out);
    buf_char(&out, '\0');
    struct conf *again = load(out.p);
    assert_int_equal(conf_diff(c, again, NULL, NULL), 0);
    assert_non_null(strstr(out.p, "idle = \"1m1s\"\n"));
    assert_non_null(strstr(out.p, "shards = 4 # default\n"));
    assert_non_null(strstr(out.p, "# password is not set\n"));
    conf_unref(&c);
    conf_unref(&again);
    buf_fini(&out);
}

static void test_conf_named_sections(void **state)
{
    (void)state;
    struct buf out;
    struct conf *c = load(GENERAL "[rate.slow]\nbytes = 3\n[rate.\"x y\"]\n");
    const struct root *r = conf_root(c);
    assert_int_equal(r->rates_count, 2);
    assert_string_equal(r->rates[0].name, "slow");
    assert_int_equal(r->rates[0].bytes, 3);
    assert_string_equal(r->rates[1].name, "x y");
    assert_int_equal(r->rates[1].bytes, 7);
    assert_true(conf_is_set(c, "rate", 0, "bytes"));
    assert_false(conf_is_set(c, "rate", 1, "bytes"));
    buf_init(&out, 1 << 16);
    conf_print(c, &out);
    buf_char(&out, '\0');
    assert_non_null(
        strstr(out.p, "\n[rate.slow]\nbytes = 3\n\n[rate.\"x y\"]\nbytes = 7 # default\n"));
    struct conf *again = load(out.p);
    assert_int_equal(conf_diff(c, again, NULL, NULL), 0);
    struct conf *other = load(GENERAL "[rate.slow]\nbytes = 3\n[rate.other]\n");
    assert_int_equal(conf_diff(c, other, NULL, NULL), 1);
    struct conf *none = load(GENERAL);
    assert_int_equal(((const struct root *)conf_root(none))->rates_count, 0);
    conf_unref(&c);
    conf_unref(&again);
    conf_unref(&other);
    conf_unref(&none);
    buf_fini(&out);
}

static void test_conf_reference_is_toml(void **state)
{
    (void)state;
    struct buf out;
    struct arena *a = arena_new(0);
    const struct toml_table *doc;
    struct toml_error err;
    buf_init(&out, 1 << 16);
    conf_print_reference(&schema, &out);
    assert_int_equal(toml_parse(a, buf_view(&out), &doc, &err), ERR_OK);
    buf_char(&out, '\0');
    assert_non_null(strstr(out.p,
                           "\n# Shards\n#   integer; from 1 to 64; in threads; changes with a "
                           "restart\nshards = 4\n"));
    assert_non_null(strstr(out.p, "[[listen.c2s]]\n# Ports\n"));
    assert_non_null(strstr(out.p, "[rate.NAME]\n# Rates\n"));
    assert_non_null(strstr(out.p, "one of \"off\", \"soft\", \"hard\";"));
    buf_fini(&out);
    arena_free(&a);
}

static void note(void *ctx, const struct conf_section *s, size_t index, const struct conf_option *o)
{
    buf_printf(ctx, "%s[%zu].%s ", s->name, index, o ? o->name : "*");
}

static void test_conf_diff(void **state)
{
    (void)state;
    static const char base[] = GENERAL "[[listen.c2s]]\nport = 1\n";
    static const struct {
        const char *text;
        size_t restarts;
        const char *names;
    } cases[] = {
        {GENERAL "[[listen.c2s]]\nport = 1\n", 0, ""},
        {GENERAL "shards = 4\n[[listen.c2s]]\nport = 1\n", 0, ""},
        {GENERAL "shards = 5\n[[listen.c2s]]\nport = 1\n", 1, "general[0].shards "},
        {GENERAL "open = false\npeers = [\"a\"]\n[[listen.c2s]]\nport = 1\n", 0,
         "general[0].open general[0].peers "},
        {GENERAL "password = \"x\"\n[[listen.c2s]]\nport = 2\n", 0,
         "general[0].password listen.c2s[0].port "},
        {GENERAL, 1, "listen.c2s[0].* "},
        {GENERAL "[[listen.c2s]]\nport = 1\n[[listen.c2s]]\nport = 2\n[modules.offline]\n"
                 "keep = \"1s\"\n",
         2, "listen.c2s[1].* modules.offline[0].keep "},
    };
    struct conf *before = load(base);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        struct conf *after = load(cases[i].text);
        buf_init(&b, 4096);
        assert_int_equal(conf_diff(before, after, note, &b), cases[i].restarts);
        buf_char(&b, '\0');
        assert_string_equal(b.p, cases[i].names);
        buf_fini(&b);
        conf_unref(&after);
    }
    conf_unref(&before);
}

/* A mistake in the tables kills the process. */
static bool dies(const struct conf_schema *s)
{
    fflush(NULL);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        conf_schema_check(s);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void test_conf_schema_mistakes(void **state)
{
    (void)state;
    static const struct conf_option options[] = {
        CONF_INT(struct port, port, "port", .def = "70000", .min = 1, .max = 65535, .doc = "x"),
        CONF_INT(struct port, port, "port", .def = "x", .doc = "x"),
        CONF_INT(struct port, port, "Port", .doc = "x"),
        CONF_INT(struct port, port, "port"),
        CONF_INT(struct port, port, "port", .def = "1", .flags = CONF_REQUIRED, .doc = "x"),
        CONF_INT(struct port, port, "port", .flags = CONF_SECRET, .doc = "x"),
        CONF_INT(struct port, port, "port", .min = 5, .max = 4, .doc = "x"),
        CONF_ENUM(struct port, mode, "mode", modes, .def = "loud", .doc = "x"),
        CONF_INT(struct port, port, "port", .doc = "x"),
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct conf_section one = {.name = "a",
                                         .options = &options[i],
                                         .option_count = 1,
                                         .size = sizeof(struct port),
                                         .doc = "x"};
        const struct conf_schema s = {&one, 1, sizeof(struct port), NULL, NULL};
        assert_int_equal(dies(&s), i + 1 < ARRAY_LEN(options)); /* the last one is right */
    }
    const struct conf_option twice[] = {options[8], options[8]};
    const struct conf_section double_option = {
        .name = "a", .options = twice, .option_count = 2, .size = sizeof(struct port), .doc = "x"};
    assert_true(dies(&(struct conf_schema){&double_option, 1, sizeof(struct port), NULL, NULL}));
    const struct conf_section double_section[] = {sections[0], sections[0]};
    assert_true(dies(&(struct conf_schema){double_section, 2, sizeof(struct root), NULL, NULL}));
    assert_true(dies(&(struct conf_schema){sections, ARRAY_LEN(sections), 8, NULL, NULL}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conf_values),
        cmocka_unit_test(test_conf_defaults),
        cmocka_unit_test(test_conf_errors),
        cmocka_unit_test(test_conf_all_errors_at_once),
        cmocka_unit_test(test_conf_secrets),
        cmocka_unit_test(test_conf_units),
        cmocka_unit_test(test_conf_print_reads_back),
        cmocka_unit_test(test_conf_named_sections),
        cmocka_unit_test(test_conf_reference_is_toml),
        cmocka_unit_test(test_conf_diff),
        cmocka_unit_test(test_conf_schema_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
