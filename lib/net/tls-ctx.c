/* TLS contexts: certificates, trust, ALPN, choice by SNI.
 *
 * Design: one SSL_CTX for the default certificate and one per further SNI name, set up alike and
 * sharing the trust store; the servername callback switches. All of it is a set, immutable, in a
 * slot of the context, so shards share it by reference count. TLS 1.2 or better with forward
 * secrecy and AEAD ciphers only (RFC 9325 section 4.2), in our order: AES-128 first, because
 * SHA-256 makes the cheaper handshake. The security level is the system's. Session tickets carry
 * the state, except where peer certificates are asked for: there a ticket names an entry of a
 * bounded cache, which has the peer's chain to judge again (tls-session.c). One ticket a handshake:
 * an XMPP client has one connection. Standards: RFC 8446, RFC 5246, RFC 6066 (SNI), RFC 7301
 * (ALPN), RFC 7590. */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/base/slot.h"
#include "lib/net/tls-int.h"

#define TLS13_CIPHERS "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* How long a session may be resumed; how many a server with peer certificates keeps. */
enum { TLS_SESSION_S = 4 * 3600, TLS_SESSIONS_MAX = 512 };
/* Bytes of a chain that a peer may show a server: sessions keep it. */
enum { TLS_CHAIN_MAX = 32768 };

static int tls_no_password(char *buf UNUSED, int size UNUSED, int rw UNUSED, void *ctx UNUSED)
{
    return -1;
}

static enum err tls_ctx_failed(const char *what, char *why, size_t why_size)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    if (ERR_GET_LIB(code) == ERR_LIB_SYS)
        reason = strerror(ERR_GET_REASON(code));
    for (unsigned long c; (c = ERR_get_error());)
        if (ERR_SYSTEM_ERROR(c))
            reason = strerror(ERR_GET_REASON(c)); /* "no such file" says more than "system lib" */
    snprintf(why, why_size, "%s: %s", what ? what : "TLS", reason ? reason : "unknown error");
    return ERR_TLS;
}

/* RFC 7301 section 3.2: a client that offers protocols, none of them ours, is refused. */
static int tls_on_alpn(SSL *ssl UNUSED, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    const struct tls_set *set = arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_n, set->alpn, set->alpn_n, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *tls_set_for(const struct tls_set *set, const char *domain_or_null)
{
    struct str name = str_of(domain_or_null);
    for (const struct tls_site *s = set->sites; name.p && s; s = s->next)
        if (str_ieq(name, str_of(s->domain)))
            return s->ssl;
    return set->ssl;
}

static int tls_on_servername(SSL *ssl, int *alert UNUSED, void *arg)
{
    SSL_CTX *site = tls_set_for(arg, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    if (site != SSL_get_SSL_CTX(ssl))
        SSL_set_SSL_CTX(ssl, site);
    return SSL_TLSEXT_ERR_OK; /* unknown name: the default certificate */
}

static void tls_set_modes(SSL_CTX *ssl, const struct tls_set *set)
{
    static const unsigned char session_id[] = "meridian";
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl);

    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    must(SSL_CTX_set_ciphersuites(ssl, TLS13_CIPHERS) == 1 &&
         SSL_CTX_set_cipher_list(ssl, TLS12_CIPHERS) == 1);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ssl, session_id, sizeof session_id - 1);
    SSL_CTX_set_default_passwd_cb(ssl, tls_no_password);
    /* Usage is judged in tls-verify.c: clientAuth alone is good in a server's certificate and the
     * reverse. */
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
    if (!set->server || set->request_peer_cert)
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, tls_verify_note);
    if (set->server && set->request_peer_cert) {
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET); /* none that carries the state */
        SSL_CTX_set_max_cert_list(ssl, TLS_CHAIN_MAX);
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_SERVER);
        SSL_CTX_sess_set_cache_size(ssl, TLS_SESSIONS_MAX);
        SSL_CTX_set_timeout(ssl, TLS_SESSION_S);
    }
    if (set->server && set->alpn_n)
        SSL_CTX_set_alpn_select_cb(ssl, tls_on_alpn, (void *)(uintptr_t)set);
}

static SSL_CTX *tls_make(const struct tls_set *set)
{
    SSL_CTX *ssl = SSL_CTX_new(set->server ? TLS_server_method() : TLS_client_method());
    must(ssl != NULL);
    tls_set_modes(ssl, set);
    return ssl;
}

static enum err tls_load_cert(SSL_CTX *ssl, const char *cert_file, const char *key_file, char *why,
                              size_t why_size)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ssl, cert_file) != 1)
        return tls_ctx_failed(cert_file, why, why_size);
    if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl) != 1)
        return tls_ctx_failed(key_file, why, why_size);
    return ERR_OK;
}

static enum err tls_load_trust(SSL_CTX *ssl, const struct tls_ctx_conf *c, char *why,
                               size_t why_size)
{
    ERR_clear_error();
    if (c->ca_file && SSL_CTX_load_verify_file(ssl, c->ca_file) != 1)
        return tls_ctx_failed(c->ca_file, why, why_size);
    if (!c->ca_file && !c->no_system_ca && SSL_CTX_set_default_verify_paths(ssl) != 1)
        return tls_ctx_failed("system certificates", why, why_size);
    return ERR_OK;
}

/* Of the certificate itself: whoever revokes a CA takes it out of the trusted ones. */
static enum err tls_load_crl(SSL_CTX *ssl, const char *file, char *why, size_t why_size)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    ERR_clear_error();
    must(lookup != NULL);
    if (X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) < 1)
        return tls_ctx_failed(file, why, why_size);
    must(X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1);
    return ERR_OK;
}

