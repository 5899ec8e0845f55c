/* DOC: One line of the log, as text or as JSON. Text:
 *     2026-11-22T02:45:06.123456Z info s2s.auth.failed stream=abc remote=x.org reason="not trusted"
 * A value is written bare when it is printable ASCII without space, quote, backslash and '='; else
 * in quotes with escapes: \n \r \t \" \\, \xHH for other control bytes and bytes that are no
 * UTF-8, \uHHHH for controls of Unicode that could break or turn a line. JSON:
 *     {"time":"2026-11-22T02:45:06.123456Z","level":"info","event":"s2s.auth.failed","stream":"abc"}
 * all values are strings; bytes that are no UTF-8 become U+FFFD. So no byte of a peer can forge a
 * field or a line. A line is cut at LOG_LINE_MAX and then says log.cut: text in the middle of a
 * value, JSON between fields. Standards: RFC 8259. */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/base/log-int.h"

/* All or nothing, leaving room for what ends a line. */
static void put(struct log_line *l, const char *p, size_t n)
{
    if (l->is_cut || l->n + n > sizeof l->s - LOG_LINE_RESERVE) {
        l->is_cut = true;
        return;
    }
    memcpy(l->s + l->n, p, n);
    l->n += n;
}

/* Names are ours, not a peer's; still they cannot break a line. */
static void put_name(struct log_line *l, const char *name)
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

static void put_escape(struct log_line *l, const char *fmt, unsigned value)
{
    static const char hex[] = "0123456789abcdef";
    char text[8];
    size_t n = strlen(fmt);
    memcpy(text, fmt, n);
    for (size_t digits = fmt[1] == 'x' ? 2 : 4; digits-- > 0;)
        text[n++] = hex[value >> 4 * digits & 15];
    put(l, text, n);
}

static void put_ascii(struct log_line *l, char c)
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

static void put_quoted(struct log_line *l, struct str value)
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

static void text_field(struct log_line *l, const char *key, const char *value)
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

static void text_begin(struct log_line *l, const char *when, const char *level, const char *event)
{
    put(l, when, DATEFMT_LEN);
    put(l, " ", 1);
    put_name(l, level);
    put(l, " ", 1);
    put_name(l, event);
}

/* ---- JSON */
static void put_json_string(struct log_line *l, struct str value)
{
    put(l, "\"", 1);
    while (value.n && !l->is_cut) {
        uint32_t cp = 0;
        size_t size = utf8_next(value, &cp);
        char c = value.p[0];
        if (!size)
            put(l, "\\ufffd", 6);
        else if (size == 1 && (c == '"' || c == '\\'))
            put(l, (char[2]){'\\', c}, 2);
        else if (cp < ' ' || cp == 0x7f || is_wide_control(cp))
            put_escape(l, "\\u", cp);
        else
            put(l, value.p, size);
        size = size ? size : 1;
        value = str_make(value.p + size, value.n - size);
    }
    put(l, "\"", 1);
}

static void json_field(struct log_line *l, const char *key, const char *value)
{
    size_t before = l->n;
    put(l, l->n > 1 ? "," : "", l->n > 1);
    put_json_string(l, str_of(key));
    put(l, ":", 1);
    put_json_string(l, value ? str_of(value) : STR("-"));
    if (l->is_cut)
        l->n = before;
}

static void json_begin(struct log_line *l, const char *when, const char *level, const char *event)
{
    put(l, "{", 1);
    json_field(l, "time", when);
    json_field(l, "level", level);
    json_field(l, "event", event);
}

/* ---- both */
void log_line_begin(struct log_line *l, enum log_format f, enum log_level level, const char *event)
{
    char when[DATEFMT_LEN + 1];
    l->n = 0;
    l->is_cut = false;
    l->format = f;
    datefmt_utc(when, clock_wall_us());
    (f == LOG_JSON ? json_begin : text_begin)(l, when, log_level_name(level), event);
}

void log_line_field(struct log_line *l, const char *key, const char *value)
{
    (l->format == LOG_JSON ? json_field : text_field)(l, key, value);
}

void log_line_end(struct log_line *l)
{
    static const char *const notes[2][2] = {{"", " log.cut=true"}, {"}", ",\"log.cut\":\"true\"}"}};
    const char *note = notes[l->format == LOG_JSON][l->is_cut];
    size_t n = strlen(note);
    memcpy(l->s + l->n, note, n); /* LOG_LINE_RESERVE */
    l->n += n;
}
