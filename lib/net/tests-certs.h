#ifndef LIB_NET_TESTS_CERTS_H
#define LIB_NET_TESTS_CERTS_H
/* Certificates for tests, made at run time: ECDSA P-256, written as PEM files STEM.crt and STEM.key
 * into a directory. Header only, for test programs of every folder. Dies when something fails. */
#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "lib/base/base.h"

#define TEST_PATH_MAX 256

struct test_cert {
    const char *cn;
    const char *san;    /* OpenSSL's syntax:
                           "DNS:a.example,otherName:1.3.6.1.5.5.7.8.5;UTF8:a.example"; NULL = none */
    const char *eku;    /* "serverAuth", "clientAuth", "serverAuth,clientAuth"; NULL = none */
    const char *issuer; /* stem of the signing CA in the same directory; NULL = signs itself */
    bool is_ca;
    unsigned rsa_bits;      /* 0: ECDSA */
    int from_days, to_days; /* validity from now; both 0: yesterday to in 30 days */
};

/* dir/stem.ext in out; returns out. */
static inline char *test_path(char out[TEST_PATH_MAX], const char *dir, const char *stem,
                              const char *ext)
{
    must(snprintf(out, TEST_PATH_MAX, "%s/%s.%s", dir, stem, ext) < TEST_PATH_MAX);
    return out;
}

static inline void test_cert_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;
    if (!value)
        return;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static inline void test_cert_issuer(const char *dir, const char *stem, X509 **x, EVP_PKEY **key)
{
    char path[TEST_PATH_MAX];
    FILE *f = fopen(test_path(path, dir, stem, "crt"), "r");
    must(f && (*x = PEM_read_X509(f, NULL, NULL, NULL)));
    fclose(f);
    f = fopen(test_path(path, dir, stem, "key"), "r");
    must(f && (*key = PEM_read_PrivateKey(f, NULL, NULL, NULL)));
    fclose(f);
}

static inline void test_cert_write(const char *dir, const char *stem, X509 *x, EVP_PKEY *key)
{
    char path[TEST_PATH_MAX];
    FILE *f = fopen(test_path(path, dir, stem, "crt"), "w");
    must(f && PEM_write_X509(f, x) == 1);
    fclose(f);
    f = fopen(test_path(path, dir, stem, "key"), "w");
    must(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(f);
}

/* Make one certificate with its key. */
static inline void test_cert_make(const char *dir, const char *stem, const struct test_cert *c)
{
    EVP_PKEY *key = c->rsa_bits ? EVP_RSA_gen(c->rsa_bits) : EVP_EC_gen("P-256"), *ca_key = NULL;
    X509 *x = X509_new(), *ca = NULL;
    X509_NAME *name;
    uint8_t serial[16];
    BIGNUM *bn;
    bool always = c->from_days == 0 && c->to_days == 0;

    must(key && x && X509_set_version(x, X509_VERSION_3) && RAND_bytes(serial, sizeof serial) == 1);
    serial[0] &= 0x7f;
    bn = BN_bin2bn(serial, sizeof serial, NULL);
    must(bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)));
    BN_free(bn);
    must(X509_time_adj_ex(X509_getm_notBefore(x), always ? -1 : c->from_days, 0, NULL));
    must(X509_time_adj_ex(X509_getm_notAfter(x), always ? 30 : c->to_days, 0, NULL));
    name = X509_get_subject_name(x);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)c->cn, -1, -1, 0));
    must(X509_set_pubkey(x, key) == 1);
    if (c->issuer)
        test_cert_issuer(dir, c->issuer, &ca, &ca_key);
    must(X509_set_issuer_name(x, ca ? X509_get_subject_name(ca) : name) == 1);
    test_cert_ext(x, ca ? ca : x, NID_basic_constraints,
                  c->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    test_cert_ext(x, ca ? ca : x, NID_subject_key_identifier, "hash");
    test_cert_ext(x, ca ? ca : x, NID_subject_alt_name, c->san);
    test_cert_ext(x, ca ? ca : x, NID_ext_key_usage, c->eku);
    must(X509_sign(x, ca_key ? ca_key : key, EVP_sha256()) > 0);
    test_cert_write(dir, stem, x, key);
    X509_free(x);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
}

