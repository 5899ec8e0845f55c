/* Who the peer is: the verdict on its chain, and the names its certificate speaks for.
 *
 * Design: the handshake never fails for a certificate; the first objection is kept in words and the
 * user decides under its own policy. Usage: serverAuth, clientAuth, both or none are all good in
 * either role, because public CAs no longer issue clientAuth and XMPP servers are both. Names:
 * subjectAltName only, never the CN. Standards: RFC 5280, RFC 9525 section 6, RFC 6120
 * section 13.7.1, RFC 4985 (SRVName). */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/base/buf.h"
#include "lib/net/tls-int.h"

enum { TLS_NAME_MAX = 600 };

#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5"
#define OID_SRV_NAME "1.3.6.1.5.5.7.8.7"

static enum tls_cert_fault tls_cert_fault_of(long code)
{
    static const struct {
        int code;
        enum tls_cert_fault fault;
    } table[] = {
        {X509_V_ERR_CERT_HAS_EXPIRED, TLS_CERT_EXPIRED},
        {X509_V_ERR_CERT_NOT_YET_VALID, TLS_CERT_NOT_YET},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_CERT_ISSUER},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLS_CERT_ISSUER},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLS_CERT_ISSUER},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLS_CERT_ISSUER},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLS_CERT_ISSUER},
        {X509_V_ERR_CERT_UNTRUSTED, TLS_CERT_ISSUER},
        {X509_V_ERR_EE_KEY_TOO_SMALL, TLS_CERT_WEAK},
        {X509_V_ERR_CA_KEY_TOO_SMALL, TLS_CERT_WEAK},
        {X509_V_ERR_CA_MD_TOO_WEAK, TLS_CERT_WEAK},
        {X509_V_ERR_CERT_REVOKED, TLS_CERT_REVOKED},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].code == code)
            return table[i].fault;
    return TLS_CERT_OTHER;
}

/* No objection to the peer: its issuer has no list here, or the operator did not renew it (what it
 * revokes stays revoked). */
static bool tls_is_about_lists(int code)
{
    return code == X509_V_ERR_UNABLE_TO_GET_CRL || code == X509_V_ERR_CRL_HAS_EXPIRED;
}

int tls_verify_note(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_info *info = tls_info_of(ssl);

    if (!ok && tls_is_about_lists(X509_STORE_CTX_get_error(store))) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    if (ok || (info->words && info->words->chain_why[0]))
        return 1;
    info->cert_fault = tls_cert_fault_of(X509_STORE_CTX_get_error(store));
    snprintf(tls_words(info)->chain_why, sizeof info->words->chain_why,
             "%s (certificate %d of the chain)",
             X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)),
             X509_STORE_CTX_get_error_depth(store));
    return 1;
}

static bool tls_usage_ok(X509 *cert)
{
    uint32_t usage = X509_get_extended_key_usage(cert); /* UINT32_MAX: no restriction */
    return (usage & (XKU_SSL_SERVER | XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
}

void tls_verify_finish(SSL *ssl, struct tls_info *info)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);

    info->has_cert = cert != NULL;
    if (!cert)
        return;
    struct tls_words *w = tls_words(info);
    X509_NAME_oneline(X509_get_subject_name(cert), w->subject, sizeof w->subject);
    if (!w->chain_why[0] && SSL_get_verify_result(ssl) != X509_V_OK)
        str_put(w->chain_why, sizeof w->chain_why,
                X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
    if (!w->chain_why[0] && !tls_usage_ok(cert))
        snprintf(w->chain_why, sizeof w->chain_why,
                 "certificate is for neither TLS servers nor clients");
    info->chain_ok = !w->chain_why[0];
    if (!info->chain_ok && info->cert_fault == TLS_CERT_OK)
        info->cert_fault = tls_cert_fault_of(SSL_get_verify_result(ssl));
}

const char *tls_chain_why(const struct tls_info *i)
{
    if (!i->has_cert)
        return "no certificate shown";
    return i->words ? i->words->chain_why : "";
}

const char *tls_subject(const struct tls_info *i)
{
    return i->words ? i->words->subject : "";
}

static struct str str_undot(struct str s)
{
    if (s.n && s.p[s.n - 1] == '.')
        s.n--;
    return s;
}

/* RFC 9525 section 6.3: a wildcard is the complete left-most label and stands for exactly one.
 * "*.tld" is refused. */
static bool tls_dns_matches(struct str pattern, struct str domain)
{
    struct str rest = domain;

    pattern = str_undot(pattern);
    if (!pattern.n)
        return false;
    if (!str_starts(pattern, STR("*.")))
        return str_ieq(pattern, domain);
    pattern = str_make(pattern.p + 2, pattern.n - 2);
    if (str_find(pattern, '.') < 0 || str_find(pattern, '*') >= 0)
        return false;
    return str_cut(&rest, '.').n > 0 && rest.p && str_ieq(pattern, rest);
}

static struct str tls_asn1(const ASN1_STRING *s)
{
    return str_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static bool tls_srv_matches(struct str name, struct str domain)
{
    static const char *const services[] = {"_xmpp-server.", "_xmpps-server."};
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        size_t n = strlen(services[i]);
        if (name.n > n && str_ieq(str_make(name.p, n), str_of(services[i])))
            return tls_dns_matches(str_make(name.p + n, name.n - n), domain);
    }
    return false;
}

static bool tls_other_matches(const OTHERNAME *o, struct str domain)
{
    char oid[64];

    if (!o->value || OBJ_obj2txt(oid, sizeof oid, o->type_id, 1) <= 0)
        return false;
    if (!strcmp(oid, OID_XMPP_ADDR) && o->value->type == V_ASN1_UTF8STRING)
        return str_ieq(str_undot(tls_asn1(o->value->value.utf8string)), domain);
    if (!strcmp(oid, OID_SRV_NAME) && o->value->type == V_ASN1_IA5STRING)
        return tls_srv_matches(tls_asn1(o->value->value.ia5string), domain);
    return false;
}

bool tls_cert_is(X509 *cert, struct str domain)
{
    GENERAL_NAMES *names;
    bool matches = false;

    domain = str_undot(domain);
    if (!domain.n)
        return false;
    ERR_clear_error();
    names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names && !matches && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type == GEN_DNS)
            matches = tls_dns_matches(tls_asn1(g->d.dNSName), domain);
        else if (g->type == GEN_OTHERNAME)
            matches = tls_other_matches(g->d.otherName, domain);
    }
    GENERAL_NAMES_free(names);
    return matches;
}

