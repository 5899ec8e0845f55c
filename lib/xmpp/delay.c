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
