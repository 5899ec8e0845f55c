/* A document into a root struct: every section and option of the schema, then every name the schema
 * does not know. Goes on after errors, so that an operator sees all of them at once. */
#include "conf/conf-int.h"

struct fill {
    struct conf *c;
    struct conf_errors *errs;
};

/* "[listen.c2s] port", "port" at the top of the file. */
static void option_error(struct fill *f, struct toml_pos pos, const struct conf_section *s,
                         const char *option, const char *what)
{
    if (s->name[0])
        conf_error(f->errs, f->c->file, pos, "[%s] %s %s", s->name, option, what);
    else
        conf_error(f->errs, f->c->file, pos, "%s %s", option, what);
}

/* ---- options ---- */

static bool read_option(struct fill *f, const struct conf_option *o, const struct toml_value *from,
                        struct conf_value *v, char why[CONF_WHY])
{
    struct arena *a = f->c->mem;
    if (!conf_value_read(a, o, from, v, why))
        return false;
    if (o->flags & CONF_SECRET) {
        if (from->u.string.n > 0)
            conf_secret_wipe_later(a, from->u.string.p);
        if (!conf_secret_resolve(a, f->c->file, v->string, &v->string, why))
            return false;
    }
    return conf_value_allowed(o, v, why);
}

static void fill_option(struct fill *f, const struct conf_section *s, const struct conf_option *o,
                        const struct toml_table *t, struct toml_pos section_pos, char *base)
{
    char why[CONF_WHY];
    struct conf_value v = {0};
    const struct toml_pair *pair = t ? toml_find(t, str_of(o->name)) : NULL;
    if (pair) {
        if (read_option(f, o, &pair->value, &v, why))
            conf_value_store(o, &v, base);
        else
            option_error(f, pair->value.pos, s, o->name, why);
        return;
    }
    if (o->def) {
        must(conf_value_default(f->c->mem, o, &v, why)); /* conf_schema_check has tried it */
        conf_value_store(o, &v, base);
    } else if (t && (o->flags & CONF_REQUIRED)) {
        option_error(f, section_pos, s, o->name, "is required");
    }
}

static void fill_struct(struct fill *f, const struct conf_section *s, const struct toml_table *t,
                        struct toml_pos pos, char *base)
{
    for (size_t i = 0; i < s->option_count; i++)
        fill_option(f, s, &s->options[i], t, pos, base);
}

/* ---- sections ---- */

static void fill_array(struct fill *f, const struct conf_section *s, const struct toml_pair *pair)
{
    const size_t n = pair && pair->value.type == TOML_ARRAY ? pair->value.u.array.n : 0;
    const struct toml_pos pos = pair ? pair->pos : (struct toml_pos){1, 1};
    if (pair && pair->value.type != TOML_ARRAY)
        conf_error(f->errs, f->c->file, pos, "there can be several of this: write [[%s]]", s->name);
    else if (n < s->min_count)
        conf_error(f->errs, f->c->file, pos, "at least %zu [[%s]] must be there", s->min_count,
                   s->name);
    char *items = arena_alloc(f->c->mem, (n + 1) * s->size);
    memcpy(f->c->root + s->offset, &items, sizeof items);
    memcpy(f->c->root + s->count_offset, &n, sizeof n);
    for (size_t i = 0; i < n; i++) {
        const struct toml_value *v = &pair->value.u.array.items[i];
        if (v->type == TOML_TABLE)
            fill_struct(f, s, v->u.table, v->pos, items + i * s->size);
        else
            conf_error(f->errs, f->c->file, v->pos, "[[%s]] must be a table, not %s", s->name,
                       toml_type_name(v->type));
    }
}

static void fill_named(struct fill *f, const struct conf_section *s, const struct toml_pair *pair)
{
    const bool is_table = pair && pair->value.type == TOML_TABLE;
    const size_t n = is_table ? pair->value.u.table->n : 0;
    if (pair && !is_table)
        conf_error(f->errs, f->c->file, pair->pos, "each of these has a name: write [%s.NAME]",
                   s->name);
    char *items = arena_alloc(f->c->mem, (n + 1) * s->size);
    memcpy(f->c->root + s->offset, &items, sizeof items);
    memcpy(f->c->root + s->count_offset, &n, sizeof n);
    for (size_t i = 0; i < n; i++) {
        const struct toml_pair *one = &pair->value.u.table->pairs[i];
        const char *key = one->key.p;
        memcpy(items + i * s->size + s->key_offset, &key, sizeof key);
        if (one->value.type == TOML_TABLE)
            fill_struct(f, s, one->value.u.table, one->pos, items + i * s->size);
        else
            conf_error(f->errs, f->c->file, one->pos, "[%s] each has a name: write [%s.NAME]",
                       s->name, s->name);
    }
}

static void fill_section(struct fill *f, const struct conf_section *s)
{
    const struct toml_pair *pair = s->name[0] ? conf_doc_find(f->c->doc, s->name) : NULL;
    const struct toml_pos pos = pair ? pair->pos : (struct toml_pos){1, 1};
    if (s->is_named) {
        fill_named(f, s, pair);
        return;
    }
    if (s->is_array) {
        fill_array(f, s, pair);
        return;
    }
    const struct toml_table *t = s->name[0] ? NULL : f->c->doc;
    if (pair && pair->value.type == TOML_TABLE)
        t = pair->value.u.table;
    else if (pair && pair->value.type == TOML_ARRAY)
        conf_error(f->errs, f->c->file, pos, "there is only one of this: write [%s]", s->name);
    else if (pair)
        conf_error(f->errs, f->c->file, pos, "[%s] must be a table, not %s", s->name,
                   toml_type_name(pair->value.type));
    else if (!t && s->min_count > 0)
        conf_error(f->errs, f->c->file, pos, "section [%s] must be there", s->name);
    fill_struct(f, s, t, pos, f->c->root + s->offset);
}

