/* Sessions that a client offers again (RFC 8446 sections 2.2, 4.6.1; RFC 5246 section 7.3), and
 * what is made of a handshake that resumed one.
 *
 * Design: a session saves a signature and a chain on the wire, and proves nothing. OpenSSL keeps
 * the certificate and the chain of the first handshake with it, so they are verified anew as if
 * they had just been shown, with what is trusted, revoked and in time at that moment. Servers that
 * ask for certificates keep their sessions themselves (a ticket would carry the certificate, but
 * not its chain), in the set: whatever is read anew forgets them. A session belongs to the
 * certificate we showed then: with another one the peer would take us for who we were. */
#include <openssl/err.h>

#include "lib/net/net-int.h"
#include "lib/net/tls-int.h"

struct tls_session {
    struct refs refs;
    SSL_SESSION *ssl;
    X509 *own; /* what we showed; NULL: nothing */
};

struct tls_session *tls_session_of(const struct transport *t)
{
    SSL *ssl = tls_ssl(t);
    SSL_SESSION *session = ssl && !SSL_is_server(ssl) ? SSL_get1_session(ssl) : NULL;
    if (!session || !SSL_SESSION_is_resumable(session)) {
        SSL_SESSION_free(session);
        return NULL;
    }
    struct tls_session *s = mem_alloc(sizeof *s);
    refs_init(&s->refs);
    s->ssl = session;
    s->own = SSL_get_certificate(ssl);
    if (s->own)
        must(X509_up_ref(s->own) == 1);
    return s;
}

struct tls_session *tls_session_ref(struct tls_session *s)
{
    refs_get(&s->refs);
    return s;
}

void tls_session_unref(struct tls_session **ps)
{
    struct tls_session *s = *ps;
    *ps = NULL;
    if (!s || !refs_put(&s->refs))
        return;
    SSL_SESSION_free(s->ssl);
    X509_free(s->own);
    mem_free(s);
}

static bool is_in_time(X509 *cert)
{
    return !cert || X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

static bool is_same(X509 *a, X509 *b)
{
    return a && b ? X509_cmp(a, b) == 0 : a == b;
}

bool tls_resume(struct transport *t, struct tls_session *s)
{
    SSL *ssl = tls_ssl(t);
    bool is_useful = ssl && !SSL_is_server(ssl) && is_same(s->own, SSL_get_certificate(ssl)) &&
                     is_in_time(s->own) && is_in_time(SSL_SESSION_get0_peer(s->ssl));
    is_useful = is_useful && SSL_set_session(ssl, s->ssl) == 1;
    ERR_clear_error();
    return is_useful;
}

/* As OpenSSL does it in a full handshake (ssl_verify_cert_chain), with the same callback. */
void tls_verify_again(SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    X509_STORE_CTX *ctx = cert ? X509_STORE_CTX_new() : NULL;
    if (!cert)
        return;
    must(ctx && X509_STORE_CTX_init(ctx, SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)), cert,
                                    SSL_get_peer_cert_chain(ssl)) == 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(ssl));
    must(X509_STORE_CTX_set_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx(), ssl) == 1);
    must(X509_STORE_CTX_set_default(ctx, SSL_is_server(ssl) ? "ssl_client" : "ssl_server") == 1);
    must(X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl)) == 1);
    X509_STORE_CTX_set_verify_cb(ctx, tls_verify_note);
    (void)X509_verify_cert(ctx);
    SSL_set_verify_result(ssl, X509_STORE_CTX_get_error(ctx));
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
}
