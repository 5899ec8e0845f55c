/* Printing: the effective configuration and the reference of options, both valid TOML. */
#include "conf/conf-print.h"

#include "conf/conf-int.h"

static void print_string(struct buf *out, const char *s)
{
    buf_char(out, '"');
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_char(out, *s);
    }
    buf_char(out, '"');
}

static void print_list(struct buf *out, const struct conf_list *l)
{
    buf_char(out, '[');
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0)
            buf_cstr(out, ", ");
        print_string(out, l->items[i]);
    }
    buf_char(out, ']');
}

static void print_value(struct buf *out, const struct conf_option *o, const struct conf_value *v)
{
    switch (o->type) {
    case CONF_TYPE_STRING:
        print_string(out, o->flags & CONF_SECRET ? "(secret)" : v->string ? v->string : "");
        break;
    case CONF_TYPE_BOOL:
        buf_cstr(out, v->boolean ? "true" : "false");
        break;
    case CONF_TYPE_INT:
        buf_printf(out, "%" PRId64, v->integer);
        break;
    case CONF_TYPE_SIZE:
        buf_char(out, '"');
        conf_size_print(out, v->amount);
        buf_char(out, '"');
        break;
    case CONF_TYPE_DURATION:
        buf_char(out, '"');
        conf_duration_print(out, v->amount);
        buf_char(out, '"');
        break;
    case CONF_TYPE_ENUM:
        print_string(out, o->names[v->choice]);
        break;
    case CONF_TYPE_LIST:
        print_list(out, &v->list);
        break;
    }
}

/* Sections in order, the top of the file first, as TOML wants it. */
typedef void section_fn(void *ctx, const struct conf_section *s);
static void each_section(const struct conf_schema *schema, section_fn *fn, void *ctx)
{
    for (int named = 0; named < 2; named++)
        for (size_t i = 0; i < schema->section_count; i++)
            if (!!schema->sections[i].name[0] == named)
                fn(ctx, &schema->sections[i]);
}

static bool is_bare_key(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
              *s == '_' || *s == '-'))
            return false;
    return true;
}

/* key: of a named section. */
static void print_header(struct buf *out, const struct conf_section *s, const char *key)
{
    if (out->n > 0)
        buf_char(out, '\n');
    if (s->is_named && is_bare_key(key)) {
        buf_printf(out, "[%s.%s]\n", s->name, key);
    } else if (s->is_named) {
        buf_printf(out, "[%s.", s->name);
        print_string(out, key);
        buf_cstr(out, "]\n");
    } else if (s->name[0])
        buf_printf(out, s->is_array ? "[[%s]]\n" : "[%s]\n", s->name);
}

/* ---- effective configuration ---- */

struct effective {
    const struct conf *c;
    struct buf *out;
};

static void print_option(struct effective *p, const struct conf_section *s, size_t index,
                         const struct conf_option *o)
{
    struct conf_value v;
    conf_value_load(o, conf_section_at(s, p->c->root, index), &v);
    if (o->type == CONF_TYPE_STRING && !v.string) {
        buf_printf(p->out, "# %s is not set\n", o->name);
        return;
    }
    buf_printf(p->out, "%s = ", o->name);
    print_value(p->out, o, &v);
    buf_cstr(p->out, conf_is_set(p->c, s->name, index, o->name) ? "\n" : " # default\n");
}

static void print_section(void *ctx, const struct conf_section *s)
{
    struct effective *p = ctx;
    const size_t n = conf_section_count(s, p->c->root);
    for (size_t i = 0; i < n; i++) {
        print_header(p->out, s, s->is_named ? conf_section_key(s, p->c->root, i) : "");
        for (size_t k = 0; k < s->option_count; k++)
            print_option(p, s, i, &s->options[k]);
    }
}

void conf_print_value(const struct conf *c, const struct conf_section *s, size_t index,
                      const struct conf_option *o, struct buf *out)
{
    struct conf_value v;
    if (index >= conf_section_count(s, c->root))
        return;
    if (!o) {
        buf_cstr(out, "(there)");
        return;
    }
    conf_value_load(o, conf_section_at(s, c->root, index), &v);
    if (o->type != CONF_TYPE_STRING || v.string)
        print_value(out, o, &v);
}

void conf_print(const struct conf *c, struct buf *out)
{
    struct effective p = {c, out};
    each_section(c->schema, print_section, &p);
}

/* ---- reference ---- */

static const char *const type_names[] = {
    [CONF_TYPE_STRING] = "string",        [CONF_TYPE_BOOL] = "true or false",
    [CONF_TYPE_INT] = "integer",          [CONF_TYPE_SIZE] = "size",
    [CONF_TYPE_DURATION] = "duration",    [CONF_TYPE_ENUM] = "string",
    [CONF_TYPE_LIST] = "list of strings",
};

static void print_bound(struct buf *out, const struct conf_option *o, const char *word,
                        int64_t bound)
{
    const struct conf_value v = {.integer = bound, .amount = (uint64_t)bound};
    buf_cstr(out, word);
    print_value(out, o, &v);
}

static void print_rules(struct buf *out, const struct conf_option *o)
{
    const bool is_number =
        o->type == CONF_TYPE_INT || o->type == CONF_TYPE_SIZE || o->type == CONF_TYPE_DURATION;
    buf_printf(out, "#   %s;", type_names[o->type]);
    if (o->flags & CONF_REQUIRED)
        buf_cstr(out, " required;");
    if (o->flags & CONF_SECRET)
        buf_cstr(out, " secret, also \"file:/path\" or \"env:NAME\";");
    if (is_number && (o->min != 0 || o->max != 0))
        print_bound(out, o, " from ", o->min);
    if (is_number && o->max != 0)
        print_bound(out, o, " to ", o->max);
    if (is_number && (o->min != 0 || o->max != 0))
        buf_char(out, ';');
    if (o->unit)
        buf_printf(out, " in %s;", o->unit);
    for (size_t i = 0; o->type == CONF_TYPE_ENUM && o->names[i]; i++)
        buf_printf(out, "%s\"%s\"%s", i ? ", " : " one of ", o->names[i],
                   o->names[i + 1] ? "" : ";");
    buf_printf(out, " changes with a %s\n", o->apply == CONF_RELOAD ? "reload" : "restart");
}

static void print_example(struct buf *out, const struct conf_option *o)
{

    char why[CONF_WHY];
    struct conf_value v = {0};
    struct arena *a = arena_new(0);
    if (o->def && conf_value_default(a, o, &v, why)) {
        buf_printf(out, "%s = ", o->name);
        print_value(out, o, &v);
        buf_char(out, '\n');
    } else {
        buf_printf(out, "# %s = (%s)\n", o->name, type_names[o->type]);
    }
    arena_free(&a);
}

static void print_section_reference(void *ctx, const struct conf_section *s)
{
    struct buf *out = ctx;
    print_header(out, s, "NAME");
    buf_printf(out, "# %s\n", s->doc);
    for (size_t i = 0; i < s->option_count; i++) {
        const struct conf_option *o = &s->options[i];
        buf_printf(out, "\n# %s\n", o->doc);
        print_rules(out, o);
        print_example(out, o);
    }
}

void conf_print_reference(const struct conf_schema *s, struct buf *out)
{
    each_section(s, print_section_reference, out);
}