/* Behind the certificate of stem that of another, as a chain. */
static inline void test_cert_append(const char *dir, const char *stem, const char *more)
{
    char path[TEST_PATH_MAX], line[200];
    FILE *in = fopen(test_path(path, dir, more, "crt"), "r");
    FILE *out = fopen(test_path(path, dir, stem, "crt"), "a");
    must(in && out);
    while (fgets(line, sizeof line, in))
        must(fputs(line, out) >= 0);
    fclose(in);
    fclose(out);
}

/* A list of the CA in CA.crl with the certificates of these stems (ended by NULL) revoked; next:
 * days from now until it is outdated. */
static inline void test_crl_make(const char *dir, const char *ca, const char *const *stems,
                                 int next)
{
    char path[TEST_PATH_MAX];
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = X509_time_adj_ex(NULL, -2, 0, NULL);
    X509 *issuer, *x;
    EVP_PKEY *key, *own;
    test_cert_issuer(dir, ca, &issuer, &key);
    must(crl && at && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
    must(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1);
    must(X509_CRL_set1_lastUpdate(crl, at) == 1);
    for (; *stems; stems++) {
        X509_REVOKED *r = X509_REVOKED_new();
        test_cert_issuer(dir, *stems, &x, &own);
        must(X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(x)) == 1);
        must(X509_REVOKED_set_revocationDate(r, at) == 1 && X509_CRL_add0_revoked(crl, r) == 1);
        X509_free(x);
        EVP_PKEY_free(own);
    }
    must(X509_time_adj_ex(at, next, 0, NULL) && X509_CRL_set1_nextUpdate(crl, at) == 1);
    must(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, key, EVP_sha256()) > 0);
    FILE *f = fopen(test_path(path, dir, ca, "crl"), "w");
    must(f && PEM_write_X509_CRL(f, crl) == 1);
    fclose(f);
    ASN1_TIME_free(at);
    X509_CRL_free(crl);
    X509_free(issuer);
    EVP_PKEY_free(key);
}

/* A fresh directory under /tmp holding the CA "ca" ("Test CA"). Returns out. */
static inline char *test_certs_begin(char out[TEST_PATH_MAX])
{
    snprintf(out, TEST_PATH_MAX, "/tmp/meridian-certs-XXXXXX");
    must(mkdtemp(out));
    test_cert_make(out, "ca", &(struct test_cert){.cn = "Test CA", .is_ca = true});
    return out;
}

/* A certificate for one XMPP domain, signed by "ca": dNSName, serverAuth. stem = domain. */
static inline void test_cert_domain(const char *dir, const char *domain)
{
    char san[TEST_PATH_MAX];
    must(snprintf(san, sizeof san, "DNS:%s", domain) < (int)sizeof san);
    test_cert_make(
        dir, domain,
        &(struct test_cert){.cn = domain, .san = san, .eku = "serverAuth", .issuer = "ca"});
}

enum { TEST_TLSA_MAX = 80 };
/* TLSA rdata "USAGE 1 1 digest" of a certificate's key, as in a zone file; returns out. */
static inline char *test_cert_tlsa(char out[TEST_TLSA_MAX], const char *dir, const char *stem,
                                   int usage)
{
    X509 *x = NULL;
    EVP_PKEY *key = NULL;
    uint8_t digest[EVP_MAX_MD_SIZE], *der = NULL;
    unsigned n = 0;
    test_cert_issuer(dir, stem, &x, &key);
    int der_n = i2d_PUBKEY(key, &der);
    must(der_n > 0 && EVP_Digest(der, (size_t)der_n, digest, &n, EVP_sha256(), NULL) == 1);
    size_t at = (size_t)snprintf(out, TEST_TLSA_MAX, "%d 1 1 ", usage);
    for (unsigned i = 0; i < n; i++, at += 2)
        snprintf(out + at, TEST_TLSA_MAX - at, "%02x", digest[i]);
    OPENSSL_free(der);
    X509_free(x);
    EVP_PKEY_free(key);
    return out;
}

/* Remove the directory and its files. */
static inline void test_certs_end(const char *dir)
{
    char path[TEST_PATH_MAX * 2];
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && (e = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    if (d)
        closedir(d);
    (void)rmdir(dir);
}
#endif
