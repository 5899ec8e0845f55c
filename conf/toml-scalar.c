/* TOML scalars: strings in their four forms, and words (numbers, dates, booleans). */
#include "conf/toml-int.h"

#include "lib/base/buf.h"

/* ---- strings ---- */

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_char(out, (char)c);
    } else if (c < 0x800) {
        buf_char(out, (char)(0xc0 | c >> 6));
        buf_char(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_char(out, (char)(0xe0 | c >> 12));
        buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_char(out, (char)(0xf0 | c >> 18));
        buf_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind \u or \U. */
static bool read_scalar(struct toml_reader *r, int digits, struct toml_pos pos, struct buf *out)
{
    uint32_t c = 0;
    for (int i = 0; i < digits; i++) {
        const int v = hex_value(toml_peek(r));
        if (v < 0)
            return toml_fail(r, pos, "this escape needs %d hexadecimal digits", digits);
        c = c << 4 | (uint32_t)v;
        r->p++;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return toml_fail(r, pos, "escape does not name a Unicode scalar value");
    put_utf8(out, c);
    return true;
}

/* A backslash at the end of a line: skip white space and newlines up to the next text. */
static bool skip_line_end(struct toml_reader *r, struct toml_pos pos)
{
    toml_skip_blanks(r);
    if (!toml_skip_newline(r))
        return toml_fail(r, pos, "unknown escape sequence");
    do
        toml_skip_blanks(r);
    while (toml_skip_newline(r));
    return true;
}

static bool read_escape(struct toml_reader *r, bool multi, struct buf *out)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    const struct toml_pos pos = toml_here(r);
    r->p++;
    const int c = toml_peek(r);
    if (multi && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
        return skip_line_end(r, pos);
    const char *at = c > 0 ? strchr(from, c) : NULL;
    if (!at && c != 'u' && c != 'U')
        return toml_fail(r, pos, "unknown escape sequence");
    r->p++;
    if (!at)
        return read_scalar(r, c == 'u' ? 4 : 8, pos, out);
    buf_char(out, to[at - from]);
    return true;
}

/* One character of text, or an error. */
static bool read_plain(struct toml_reader *r, bool multi, struct toml_pos open, struct buf *out)
{
    const int c = toml_peek(r);
    if (multi && toml_skip_newline(r)) {
        buf_char(out, '\n');
        return true;
    }
    if (c < 0 || (!multi && (c == '\n' || c == '\r')))
        return toml_fail(r, open, "string is not closed");
    if ((c < 0x20 && c != '\t') || c == 0x7f)
        return toml_fail(r, toml_here(r), "control character 0x%02x in a string", (unsigned)c);
    buf_char(out, (char)c);
    r->p++;
    return true;
}

/* At a quote inside a multi-line string: up to two are text, then three close it. */
static bool close_multi(struct toml_reader *r, char quote, struct buf *out)
{
    size_t n = 0;
    while (n < 5 && r->p + n < r->end && r->p[n] == quote)
        n++;
    r->p += n;
    const bool closes = n >= 3;
    for (size_t i = closes ? 3 : 0; i < n; i++)
        buf_char(out, quote);
    return closes;
}

static bool read_body(struct toml_reader *r, char quote, bool multi, struct buf *out)
{
    const struct toml_pos open = toml_here(r);
    r->p += multi ? 3 : 1;
    if (multi)
        toml_skip_newline(r);
    for (;;) {
        const int c = toml_peek(r);
        if (c == quote) {
            if (multi && !close_multi(r, quote, out))
                continue;
            r->p += multi ? 0 : 1;
            return true;
        }
        if (c == '\\' && quote == '"' ? !read_escape(r, multi, out)
                                      : !read_plain(r, multi, open, out))
            return false;
    }
}

bool toml_read_string(struct toml_reader *r, bool multi, struct str *out)
{
    const char quote = *r->p;
    const bool triple = toml_looking_at(r, quote == '"' ? "\"\"\"" : "'''");
    if (triple && !multi)
        return toml_fail(r, toml_here(r), "a key cannot be a multi-line string");
    struct buf b;
    buf_init(&b, TOML_SIZE_MAX);
    const bool ok = read_body(r, quote, triple, &b);
    if (ok)
        *out = b.n ? arena_dup(r->a, buf_view(&b)) : STR("");
    if (b.n > 0)
        mem_wipe(b.p, b.n); /* it may be a secret of a configuration */
    buf_fini(&b);
    return ok;
}

/* ---- words ---- */

static bool is_word_char(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.' || c == '_' || c == ':';
}

static struct str word_at(const char *p, const char *end)
{
    const char *q = p;
    while (q < end && is_word_char((unsigned char)*q))
        q++;
    return str_make(p, (size_t)(q - p));
}

/* A date and a time may be joined by one space. */
static struct str join_time(const struct toml_reader *r, struct str word)
{
    const char *after = word.p + word.n;
    if (word.n != 10 || word.p[4] != '-' || after >= r->end || *after != ' ')
        return word;
    const struct str time = word_at(after + 1, r->end);
    if (time.n < 3 || time.p[2] != ':')
        return word;
    return str_make(word.p, word.n + 1 + time.n);
}

/* "dddd-" or "dd:" */
static bool is_date(struct str word)
{
    const size_t n = word.n > 4 && word.p[4] == '-' ? 4 : word.n > 2 && word.p[2] == ':' ? 2 : 0;
    for (size_t i = 0; i < n; i++)
        if (word.p[i] < '0' || word.p[i] > '9')
            return false;
    return n > 0;
}

bool toml_read_word(struct toml_reader *r, struct toml_value *out)
{
    const struct str word = join_time(r, word_at(r->p, r->end));
    enum toml_match match = TOML_MATCH;
    if (str_eqc(word, "true") || str_eqc(word, "false")) {
        out->type = TOML_BOOL;
        out->u.boolean = word.n == 4;
    } else {
        match = is_date(word) ? toml_date(word, out) : toml_number(word, out);
    }
    if (match == TOML_OUT_OF_RANGE)
        return toml_fail(r, out->pos, "number out of range");
    if (match == TOML_NO_MATCH)
        return toml_fail(r, out->pos, "this is no value (a text needs quotes)");
    r->p += word.n;
    return true;
}
