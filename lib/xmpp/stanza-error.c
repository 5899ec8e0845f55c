/* DOC: stanza error conditions (RFC 6120 section 8.3.3): names and default types from the one
 * table. */
#include "lib/xmpp/stanza-error.h"

static const struct {
    const char *name, *type;
} table[] = {[STANZA_OK] = {"ok", "cancel"},
#define ROW(id, name, type) [STANZA_##id] = {name, type},
             STANZA_COND_TABLE(ROW)
#undef ROW
};

const char *stanza_cond_name(enum stanza_cond c)
{
    must((size_t)c < ARRAY_LEN(table));
    return table[c].name;
}

const char *stanza_cond_type(enum stanza_cond c)
{
    must((size_t)c < ARRAY_LEN(table));
    return table[c].type;
}

enum stanza_cond stanza_cond_find(struct str name)
{
    for (size_t i = STANZA_OK + 1; i < ARRAY_LEN(table); i++) {
        if (str_eqc(name, table[i].name))
            return (enum stanza_cond)i;
    }
    return STANZA_UNDEFINED_CONDITION;
}
