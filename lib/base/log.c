/* DOC: The log writer. A line is built on the stack and leaves with one write(2), so lines of
 * several threads never mix: 2026-11-22T02:45:06.123456Z info s2s.auth.failed stream=abc
 * remote=x.org reason="not trusted" Fields run from the outermost scope to the event's own. A value
 * is written bare when it is printable ASCII without space, quote, backslash and '='; else in
 * quotes with escapes: \n \r \t \" \\, \xHH for other control bytes and bytes that are no UTF-8,
 * \uHHHH for controls of Unicode that could break or turn a line. So no byte of a peer can forge a
 * field or a line. A line is cut at LINE_MAX_BYTES and then says log.cut=true. */
#include "lib/base/log.h"

#include <pthread.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/encode.h"

enum { LINE_MAX_BYTES = 4096, SCOPES_MAX = 16 };
#define CUT_NOTE " log.cut=true"

static const char *const level_names[] = {"trace", "debug", "info", "warn", "error"};
static int min_level = LOG_INFO;

static pthread_mutex_t capture_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*capture_fn)(void *ctx, enum log_level level, const char *line);
static void *capture_ctx;

struct line {
    size_t n;
    bool is_cut; /* nothing more is added */
    char s[LINE_MAX_BYTES];
};

void log_set_level(enum log_level min)
{
    __atomic_store_n(&min_level, (int)min, __ATOMIC_RELAXED);
}

bool log_enabled(enum log_level l)
{
    return (int)l >= __atomic_load_n(&min_level, __ATOMIC_RELAXED);
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

/* All or nothing, leaving room for a closing quote, the note and the newline. */
static void put(struct line *l, const char *p, size_t n)
{
    if (l->is_cut || l->n + n > sizeof l->s - sizeof CUT_NOTE - 2) {
        l->is_cut = true;
        return;
    }
    memcpy(l->s + l->n, p, n);
    l->n += n;
}

/* Names are ours, not a peer's; still they cannot break a line. */
static void put_name(struct line *l, const char *name)
{
    for (; *name; name++) {
        bool plain = *name > ' ' && *name < 0x7f && *name != '=' && *name != '"';
        put(l, plain ? name : "_", 1);
    }
}

static bool is_bare(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return value.n > 0;
}

/* Controls beyond ASCII: C1, line and paragraph separators, direction marks and overrides, the byte
 * order mark. */
static bool is_wide_control(uint32_t cp)
{
    return (cp >= 0x80 && cp <= 0x9f) || cp == 0x61c || (cp >= 0x200b && cp <= 0x200f) ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff;
}

static void put_escape(struct line *l, const char *fmt, unsigned value)
{
    static const char hex[] = "0123456789abcdef";
    char text[8];
    size_t n = strlen(fmt);
    memcpy(text, fmt, n);
    for (size_t digits = fmt[1] == 'x' ? 2 : 4; digits-- > 0;)
        text[n++] = hex[value >> 4 * digits & 15];
    put(l, text, n);
}

static void put_ascii(struct line *l, char c)
{
    switch (c) {
    case '\n':
        put(l, "\\n", 2);
        return;
    case '\r':
        put(l, "\\r", 2);
        return;
    case '\t':
        put(l, "\\t", 2);
        return;
    case '"':
        put(l, "\\\"", 2);
        return;
    case '\\':
        put(l, "\\\\", 2);
        return;
    default:
        if (c < ' ' || c == 0x7f)
            put_escape(l, "\\x", (unsigned char)c);
        else
            put(l, &c, 1);
    }
}

static void put_quoted(struct line *l, struct str value)
{
    put(l, "\"", 1);
    if (l->is_cut)
        return;
    while (value.n && !l->is_cut) {
        uint32_t cp = 0;
        size_t size = utf8_next(value, &cp);
        if (!size)
            put_escape(l, "\\x", (unsigned char)value.p[0]);
        else if (size == 1)
            put_ascii(l, value.p[0]);
        else if (is_wide_control(cp))
            put_escape(l, "\\u", cp);
        else
            put(l, value.p, size);
        size = size ? size : 1;
        value = str_make(value.p + size, value.n - size);
    }
    l->s[l->n++] = '"'; /* there is room, cut or not */
}

static void put_field(struct line *l, const char *key, const char *value)
{
    size_t before = l->n;
    struct str v = value ? str_of(value) : STR("-");
    put(l, " ", 1);
    put_name(l, key);
    put(l, "=", 1);
    if (l->is_cut) { /* no half key */
        l->n = before;
        return;
    }
    if (is_bare(v))
        put(l, v.p, v.n);
    if (!is_bare(v) || l->is_cut) {
        l->is_cut = false;
        put_quoted(l, v); /* a bare value that was too long is cut in quotes */
    }
}

static void put_scopes(struct line *l, const struct log_scope *inner)
{
    const struct log_scope *chain[SCOPES_MAX];
    size_t n = 0;
    for (; inner && n < SCOPES_MAX; inner = inner->parent)
        chain[n++] = inner;
    while (n-- > 0) {
        if (chain[n]->key1 && chain[n]->value1)
            put_field(l, chain[n]->key1, chain[n]->value1);
        if (chain[n]->key2 && chain[n]->value2)
            put_field(l, chain[n]->key2, chain[n]->value2);
    }
}

/* A line that cannot be written has nowhere to be reported. */
static void deliver(enum log_level level, struct line *l)
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
    struct line l;
    char when[DATEFMT_LEN + 1];
    const char *key;
    va_list ap;
    l.n = 0;
    l.is_cut = false;
    put(&l, datefmt_utc(when, clock_wall_us()), DATEFMT_LEN);
    put(&l, " ", 1);
    put_name(&l, level_names[level]);
    put(&l, " ", 1);
    put_name(&l, event);
    put_scopes(&l, scope);
    va_start(ap, event);
    while ((key = va_arg(ap, const char *)))
        put_field(&l, key, va_arg(ap, const char *));
    va_end(ap);
    if (l.is_cut) {
        memcpy(l.s + l.n, CUT_NOTE, sizeof CUT_NOTE - 1);
        l.n += sizeof CUT_NOTE - 1;
    }
    deliver(level, &l);
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
