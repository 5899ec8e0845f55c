/* TOML 1.0 reader: structure of the document, keys, tables, arrays.
 *
 * Every table and array remembers how it came to be (enum origin), because that decides what may
 * still be added to it: a [header] completes a table that only existed as a parent, dotted keys
 * extend only tables made by dotted keys, inline values are closed. Pairs and items live in
 * growable arena arrays, tables are separate, so pointers to tables stay valid while documents
 * grow; pointers to values do not. */
#include "conf/toml-int.h"

#include "lib/base/encode.h"

enum origin {
    PARENT, /* table: made on the way to [a.b.c] */
    HEADER, /* table: [a], or an element of [[a]] */
    DOTTED, /* table: made by a.b = 1 */
    CLOSED, /* inline table, array value */
    TABLES, /* array: [[a]] */
};

const char *toml_type_name(enum toml_type t)
{
    static const char *const names[] = {
        [TOML_STRING] = "a string",
        [TOML_INTEGER] = "an integer",
        [TOML_FLOAT] = "a float",
        [TOML_BOOL] = "a boolean",
        [TOML_OFFSET_DATETIME] = "a date and time",
        [TOML_LOCAL_DATETIME] = "a local date and time",
        [TOML_LOCAL_DATE] = "a date",
        [TOML_LOCAL_TIME] = "a time",
        [TOML_ARRAY] = "an array",
        [TOML_TABLE] = "a table",
    };
    return names[t];
}

/* ---- cursor ---- */

struct toml_pos toml_here(const struct toml_reader *r)
{
    return (struct toml_pos){r->line, (unsigned)(r->p - r->line_start) + 1};
}

bool toml_fail(struct toml_reader *r, struct toml_pos pos, const char *fmt, ...)
{
    if (r->code != ERR_OK)
        return false;
    va_list ap;
    r->code = ERR_INVALID;
    r->err->pos = pos;
    va_start(ap, fmt);
    vsnprintf(r->err->what, sizeof r->err->what, fmt, ap);
    va_end(ap);
    return false;
}

bool toml_fail_limit(struct toml_reader *r, struct toml_pos pos, const char *what, unsigned limit)
{
    toml_fail(r, pos, "%s (limit: %u)", what, limit);
    r->code = ERR_LIMIT;
    return false;
}

bool toml_looking_at(const struct toml_reader *r, const char *text)
{
    return str_starts(str_make(r->p, (size_t)(r->end - r->p)), str_of(text));
}

void toml_skip_blanks(struct toml_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
        r->p++;
}

bool toml_skip_newline(struct toml_reader *r)
{
    const size_t n = toml_looking_at(r, "\r\n") ? 2 : toml_peek(r) == '\n' ? 1 : 0;
    if (n == 0)
        return false;
    r->p += n;
    r->line++;
    r->line_start = r->p;
    return true;
}

static bool skip_comment(struct toml_reader *r)
{
    if (toml_peek(r) != '#')
        return true;
    for (; r->p < r->end && *r->p != '\n' && !toml_looking_at(r, "\r\n"); r->p++) {
        const int c = toml_peek(r);
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return toml_fail(r, toml_here(r), "control character 0x%02x in a comment", (unsigned)c);
    }
    return true;
}

/* Blanks, comments and newlines: what may stand between the items of an array. */
static bool skip_space(struct toml_reader *r)
{
    do {
        toml_skip_blanks(r);
        if (!skip_comment(r))
            return false;
    } while (toml_skip_newline(r));
    return true;
}

static bool end_of_line(struct toml_reader *r)
{
    toml_skip_blanks(r);
    if (!skip_comment(r))
        return false;
    if (r->p == r->end || toml_skip_newline(r))
        return true;
    return toml_fail(r, toml_here(r), "the line must end here");
}

/* ---- tree ---- */

static const struct toml_pair *find(const struct toml_table *t, struct str key)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(t->pairs[i].key, key))
            return &t->pairs[i];
    return NULL;
}

