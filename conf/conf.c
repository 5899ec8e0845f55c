/* Configuration snapshots: loading, errors, comparing two of them.
 *
 * A snapshot is one arena: the parsed document (kept for places and for "is it set"), the root
 * struct and everything it points to. It never changes after loading, so any shard may read it
 * while it holds a reference. */
#include "conf/conf-int.h"

#include <errno.h>

/* ---- errors ---- */

void conf_errors_init(struct conf_errors *e)
{
    *e = (struct conf_errors){0};
}

void conf_errors_fini(struct conf_errors *e)
{
    for (size_t i = 0; i < e->n; i++)
        mem_free(e->lines[i]);
    mem_free(e->lines);
    *e = (struct conf_errors){0};
}

static void errors_push(struct conf_errors *e, struct str line)
{
    if (e->n == CONF_ERRORS_MAX) {
        e->truncated = true;
        return;
    }
    if (e->n == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 8;
        e->lines = mem_realloc(e->lines, e->cap * sizeof *e->lines);
    }
    e->lines[e->n++] = str_dup(line);
}

static void error_line(struct conf_errors *errs, const char *file, struct toml_pos pos,
                       const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));
static void error_line(struct conf_errors *errs, const char *file, struct toml_pos pos,
                       const char *fmt, va_list ap)
{
    char what[512];
    struct buf line;
    buf_init(&line, 8192);
    vsnprintf(what, sizeof what, fmt, ap);
    if (pos.line > 0)
        buf_printf(&line, "%s:%u:%u: %s", file, pos.line, pos.col, what);
    else
        buf_printf(&line, "%s: %s", file, what);
    for (size_t i = 0; i < line.n; i++) /* names out of the file may contain anything */
        if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
            line.p[i] = '?';
    errors_push(errs, buf_view(&line));
    buf_fini(&line);
}

void conf_error(struct conf_errors *errs, const char *file, struct toml_pos pos, const char *fmt,
                ...)
{
    va_list ap;
    va_start(ap, fmt);
    error_line(errs, file, pos, fmt, ap);
    va_end(ap);
}

/* Place of an option, else of its section, else the top of the file. */
static struct toml_pos place(const struct conf *c, const char *section, size_t index,
                             const char *option)
{
    const struct conf_section *s = conf_section_find(c->schema, str_of(section));
    const struct toml_table *t = s ? conf_doc_section(c->doc, s, index) : NULL;
    const struct toml_pair *pair = t && option ? toml_find(t, str_of(option)) : NULL;
    if (pair)
        return pair->value.pos;
    pair = s && s->name[0] ? conf_doc_find(c->doc, s->name) : NULL;
    if (!pair)
        return (struct toml_pos){1, 1};
    if (pair->value.type == TOML_ARRAY && index < pair->value.u.array.n)
        return pair->value.u.array.items[index].pos;
    return pair->pos;
}

void conf_error_at(struct conf_errors *errs, const struct conf *c, const char *section,
                   size_t index, const char *option, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    error_line(errs, c->file, place(c, section, index, option), fmt, ap);
    va_end(ap);
}

/* ---- snapshots ---- */

static struct conf *snapshot_new(const struct conf_schema *s, const char *file)
{
    struct arena *mem = arena_new(0);
    struct conf *c = arena_alloc(mem, sizeof *c);
    refs_init(&c->refs);
    c->mem = mem;
    c->schema = s;
    c->file = arena_cstr(mem, str_of(file));
    c->root = arena_alloc(mem, s->root_size);
    return c;
}

struct conf *conf_ref(struct conf *c)
{
    refs_get(&c->refs);
    return c;
}

void conf_unref(struct conf **pc)
{
    struct conf *c = *pc;
    *pc = NULL;
    if (!c || !refs_put(&c->refs))
        return;
    struct arena *mem = c->mem;
    arena_free(&mem);
}

