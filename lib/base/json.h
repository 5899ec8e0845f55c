#ifndef LIB_BASE_JSON_H
#define LIB_BASE_JSON_H
/* The face of jansson. A struct json is a reference-counted value; containers take ownership of
 * what is put in. */
#include "lib/base/buf.h"

struct json;
struct json *json_new_object(void);
struct json *json_new_array(void);
void json_free(struct json **pj);
void json_set_str(struct json *obj, const char *key,
                  struct str value); /* invalid UTF-8 is replaced */
void json_set_num(struct json *obj, const char *key, int64_t value);
void json_set_bool(struct json *obj, const char *key, bool value);
void json_set(struct json *obj, const char *key, struct json **child_take);
void json_push(struct json *arr, struct json **child_take);
void json_push_str(struct json *arr, struct str value);
enum err json_parse(struct str text, size_t max_bytes, struct json **out, char *why,
                    size_t why_size) MUST_USE; /* duplicate keys refused */
const char *json_get_str(const struct json *obj,
                         const char *key); /* NULL when absent or no string; borrowed */
int64_t json_get_num(const struct json *obj, const char *key, int64_t fallback);
bool json_get_bool(const struct json *obj, const char *key, bool fallback);
struct json *json_get(const struct json *obj, const char *key); /* borrowed */
enum json_kind { JSON_KIND_NONE, JSON_KIND_OBJECT, JSON_KIND_ARRAY, JSON_KIND_SCALAR };
enum json_kind json_kind(const struct json *value); /* NULL: none */
const char *json_key(const struct json *obj,
                     size_t i); /* i-th in insertion order, NULL after the last */
size_t json_len(const struct json *arr);
struct json *json_at(const struct json *arr, size_t i);              /* borrowed */
const char *json_str(const struct json *value);                      /* NULL when no string */
void json_write(struct buf *out, const struct json *j, bool pretty); /* insertion order */
#endif
