/* DOC: The log writer. An event is collected on the stack (scopes from the outermost inwards, then
 * its own fields), made a line (log-line.c) and leaves with one write(2), so lines of several
 * threads never mix. Who wants it: the general level here; rules and taps in log-filter.c, which
 * are asked only when there are any. */
#include "lib/base/log.h"

#include <pthread.h>
#include <unistd.h>

#include "lib/base/log-int.h"

enum { SCOPES_MAX = 16 };

static const char *const level_names[] = {"trace", "debug", "info", "warn", "error"};
static int floor_level = LOG_INFO;   /* log_enabled: what anybody wants */
static int general_level = LOG_INFO; /* without rules */
static int line_format = LOG_TEXT;

static pthread_mutex_t capture_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*capture_fn)(void *ctx, enum log_level level, const char *line);
static void *capture_ctx;

static uint64_t counts[ARRAY_LEN(level_names)];

uint64_t log_count(enum log_level l)
{
    return __atomic_load_n(&counts[l], __ATOMIC_RELAXED);
}

void log_set_floor(enum log_level general, enum log_level least)
{
    __atomic_store_n(&general_level, (int)general, __ATOMIC_RELAXED);
    __atomic_store_n(&floor_level, (int)least, __ATOMIC_RELAXED);
}

enum log_level log_general_level(void)
{
    return (enum log_level)__atomic_load_n(&general_level, __ATOMIC_RELAXED);
}

bool log_enabled(enum log_level l)
{
    return (int)l >= __atomic_load_n(&floor_level, __ATOMIC_RELAXED);
}

void log_set_format(enum log_format f)
{
    __atomic_store_n(&line_format, (int)f, __ATOMIC_RELAXED);
}

const char *log_level_name(enum log_level l)
{
    return level_names[l];
}

enum err log_level_parse(struct str name, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (str_eqc(name, level_names[i])) {
            *out = (enum log_level)i;
            return ERR_OK;
        }
    return ERR_INVALID;
}

void log_set_capture(void (*fn)(void *ctx, enum log_level, const char *line), void *ctx)
{
    pthread_mutex_lock(&capture_lock);
    capture_fn = fn;
    capture_ctx = ctx;
    pthread_mutex_unlock(&capture_lock);
}

static void event_add(struct log_event *e, const char *key, const char *value)
{
    if (e->n < ARRAY_LEN(e->pair))
        e->pair[e->n++] = (struct log_pair){key, value};
}

static void event_scopes(struct log_event *e, const struct log_scope *inner)
{
    const struct log_scope *chain[SCOPES_MAX];
    size_t n = 0;
    for (; inner && n < SCOPES_MAX; inner = inner->parent)
        chain[n++] = inner;
    while (n-- > 0) {
        if (chain[n]->key1 && chain[n]->value1)
            event_add(e, chain[n]->key1, chain[n]->value1);
        if (chain[n]->key2 && chain[n]->value2)
            event_add(e, chain[n]->key2, chain[n]->value2);
    }
}

static void make_line(struct log_line *l, enum log_format f, const struct log_event *e)
{
    log_line_begin(l, f, e->level, e->name);
    for (size_t i = 0; i < e->n; i++)
        log_line_field(l, e->pair[i].key, e->pair[i].value);
    log_line_end(l);
}

/* A line that cannot be written has nowhere to be reported. */
static void deliver(enum log_level level, struct log_line *l)
{
    pthread_mutex_lock(&capture_lock);
    void (*fn)(void *, enum log_level, const char *) = capture_fn;
    void *ctx = capture_ctx;
    pthread_mutex_unlock(&capture_lock);
    if (fn) {
        l->s[l->n] = '\0';
        fn(ctx, level, l->s);
        return;
    }
    l->s[l->n++] = '\n';
    ssize_t wrote = write(STDERR_FILENO, l->s, l->n);
    (void)wrote;
}

void log_emit(enum log_level level, const struct log_scope *scope, const char *event, ...)
{
    struct log_event e = {.level = level, .name = event};
    struct log_line l;
    unsigned taps = 0;
    const char *key;
    va_list ap;
    event_scopes(&e, scope);
    va_start(ap, event);
    while ((key = va_arg(ap, const char *)))
        event_add(&e, key, va_arg(ap, const char *));
    va_end(ap);
    if (log_wanted(&e, &taps)) {
        make_line(&l, (enum log_format)__atomic_load_n(&line_format, __ATOMIC_RELAXED), &e);
        deliver(level, &l);
        __atomic_fetch_add(&counts[level], 1, __ATOMIC_RELAXED);
    }
    if (taps) {
        make_line(&l, LOG_TEXT, &e);
        l.s[l.n] = '\0';
        log_tap_give(taps, l.s);
    }
}

const char *log_num_(struct log_tmp *t, uint64_t x)
{
    snprintf(t->s, sizeof t->s, "%" PRIu64, x);
    return t->s;
}

/* Start of the UTF-8 character that byte i of s is part of. */
static size_t char_start(struct str s, size_t i)
{
    size_t back = 0;
    while (back < 3 && back < i && ((unsigned char)s.p[i - back] & 0xc0) == 0x80)
        back++;
    return i - back;
}

const char *log_str_(struct log_tmp *t, struct str s)
{
    if (!s.p)
        return NULL;
    size_t n = s.n < sizeof t->s ? s.n : char_start(s, sizeof t->s - 1);
    for (size_t i = 0; i < n; i++)
        t->s[i] = s.p[i] ? s.p[i] : '?';
    t->s[n] = '\0';
    return t->s;
}
