#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H
/* Typed option tables. Each folder declares the options it uses beside the struct they fill:
 *
 *     struct listen_conf { const char *address; int64_t port; uint64_t idle_ms; uint64_t
 * buffer_bytes; bool tls; }; static const struct conf_option listen_options[] = {
 *         CONF_STRING(struct listen_conf, address, "address", .def = "::", .doc = "Address to
 * listen on"), CONF_INT(struct listen_conf, port, "port", .def = "5222", .min = 1, .max = 65535,
 * .doc = "TCP port"), CONF_DURATION(struct listen_conf, idle_ms, "idle", .def = "5m", .min = 1000,
 * .max = 86400000, .apply = CONF_RELOAD, .doc = "Close a silent connection after this long"),
 *     };
 *     struct node_conf { struct listen_conf *c2s; size_t c2s_count; struct general_conf general; };
 *     static const struct conf_section sections[] = {
 *         CONF_SECTION(struct node_conf, general, "general", general_options, .doc = "The node"),
 *         CONF_ARRAY(struct node_conf, c2s, c2s_count, "listen.c2s", listen_options, .doc = "A
 * client port"),
 *     };
 *
 * Words: option = one key; section = a [table] (or [[array of tables]]) of options; the name "" is
 * the top of the file. The macros refuse, when compiling, a member whose type is not the option's.
 */
#include "lib/base/base.h"

enum conf_type {                   /* C type of the member; how it is written in the file */
                 CONF_TYPE_STRING, /* const char *: "text" (without NUL bytes); NULL when absent
                                      without default */
                 CONF_TYPE_BOOL,   /* bool: true, false */
                 CONF_TYPE_INT,    /* int64_t: 42 */
                 CONF_TYPE_SIZE,   /* uint64_t, bytes: 65536 or "64KiB"; B, KB, MB, GB (1000), KiB,
                                      MiB, GiB (1024) */
                 CONF_TYPE_DURATION, /* uint64_t, milliseconds: "500ms", "30s", "5m", "1h", "7d",
                                        "1h30m"; 0 needs no unit */
                 CONF_TYPE_ENUM,     /* enum: one of .names, its index is the value */
                 CONF_TYPE_LIST,     /* struct conf_list: ["a", "b"] */
};

enum conf_apply {
    CONF_RESTART, /* a change takes effect with the next start */
    CONF_RELOAD,  /* a change takes effect with the next reload */
};

enum {
    CONF_REQUIRED = 1, /* absent from a section that is there is an error; no default */
    CONF_SECRET = 2, /* STRING only. The value may be "file:/path" (first line) or "env:NAME"; it is
                        never printed */
    CONF_NONEMPTY = 4, /* STRING: not ""; LIST: not [] */
};

struct conf_list {
    const char *const *items; /* items[n] is NULL */
    size_t n;
};

struct conf_option {
    const char *name; /* lower_case */
    enum conf_type type;
    size_t offset;    /* of the member in the section's struct */
    const char *def;  /* as in the file but without quotes and brackets: "30s", "true", "a, b"; NULL
                         = zero value */
    int64_t min, max; /* INT, SIZE (bytes), DURATION (ms): value; max 0 = none (both 0: none) */
    const char *unit; /* shown with INT options: "connections", "stanzas"; may be NULL */
    const char *const *names; /* ENUM: NULL-terminated */
    unsigned flags;           /* CONF_REQUIRED ... */
    enum conf_apply apply;
    const char *doc; /* one line */
};

struct conf_section {
    const char *name; /* dotted: "listen.c2s" */
    const struct conf_option *options;
    size_t option_count;
    size_t offset; /* of the section's struct, or of the pointer to the array of structs, in the
                      root struct */
    bool is_array; /* [[name]]: allocated by the snapshot */
    bool is_named; /* [name.KEY] once for each key; is_array besides: an array in the root struct */
    size_t key_offset;   /* is_named: of the const char * that gets the key */
    size_t count_offset; /* is_array: of the size_t */
    size_t size;         /* of one struct */
    size_t min_count;    /* is_array: at least so many; otherwise 1 = the section must be there */
    const char *doc;
};

/* A name that people know from another server's file and may try here: dotted, of a section or of
 * an option in its section; hint goes behind the error, "here it is ...". */
