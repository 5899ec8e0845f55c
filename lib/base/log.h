#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H
/* Structured logging: an event name (stable API, "s2s.auth.failed") and string fields, in a tree of
 * scopes that carry fields of their own (stream id, domain). One line per event on stderr, written
 * with one write(2). Thread-safe. No stanza bodies above trace, no secrets ever. */
#include "lib/base/base.h"

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_scope { /* embedded in its object; parent must outlive it; values are borrowed */
    const struct log_scope *parent;
    const char *key1, *value1;
    const char *key2, *value2;
};

void log_set_level(enum log_level min);
enum err log_level_parse(struct str name, enum log_level *out) MUST_USE;
void log_set_capture(void (*fn)(void *ctx, enum log_level, const char *line),
                     void *ctx); /* tests; NULL = stderr */
bool log_enabled(enum log_level l);
/* Fields are pairs of const char *, ended by NULL. scope may be NULL. */
void log_emit(enum log_level l, const struct log_scope *scope, const char *event, ...) SENTINEL;
#define log_at(l, scope, ...) (log_enabled(l) ? log_emit(l, scope, __VA_ARGS__, NULL) : (void)0)
#define log_trace(scope, ...) log_at(LOG_TRACE, scope, __VA_ARGS__)
#define log_debug(scope, ...) log_at(LOG_DEBUG, scope, __VA_ARGS__)
#define log_info(scope, ...) log_at(LOG_INFO, scope, __VA_ARGS__)
#define log_warn(scope, ...) log_at(LOG_WARN, scope, __VA_ARGS__)
#define log_error(scope, ...) log_at(LOG_ERROR, scope, __VA_ARGS__)
/* Number or slice as a field value; the result lives until the end of the enclosing block. */
#define LOG_NUM(x) log_num_(&(struct log_tmp){{0}}, (uint64_t)(x))
#define LOG_STR(s) log_str_(&(struct log_tmp){{0}}, (s)) /* cut at 255 bytes */
struct log_tmp {
    char s[256];
};
const char *log_num_(struct log_tmp *t, uint64_t x);
const char *log_str_(struct log_tmp *t, struct str s);
#endif
