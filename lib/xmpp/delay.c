/* DOC: delay stamps (XEP-0203): when a stanza was first held back, and by whom. */
#include "lib/xmpp/delay.h"
#include "lib/base/encode.h"

void delay_add(struct arena *a, struct xml *stanza_el, struct str from, uint64_t at_wall_us,
               struct str reason)
{
    char stamp[DATEFMT_LEN + 1];
    struct xml *d = xml_add(a, stanza_el, NS_DELAY, "delay");
    xml_set(a, d, "from", from);
    xml_set(a, d, "stamp", str_of(datefmt_utc(stamp, at_wall_us)));
    xml_add_text(a, d, reason);
}

bool delay_get(const struct stanza *s, struct str from, uint64_t *at_wall_us)
{
    xml_each(s->el, n)
    {
        if (xml_is(n->el, NS_DELAY, "delay") && str_eq(xml_get(n->el, "from"), from) &&
            datefmt_parse(xml_get(n->el, "stamp"), at_wall_us) == ERR_OK)
            return true;
    }
    return false;
}

struct stanza *delay_stamp(struct stanza *s, struct str from, uint64_t at_wall_us)
{
    uint64_t before;
    if (s->kind == STANZA_IQ || delay_get(s, from, &before))
        return stanza_ref(s);
    struct stanza_edit e;
    stanza_edit(&e, s);
    delay_add(e.arena, e.el, from, at_wall_us, STR_NONE);
    return stanza_edited(&e);
}
