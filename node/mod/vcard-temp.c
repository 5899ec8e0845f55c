/* DOC: vCards in the old form, kept as the client wrote them. Everybody may read one; who has none
 * looks like who does not exist (section 3.3). Standards: XEP-0054. */
#include "lib/base/log.h"
#include "lib/xmpp/xep.h"
#include "lib/xmpp/xml-parse.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

XEP("0054", "1.3.0", COMPLETE);

#define TABLE "vcard"
#define KEY "vcard-temp"

static bool is_own(const struct iq_request *r)
{
    return r->session || jid_bare_eq(&r->stanza->from, &r->user->bare);
}

static void failed(struct iq_request *r, bool is_write, enum err e)
{
    log_error(NULL, is_write ? "vcard.write.failed" : "vcard.read.failed", "user",
              LOG_STR(r->user->bare.full), "why", err_text(e));
    iq_error(r, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

static void got(void *ctx, enum err e, const struct store_kv *v)
{
    struct iq_request *r = ctx;
    struct xml_doc *doc = NULL;
    if (e == ERR_NOTFOUND) {
        iq_error(r, is_own(r) ? STANZA_ITEM_NOT_FOUND : STANZA_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    if (e == ERR_OK)
        e = xml_parse_one(v->value, NS_CLIENT, &xml_limits_default, &doc);
    if (e == ERR_OK)
        iq_result_el(r, doc->root);
    else
        failed(r, false, e);
    xml_doc_free(&doc);
}

static void written(void *ctx, enum err e)
{
    struct iq_request *r = ctx;
    if (e == ERR_OK)
        iq_result(r);
    else
        failed(r, true, e);
}

static void on_set(struct iq_request *r)
{
    struct buf text;
    buf_init(&text, r->shard->node->conf->vcard_bytes);
    xml_write(&text, stanza_payload(r->stanza), NS_CLIENT);
    if (buf_ok(&text)) {
        struct store_txn *t = store_txn_new(r->shard->store, r->user->bare.full);
        store_txn_kv_put(t, TABLE, STR(KEY), buf_view(&text), STORE_REV_ANY);
        store_commit(&t, &r->ops, written, r);
    } else {
        iq_error(r, STANZA_NOT_ACCEPTABLE, "the vCard is too large");
    }
    buf_fini(&text);
}

static void on_vcard(struct iq_request *r)
{
    if (r->stanza->type == IQ_GET)
        store_kv_get(r->shard->store, &r->ops, TABLE, r->user->bare.full, STR(KEY), got, r);
    else if (is_own(r))
        on_set(r);
    else
        iq_error(r, STANZA_FORBIDDEN, NULL);
}

static const struct iq_handler iqs[] = {
    {NS_VCARD_TEMP, "vCard", IQ_TO_ACCOUNT, true, true, false, on_vcard},
};
static const struct module_data data[] = {{DATA_KV, TABLE, KEY}};
static const char *const features[] = {NS_VCARD_TEMP, NULL};

const struct module mod_vcard_temp = {
    .name = "vcard-temp",
    .xep = "0054",
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .data = data,
    .n_data = ARRAY_LEN(data),
    .server_features = features,
    .account_features = features,
};