enum err conf_parse(struct str text, const char *name, const struct conf_schema *s,
                    struct conf **out, struct conf_errors *errs)
{
    conf_schema_check(s);
    const size_t before = errs->n;
    struct toml_error bad;
    struct conf *c = snapshot_new(s, name);
    if (toml_parse(c->mem, text, &c->doc, &bad) != ERR_OK) {
        conf_error(errs, name, bad.pos, "%s", bad.what);
    } else {
        conf_fill(c, errs);
        if (errs->n == before && s->verify)
            s->verify(c, c->root, errs);
    }
    if (errs->n > before || errs->truncated) {
        conf_unref(&c);
        return ERR_INVALID;
    }
    *out = c;
    return ERR_OK;
}

/* The file, one byte past the limit at most: the reader says what is wrong with more. */
static bool read_file(const char *path, struct buf *out)
{
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    errno = 0;
    setvbuf(f, NULL, _IONBF, 0);
    while (out->n <= TOML_SIZE_MAX && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(out, chunk, n);
    const int failure = ferror(f) ? errno : 0;
    fclose(f);
    mem_wipe(chunk, sizeof chunk);
    errno = failure;
    return failure == 0;
}

enum err conf_load(const char *path, const struct conf_schema *s, struct conf **out,
                   struct conf_errors *errs)
{
    struct buf text;
    enum err e = ERR_INVALID;
    buf_init(&text, TOML_SIZE_MAX + 8192);
    if (read_file(path, &text))
        e = conf_parse(buf_view(&text), path, s, out, errs);
    else
        conf_error(errs, path, (struct toml_pos){0, 0}, "cannot read: %s", strerror(errno));
    if (text.n > 0)
        mem_wipe(text.p, text.n);
    buf_fini(&text);
    return e;
}

const void *conf_root(const struct conf *c)
{
    return c->root;
}

bool conf_has_section(const struct conf *c, const char *section)
{
    const struct conf_section *s = conf_section_find(c->schema, str_of(section));
    return s && conf_doc_section(c->doc, s, 0) != NULL;
}

bool conf_is_set(const struct conf *c, const char *section, size_t index, const char *option)
{
    const struct conf_section *s = conf_section_find(c->schema, str_of(section));
    const struct toml_table *t = s ? conf_doc_section(c->doc, s, index) : NULL;
    return t && toml_find(t, str_of(option)) != NULL;
}

/* ---- difference ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(const struct conf_list *a, const struct conf_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static bool same_option(const struct conf_option *o, const char *before, const char *after)
{
    struct conf_value a, b;
    conf_value_load(o, before, &a);
    conf_value_load(o, after, &b);
    return same_text(a.string, b.string) && a.boolean == b.boolean && a.integer == b.integer &&
           a.amount == b.amount && a.choice == b.choice && same_list(&a.list, &b.list);
}

struct diff {
    conf_diff_cb *fn;
    void *ctx;
    size_t restarts;
};

static void diff_report(struct diff *d, const struct conf_section *s, size_t index,
                        const struct conf_option *o)
{
    d->restarts += !o || o->apply == CONF_RESTART;
    if (d->fn)
        d->fn(d->ctx, s, index, o);
}

static void diff_section(struct diff *d, const struct conf_section *s, const struct conf *before,
                         const struct conf *after)
{
    const size_t n = conf_section_count(s, before->root), m = conf_section_count(s, after->root);
    for (size_t i = 0; i < n || i < m; i++) {
        if (i >= n || i >= m ||
            (s->is_named && strcmp(conf_section_key(s, before->root, i),
                                   conf_section_key(s, after->root, i)) != 0)) {
            diff_report(d, s, i, NULL);
            continue;
        }
        for (size_t k = 0; k < s->option_count; k++)
            if (!same_option(&s->options[k], conf_section_at(s, before->root, i),
                             conf_section_at(s, after->root, i)))
                diff_report(d, s, i, &s->options[k]);
    }
}

size_t conf_diff(const struct conf *before, const struct conf *after, conf_diff_cb *fn, void *ctx)
{
    struct diff d = {fn, ctx, 0};
    must(before->schema == after->schema);
    for (size_t i = 0; i < before->schema->section_count; i++)
        diff_section(&d, &before->schema->sections[i], before, after);
    return d.restarts;
}
