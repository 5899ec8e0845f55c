/* DOC: what software this is. The operating system is told only if the operator wants that (the
 * XEP's section on security). Standards: XEP-0092. */
#include <sys/utsname.h>

#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"

XEP("0092", "1.1", COMPLETE);

static void add(struct arena *a, struct xml *query, const char *name, const char *text)
{
    xml_add_text(a, xml_add(a, query, NS_VERSION, name), str_of(text));
}

static void on_version(struct iq_request *r)
{
    struct arena *a = arena_new(0);
    struct xml *query = xml_new(a, NS_VERSION, "query");
    struct utsname os;
    add(a, query, "name", "Meridian");
    add(a, query, "version", MERIDIAN_VERSION);
    if (r->shard->node->conf->version_os && uname(&os) == 0)
        add(a, query, "os", os.sysname);
    iq_result_el(r, query);
    arena_free(&a);
}

static const struct iq_handler iqs[] = {
    {NS_VERSION, "query", IQ_TO_SERVER, true, false, false, on_version},
};
static const char *const features[] = {NS_VERSION, NULL};

const struct module mod_version = {
    .name = "version",
    .xep = "0092",
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .server_features = features,
};
