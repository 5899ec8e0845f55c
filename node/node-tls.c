/* The TLS contexts of a node, one per role. Clients are not asked for certificates; servers are,
 * both ways (XEP-0178); region links trust the region CA and nothing else. Source: RFC 7590, RFC
 * 6120 section 13. */
#include "lib/net/tls.h"
#include "node/node-int.h"

static enum err open_public(struct node *n, char *why, size_t why_size)
{
    const struct node_conf *c = n->conf;
    struct tls_ctx_conf base = {
        .cert_file = c->cert_file, .key_file = c->key_file, .ca_file = c->ca_file};
    struct tls_ctx_conf c2s = base, s2s = base;
    c2s.alpn = "xmpp-client";
    s2s.alpn = "xmpp-server";
    s2s.request_peer_cert = true;
    enum err e = tls_ctx_new(true, &c2s, &n->tls_c2s, why, why_size);
    if (e == ERR_OK)
        e = tls_ctx_new(true, &s2s, &n->tls_s2s_in, why, why_size);
    if (e == ERR_OK)
        e = tls_ctx_new(false, &s2s, &n->tls_s2s_out, why, why_size);
    return e;
}

static enum err open_region(struct node *n, char *why, size_t why_size)
{
    const struct node_conf *c = n->conf;
    struct tls_ctx_conf r = {.cert_file = c->region_cert_file,
                             .key_file = c->region_key_file,
                             .ca_file = c->region_ca_file,
                             .no_system_ca = true,
                             .request_peer_cert = true,
                             .alpn = "xmpp-server"};
    enum err e = tls_ctx_new(true, &r, &n->tls_region_in, why, why_size);
    if (e == ERR_OK)
        e = tls_ctx_new(false, &r, &n->tls_region_out, why, why_size);
    return e;
}

enum err node_tls_open(struct node *n, char *why, size_t why_size)
{
    enum err e = open_public(n, why, why_size);
    if (e == ERR_OK && n->conf->region_name)
        e = open_region(n, why, why_size);
    return e;
}

void node_tls_close(struct node *n)
{
    tls_ctx_unref(&n->tls_c2s);
    tls_ctx_unref(&n->tls_s2s_in);
    tls_ctx_unref(&n->tls_s2s_out);
    tls_ctx_unref(&n->tls_region_in);
    tls_ctx_unref(&n->tls_region_out);
}
