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

uint64_t log_count(enum log_level l); /* events logged so far */
enum log_format { LOG_TEXT, LOG_JSON };
void log_set_format(enum log_format f);
void log_set_level(enum log_level min); /* where no rule says otherwise */
enum log_level log_level(void);
const char *log_level_name(enum log_level l);
enum err log_level_parse(struct str name, enum log_level *out) MUST_USE;
void log_set_capture(void (*fn)(void *ctx, enum log_level, const char *line),
                     void *ctx); /* tests; NULL = stderr */
bool log_enabled(enum log_level l);

/* Rules at run time. Category: the first words of event names ("s2s", "s2s.auth"); the longest that
 * fits decides, up or down. Name: a JID or a domain that is the value of a field, with or without
 * resource (a domain: with or without a user too); only lets more through. */
enum log_rule_kind { LOG_BY_CATEGORY, LOG_BY_NAME };
enum { LOG_RULES_MAX = 32, LOG_TAPS_MAX = 8, LOG_RULE_TEXT = 256 };
struct log_rule {
    enum log_rule_kind kind;
    enum log_level level;
    char text[LOG_RULE_TEXT];
};
/* Set or replace. ERR_INVALID: no text or too long; ERR_LIMIT: too many. */
enum err log_rule_set(enum log_rule_kind kind, const char *text, enum log_level level) MUST_USE;
bool log_rule_del(enum log_rule_kind kind, const char *text); /* false: there was none */
size_t log_rules(struct log_rule out[LOG_RULES_MAX]);
/* Give every line that such a rule lets through to fn too, as text, whether it is logged or not. fn
 * runs on the thread that logs and must not log; after log_tap_close it runs no more. */
typedef void log_tap_fn(void *ctx, const char *line);
enum err log_tap_open(enum log_rule_kind kind, const char *text, enum log_level level,
                      log_tap_fn *fn, void *ctx, unsigned *id) MUST_USE;
void log_tap_close(unsigned id);
/* Whoever gets the lines says that it is done with one: of those that wait more than LOG_TAP_LINES
 * are dropped. */
enum { LOG_TAP_LINES = 10000 };
void log_tap_took(unsigned id);

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