bool tls_peer_is(const struct transport *t, struct str domain)
{
    X509 *cert = tls_peer_cert(t);
    return cert && tls_cert_is(cert, domain);
}

/* ---- for people */

bool tls_peer_cert_info(const struct transport *t, struct tls_cert_info *out)
{
    X509 *cert = tls_peer_cert(t);
    if (cert)
        tls_cert_describe(cert, out);
    return cert != NULL;
}

static struct str tls_named(struct arena *a, const char *kind, struct str name)
{
    struct buf text;
    buf_init(&text, TLS_NAME_MAX);
    buf_printf(&text, "%s:" STR_FMT, kind, (int)(name.n < 512 ? name.n : 512), name.p);
    struct str out = arena_dup(a, buf_view(&text));
    buf_fini(&text);
    return out;
}

static struct str tls_name_text(struct arena *a, const GENERAL_NAME *g)
{
    char oid[64];
    if (g->type == GEN_DNS)
        return tls_named(a, "dns", tls_asn1(g->d.dNSName));
    if (g->type != GEN_OTHERNAME || !g->d.otherName->value ||
        OBJ_obj2txt(oid, sizeof oid, g->d.otherName->type_id, 1) <= 0)
        return STR_NONE;
    const ASN1_TYPE *v = g->d.otherName->value;
    if (!strcmp(oid, OID_XMPP_ADDR) && v->type == V_ASN1_UTF8STRING)
        return tls_named(a, "xmpp", tls_asn1(v->value.utf8string));
    if (!strcmp(oid, OID_SRV_NAME) && v->type == V_ASN1_IA5STRING)
        return tls_named(a, "srv", tls_asn1(v->value.ia5string));
    return STR_NONE;
}

size_t tls_peer_names(const struct transport *t, struct arena *a, struct str *out, size_t max)
{
    X509 *cert = tls_peer_cert(t);
    size_t n = 0;
    ERR_clear_error();
    GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
    for (int i = 0; names && n < max && i < sk_GENERAL_NAME_num(names); i++) {
        const struct str name = tls_name_text(a, sk_GENERAL_NAME_value(names, i));
        if (name.n > 0)
            out[n++] = name;
    }
    GENERAL_NAMES_free(names);
    return n;
}

size_t tls_peer_chain(const struct transport *t, struct arena *a, struct str *out, size_t max)
{
    SSL *ssl = tls_ssl(t);
    STACK_OF(X509) *chain = ssl ? SSL_get_peer_cert_chain(ssl) : NULL;
    size_t n = 0;
    for (; chain && n < max && n < (size_t)sk_X509_num(chain); n++) {
        char subject[TLS_NAME_MAX];
        X509_NAME_oneline(X509_get_subject_name(sk_X509_value(chain, (int)n)), subject,
                          sizeof subject);
        out[n] = arena_dup(a, str_of(subject));
    }
    return n;
}

/* Text of an xmppAddr name, STR_NONE for others. */
static struct str tls_xmpp_addr(const GENERAL_NAME *g)
{
    char oid[64];
    if (g->type != GEN_OTHERNAME || !g->d.otherName->value ||
        g->d.otherName->value->type != V_ASN1_UTF8STRING ||
        OBJ_obj2txt(oid, sizeof oid, g->d.otherName->type_id, 1) <= 0 ||
        strcmp(oid, OID_XMPP_ADDR) != 0)
        return STR_NONE;
    return tls_asn1(g->d.otherName->value->value.utf8string);
}

size_t tls_peer_xmpp_addrs(const struct transport *t, struct arena *a, struct str *out, size_t max)
{
    X509 *cert = tls_peer_cert(t);
    size_t n = 0;
    ERR_clear_error();
    GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
    for (int i = 0; names && n < max && i < sk_GENERAL_NAME_num(names); i++) {
        const struct str name = tls_xmpp_addr(sk_GENERAL_NAME_value(names, i));
        if (name.n > 0)
            out[n++] = arena_dup(a, name);
    }
    GENERAL_NAMES_free(names);
    return n;
}
