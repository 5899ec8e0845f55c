/* Finding things by name: sections and options in a schema, their tables in a document, their
 * structs in a root. */
#include "conf/conf-int.h"

const struct conf_section *conf_section_find(const struct conf_schema *s, struct str name)
{
    for (size_t i = 0; i < s->section_count; i++)
        if (str_eqc(name, s->sections[i].name))
            return &s->sections[i];
    return NULL;
}

const struct conf_option *conf_option_find(const struct conf_section *s, struct str name)
{
    for (size_t i = 0; i < s->option_count; i++)
        if (str_eqc(name, s->options[i].name))
            return &s->options[i];
    return NULL;
}

const struct toml_pair *conf_doc_find(const struct toml_table *doc, const char *name)
{
    const struct toml_pair *pair = NULL;
    for (struct str rest = str_of(name); rest.p;) {
        if (pair && pair->value.type != TOML_TABLE)
            return NULL;
        pair = toml_find(pair ? pair->value.u.table : doc, str_cut(&rest, '.'));
        if (!pair)
            return NULL;
    }
    return pair;
}

const struct toml_table *conf_doc_section(const struct toml_table *doc,
                                          const struct conf_section *s, size_t index)
{
    if (!s->name[0])
        return doc;
    const struct toml_pair *pair = conf_doc_find(doc, s->name);
    if (!pair)
        return NULL;
    const struct toml_value *v = &pair->value;
    if (s->is_named && v->type == TOML_TABLE) {
        if (index >= v->u.table->n)
            return NULL;
        v = &v->u.table->pairs[index].value;
    }
    if (v->type == TOML_ARRAY && index < v->u.array.n)
        v = &v->u.array.items[index];
    return v->type == TOML_TABLE ? v->u.table : NULL;
}

size_t conf_section_count(const struct conf_section *s, const char *root)
{
    size_t n = 1;
    if (s->is_array)
        memcpy(&n, root + s->count_offset, sizeof n);
    return n;
}

const char *conf_section_at(const struct conf_section *s, const char *root, size_t index)
{
    const char *base = root + s->offset;
    if (s->is_array)
        memcpy(&base, root + s->offset, sizeof base);
    return base + index * s->size;
}

const char *conf_section_key(const struct conf_section *s, const char *root, size_t index)
{
    const char *key;
    memcpy(&key, conf_section_at(s, root, index) + s->key_offset, sizeof key);
    return key ? key : "";
}
