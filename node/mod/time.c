/* DOC: what time it is here. Servers live in UTC: the offset of their operating system says nothing
 * about a user. Standards: XEP-0202, XEP-0082. */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"

XEP("0202", "2.0", COMPLETE);
XEP("0082", "1.1.1", COMPLETE);

static void on_time(struct iq_request *r)
{
    char now[DATEFMT_LEN + 1];
    struct arena *a = arena_new(0);
    struct xml *t = xml_new(a, NS_TIME, "time");
    xml_add_text(a, xml_add(a, t, NS_TIME, "tzo"), STR("+00:00"));
    xml_add_text(a, xml_add(a, t, NS_TIME, "utc"), str_of(datefmt_utc(now, clock_wall_us())));
    iq_result_el(r, t);
    arena_free(&a);
}

static const struct iq_handler iqs[] = {
    {NS_TIME, "time", IQ_TO_SERVER, true, false, false, on_time},
};
static const char *const features[] = {NS_TIME, NULL};

const struct module mod_time = {
    .name = "time",
    .xep = "0202",
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .server_features = features,
};
