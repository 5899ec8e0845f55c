/* Any text: the reader must end with a tree or with a place and a reason. The same text then goes
 * through an option table, and what loads must print as TOML that loads to the same values. Seeds:
 * integration-tests/corpus/toml. */
#include "conf/conf-print.h"
#include "conf/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum mode { MODE_A, MODE_B };
static const char *const modes[] = {"a", "b", NULL};
struct item {
    const char *text;
    bool flag;
    int64_t n;
    uint64_t bytes, ms;
    enum mode mode;
    struct conf_list list;
};
struct root {
    struct item top, *many;
    size_t many_count;
};
static const struct conf_option options[] = {
    CONF_STRING(struct item, text, "text", .doc = "x"),
    CONF_BOOL(struct item, flag, "flag", .doc = "x"),
    CONF_INT(struct item, n, "n", .min = -10, .max = 10, .doc = "x"),
    CONF_SIZE(struct item, bytes, "bytes", .def = "1KiB", .doc = "x"),
    CONF_DURATION(struct item, ms, "ms", .def = "1h", .doc = "x"),
    CONF_ENUM(struct item, mode, "mode", modes, .def = "b", .doc = "x"),
    CONF_LIST(struct item, list, "list", .def = "a,b", .doc = "x"),
};
static const struct conf_section sections[] = {
    CONF_SECTION(struct root, top, "", options, .doc = "x"),
    CONF_ARRAY(struct root, many, many_count, "many.more", options, .doc = "x"),
};
static const struct conf_schema schema = {sections, ARRAY_LEN(sections), sizeof(struct root), NULL,
                                          NULL};

static struct conf *parse(struct str text)
{
    struct conf *c = NULL;
    struct conf_errors errs;
    conf_errors_init(&errs);
    const enum err e = conf_parse(text, "fuzz", &schema, &c, &errs);
    must((e == ERR_OK) == (errs.n == 0));
    must((e == ERR_OK) == (c != NULL));
    conf_errors_fini(&errs);
    return c;
}

static void print_and_reload(struct conf *c)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    conf_print(c, &out);
    must(buf_ok(&out));
    if (out.n <= TOML_SIZE_MAX) {
        struct conf *again = parse(buf_view(&out));
        must(again && conf_diff(c, again, NULL, NULL) == 0);
        conf_unref(&again);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = str_make((const char *)data, size);
    struct arena *a = arena_new(0);
    const struct toml_table *doc = NULL;
    struct toml_error err = {0};
    const enum err e = toml_parse(a, text, &doc, &err);
    must(e == ERR_OK ? doc != NULL : err.pos.line > 0 && err.pos.col > 0 && err.what[0]);
    arena_free(&a);
    struct conf *c = parse(text);
    if (c)
        print_and_reload(c);
    conf_unref(&c);
    return 0;
}
