#ifndef CONF_TOML_H
#define CONF_TOML_H
/* TOML 1.0 reader: text to a tree in an arena, every key and value with its place. Nothing is
 * guessed: what the standard forbids is an error with line and column. Lines and columns count from
 * 1, columns in bytes. */
#include "lib/base/arena.h"

enum {
    TOML_SIZE_MAX = 1 << 20, /* bytes of a document */
    TOML_DEPTH_MAX = 64,     /* nested arrays, tables, parts of a dotted key */
    TOML_KEY_MAX = 1024,     /* bytes of one key */
    TOML_TABLE_MAX = 4096,   /* keys of one table */
};

enum toml_type {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOL,
    TOML_OFFSET_DATETIME,
    TOML_LOCAL_DATETIME,
    TOML_LOCAL_DATE,
    TOML_LOCAL_TIME,
    TOML_ARRAY,
    TOML_TABLE,
};
const char *toml_type_name(enum toml_type t); /* "a string", "an integer", ... for messages */

struct toml_pos {
    unsigned line, col;
};

struct toml_datetime { /* members that the type does not have are 0 */
    int year, month, day, hour, minute, second;
    uint32_t nanosecond;
    int offset_min; /* minutes east of UTC */
};

struct toml_table {
    struct toml_pair *pairs; /* in the order of the document */
    size_t n, cap;
};

struct toml_array {
    struct toml_value *items;
    size_t n, cap;
};

struct toml_value {
    enum toml_type type;
    struct toml_pos pos;
    uint8_t origin; /* the reader's note of how a table or array came to be */
    union {
        struct str string; /* NUL-terminated; may contain NUL bytes */
        int64_t integer;
        double number;
        bool boolean;
        struct toml_datetime datetime;
        struct toml_array array;
        struct toml_table *table;
    } u;
};

struct toml_pair {
    struct str key; /* NUL-terminated */
    struct toml_pos pos;
    struct toml_value value;
};

struct toml_error {
    struct toml_pos pos;
    char what[160];
};

/* Parse a document; *root is its top table. The tree lives in the arena, text is not referenced
 * afterwards. ERR_INVALID, ERR_LIMIT: err says where and what (the first error; reading stops
 * there). */
enum err toml_parse(struct arena *a, struct str text, const struct toml_table **root,
                    struct toml_error *err) MUST_USE;
/* NULL when absent. */
const struct toml_pair *toml_find(const struct toml_table *t, struct str key);
#endif
