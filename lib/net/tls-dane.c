/* Certificates by DANE.
 *
 * Design: our own comparison instead of SSL_dane_enable, because the handshake must not fail for a
 * certificate and the verdict of PKIX is wanted beside it. Usage 3 compares the certificate and
 * looks at nothing else. With usage 2 the certificate that matches becomes the only anchor of a
 * verification of its own, so dates, CA bits and path lengths count, and the system's CAs do not.
 * Standards: RFC 6698 section 2.1, RFC 7671 sections 5.1, 5.2. */
#include "lib/net/tls-dane.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "lib/net/tls-int.h"

enum { SELECT_CERT, SELECT_KEY, MATCH_SHA256 = 1, MATCH_SHA512 = 2 };

bool tls_dane_read(struct str rdata, struct tls_dane *out)
{
    const uint8_t *p = (const uint8_t *)rdata.p;
    if (rdata.n < 4 || (p[0] != TLS_DANE_TA && p[0] != TLS_DANE_EE) || p[1] > SELECT_KEY)
        return false;
    size_t want = p[2] == MATCH_SHA256 ? 32 : p[2] == MATCH_SHA512 ? 64 : 0;
    if (!want || rdata.n - 3 != want)
        return false;
    *out = (struct tls_dane){p[0], p[1], p[2], (uint8_t)want, {0}};
    memcpy(out->digest, p + 3, want);
    return true;
}

static bool record_is(const struct tls_dane *r, X509 *cert)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned char *der = NULL;
    unsigned digest_n = 0;
    int n = r->selector == SELECT_KEY ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der)
                                      : i2d_X509(cert, &der);
    if (n <= 0)
        return false;
    int ok = EVP_Digest(der, (size_t)n, digest, &digest_n,
                        r->matching == MATCH_SHA256 ? EVP_sha256() : EVP_sha512(), NULL);
    OPENSSL_free(der);
    return ok == 1 && digest_n == r->n && memcmp(digest, r->digest, digest_n) == 0;
}

static bool any_is(const struct tls_dane *records, size_t n, unsigned usage, X509 *cert)
{
    for (size_t i = 0; i < n; i++)
        if (records[i].usage == usage && record_is(&records[i], cert))
            return true;
    return false;
}

/* Does the chain lead from the peer's certificate to this one and nowhere else? */
static bool leads_to(SSL *ssl, X509 *cert, STACK_OF(X509) * chain, X509 *anchor)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool ok = store && ctx && X509_STORE_add_cert(store, anchor) == 1 &&
              X509_STORE_CTX_init(ctx, store, cert, chain) == 1;
    if (ok) {
        X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN);
        X509_VERIFY_PARAM_set_auth_level(p, SSL_get_security_level(ssl));
        ok = X509_verify_cert(ctx) == 1;
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return ok;
}

static bool is_for(X509 *cert, const struct str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tls_cert_is(cert, names[i]))
            return true;
    return false;
}

bool tls_dane_match(const struct transport *t, const struct tls_dane *records, size_t n,
                    const struct str *names, size_t n_names, const char **why)
{
    SSL *ssl = tls_ssl(t);
    X509 *cert = tls_peer_cert(t);
    STACK_OF(X509) *chain = ssl ? SSL_get_peer_cert_chain(ssl) : NULL;
    int first = ssl && SSL_is_server(ssl) ? 0 : 1; /* that of a client comes without itself */
    *why = "no TLSA record matches it or an authority it came with";
    if (!cert)
        return false;
    if (any_is(records, n, TLS_DANE_EE, cert))
        return true;
    for (int i = first; chain && i < sk_X509_num(chain); i++) {
        X509 *anchor = sk_X509_value(chain, i);
        if (!any_is(records, n, TLS_DANE_TA, anchor))
            continue;
        if (!leads_to(ssl, cert, chain, anchor))
            *why = "it is not signed by the authority in the TLSA record, or not now";
        else if (!is_for(cert, names, n_names))
            *why = "the authority is right, but it is for other names";
        else
            return true;
    }
    return false;
}
