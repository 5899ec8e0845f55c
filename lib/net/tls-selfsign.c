/* DOC: a certificate of our own making, for the first minutes of a new node: ECDSA P-256, signed by
 * itself, and saying so in its subject and in the text above it in the file. Clients do not trust
 * it unless told to, servers that ask for a trusted one neither. Standards: RFC 5280, RFC 9525. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "lib/net/tls-int.h"

#define MARK "self-signed by meridiand --init, to be replaced"
enum { SERIAL_BYTES = 16 };

static bool selfsign_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool selfsign_serial(X509 *x)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f;
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

static bool selfsign_name(X509 *x, const char *domain)
{
    X509_NAME *name = X509_get_subject_name(x);
    char common[65]; /* ub-common-name; nobody reads it for the identity */
    snprintf(common, sizeof common, "%s", domain);
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)MARK, -1, -1,
                                      0) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1,
                                      -1, 0) &&
           X509_set_issuer_name(x, name);
}

static bool selfsign_fill(X509 *x, EVP_PKEY *key, const char *domain, unsigned days)
{
    char names[600];
    snprintf(names, sizeof names, "DNS:%s", domain);
    return X509_set_version(x, 2) && selfsign_serial(x) && selfsign_name(x, domain) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
           X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, NULL) && X509_set_pubkey(x, key) &&
           selfsign_extension(x, NID_subject_alt_name, names) &&
           selfsign_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           selfsign_extension(x, NID_ext_key_usage, "serverAuth,clientAuth") &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

/* A new file; what is there already is left alone. */
static FILE *selfsign_create(const char *path, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

static bool selfsign_write(X509 *x, EVP_PKEY *key, const char *cert_file, const char *key_file,
                           char *why, size_t why_size)
{
    FILE *k = selfsign_create(key_file, 0600);
    FILE *c = k ? selfsign_create(cert_file, 0644) : NULL;
    bool ok = c && fputs("# " MARK "\n", c) >= 0 && PEM_write_X509(c, x) == 1 &&
              PEM_write_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (!ok)
        snprintf(why, why_size, "%s: %s", k ? cert_file : key_file, strerror(errno));
    if (k)
        ok = fclose(k) == 0 && ok;
    if (c)
        ok = fclose(c) == 0 && ok;
    return ok;
}

enum err tls_selfsign(const char *domain, unsigned days, const char *cert_file,
                      const char *key_file, char *why, size_t why_size)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    must(key && x);
    enum err e = ERR_TLS;
    if (!selfsign_fill(x, key, domain, days))
        snprintf(why, why_size, "cannot make a certificate for %s: %s", domain,
                 ERR_reason_error_string(ERR_peek_last_error()));
    else if (selfsign_write(x, key, cert_file, key_file, why, why_size))
        e = ERR_OK;
    X509_free(x);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return e;
}
