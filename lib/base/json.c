/* DOC: The one owner of jansson; a struct json is a json_t. Parsing refuses duplicate keys, NUL in
 * strings, input above the caller's bound and nesting above DEPTH_MAX (the library recurses).
 * Objects are written in order of insertion. */
#include <jansson.h>

#include "lib/base/encode.h"
#include "lib/base/json.h"

enum { DEPTH_MAX = 64 };
#define REPLACEMENT "\xef\xbf\xbd"

static struct json *wrap(json_t *j)
{
    must(j);
    return (struct json *)(void *)j;
}

static json_t *inner(const struct json *j)
{
    return (json_t *)(uintptr_t)j;
}

struct json *json_new_object(void)
{
    return wrap(json_object());
}

struct json *json_new_array(void)
{
    return wrap(json_array());
}

void json_free(struct json **pj)
{
    json_decref(inner(*pj));
    *pj = NULL;
}

/* A string value with U+FFFD for NUL and for every byte that is no UTF-8. */
static json_t *clean_string(struct str s)
{
    struct buf clean;
    buf_init(&clean, SIZE_MAX / 2);
    while (s.n) {
        uint32_t cp = 0;
        size_t size = utf8_next(s, &cp);
        if (cp)
            buf_add(&clean, s.p, size);
        else
            buf_cstr(&clean, REPLACEMENT);
        size = size ? size : 1;
        s = str_make(s.p + size, s.n - size);
    }
    struct str v = buf_view(&clean);
    json_t *j = json_stringn_nocheck(v.p, v.n);
    buf_fini(&clean);
    must(j);
    return j;
}

static json_t *string_of(struct str s)
{
    bool has_nul = str_find(s, '\0') >= 0;
    if (has_nul || !utf8_valid(s))
        return clean_string(s);
    json_t *j = json_stringn_nocheck(s.p ? s.p : "", s.n);
    must(j);
    return j;
}

void json_set_str(struct json *obj, const char *key, struct str value)
{
    must(json_object_set_new(inner(obj), key, string_of(value)) == 0);
}

void json_set_num(struct json *obj, const char *key, int64_t value)
{
    must(json_object_set_new(inner(obj), key, json_integer(value)) == 0);
}

void json_set_bool(struct json *obj, const char *key, bool value)
{
    must(json_object_set_new(inner(obj), key, json_boolean(value)) == 0);
}

void json_set(struct json *obj, const char *key, struct json **child_take)
{
    must(json_object_set_new(inner(obj), key, inner(*child_take)) == 0);
    *child_take = NULL;
}

void json_push(struct json *arr, struct json **child_take)
{
    must(json_array_append_new(inner(arr), inner(*child_take)) == 0);
    *child_take = NULL;
}

void json_push_str(struct json *arr, struct str value)
{
    must(json_array_append_new(inner(arr), string_of(value)) == 0);
}

/* Deepest nesting of brackets outside of strings; an upper bound for any text, the depth of a
 * well-formed one. */
static size_t depth_of(struct str text)
{
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!in_string && (c == '}' || c == ']') && depth)
            depth--;
    }
    return deepest;
}

static enum err refuse(enum err e, const char *text, char *why, size_t why_size)
{
    if (why_size)
        snprintf(why, why_size, "%s", text);
    return e;
}

enum err json_parse(struct str text, size_t max_bytes, struct json **out, char *why,
                    size_t why_size)
{
    json_error_t error;
    char place[sizeof error.text + 64];
    if (text.n > max_bytes)
        return refuse(ERR_LIMIT, "too long", why, why_size);
    if (depth_of(text) > DEPTH_MAX)
        return refuse(ERR_LIMIT, "nested too deeply", why, why_size);
    json_t *j = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);
    if (!j) {
        snprintf(place, sizeof place, "line %d column %d: %s", error.line, error.column,
                 error.text);
        return refuse(ERR_INVALID, place, why, why_size);
    }
    *out = wrap(j);
    return ERR_OK;
}

const char *json_get_str(const struct json *obj, const char *key)
{
    return json_string_value(json_object_get(inner(obj), key));
}

int64_t json_get_num(const struct json *obj, const char *key, int64_t fallback)
{
    const json_t *j = json_object_get(inner(obj), key);
    return json_is_integer(j) ? json_integer_value(j) : fallback;
}

bool json_get_bool(const struct json *obj, const char *key, bool fallback)
{
    const json_t *j = json_object_get(inner(obj), key);
    return json_is_boolean(j) ? json_is_true(j) : fallback;
}

struct json *json_get(const struct json *obj, const char *key)
{
    return (struct json *)(void *)json_object_get(inner(obj), key);
}

enum json_kind json_kind(const struct json *value)
{
    if (!value)
        return JSON_KIND_NONE;
    if (json_is_object(inner(value)))
        return JSON_KIND_OBJECT;
    return json_is_array(inner(value)) ? JSON_KIND_ARRAY : JSON_KIND_SCALAR;
}

const char *json_key(const struct json *obj, size_t i)
{
    void *it = json_object_iter(inner(obj));
    while (it && i--)
        it = json_object_iter_next(inner(obj), it);
    return it ? json_object_iter_key(it) : NULL;
}

size_t json_len(const struct json *arr)
{
    return json_array_size(inner(arr));
}

struct json *json_at(const struct json *arr, size_t i)
{
    return (struct json *)(void *)json_array_get(inner(arr), i);
}

const char *json_str(const struct json *value)
{
    return json_string_value(inner(value));
}

static int add_to_buf(const char *p, size_t n, void *out)
{
    buf_add(out, p, n);
    return buf_ok(out) ? 0 : -1;
}

void json_write(struct buf *out, const struct json *j, bool pretty)
{
    size_t flags = JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : JSON_COMPACT);
    must(json_dump_callback(inner(j), add_to_buf, out, flags) == 0 || !buf_ok(out));
}