static enum err tls_set_add(struct tls_set *set, const struct tls_site_conf *c, char *why,
                            size_t why_size)
{
    SSL_CTX *ssl = tls_make(set);
    enum err e =
        tls_load_cert(ssl, c->cert_file, c->key_file ? c->key_file : c->cert_file, why, why_size);

    if (e != ERR_OK) {
        SSL_CTX_free(ssl);
        return e;
    }
    SSL_CTX_set1_cert_store(ssl, SSL_CTX_get_cert_store(set->ssl));
    if (!set->server && set->alpn_n)
        must(SSL_CTX_set_alpn_protos(ssl, set->alpn, set->alpn_n) == 0);
    struct tls_site *s = mem_alloc(sizeof *s);
    s->domain = mem_strdup(c->domain);
    s->ssl = ssl;
    s->next = set->sites;
    set->sites = s;
    return ERR_OK;
}

static enum err tls_set_fill(struct tls_set *set, const struct tls_ctx_conf *c, char *why,
                             size_t why_size)
{
    enum err e;
    if (set->server && !c->cert_file) {
        snprintf(why, why_size, "a TLS server needs a certificate");
        return ERR_INVALID;
    }
    if (c->cert_file &&
        (e = tls_load_cert(set->ssl, c->cert_file, c->key_file ? c->key_file : c->cert_file, why,
                           why_size)))
        return e;
    if ((!set->server || set->request_peer_cert) &&
        (e = tls_load_trust(set->ssl, c, why, why_size)))
        return e;
    if (c->crl_file && (e = tls_load_crl(set->ssl, c->crl_file, why, why_size)))
        return e;
    if (set->server)
        SSL_CTX_set_tlsext_servername_callback(set->ssl, tls_on_servername);
    SSL_CTX_set_tlsext_servername_arg(set->ssl, set);
    if (!set->server && set->alpn_n)
        must(SSL_CTX_set_alpn_protos(set->ssl, set->alpn, set->alpn_n) == 0);
    for (const struct tls_site_conf *s = c->sites; s && s->domain; s++)
        if ((e = tls_set_add(set, s, why, why_size)))
            return e;
    return ERR_OK;
}

enum err tls_set_new(bool server, const struct tls_ctx_conf *c, struct tls_set **out, char *why,
                     size_t why_size)
{
    struct tls_set *set = mem_alloc(sizeof *set);
    size_t n = c->alpn ? strlen(c->alpn) : 0;
    enum err e;

    refs_init(&set->refs);
    set->server = server;
    set->request_peer_cert = c->request_peer_cert;
    must(n < sizeof set->alpn);
    if (n) {
        set->alpn[0] = (uint8_t)n;
        memcpy(set->alpn + 1, c->alpn, n);
        set->alpn_n = (unsigned)n + 1;
    }
    set->bio = tls_bio_method();
    set->ssl = tls_make(set);
    e = tls_set_fill(set, c, why, why_size);
    if (e != ERR_OK) {
        tls_set_unref(&set);
        return e;
    }
    *out = set;
    return ERR_OK;
}

void tls_set_unref(struct tls_set **ps)
{
    struct tls_set *set = *ps;

    *ps = NULL;
    if (!set || !refs_put(&set->refs))
        return;
    for (struct tls_site *s; (s = set->sites);) {
        set->sites = s->next;
        SSL_CTX_free(s->ssl);
        mem_free(s->domain);
        mem_free(s);
    }
    SSL_CTX_free(set->ssl);
    BIO_meth_free(set->bio);
    mem_free(set);
}

/* ---- the context: a set that may be replaced */
struct tls_ctx {
    struct refs refs;
    struct slot *set;
};

static void tls_slot_ref(void *set)
{
    refs_get(&((struct tls_set *)set)->refs);
}

static void tls_slot_unref(void *set)
{
    struct tls_set *s = set;
    tls_set_unref(&s);
}
static const struct slot_ops tls_slot_ops = {tls_slot_ref, tls_slot_unref};

enum err tls_ctx_new(bool server, const struct tls_ctx_conf *c, struct tls_ctx **out, char *why,
                     size_t why_size)
{
    struct tls_set *set;
    enum err e = tls_set_new(server, c, &set, why, why_size);
    if (e != ERR_OK)
        return e;
    struct tls_ctx *ctx = mem_alloc(sizeof *ctx);
    refs_init(&ctx->refs);
    ctx->set = slot_new(&tls_slot_ops, set);
    *out = ctx;
    return ERR_OK;
}

struct tls_set *tls_ctx_set(struct tls_ctx *ctx)
{
    return slot_get(ctx->set);
}

void tls_ctx_replace(struct tls_ctx *ctx, struct tls_set **set_take)
{
    slot_set(ctx->set, *set_take);
    *set_take = NULL;
}

enum err tls_ctx_add_cert(struct tls_ctx *ctx, const char *domain, const char *cert_file,
                          const char *key_file, char *why, size_t why_size)
{
    struct tls_set *set = tls_ctx_set(ctx);
    struct tls_site_conf c = {domain, cert_file, key_file};
    enum err e = tls_set_add(set, &c, why, why_size);
    tls_set_unref(&set);
    return e;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx)
{
    refs_get(&ctx->refs);
    return ctx;
}

void tls_ctx_unref(struct tls_ctx **pctx)
{
    struct tls_ctx *ctx = *pctx;

    *pctx = NULL;
    if (!ctx || !refs_put(&ctx->refs))
        return;
    slot_free(&ctx->set);
    mem_free(ctx);
}