const struct toml_pair *toml_find(const struct toml_table *t, struct str key)
{
    return find(t, key);
}

/* Room for one more element in an arena array of size-byte elements. */
static void *grown(struct arena *a, void *old, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return old;
    *cap = *cap ? *cap * 2 : 4;
    void *p = arena_alloc(a, *cap * size);
    if (n > 0)
        memcpy(p, old, n * size);
    return p;
}

struct key {
    struct str part[TOML_DEPTH_MAX];
    struct toml_pos pos[TOML_DEPTH_MAX];
    unsigned n;
};

/* NULL after an error. The value is zeroed, its place is the key's until the caller knows better.
 */
static struct toml_value *add(struct toml_reader *r, struct toml_table *t, struct str key,
                              struct toml_pos pos)
{
    if (t->n >= TOML_TABLE_MAX) {
        toml_fail_limit(r, pos, "too many keys in a table", TOML_TABLE_MAX);
        return NULL;
    }
    t->pairs = grown(r->a, t->pairs, t->n, &t->cap, sizeof *t->pairs);
    struct toml_pair *pair = &t->pairs[t->n++];
    *pair = (struct toml_pair){.key = key, .pos = pos, .value = {.pos = pos}};
    return &pair->value;
}

static struct toml_table *make_table(struct toml_reader *r, struct toml_value *v,
                                     enum origin origin)
{
    v->type = TOML_TABLE;
    v->origin = (uint8_t)origin;
    v->u.table = arena_alloc(r->a, sizeof *v->u.table);
    return v->u.table;
}

static struct toml_value *append(struct toml_reader *r, struct toml_array *items)
{
    items->items = grown(r->a, items->items, items->n, &items->cap, sizeof *items->items);
    struct toml_value *v = &items->items[items->n++];
    *v = (struct toml_value){.pos = toml_here(r)};
    return v;
}

static struct toml_value *existing(const struct toml_table *t, struct str key)
{
    const struct toml_pair *pair = find(t, key);
    return pair ? (struct toml_value *)(uintptr_t)&pair->value : NULL;
}

static struct toml_table *fail_defined(struct toml_reader *r, const struct key *k, unsigned i,
                                       const struct toml_value *v)
{
    toml_fail(r, k->pos[i], "\"%.80s\" is %s defined in line %u already", k->part[i].p,
              toml_type_name(v->type), v->pos.line);
    return NULL;
}

/* One step of a [header] path, below its last part. */
static struct toml_table *header_step(struct toml_reader *r, struct toml_table *t,
                                      const struct key *k, unsigned i)
{
    struct toml_value *v = existing(t, k->part[i]);
    if (!v) {
        v = add(r, t, k->part[i], k->pos[i]);
        return v ? make_table(r, v, PARENT) : NULL;
    }
    if (v->type == TOML_TABLE && v->origin != CLOSED)
        return v->u.table;
    if (v->type == TOML_ARRAY && v->origin == TABLES)
        return v->u.array.items[v->u.array.n - 1].u.table;
    return fail_defined(r, k, i, v);
}

static struct toml_table *header_table(struct toml_reader *r, struct toml_table *t,
                                       const struct key *k)
{
    const unsigned last = k->n - 1;
    struct toml_value *v = existing(t, k->part[last]);
    if (!v) {
        v = add(r, t, k->part[last], k->pos[last]);
        return v ? make_table(r, v, HEADER) : NULL;
    }
    if (v->type != TOML_TABLE || v->origin != PARENT)
        return fail_defined(r, k, last, v);
    v->origin = HEADER;
    v->pos = k->pos[last];
    return v->u.table;
}

static struct toml_table *header_element(struct toml_reader *r, struct toml_table *t,
                                         const struct key *k)
{
    const unsigned last = k->n - 1;
    struct toml_value *v = existing(t, k->part[last]);
    if (!v) {
        v = add(r, t, k->part[last], k->pos[last]);
        if (!v)
            return NULL;
        v->type = TOML_ARRAY;
        v->origin = TABLES;
    }
    if (v->type != TOML_ARRAY || v->origin != TABLES)
        return fail_defined(r, k, last, v);
    struct toml_value *element = append(r, &v->u.array);
    element->pos = k->pos[last];
    return make_table(r, element, HEADER);
}

