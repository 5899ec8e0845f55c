#ifndef LIB_NET_TLS_INT_H
#define LIB_NET_TLS_INT_H
/* What the three parts of TLS share: contexts (tls-ctx.c), the layer (tls.c), names and verdicts
 * (tls-verify.c). */
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "lib/base/refs.h"
#include "lib/net/tls.h"

/* Certificates for one SNI name. */
struct tls_site {
    struct tls_site *next;
    char *domain;
    SSL_CTX *ssl;
};

/* What was read from files at one time, immutable once it is in a context's slot. */
struct tls_set {
    struct refs refs;
    bool server, request_peer_cert;
    SSL_CTX *ssl;
    BIO_METHOD *bio; /* of tls.c */
    struct tls_site *sites;
    uint8_t alpn[64]; /* wire form: length, name */
    unsigned alpn_n;
};
/* That of a name, or of nobody in particular. */
SSL_CTX *tls_set_for(const struct tls_set *set, const char *domain_or_null);
/* The set in force; a reference. */
struct tls_set *tls_ctx_set(struct tls_ctx *ctx);

/* Texts that most connections never have. */
struct tls_words {
    char chain_why[128], subject[128], error[128];
};
struct tls_words *tls_words(struct tls_info *i); /* made on demand; freed by the layer */

/* The BIO method of the layer; freed with the context. */
BIO_METHOD *tls_bio_method(void);
/* The facts of the layer an SSL belongs to. */
struct tls_info *tls_info_of(SSL *ssl);

/* Verify callback: never refuses, records the first objection in the layer's tls_info. */
int tls_verify_note(int ok, X509_STORE_CTX *store);
/* Judge the peer's certificate of a resumed session (tls-session.c); before the next. */
void tls_verify_again(SSL *ssl);
/* After the handshake: has_cert, chain_ok, subject. */
void tls_verify_finish(SSL *ssl, struct tls_info *info);
/* Names only, of any certificate (the fuzzer's entrance to tls_peer_is). */
bool tls_cert_is(X509 *cert, struct str domain);
/* What a certificate says (tls-cert.c). */
void tls_cert_describe(X509 *cert, struct tls_cert_info *out);
/* The SSL of a TLS transport, NULL for others. */
SSL *tls_ssl(const struct transport *t);
/* The peer's certificate, borrowed; NULL if none. */
X509 *tls_peer_cert(const struct transport *t);
#endif
