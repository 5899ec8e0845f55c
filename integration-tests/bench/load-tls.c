/* TLS contexts. Read-ahead saves a system call for each record. Buffers are kept, so that a record
 * costs no allocation of them; only thousands of idle connections give theirs back.
 * Source: RFC 7590 for what clients check. */
#include <openssl/err.h>

#include "integration-tests/bench/load-conn.h"
#include "integration-tests/bench/load-loop.h"
#include "integration-tests/bench/load-tls.h"

const char *load_tls_why(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text ? text : "unknown reason";
}

/* A ticket came: it replaces the older one. Returns 1 when it keeps the reference. */
static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct load_conn *c = SSL_get_app_data(ssl);
    if (!c->wants_ticket)
        return 0;
    SSL_SESSION_free(c->ticket);
    c->ticket = session;
    return 1;
}

/* Of TLS 1.3 one suite only: left to themselves, servers choose differently, and their figures
 * would compare ciphers. */
static const char suite[] = "TLS_AES_128_GCM_SHA256";

static SSL_CTX *context(const SSL_METHOD *method, const struct load_opts *o)
{
    SSL_CTX *x = SSL_CTX_new(method);
    int version = o->target.is_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    if (!x || SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(x, version) != 1 || SSL_CTX_set_ciphersuites(x, suite) != 1)
        load_die("TLS context: %s", load_tls_why());
    SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (o->sessions)
        SSL_CTX_set_mode(x, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(x, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(x, 1);
    return x;
}

SSL_CTX *load_tls_client(const struct load_opts *o)
{
    SSL_CTX *x = context(TLS_client_method(), o);
    const char *ca = o->target.ca;
    if (!o->target.is_insecure)
        SSL_CTX_set_verify(x, SSL_VERIFY_PEER, NULL);
    int ok = ca ? SSL_CTX_load_verify_file(x, ca) : SSL_CTX_set_default_verify_paths(x);
    if (ok != 1)
        load_die("--ca %s: %s", ca ? ca : "of the system", load_tls_why());
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(x, keep_ticket);
    return x;
}

static int take_any(int preverified, X509_STORE_CTX *store)
{
    (void)preverified;
    (void)store;
    return 1;
}

SSL_CTX *load_tls_peer(const struct load_opts *o)
{
    SSL_CTX *x = context(TLS_method(), o);
    if (SSL_CTX_use_certificate_chain_file(x, o->peers.cert) != 1)
        load_die("--cert %s: %s", o->peers.cert, load_tls_why());
    if (SSL_CTX_use_PrivateKey_file(x, o->peers.key, SSL_FILETYPE_PEM) != 1)
        load_die("--key %s: %s", o->peers.key, load_tls_why());
    SSL_CTX_set_verify(x, SSL_VERIFY_PEER, take_any);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(x, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(x, 0);
    return x;
}
