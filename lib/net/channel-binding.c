/* Channel bindings. tls-exporter is keying material under a label of its own; before TLS 1.3 it is
 * unique only with the extended master secret (RFC 9266 section 4.2; renegotiation is off).
 * tls-server-end-point is a digest of the server's certificate: by the digest of its signature, but
 * SHA-256 for MD5 and SHA-1, and undefined for signatures without a digest of their own such as
 * Ed25519 (RFC 5929 section 4.1). tls-unique is the first Finished message of the handshake: the
 * client's, or the server's where a session is resumed (RFC 5929 section 3.1). It does not exist in
 * TLS 1.3 and is not safe without the extended master secret (RFC 7627 section 1); there are
 * clients that know no other (gloox), and RFC 5802 section 6 wants it of servers. Standards: RFC
 * 9266, RFC 5929, RFC 5705. */
#include "lib/net/channel-binding.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "lib/net/tls-int.h"

enum { EXPORTER_BYTES = 32 };
#define EXPORTER_LABEL "EXPORTER-Channel-Binding"

const char *channel_binding_name(enum channel_binding b)
{
    static const char *const names[CHANNEL_BINDING_COUNT] = {
        [CHANNEL_BINDING_EXPORTER] = "tls-exporter",
        [CHANNEL_BINDING_END_POINT] = "tls-server-end-point",
        [CHANNEL_BINDING_UNIQUE] = "tls-unique",
    };
    return names[b];
}

static bool has_exporter(SSL *ssl)
{
    return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

static bool exporter(SSL *ssl, uint8_t *out, size_t *n)
{
    *n = EXPORTER_BYTES;
    return has_exporter(ssl) &&
           SSL_export_keying_material(ssl, out, *n, EXPORTER_LABEL, strlen(EXPORTER_LABEL),
                                      (const unsigned char *)"", 0, 1) == 1;
}

/* Of the server's certificate, and how it is digested; NULL: it is not. */
static X509 *end_point_cert(SSL *ssl, int *digest)
{
    X509 *cert = SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
    if (!cert || X509_get_signature_info(cert, digest, NULL, NULL, NULL) != 1 ||
        *digest == NID_undef)
        return NULL;
    if (*digest == NID_md5 || *digest == NID_sha1)
        *digest = NID_sha256;
    return cert;
}

static bool end_point(SSL *ssl, uint8_t *out, size_t *n)
{
    int digest = NID_undef;
    unsigned size = 0;
    X509 *cert = end_point_cert(ssl, &digest);
    const EVP_MD *md = cert ? EVP_get_digestbynid(digest) : NULL;
    if (!md || X509_digest(cert, md, out, &size) != 1)
        return false;
    *n = size;
    return true;
}

static bool has_unique(SSL *ssl)
{
    return SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) == 1;
}

static bool unique(SSL *ssl, uint8_t *out, size_t *n)
{
    if (!has_unique(ssl))
        return false;
    const bool first_is_ours = SSL_is_server(ssl) == SSL_session_reused(ssl);
    *n = first_is_ours ? SSL_get_finished(ssl, out, CHANNEL_BINDING_MAX)
                       : SSL_get_peer_finished(ssl, out, CHANNEL_BINDING_MAX);
    return *n > 0 && *n <= CHANNEL_BINDING_MAX;
}

static bool has_end_point(SSL *ssl)
{
    int digest;
    return end_point_cert(ssl, &digest) != NULL;
}

static const struct {
    bool (*has)(SSL *);
    bool (*get)(SSL *, uint8_t *out, size_t *n);
} makers[CHANNEL_BINDING_COUNT] = {
    [CHANNEL_BINDING_EXPORTER] = {has_exporter, exporter},
    [CHANNEL_BINDING_END_POINT] = {has_end_point, end_point},
    [CHANNEL_BINDING_UNIQUE] = {has_unique, unique},
};

static SSL *finished(const struct transport *t)
{
    SSL *ssl = tls_ssl(t);
    return ssl && SSL_is_init_finished(ssl) ? ssl : NULL;
}

bool channel_binding_has(const struct transport *t, enum channel_binding b)
{
    SSL *ssl = finished(t);
    return ssl && makers[b].has(ssl);
}

bool channel_binding_get(const struct transport *t, enum channel_binding b,
                         uint8_t out[CHANNEL_BINDING_MAX], size_t *n)
{
    SSL *ssl = finished(t);
    if (!ssl)
        return false;
    ERR_clear_error();
    const bool ok = makers[b].get(ssl, out, n);
    ERR_clear_error();
    return ok;
}
