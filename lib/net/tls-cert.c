/* DOC: what our own certificate says: whose it is, until when, for whom it speaks. */
#include <openssl/asn1.h>
#include <openssl/x509v3.h>

#include "lib/base/clock.h"
#include "lib/net/tls-int.h"

/* Seconds from now; certificates are measured against the wall clock. */
static uint64_t tls_time_us(const ASN1_TIME *t)
{
    int days = 0, seconds = 0;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, t))
        return 0;
    int64_t from_now = (int64_t)days * 86400 + seconds;
    return (uint64_t)((int64_t)(clock_wall_us() / 1000000) + from_now) * 1000000;
}

void tls_cert_describe(X509 *cert, struct tls_cert_info *out)
{
    *out = (struct tls_cert_info){
        .not_before_us = tls_time_us(X509_get0_notBefore(cert)),
        .not_after_us = tls_time_us(X509_get0_notAfter(cert)),
        .is_self_signed = X509_check_issued(cert, cert) == X509_V_OK,
    };
    X509_NAME_oneline(X509_get_subject_name(cert), out->subject, sizeof out->subject);
    X509_NAME_oneline(X509_get_issuer_name(cert), out->issuer, sizeof out->issuer);
}

bool tls_set_cert(const struct tls_set *s, struct tls_cert_info *out)
{
    X509 *cert = SSL_CTX_get0_certificate(s->ssl);
    if (cert)
        tls_cert_describe(cert, out);
    return cert != NULL;
}

int64_t tls_cert_days(const struct tls_cert_info *i)
{
    int64_t left = (int64_t)(i->not_after_us - clock_wall_us()), day = 86400000000;
    return left / day - (left < 0);
}

bool tls_ctx_cert(struct tls_ctx *ctx, struct tls_cert_info *out)
{
    struct tls_set *set = tls_ctx_set(ctx);
    bool has = tls_set_cert(set, out);
    tls_set_unref(&set);
    return has;
}

bool tls_set_cert_is(const struct tls_set *s, struct str domain)
{
    char *name = str_dup(domain);
    X509 *cert = SSL_CTX_get0_certificate(tls_set_for(s, name));
    mem_free(name);
    return cert && tls_cert_is(cert, domain);
}