/* ---- keys ---- */

static bool is_bare(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
}

static bool read_part(struct toml_reader *r, struct str *out)
{
    const struct toml_pos pos = toml_here(r);
    const int c = toml_peek(r);
    if (c == '"' || c == '\'') {
        if (!toml_read_string(r, false, out))
            return false;
    } else {
        const char *start = r->p;
        while (is_bare(toml_peek(r)))
            r->p++;
        if (r->p == start)
            return toml_fail(r, pos, "a key is expected here");
        *out = arena_dup(r->a, str_make(start, (size_t)(r->p - start)));
    }
    if (out->n > TOML_KEY_MAX)
        return toml_fail_limit(r, pos, "key too long", TOML_KEY_MAX);
    return true;
}

static bool read_key(struct toml_reader *r, struct key *k)
{
    k->n = 0;
    for (;;) {
        toml_skip_blanks(r);
        if (k->n == TOML_DEPTH_MAX)
            return toml_fail_limit(r, toml_here(r), "too many parts in a key", TOML_DEPTH_MAX);
        k->pos[k->n] = toml_here(r);
        if (!read_part(r, &k->part[k->n]))
            return false;
        k->n++;
        toml_skip_blanks(r);
        if (toml_peek(r) != '.')
            return true;
        r->p++;
    }
}

/* ---- values ---- */

static bool read_value(struct toml_reader *r, struct toml_value *out);

static bool read_array(struct toml_reader *r, struct toml_value *out)
{
    const struct toml_pos open = out->pos;
    struct toml_array items = {0};
    r->p++;
    for (;;) {
        if (!skip_space(r))
            return false;
        if (toml_peek(r) == ']')
            break;
        struct toml_value v = {0};
        if (r->p == r->end)
            return toml_fail(r, open, "array is not closed");
        if (!read_value(r, &v))
            return false;
        *append(r, &items) = v;
        if (!skip_space(r))
            return false;
        if (toml_peek(r) == ',')
            r->p++;
        else if (r->p == r->end)
            return toml_fail(r, open, "array is not closed");
        else if (toml_peek(r) != ']')
            return toml_fail(r, toml_here(r), "\",\" or \"]\" is expected here");
    }
    r->p++;
    out->type = TOML_ARRAY;
    out->origin = CLOSED;
    out->u.array = items;
    return true;
}

/* Walk to the table a dotted key ends in, making tables on the way. */
static struct toml_table *dotted_parent(struct toml_reader *r, struct toml_table *t,
                                        const struct key *k)
{
    for (unsigned i = 0; t && i + 1 < k->n; i++) {
        struct toml_value *v = existing(t, k->part[i]);
        if (!v) {
            v = add(r, t, k->part[i], k->pos[i]);
            t = v ? make_table(r, v, DOTTED) : NULL;
        } else if (v->type == TOML_TABLE && v->origin == DOTTED) {
            t = v->u.table;
        } else {
            t = fail_defined(r, k, i, v);
        }
    }
    return t;
}

static bool read_pair(struct toml_reader *r, struct toml_table *t)
{
    struct key k;
    struct toml_value v = {0};
    if (!read_key(r, &k))
        return false;
    if (toml_peek(r) != '=')
        return toml_fail(r, toml_here(r), "\"=\" is expected here");
    r->p++;
    toml_skip_blanks(r);
    if (!read_value(r, &v))
        return false;
    t = dotted_parent(r, t, &k);
    if (!t)
        return false;
    const struct toml_value *old = existing(t, k.part[k.n - 1]);
    if (old)
        return fail_defined(r, &k, k.n - 1, old) != NULL;
    struct toml_value *slot = add(r, t, k.part[k.n - 1], k.pos[k.n - 1]);
    if (slot)
        *slot = v;
    return slot != NULL;
}

