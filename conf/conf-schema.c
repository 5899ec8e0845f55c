/* Mistakes in option tables are the programmer's: found at the first load, in every run of every
 * test. */
#include "conf/conf-int.h"

NORETURN static void mistake(const char *section, const char *option, const char *what)
{
    char text[CONF_WHY * 2];
    snprintf(text, sizeof text, "option table [%s] %s: %s", section, option, what);
    panic_at(__FILE__, __LINE__, text);
}

static bool is_name(const char *s, bool dots)
{
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_' || *s == '-' ||
              (dots && *s == '.')))
            return false;
    return true;
}

static const char *option_mistake(const struct conf_section *s, const struct conf_option *o)
{
    if (!o->name || !o->name[0] || !is_name(o->name, false))
        return "bad name";
    if (conf_option_find(s, str_of(o->name)) != o)
        return "name is there twice";
    if (!o->doc)
        return "no doc";
    if (o->offset >= s->size)
        return "member is outside of the section's struct";
    if ((o->flags & CONF_REQUIRED) && o->def)
        return "required with a default";
    if ((o->flags & CONF_SECRET) && (o->type != CONF_TYPE_STRING || o->def))
        return "a secret is a string without default";
    if (o->type == CONF_TYPE_ENUM && !o->names)
        return "enum without names";
    return o->max != 0 && o->max < o->min ? "bounds are crossed" : NULL;
}

static void check_option(const struct conf_section *s, const struct conf_option *o)
{
    char why[CONF_WHY];
    struct conf_value v = {0};
    const char *what = option_mistake(s, o);
    if (what)
        mistake(s->name, o->name ? o->name : "?", what);
    if (!o->def)
        return;
    struct arena *a = arena_new(0);
    if (!conf_value_default(a, o, &v, why) || !conf_value_allowed(o, &v, why))
        mistake(s->name, o->name, why);
    arena_free(&a);
}

static const char *section_mistake(const struct conf_schema *schema, const struct conf_section *s)
{
    if (!s->name || !is_name(s->name, true) || strlen(s->name) >= CONF_PATH_MAX)
        return "bad name";
    if (conf_section_find(schema, str_of(s->name)) != s)
        return "name is there twice";
    if (s->is_array && !s->name[0])
        return "the top of the file is no array";
    if (!s->doc)
        return "no doc";
    if (s->offset + (s->is_array ? sizeof(void *) : s->size) > schema->root_size)
        return "member is outside of the root struct";
    return NULL;
}

void conf_schema_check(const struct conf_schema *schema)
{
    for (size_t i = 0; i < schema->section_count; i++) {
        const struct conf_section *s = &schema->sections[i];
        const char *what = section_mistake(schema, s);
        if (what)
            mistake(s->name ? s->name : "?", "", what);
        for (size_t k = 0; k < s->option_count; k++)
            check_option(s, &s->options[k]);
    }
}
