/* DOC: what clients keep for themselves: one element for each name and namespace, in the store's
 * map "private" of the account under "name namespace". Nobody else reads or writes it. A set of
 * several elements is one transaction. Standards: XEP-0049. */
#include "lib/base/log.h"
#include "lib/xmpp/xep.h"
#include "lib/xmpp/xml-parse.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

XEP("0049", "1.2", COMPLETE);

#define TABLE "private"
#define SET_MAX 16 /* elements of one set */

static struct str key_of(struct arena *a, const struct xml *el)
{
    return arena_printf(a, "%s %s", el->name, el->ns);
}

/* The elements asked about; false: none, too many, or one that is not an extension's. */
static size_t children(const struct iq_request *r, const struct xml *out[SET_MAX])
{
    size_t n = 0;
    xml_each(stanza_payload(r->stanza), c)
    {
        bool is_foreign = c->el->ns != NS_PRIVATE && c->el->ns != NS_CLIENT;
        if (n == SET_MAX || !is_foreign || strlen(c->el->name) + strlen(c->el->ns) > 1024)
            return 0;
        out[n++] = c->el;
    }
    return n;
}

/* ---- get: one element */
static void got(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                uint64_t version)
{
    struct iq_request *r = ctx;
    struct arena *a = arena_new(0);
    const struct xml *wish = xml_first(stanza_payload(r->stanza));
    struct xml *query = xml_new(a, NS_PRIVATE, "query");
    struct xml_doc *doc = NULL;
    (void)version;
    bool found = e == ERR_OK && n && str_eq(entries[0].key, key_of(a, wish));
    if (found)
        e = xml_parse_one(entries[0].value, NS_CLIENT, &xml_limits_default, &doc);
    if (e != ERR_OK) {
        log_error(NULL, "private.read.failed", "user", LOG_STR(r->user->bare.full), "why",
                  err_text(e));
        iq_error(r, STANZA_INTERNAL_SERVER_ERROR, NULL);
    } else {
        xml_add_el(a, query, found ? xml_copy(a, doc->root) : xml_new(a, wish->ns, wish->name));
        iq_result_el(r, query);
    }
    xml_doc_free(&doc);
    arena_free(&a);
}

static void on_get(struct iq_request *r, const struct xml *wish)
{
    struct arena *a = arena_new(0);
    store_map_read(r->shard->store, &r->ops, TABLE, r->user->bare.full, key_of(a, wish), 1, got, r);
    arena_free(&a);
}

/* ---- set */
static void written(void *ctx, enum err e)
{
    struct iq_request *r = ctx;
    if (e == ERR_OK) {
        iq_result(r);
        return;
    }
    log_error(NULL, "private.write.failed", "user", LOG_STR(r->user->bare.full), "why",
              err_text(e));
    iq_error(r, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

/* False: larger than allowed. */
static bool put(struct store_txn *t, struct arena *a, const struct xml *el, size_t max)
{
    struct buf text;
    buf_init(&text, max);
    xml_write(&text, el, NS_CLIENT);
    bool ok = buf_ok(&text);
    if (ok)
        store_txn_map_put(t, TABLE, key_of(a, el), buf_view(&text));
    buf_fini(&text);
    return ok;
}

static void counted(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                    uint64_t version)
{
    struct iq_request *r = ctx;
    const struct node_conf *conf = r->shard->node->conf;
    const struct xml *els[SET_MAX];
    size_t n_els = children(r, els), fresh = n_els;
    (void)version;
    if (e != ERR_OK) {
        written(r, e);
        return;
    }
    struct arena *a = arena_new(0);
    struct store_txn *t = store_txn_new(r->shard->store, r->user->bare.full);
    bool fits = true;
    for (size_t i = 0; i < n_els; i++) {
        for (size_t k = 0; k < n; k++)
            fresh -= str_eq(entries[k].key, key_of(a, els[i]));
        fits = fits && put(t, a, els[i], conf->private_bytes);
    }
    if (!fits || n + fresh > conf->private_max) {
        store_txn_drop(&t);
        iq_error(r, STANZA_RESOURCE_CONSTRAINT,
                 fits ? "too many elements are stored" : "the element is too large");
    } else {
        store_commit(&t, &r->ops, written, r);
    }
    arena_free(&a);
}

static void on_private(struct iq_request *r)
{
    const struct xml *els[SET_MAX];
    size_t n = children(r, els);
    if (!r->session && !jid_bare_eq(&r->stanza->from, &r->user->bare))
        iq_error(r, STANZA_FORBIDDEN, NULL);
    else if (!n || (r->stanza->type == IQ_GET && n > 1))
        iq_error(r, STANZA_NOT_ACCEPTABLE, NULL);
    else if (r->stanza->type == IQ_GET)
        on_get(r, els[0]);
    else
        store_map_read(r->shard->store, &r->ops, TABLE, r->user->bare.full, STR(""),
                       r->shard->node->conf->private_max, counted, r);
}

static const struct iq_handler iqs[] = {
    {NS_PRIVATE, "query", IQ_TO_ACCOUNT, true, true, false, on_private},
};
static const struct module_data data[] = {{DATA_MAP, TABLE, NULL}};
static const char *const features[] = {NS_PRIVATE, NULL};

const struct module mod_private = {
    .name = "private",
    .xep = "0049",
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .data = data,
    .n_data = ARRAY_LEN(data),
    .server_features = features,
    .account_features = features,
};
