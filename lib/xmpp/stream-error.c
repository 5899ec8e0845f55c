/* DOC: stream error conditions (RFC 6120 section 4.9.3): names from the one table, and reading
 * <stream:error/>. */
#include "lib/xmpp/stream-error.h"
#include "lib/xmpp/xml.h"

static const char *const names[] = {[STREAM_OK] = "ok",
#define ROW(id, name) [STREAM_##id] = name,
                                    STREAM_COND_TABLE(ROW)
#undef ROW
};

const char *stream_cond_name(enum stream_cond c)
{
    must((size_t)c < ARRAY_LEN(names));
    return names[c];
}

enum stream_cond stream_cond_find(struct str name)
{
    for (size_t i = STREAM_OK + 1; i < ARRAY_LEN(names); i++) {
        if (str_eqc(name, names[i]))
            return (enum stream_cond)i;
    }
    /* RFC 3920 name, still sent by old peers */
    return str_eqc(name, "xml-not-well-formed") ? STREAM_NOT_WELL_FORMED
                                                : STREAM_UNDEFINED_CONDITION;
}

enum stream_cond stream_error_read(const struct xml *error, struct str *text)
{
    enum stream_cond c = STREAM_UNDEFINED_CONDITION;
    bool is_found = false;
    *text = STR_NONE;
    xml_each(error, n)
    {
        if (!xml_is(n->el, NS_STREAM_ERRORS, n->el->name))
            continue;
        if (strcmp(n->el->name, "text") == 0) {
            if (n->el->first && !n->el->first->el)
                *text = n->el->first->text;
        } else if (!is_found) {
            c = stream_cond_find(str_of(n->el->name));
            is_found = true;
        }
    }
    return c;
}
