#ifndef LIB_NET_TLS_DANE_H
#define LIB_NET_TLS_DANE_H
/* Certificates by DANE (RFC 6698, 7671): what TLSA records say about the certificate of a peer.
 * Whether the records are authentic is for whoever asked DNS. */
#include "lib/base/base.h"

struct transport;

enum {
    TLS_DANE_RECORDS_MAX = 12,
    TLS_DANE_DIGEST_MAX = 64,
    TLS_DANE_TA = 2, /* usage: an authority of the chain; names and dates count */
    TLS_DANE_EE = 3  /* usage: the certificate itself; nothing else counts */
};
struct tls_dane {
    uint8_t usage, selector, matching, n; /* n: of the digest */
    uint8_t digest[TLS_DANE_DIGEST_MAX];
};
/* rdata of a TLSA record. False: of no use here, that is malformed, or usage 0 or 1 (RFC 7671
 * section 4.1: no more secure, and harder), or not a digest by SHA-256 or SHA-512 (sections 5.2.1
 * and 10.1.2 advise against full certificates). */
bool tls_dane_read(struct str rdata, struct tls_dane *out) MUST_USE;
/* Do records prove the certificate of t, whose handshake is over? Usage 2 asks that the peer sent
 * the authority too and that the certificate is for one of the names. *why: a clause when not,
 * static. */
bool tls_dane_match(const struct transport *t, const struct tls_dane *records, size_t n,
                    const struct str *names, size_t n_names, const char **why) MUST_USE;
#endif
