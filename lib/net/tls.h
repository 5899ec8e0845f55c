#ifndef LIB_NET_TLS_H
#define LIB_NET_TLS_H
/* TLS over any transport with our own BIO over slices: no memory BIOs, buffers released when idle.
 * TLS 1.2 and 1.3. The handshake itself never refuses a peer certificate: the verdict is recorded
 * in tls_info and the user decides. */
#include "lib/base/arena.h"
#include "lib/net/transport.h"

struct tls_ctx;        /* shared by shards; what it was made from may be replaced as a whole */
struct tls_site_conf { /* a certificate of its own for one domain */
    const char *domain, *cert_file, *key_file;
};
struct tls_ctx_conf {
    const char *cert_file, *key_file; /* PEM; may be NULL for a client without certificate */
    const char *ca_file;              /* PEM bundle; NULL = the system's (unless no_system_ca) */
    bool no_system_ca;
    const char
        *crl_file; /* PEM, any number of lists; NULL: revocation is not looked at. A peer whose
                      issuer has no list here is not revoked; an outdated list counts on */
    bool request_peer_cert; /* server: ask the client for a certificate (s2s) */
    const struct tls_site_conf
        *sites;       /* ended by domain NULL; may be NULL. Chosen by the server for
                         the SNI name, by the client as who it is (tls_client_as) */
    const char *alpn; /* "xmpp-client", "xmpp-server" or NULL */
};
/* why gets one line naming the file and the reason. */
enum err tls_ctx_new(bool server, const struct tls_ctx_conf *c, struct tls_ctx **out, char *why,
                     size_t why_size) MUST_USE;
/* Another certificate, chosen by SNI name (exact, case-insensitive); lost when the set is replaced.
 */
enum err tls_ctx_add_cert(struct tls_ctx *ctx, const char *domain, const char *cert_file,
                          const char *key_file, char *why, size_t why_size) MUST_USE;
/* New certificates, keys and CAs for connections that begin from now on, in two steps, so that
 * several contexts change together or none does: read and check the files (any thread; why as
 * above), then put what was read in force. Certificates added by name are not kept. */
struct tls_set;
enum err tls_set_new(bool server, const struct tls_ctx_conf *c, struct tls_set **out, char *why,
                     size_t why_size) MUST_USE;
void tls_ctx_replace(struct tls_ctx *ctx, struct tls_set **set_take);
void tls_set_unref(struct tls_set **ps);
/* The certificate in force (of no SNI name). False: there is none. */
struct tls_cert_info {
    char subject[128], issuer[128];
    uint64_t not_before_us, not_after_us; /* wall */
    bool is_self_signed;
};
int64_t tls_cert_days(const struct tls_cert_info *i); /* left; negative: it is over */
bool tls_ctx_cert(struct tls_ctx *ctx, struct tls_cert_info *out);
bool tls_set_cert(const struct tls_set *s, struct tls_cert_info *out);
/* Does it, or the one of its site, speak for this domain (as tls_peer_is)? */
bool tls_set_cert_is(const struct tls_set *s, struct str domain);
/* Make a certificate that nobody vouches for, and its key (mode 0600), as new files; existing ones
 * are refused. domain: A-labels. Blocks. ERR_TLS with why. */
enum err tls_selfsign(const char *domain, unsigned days, const char *cert_file,
                      const char *key_file, char *why, size_t why_size) MUST_USE;
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_unref(struct tls_ctx **pctx);

/* Why a handshake failed, as far as it can be told apart. */
enum tls_fault {
    TLS_FAULT_NONE,
    TLS_FAULT_LOST,    /* the connection ended within it */
    TLS_FAULT_VERSION, /* no version, cipher or other parameter in common */
    TLS_FAULT_GARBAGE, /* what came is not TLS */
    TLS_FAULT_ALERT,   /* the peer refused, with an alert that says something else */
    TLS_FAULT_OTHER
};
/* Why a chain is not trusted: the first objection. */
enum tls_cert_fault {
    TLS_CERT_OK,
    TLS_CERT_EXPIRED,
    TLS_CERT_NOT_YET,
    TLS_CERT_ISSUER, /* unknown, self-signed, or an intermediate is missing */
    TLS_CERT_WEAK,
    TLS_CERT_REVOKED,
    TLS_CERT_OTHER
};
struct tls_info {
    const char *version, *cipher; /* "TLSv1.3", ... */
    enum tls_fault fault;
    enum tls_cert_fault cert_fault;
    bool has_cert; /* the peer showed a certificate */
    bool chain_ok; /* trusted by our CAs, in time, serverAuth or clientAuth or no usage at all */
    bool resumed;
    struct tls_words *words; /* see the two functions; NULL: nothing to say */
};
/* Why the chain is not trusted, "" if it is; the subject of the peer's certificate, "" without. */
const char *tls_chain_why(const struct tls_info *i);
const char *tls_subject(const struct tls_info *i);
/* Wrap lower (which is taken, set to NULL; its events are taken over). ready comes when the
 * handshake is complete; end with ERR_TLS when it fails. */
struct transport *tls_server(struct transport **lower, struct tls_ctx *ctx);
struct transport *tls_client(struct transport **lower, struct tls_ctx *ctx, const char *sni);
/* With the certificate of the site of this domain, if there is one. */
struct transport *tls_client_as(struct transport **lower, struct tls_ctx *ctx, const char *sni,
                                const char *as_or_null);
/* What lets a client begin again where it ended: cheaper, and never a proof. After a handshake that
 * resumed one (tls_info.resumed) the certificate the peer showed in the first is judged anew by
 * what is trusted now, so users ask as ever. Counted; holds the peer's chain (some 20 KB). */
struct tls_session;
/* The newest that the server gave; a reference, NULL if there is none. Not before anything came
 * behind the handshake. */
struct tls_session *tls_session_of(const struct transport *t);
struct tls_session *tls_session_ref(struct tls_session *s);
void tls_session_unref(struct tls_session **ps);
/* Offer it; t is a client's that was made in this very call. False: it is of no use, because we
 * show another certificate than then, or ours or the peer's has ended. */
bool tls_resume(struct transport *t, struct tls_session *s);
/* Does the peer's certificate speak for this domain (RFC 9525: dNSName with left-most wildcard; RFC
 * 6120: id-on-xmppAddr, SRVName _xmpp-server / _xmpps-server)? No CN fallback. Names only: look at
 * chain_ok too. domain in the form of the certificate: A-labels for dNSName and SRVName, UTF-8 for
 * xmppAddr (ask twice for an internationalised one). */
bool tls_peer_is(const struct transport *t, struct str domain);
/* For people: the peer's certificate, and the names it is for ("dns:a.example", "xmpp:a.example",
 * "srv:_xmpp-server.a.example"; at most max, copied into the arena), and the subjects of the chain
 * it sent, the certificate itself first. False, 0: there is none. */
bool tls_peer_cert_info(const struct transport *t, struct tls_cert_info *out);
size_t tls_peer_names(const struct transport *t, struct arena *a, struct str *out, size_t max);
size_t tls_peer_chain(const struct transport *t, struct arena *a, struct str *out, size_t max);
/* The xmppAddr names of the peer's certificate (RFC 6120 section 13.7.1.4), at most max, as they
 * are, copied into the arena. Names only: look at chain_ok too. */
size_t tls_peer_xmpp_addrs(const struct transport *t, struct arena *a, struct str *out, size_t max);
/* Last TLS alert or error of a failed handshake in words; "" if none. Valid until close. */
const char *tls_error(const struct transport *t);
#endif
