/* DOC: Service Discovery of the domain and of accounts. Features come from the module tables,
 * everything else from the hook disco. An account shows itself to its user and to contacts who may
 * see its presence; to others it does not exist (the roster is loaded before, see needs_roster in
 * node/session/user-queue.c). One without a password shows to all what it is. Standards: XEP-0030,
 * XEP-0175 section 5. */
#include "node/mod/disco.h"
#include "lib/xmpp/xep.h"
#include "node/auth/account.h"
#include "node/mod/mods.h"
#include "node/session/roster.h"
#include "node/session/user.h"

static void add_features(struct arena *a, struct xml *query, const struct node *n, bool account)
{
    size_t count;
    const struct module *const *m = module_list(n, &count);
    for (size_t i = 0; i < count; i++) {
        const char *const *f = account ? m[i]->account_features : m[i]->server_features;
        for (; f && *f; f++)
            xml_set(a, xml_add(a, query, NS_DISCO_INFO, "feature"), "var", str_of(*f));
    }
}

static void add_identity(struct arena *a, struct xml *query, const char *account_or_null)
{
    struct xml *id = xml_add(a, query, NS_DISCO_INFO, "identity");
    xml_set(a, id, "category", account_or_null ? STR("account") : STR("server"));
    xml_set(a, id, "type", account_or_null ? str_of(account_or_null) : STR("im"));
    if (!account_or_null)
        xml_set(a, id, "name", STR("Meridian"));
}

struct answer {
    struct iq_request *request;
    bool is_known_node;
};

static void collected(void *ctx, struct hook_run *run, struct disco_subject *d, enum verdict v)
{
    struct answer *an = ctx;
    (void)run;
    if (v == V_BOUNCE || (!an->is_known_node && !xml_first(d->query)))
        iq_error(an->request, STANZA_ITEM_NOT_FOUND, NULL);
    else
        iq_result_el(an->request, d->query);
}

static struct xml *basics(struct arena *a, const struct node *n, const char *account_or_null)
{
    struct xml *query = xml_new(a, NS_DISCO_INFO, "query");
    add_identity(a, query, account_or_null);
    add_features(a, query, n, account_or_null != NULL);
    return query;
}

static void collected_basics(void *ctx, struct hook_run *run, struct disco_subject *d,
                             enum verdict v)
{
    (void)ctx;
    (void)run;
    (void)d;
    (void)v;
}

struct xml *mod_disco_server(struct node_shard *sh, struct arena *a)
{
    struct disco_subject d = {.arena = a, .query = basics(a, sh->node, NULL)};
    hook_run_disco(sh, &d, collected_basics, NULL);
    return d.query;
}

static bool is_anonymous(const struct user *u)
{
    return account_is_anonymous(u->shard->node->conf, u->bare.local);
}

/* The type of the account; NULL: the domain is asked. */
static const char *account_type(const struct user *u_or_null)
{
    return !u_or_null ? NULL : is_anonymous(u_or_null) ? "anonymous" : "registered";
}

static void answer(struct iq_request *r, bool items)
{
    struct arena *a = arena_new(0);
    bool account = r->user != NULL;
    struct str node = xml_get(stanza_payload(r->stanza), "node");
    bool plain = !items && !node.p;
    struct xml *query = plain ? basics(a, r->shard->node, account_type(r->user))
                              : xml_new(a, items ? NS_DISCO_ITEMS : NS_DISCO_INFO, "query");
    xml_set(a, query, "node", node);
    struct answer an = {.request = r, .is_known_node = !node.p};
    struct disco_subject d = {
        .arena = a, .query = query, .items = items, .account = account, .node = node};
    hook_run_disco(r->shard, &d, collected, &an); /* a hook that cannot park */
    arena_free(&a);
}

static bool may_see(const struct iq_request *r)
{
    return !r->user || r->session || is_anonymous(r->user) ||
           roster_shows_to(r->user, &r->stanza->from);
}

static void on_info(struct iq_request *r)
{
    if (may_see(r))
        answer(r, false);
    else
        iq_error(r, STANZA_SERVICE_UNAVAILABLE, NULL);
}

static void on_items(struct iq_request *r)
{
    if (may_see(r))
        answer(r, true);
    else
        iq_error(r, STANZA_SERVICE_UNAVAILABLE, NULL);
}

XEP("0030", "2.5.0", COMPLETE);

static const struct iq_handler iqs[] = {
    {NS_DISCO_INFO, "query", IQ_TO_SERVER, true, false, false, on_info},
    {NS_DISCO_ITEMS, "query", IQ_TO_SERVER, true, false, false, on_items},
    {NS_DISCO_INFO, "query", IQ_TO_ACCOUNT, true, false, false, on_info},
    {NS_DISCO_ITEMS, "query", IQ_TO_ACCOUNT, true, false, false, on_items},
};
static const char *const features[] = {NS_DISCO_INFO, NS_DISCO_ITEMS, NULL};

const struct module mod_disco = {
    .name = "disco",
    .xep = "0030",
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .iqs_need_roster = true,
    .server_features = features,
    .account_features = features,
};
