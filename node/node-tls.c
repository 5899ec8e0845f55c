/* The TLS contexts of a node, one per role, made from the files of the configuration and made again
 * by a reload. Clients are asked for certificates when there are CAs for them, servers always
 * (XEP-0178); region
 * links trust the region CA and nothing else. How long our own certificates are good for is looked
 * at every few hours and said in the log. Source: RFC 7590, RFC 6120 section 13. */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "node/node-int.h"

enum { WATCH_MS = 6 * 3600 * 1000, WARN_DAYS = 21, ALARM_DAYS = 3 };

static const struct role {
    bool is_server, is_region, asks_peer;
    const char *alpn;
} roles[NODE_TLS_ROLES] = {
    [NODE_TLS_C2S] = {true, false, false, "xmpp-client"},
    [NODE_TLS_S2S_IN] = {true, false, true, "xmpp-server"},
    [NODE_TLS_S2S_OUT] = {false, false, true, "xmpp-server"},
    [NODE_TLS_REGION_IN] = {true, true, true, "xmpp-server"},
    [NODE_TLS_REGION_OUT] = {false, true, true, "xmpp-server"},
};

static struct tls_ctx_conf role_conf(const struct node_conf *c, const struct role *r)
{
    struct tls_ctx_conf t = {
        .cert_file = r->is_region ? c->region_cert_file : c->cert_file,
        .key_file = r->is_region ? c->region_key_file : c->key_file,
        .ca_file = r->is_region ? c->region_ca_file : c->ca_file,
        .no_system_ca = r->is_region,
        .request_peer_cert = r->asks_peer,
        .sites = r->is_region ? NULL : c->certs,
        .alpn = r->alpn,
    };
    if (r == &roles[NODE_TLS_S2S_IN] || r == &roles[NODE_TLS_S2S_OUT])
        t.crl_file = c->s2s_crl_file;
    if (r == &roles[NODE_TLS_C2S] && c->client_ca_file) {
        t.request_peer_cert = true;
        t.ca_file = c->client_ca_file;
        t.no_system_ca = true;
    }
    return t;
}

static struct tls_ctx **role_ctx(struct node *n, enum node_tls_role r)
{
    struct tls_ctx **const ctx[NODE_TLS_ROLES] = {
        [NODE_TLS_C2S] = &n->tls_c2s,
        [NODE_TLS_S2S_IN] = &n->tls_s2s_in,
        [NODE_TLS_S2S_OUT] = &n->tls_s2s_out,
        [NODE_TLS_REGION_IN] = &n->tls_region_in,
        [NODE_TLS_REGION_OUT] = &n->tls_region_out,
    };
    return ctx[r];
}

/* ---- how long they last */
struct own_cert {
    enum node_tls_role role;
    const char *what;
};
static const struct own_cert own_certs[] = {{NODE_TLS_C2S, "tls"}, {NODE_TLS_REGION_IN, "region"}};

static void watch_one(const char *what, const struct tls_cert_info *i)
{
    char until[DATEFMT_LEN + 1], days[24];
    int64_t left = tls_cert_days(i);
    if (left >= WARN_DAYS)
        return;
    snprintf(days, sizeof days, "%" PRId64, left);
    log_at(left < ALARM_DAYS ? LOG_ERROR : LOG_WARN, NULL, "tls.certificate.expires", "section",
           what, "subject", i->subject, "until", datefmt_utc(until, i->not_after_us), "days", days);
}

static void watch(void *ctx)
{
    struct node *n = ctx;
    struct tls_cert_info info;
    for (size_t i = 0; i < ARRAY_LEN(own_certs); i++) {
        struct tls_ctx *c = *role_ctx(n, own_certs[i].role);
        if (c && tls_ctx_cert(c, &info))
            watch_one(own_certs[i].what, &info);
    }
    timer_start(&n->cert_watch, WATCH_MS);
}

void node_tls_list(struct node *n, struct json *array)
{
    struct tls_cert_info info;
    char until[DATEFMT_LEN + 1];
    for (size_t i = 0; i < ARRAY_LEN(own_certs); i++) {
        struct tls_ctx *c = *role_ctx(n, own_certs[i].role);
        if (!c || !tls_ctx_cert(c, &info))
            continue;
        struct json *o = json_new_object();
        json_set_str(o, "section", str_of(own_certs[i].what));
        json_set_str(o, "subject", str_of(info.subject));
        json_set_str(o, "issuer", str_of(info.issuer));
        json_set_str(o, "until", str_of(datefmt_utc(until, info.not_after_us)));
        json_set_num(o, "days", tls_cert_days(&info));
        json_set_bool(o, "self_signed", info.is_self_signed);
        json_push(array, &o);
    }
}

/* ---- life */
enum err node_tls_read(const struct node_conf *c, struct node_tls_sets *out, char *why,
                       size_t why_size)
{
    *out = (struct node_tls_sets){0};
    enum err e = ERR_OK;
    for (size_t i = 0; i < NODE_TLS_ROLES && e == ERR_OK; i++) {
        struct tls_ctx_conf t = role_conf(c, &roles[i]);
        if (!roles[i].is_region || c->region_name)
            e = tls_set_new(roles[i].is_server, &t, &out->set[i], why, why_size);
    }
    if (e != ERR_OK)
        node_tls_drop(out);
    return e;
}

void node_tls_drop(struct node_tls_sets *sets)
{
    for (size_t i = 0; i < NODE_TLS_ROLES; i++)
        tls_set_unref(&sets->set[i]);
}

void node_tls_replace(struct node *n, struct node_tls_sets *take)
{
    for (unsigned i = 0; i < NODE_TLS_ROLES; i++) {
        struct tls_ctx **c = role_ctx(n, i);
        if (*c && take->set[i])
            tls_ctx_replace(*c, &take->set[i]);
    }
    watch(n);
}

enum err node_tls_open(struct node *n, char *why, size_t why_size)
{
    enum err e = ERR_OK;
    timer_init(&n->cert_watch, shards_loop(n->shards, 0), watch, n);
    for (unsigned i = 0; i < NODE_TLS_ROLES && e == ERR_OK; i++) {
        struct tls_ctx_conf t = role_conf(n->conf, &roles[i]);
        if (!roles[i].is_region || n->conf->region_name)
            e = tls_ctx_new(roles[i].is_server, &t, role_ctx(n, i), why, why_size);
    }
    if (e == ERR_OK)
        watch(n);
    return e;
}

void node_tls_close(struct node *n)
{
    if (n->cert_watch.fn)
        timer_stop(&n->cert_watch);
    for (unsigned i = 0; i < NODE_TLS_ROLES; i++)
        tls_ctx_unref(role_ctx(n, i));
}