/* ---- names nobody knows ---- */

/* The part of a section's name that follows path: "c2s" of "listen.c2s" for "listen"; STR_NONE when
 * it is not below. */
static struct str part_below(const char *section, const char *path)
{
    struct str rest = str_of(section);
    if (path[0]) {
        if (!str_starts(rest, str_of(path)) || rest.n <= strlen(path) + 1 ||
            rest.p[strlen(path)] != '.')
            return STR_NONE;
        rest = str_make(rest.p + strlen(path) + 1, rest.n - strlen(path) - 1);
    }
    return rest.n > 0 ? str_cut(&rest, '.') : STR_NONE;
}

static bool is_section_part(const struct conf_schema *s, const char *path, struct str key)
{
    for (size_t i = 0; i < s->section_count; i++) {
        const struct str part = part_below(s->sections[i].name, path);
        if (part.p && str_eq(part, key))
            return true;
    }
    return false;
}

static void suggest_all(const struct conf_schema *s, const char *path, struct str key,
                        struct conf_suggestion *best)
{
    const struct conf_section *here = conf_section_find(s, str_of(path));
    for (size_t i = 0; here && i < here->option_count; i++)
        conf_suggest(best, key, str_of(here->options[i].name));
    for (size_t i = 0; i < s->section_count; i++) {
        const struct str part = part_below(s->sections[i].name, path);
        if (part.p)
            conf_suggest(best, key, part);
    }
}

static const struct conf_section *elsewhere(const struct conf_schema *s, struct str key)
{
    for (size_t i = 0; i < s->section_count; i++)
        if (s->sections[i].name[0] && conf_option_find(&s->sections[i], key))
            return &s->sections[i];
    return NULL;
}

static const char *known_elsewhere(const struct conf_schema *s, const char *path, struct str key)
{
    size_t n = strlen(path);
    for (const struct conf_known *k = s->known; k && k->name; k++) {
        bool is_in = n == 0 || (strncmp(k->name, path, n) == 0 && k->name[n] == '.');
        if (is_in && str_eqc(key, k->name + n + (n > 0)))
            return k->hint;
    }
    return NULL;
}

static void unknown(struct fill *f, const struct toml_pair *pair, const char *path)
{
    const struct conf_schema *s = f->c->schema;
    struct conf_suggestion best = {0};
    const struct conf_section *other = elsewhere(s, pair->key);
    char hint[CONF_WHY] = "", where[CONF_PATH_MAX + 8] = "";
    const char *known = known_elsewhere(s, path, pair->key);
    suggest_all(s, path, pair->key, &best);
    if (known)
        snprintf(hint, sizeof hint, "; %s", known);
    else if (best.best)
        snprintf(hint, sizeof hint, "; did you mean \"%.*s\"?", (int)best.length, best.best);
    else if (other)
        snprintf(hint, sizeof hint, "; it belongs into [%s]", other->name);
    if (path[0])
        snprintf(where, sizeof where, "[%s] ", path);
    conf_error(f->errs, f->c->file, pair->pos, "%sunknown %s \"%.60s\"%s", where,
               pair->value.type == TOML_TABLE ? "section" : "option", pair->key.p, hint);
}

static void check_names(struct fill *f, const struct toml_table *t, const char *path);

/* The options of [path.KEY]. */
static void check_named(struct fill *f, const struct conf_section *s, const struct toml_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!conf_option_find(s, t->pairs[i].key))
            unknown(f, &t->pairs[i], s->name);
}

static void check_pair(struct fill *f, const struct toml_pair *pair, const char *path)
{
    const struct conf_section *here = conf_section_find(f->c->schema, str_of(path));
    if (here && here->is_named) {
        if (pair->value.type == TOML_TABLE) /* else fill_named has said so */
            check_named(f, here, pair->value.u.table);
        return;
    }
    if (here && conf_option_find(here, pair->key))
        return;
    if (str_find(pair->key, '.') >= 0 || !is_section_part(f->c->schema, path, pair->key)) {
        unknown(f, pair, path);
        return;
    }
    char below[CONF_PATH_MAX];
    const struct toml_value *v = &pair->value;
    snprintf(below, sizeof below, "%s%s" STR_FMT, path, path[0] ? "." : "", STR_ARG(pair->key));
    if (v->type == TOML_TABLE)
        check_names(f, v->u.table, below);
    else if (v->type == TOML_ARRAY && conf_section_find(f->c->schema, str_of(below)))
        for (size_t i = 0; i < v->u.array.n; i++) {
            if (v->u.array.items[i].type == TOML_TABLE)
                check_names(f, v->u.array.items[i].u.table, below);
        }
    else if (!conf_section_find(f->c->schema, str_of(below)))
        conf_error(f->errs, f->c->file, pair->pos, "[%s] must be a table, not %s", below,
                   toml_type_name(v->type));
}

static void check_names(struct fill *f, const struct toml_table *t, const char *path)
{
    for (size_t i = 0; i < t->n; i++)
        check_pair(f, &t->pairs[i], path);
}

void conf_fill(struct conf *c, struct conf_errors *errs)
{
    struct fill f = {c, errs};
    for (size_t i = 0; i < c->schema->section_count; i++)
        fill_section(&f, &c->schema->sections[i]);
    check_names(&f, c->doc, "");
}