static bool read_inline_table(struct toml_reader *r, struct toml_value *out)
{
    struct toml_table *t = make_table(r, out, CLOSED);
    r->p++;
    toml_skip_blanks(r);
    if (toml_peek(r) == '}') {
        r->p++;
        return true;
    }
    for (;;) {
        if (!read_pair(r, t))
            return false;
        toml_skip_blanks(r);
        const int c = toml_peek(r);
        if (c != ',' && c != '}')
            return toml_fail(r, toml_here(r), "\",\" or \"}\" is expected here");
        r->p++;
        if (c == '}')
            return true;
    }
}

static bool read_value(struct toml_reader *r, struct toml_value *out)
{
    bool ok;
    out->pos = toml_here(r);
    if (++r->depth > TOML_DEPTH_MAX)
        return toml_fail_limit(r, out->pos, "values are nested too deep", TOML_DEPTH_MAX);
    switch (toml_peek(r)) {
    case '"':
    case '\'':
        out->type = TOML_STRING;
        ok = toml_read_string(r, true, &out->u.string);
        break;
    case '[':
        ok = read_array(r, out);
        break;
    case '{':
        ok = read_inline_table(r, out);
        break;
    default:
        ok = toml_read_word(r, out);
        break;
    }
    r->depth--;
    return ok;
}

/* ---- document ---- */

static bool read_header(struct toml_reader *r, struct toml_table *root, struct toml_table **current)
{
    struct key k;
    const bool is_element = toml_looking_at(r, "[[");
    r->p += is_element ? 2 : 1;
    if (!read_key(r, &k))
        return false;
    if (!toml_looking_at(r, is_element ? "]]" : "]"))
        return toml_fail(r, toml_here(r), "\"%s\" is expected here", is_element ? "]]" : "]");
    r->p += is_element ? 2 : 1;
    struct toml_table *t = root;
    for (unsigned i = 0; t && i + 1 < k.n; i++)
        t = header_step(r, t, &k, i);
    if (t)
        t = is_element ? header_element(r, t, &k) : header_table(r, t, &k);
    *current = t;
    return t != NULL;
}

static bool read_document(struct toml_reader *r, struct toml_table *root)
{
    struct toml_table *current = root;
    for (;;) {
        if (!skip_space(r))
            return false;
        if (r->p == r->end)
            return true;
        const bool ok =
            toml_peek(r) == '[' ? read_header(r, root, &current) : read_pair(r, current);
        if (!ok || !end_of_line(r))
            return false;
    }
}

static size_t utf8_length(unsigned char lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Find the first byte that is not UTF-8; only called when there is one. */
static bool fail_utf8(struct toml_reader *r)
{
    while (r->p < r->end) {
        if (toml_skip_newline(r))
            continue;
        const size_t n = utf8_length((unsigned char)*r->p), left = (size_t)(r->end - r->p);
        if (n > left || !utf8_valid(str_make(r->p, n)))
            break;
        r->p += n;
    }
    return toml_fail(r, toml_here(r), "not UTF-8");
}

enum err toml_parse(struct arena *a, struct str text, const struct toml_table **root,
                    struct toml_error *err)
{
    struct toml_reader r = {.a = a, .p = text.p, .end = text.p + text.n, .line = 1, .err = err};
    struct toml_table *top = arena_alloc(a, sizeof *top);
    r.line_start = r.p;
    if (text.n > TOML_SIZE_MAX) {
        toml_fail_limit(&r, toml_here(&r), "document too long", TOML_SIZE_MAX);
        return r.code;
    }
    if (text.n > 0 && !utf8_valid(text))
        fail_utf8(&r);
    else if (text.n > 0) {
        if (toml_looking_at(&r, "\xef\xbb\xbf"))
            r.line_start = r.p += 3;
        read_document(&r, top);
    }
    if (r.code == ERR_OK)
        *root = top;
    return r.code;
}
