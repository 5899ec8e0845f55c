/* DOC: whom to write to about this service, as the operator says ([modules.contact]), in the
 * disco#info answer of the domain. Standards: XEP-0157, XEP-0128. */
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"

XEP("0157", "1.1.1", COMPLETE);
XEP("0128", "1.0.1", COMPLETE);

static const char *const vars[CONTACT_COUNT] = {
    [CONTACT_ABUSE] = "abuse-addresses",       [CONTACT_ADMIN] = "admin-addresses",
    [CONTACT_FEEDBACK] = "feedback-addresses", [CONTACT_SALES] = "sales-addresses",
    [CONTACT_SECURITY] = "security-addresses", [CONTACT_STATUS] = "status-addresses",
    [CONTACT_SUPPORT] = "support-addresses",
};

static struct xml *field(struct arena *a, struct xml *form, const char *var)
{
    struct xml *f = xml_add(a, form, NS_DATA_FORMS, "field");
    xml_set(a, f, "var", str_of(var));
    return f;
}

static void value(struct arena *a, struct xml *f, const char *text)
{
    xml_add_text(a, xml_add(a, f, NS_DATA_FORMS, "value"), str_of(text));
}

static struct xml *form_new(struct arena *a)
{
    struct xml *form = xml_new(a, NS_DATA_FORMS, "x");
    xml_set(a, form, "type", STR("result"));
    struct xml *type = field(a, form, "FORM_TYPE");
    xml_set(a, type, "type", STR("hidden"));
    value(a, type, "http://jabber.org/network/serverinfo");
    return form;
}

static enum verdict on_disco(struct hook_run *run, struct disco_subject *d)
{
    const struct node_conf *c = run->shard->node->conf;
    struct xml *form = NULL;
    if (d->items || d->account || d->node.p)
        return V_PASS;
    for (int i = 0; i < CONTACT_COUNT; i++) {
        const char *const *address = c->contacts[i];
        if (!address)
            continue;
        if (!form)
            xml_add_el(d->arena, d->query, form = form_new(d->arena));
        for (struct xml *f = field(d->arena, form, vars[i]); *address; address++)
            value(d->arena, f, *address);
    }
    return V_PASS;
}

static const struct hook_handler hooks[] = {HOOK_ON(disco, PH_ANNOTATE, on_disco)};

const struct module mod_contact = {
    .name = "contact",
    .xep = "0157",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
};
