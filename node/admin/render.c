/* Answers for people. Tables take their columns from the first row; all rows of an answer have the
 * same keys. */
#include "node/admin/render.h"

enum { COLUMNS_MAX = 24, CELL_MAX = 60 };

/* Texts may come from other servers: nothing in them may speak to the terminal (controls of ASCII
 * and of the block above it). */
static void text(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        unsigned char next = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0;
        bool is_c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;
        buf_char(out, c < ' ' || c == 0x7f || is_c1 ? '?' : (char)c);
        i += is_c1;
    }
}

static void cell(struct buf *out, const struct json *v)
{
    if (json_str(v)) {
        text(out, str_of(json_str(v)));
    } else if (v) {
        struct buf raw;
        buf_init(&raw, out->max);
        json_write(&raw, v, false);
        text(out, buf_view(&raw));
        buf_fini(&raw);
    }
}

/* Characters, as far as a count of code points tells. */
static size_t width_of(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static size_t cell_width(const struct json *v)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    cell(&b, v);
    size_t n = width_of(buf_view(&b));
    buf_fini(&b);
    return n < CELL_MAX ? n : CELL_MAX;
}

static void pad(struct buf *out, size_t from, size_t width)
{
    for (size_t n = width_of(str_make(out->p + from, out->n - from)); n < width; n++)
        buf_char(out, ' ');
}

static void table(struct buf *out, const struct json *rows, const char *indent)
{
    const struct json *first = json_at(rows, 0);
    size_t width[COLUMNS_MAX] = {0}, columns = 0;
    for (; columns < COLUMNS_MAX && json_key(first, columns); columns++) {
        const char *key = json_key(first, columns);
        width[columns] = strlen(key);
        for (size_t i = 0; i < json_len(rows); i++) {
            size_t w = cell_width(json_get(json_at(rows, i), key));
            width[columns] = w > width[columns] ? w : width[columns];
        }
    }
    for (size_t i = 0; i <= json_len(rows); i++) { /* row 0 is the head */
        buf_cstr(out, indent);
        for (size_t c = 0; c < columns; c++) {
            const char *key = json_key(first, c);
            size_t at = out->n;
            if (i == 0)
                buf_cstr(out, key);
            else
                cell(out, json_get(json_at(rows, i - 1), key));
            if (c + 1 < columns)
                pad(out, at, width[c] + 2);
        }
        buf_char(out, '\n');
    }
}

static void array(struct buf *out, const struct json *v, const char *indent)
{
    if (!json_len(v)) {
        buf_printf(out, "%s(none)\n", indent);
    } else if (json_kind(json_at(v, 0)) == JSON_KIND_OBJECT) {
        table(out, v, indent);
    } else {
        for (size_t i = 0; i < json_len(v); i++) {
            buf_cstr(out, indent);
            cell(out, json_at(v, i));
            buf_char(out, '\n');
        }
    }
}

static void object(struct buf *out, const struct json *v, const char *indent)
{
    const char *key;
    for (size_t i = 0; (key = json_key(v, i)); i++) {
        const struct json *member = json_get(v, key);
        if (json_kind(member) == JSON_KIND_SCALAR) {
            buf_printf(out, "%s%s: ", indent, key);
            cell(out, member);
            buf_char(out, '\n');
            continue;
        }
        buf_printf(out, "%s%s:\n", indent, key);
        if (json_kind(member) == JSON_KIND_OBJECT)
            object(out, member, "    ");
        else
            array(out, member, *indent ? "      " : "  ");
    }
}

void render(struct buf *out, const struct json *value)
{
    if (json_kind(value) == JSON_KIND_ARRAY) {
        array(out, value, "");
    } else if (json_kind(value) == JSON_KIND_OBJECT) {
        object(out, value, "");
    } else {
        cell(out, value);
        buf_char(out, '\n');
    }
}