struct conf_known {
    const char *name, *hint;
};

struct conf;
struct conf_errors;
struct conf_schema {
    const struct conf_section *sections;
    size_t section_count;
    size_t root_size; /* sizeof the root struct */
    /* Rules across options, run when every option by itself is right; reports with conf_error_at.
     * May be NULL. */
    void (*verify)(const struct conf *c, const void *root, struct conf_errors *errs);
    const struct conf_known *known; /* ends with a NULL name; may be NULL */
};

/* offsetof, refused by the compiler when the member is not a `want`. */
#define CONF_AT(T, m, want)                                                                        \
    (offsetof(T, m) + 0 * sizeof(struct {                                                          \
                          int member_type_differs_from_option_type                                 \
                              : __builtin_types_compatible_p(__typeof__(((T *)0)->m), want)        \
                                ? 1                                                                \
                                : -1;                                                              \
                      }))
#define CONF_AT_ENUM(T, m)                                                                         \
    (offsetof(T, m) +                                                                              \
     0 * sizeof(struct { int member_is_no_enum : sizeof(((T *)0)->m) == sizeof(int) ? 1 : -1; }))

#define CONF_OPTION(kind, at, key, ...)                                                            \
    {                                                                                              \
        .name = (key), .type = (kind), .offset = (at), __VA_ARGS__                                 \
    }
#define CONF_STRING(T, m, key, ...)                                                                \
    CONF_OPTION(CONF_TYPE_STRING, CONF_AT(T, m, const char *), key, __VA_ARGS__)
#define CONF_BOOL(T, m, key, ...) CONF_OPTION(CONF_TYPE_BOOL, CONF_AT(T, m, bool), key, __VA_ARGS__)
#define CONF_INT(T, m, key, ...)                                                                   \
    CONF_OPTION(CONF_TYPE_INT, CONF_AT(T, m, int64_t), key, __VA_ARGS__)
#define CONF_SIZE(T, m, key, ...)                                                                  \
    CONF_OPTION(CONF_TYPE_SIZE, CONF_AT(T, m, uint64_t), key, __VA_ARGS__)
#define CONF_DURATION(T, m, key, ...)                                                              \
    CONF_OPTION(CONF_TYPE_DURATION, CONF_AT(T, m, uint64_t), key, __VA_ARGS__)
#define CONF_ENUM(T, m, key, values, ...)                                                          \
    CONF_OPTION(CONF_TYPE_ENUM, CONF_AT_ENUM(T, m), key, .names = (values), __VA_ARGS__)
#define CONF_LIST(T, m, key, ...)                                                                  \
    CONF_OPTION(CONF_TYPE_LIST, CONF_AT(T, m, struct conf_list), key, __VA_ARGS__)

/* opts: an array of struct conf_option in scope. In CONF_ARRAY, m is a pointer to the element
 * struct. */
#define CONF_SECTION(Root, m, path, opts, ...)                                                     \
    {                                                                                              \
        .name = (path), .options = (opts), .option_count = ARRAY_LEN(opts),                        \
        .offset = offsetof(Root, m), .size = sizeof(((Root *)0)->m), __VA_ARGS__                   \
    }
#define CONF_ARRAY(Root, m, count, path, opts, ...)                                                \
    {                                                                                              \
        .name = (path), .options = (opts), .option_count = ARRAY_LEN(opts), .is_array = true,      \
        .offset = offsetof(Root, m), .count_offset = CONF_AT(Root, count, size_t),                 \
        .size = sizeof(*((Root *)0)->m), __VA_ARGS__                                               \
    }

/* The same as [path.KEY]; key: the member of the element that gets the key. */
#define CONF_NAMED(Root, m, count, key, path, opts, ...)                                           \
    CONF_ARRAY(Root, m, count, path, opts, .is_named = true,                                       \
               .key_offset = CONF_AT(__typeof__(*((Root *)0)->m), key, const char *), __VA_ARGS__)

/* Die on a mistake in the tables: names twice, a default that does not parse or is out of bounds,
 * REQUIRED with a default. conf_load calls it; a program's test should too. */
void conf_schema_check(const struct conf_schema *s);
#endif
