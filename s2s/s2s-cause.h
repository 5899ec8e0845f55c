#ifndef S2S_S2S_CAUSE_H
#define S2S_S2S_CAUSE_H
/* Why something between us and a remote domain did not work: a typed cause with its class, whose
 * side it is on, what the senders are told (RFC 6120 section 8.3.3), and a sentence with advice.
 * Names are stable: they are in logs, metrics, bounces and in what `meridianctl s2s` prints. */
#include "lib/base/err.h"
#include "lib/net/tls.h"
#include "lib/stream/stream.h"
#include "lib/xmpp/stanza-error.h"

enum s2s_class {
    S2S_CLASS_NONE,
    S2S_CLASS_DNS,
    S2S_CLASS_ADDRESS,
    S2S_CLASS_TLS,
    S2S_CLASS_CERT,
    S2S_CLASS_AUTH,
    S2S_CLASS_POLICY,
    S2S_CLASS_LIMIT,
    S2S_CLASS_PEER,
    S2S_CLASS_LOCAL,
    S2S_CLASSES
};
enum s2s_side { S2S_SIDE_NOBODY, S2S_SIDE_OURS, S2S_SIDE_THEIRS, S2S_SIDE_BETWEEN };

/* id, name, class, side, condition for senders, is_final (waiting does not help), text, advice */
#define S2S_CAUSE_TABLE(X)                                                                         \
    X(NONE, "none", NONE, NOBODY, OK, false, "nothing is wrong", "")                               \
    X(DNS_NAME, "dns-name", DNS, OURS, REMOTE_SERVER_NOT_FOUND, true, "this is not a domain name", \
      "correct the address")                                                                       \
    X(DNS_NXDOMAIN, "dns-nxdomain", DNS, THEIRS, REMOTE_SERVER_NOT_FOUND, true,                    \
      "the domain does not exist", "check the spelling; the owner must register or renew it")      \
    X(DNS_NODATA, "dns-nodata", DNS, THEIRS, REMOTE_SERVER_NOT_FOUND, true,                        \
      "the domain has neither SRV nor address records for XMPP",                                   \
      "its owner must publish _xmpp-server SRV records")                                           \
    X(DNS_REFUSED, "dns-no-service", DNS, THEIRS, REMOTE_SERVER_NOT_FOUND, true,                   \
      "the domain says that it offers no XMPP service (SRV target \".\")",                         \
      "nothing, unless its owner wants XMPP")                                                      \
    X(DNS_SERVFAIL, "dns-servfail", DNS, THEIRS, REMOTE_SERVER_TIMEOUT, false,                     \
      "the name servers of the domain fail or its signatures are bogus",                           \
      "its owner must repair the zone or its DNSSEC signatures")                                   \
    X(DNS_TARGET, "dns-target", DNS, THEIRS, REMOTE_SERVER_NOT_FOUND, false,                       \
      "the SRV records of the domain lead to no address",                                          \
      "its owner must correct the SRV records or give those hosts A or AAAA records")              \
    X(DNS_TIMEOUT, "dns-timeout", DNS, BETWEEN, REMOTE_SERVER_TIMEOUT, false,                      \
      "no answer from DNS",                                                                        \
      "see whether our resolver answers for other names, else its servers are down")               \
    X(DNS_MALFORMED, "dns-malformed", DNS, THEIRS, REMOTE_SERVER_TIMEOUT, false,                   \
      "the DNS answer is malformed", "the owner of the domain must repair its name servers")       \
    X(ADDRESS_REFUSED, "address-refused", ADDRESS, THEIRS, REMOTE_SERVER_TIMEOUT, false,           \
      "nobody listens at the addresses of the domain",                                             \
      "the peer's server is down, or its SRV records name the wrong port")                         \
    X(ADDRESS_UNREACHABLE, "address-unreachable", ADDRESS, BETWEEN, REMOTE_SERVER_TIMEOUT, false,  \
      "no route to the addresses of the domain", "check our own network first")                    \
    X(ADDRESS_TIMEOUT, "address-timeout", ADDRESS, BETWEEN, REMOTE_SERVER_TIMEOUT, false,          \
      "no answer from the addresses of the domain",                                                \
      "the host is down or a firewall drops what we send")                                         \
    X(TLS_MISSING, "tls-missing", TLS, THEIRS, REMOTE_SERVER_TIMEOUT, false,                       \
      "the peer offers no TLS, which is required here", "the peer must switch TLS on")             \
    X(TLS_REFUSED, "tls-refused", TLS, THEIRS, REMOTE_SERVER_TIMEOUT, false,                       \
      "the peer refused STARTTLS that it had offered", "the peer must repair its TLS")             \
    X(TLS_HANDSHAKE, "tls-handshake", TLS, THEIRS, REMOTE_SERVER_TIMEOUT, false,                   \
      "the TLS handshake failed", "see the alert in the text; the peer's log says more")           \
    X(TLS_VERSION, "tls-version", TLS, THEIRS, REMOTE_SERVER_TIMEOUT, false,                       \
      "no TLS version or cipher in common", "the peer must offer TLS 1.2 or better")               \
    X(TLS_LOST, "tls-lost", TLS, THEIRS, REMOTE_SERVER_TIMEOUT, false,                             \
      "the connection ended within the TLS handshake",                                             \
      "the peer closes on TLS: its log says why, often a missing certificate")                     \
    X(CERT_MISSING, "cert-missing", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                    \
      "the peer has no certificate", "the peer must install one")                                  \
    X(CERT_EXPIRED, "cert-expired", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                    \
      "the certificate of the peer has expired", "the peer must renew and reload it")              \
    X(CERT_NOT_YET, "cert-not-yet-valid", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,              \
      "the certificate of the peer is not valid yet", "check the clocks, ours first")              \
    X(CERT_NAME, "cert-name", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                          \
      "the certificate of the peer is for other names",                                            \
      "the peer must get one that names the XMPP domain, not only the host")                       \
    X(CERT_ISSUER, "cert-issuer", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                      \
      "the certificate of the peer is signed by nobody we know",                                   \
      "the peer must send its intermediates; else add its CA here or allow dialback")              \
    X(CERT_WEAK, "cert-weak", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                          \
      "the certificate of the peer uses a weak key or signature", "the peer must get a new one")   \
    X(CERT_REVOKED, "cert-revoked", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                    \
      "the certificate of the peer is revoked", "the peer must get a new one")                     \
    X(CERT_DANE, "cert-dane", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                          \
      "the certificate of the peer does not match its TLSA records",                               \
      "the peer must publish TLSA records of its present certificate")                             \
    X(CERT_OTHER, "cert-other", CERT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                        \
      "the certificate of the peer is not acceptable", "see the text")                             \
    X(AUTH_NONE, "auth-none", AUTH, THEIRS, REMOTE_SERVER_TIMEOUT, false,                          \
      "the peer offers no way to authenticate that is allowed here",                               \
      "allow dialback for this domain, or have the peer offer EXTERNAL")                           \
    X(AUTH_EXTERNAL, "auth-external", AUTH, THEIRS, REMOTE_SERVER_TIMEOUT, false,                  \
      "the peer refused our certificate, and offers no dialback",                                  \
      "run meridianctl check; old peers refuse certificates without clientAuth")                   \
    X(AUTH_DIALBACK_INVALID, "auth-dialback-invalid", AUTH, OURS, INTERNAL_SERVER_ERROR, false,    \
      "the peer says that our dialback key is invalid",                                            \
      "all nodes need the same dialback secret, and DNS must lead to them alone")                  \
    X(AUTH_DIALBACK_ERROR, "auth-dialback-error", AUTH, BETWEEN, REMOTE_SERVER_TIMEOUT, false,     \
      "the peer could not verify us by dialback",                                                  \
      "see that our own domain can be reached from outside, as DNS says")                          \
    X(POLICY_OURS, "policy-ours", POLICY, OURS, NOT_ALLOWED, true,                                 \
      "federation with this domain is not allowed here", "change the policy in [s2s]")             \
    X(POLICY_LISTED, "policy-listed", POLICY, OURS, NOT_ALLOWED, true,                             \
      "a block list that this server follows names the domain",                                    \
      "see that it sends no spam and ask the list's operator; [[s2s.host_policy]] frees it here")  \
    X(POLICY_THEIRS, "policy-theirs", POLICY, THEIRS, REMOTE_SERVER_TIMEOUT, false,                \
      "the peer does not want to talk to us", "ask its operator")                                  \
    X(LIMIT_OUTBOX, "limit-outbox", LIMIT, OURS, RESOURCE_CONSTRAINT, true,                        \
      "too much waits for this domain already", "see why it is not reached")                       \
    X(LIMIT_EXPIRED, "limit-expired", LIMIT, THEIRS, REMOTE_SERVER_TIMEOUT, true,                  \
      "it waited too long", "see why the domain is not reached")                                   \
    X(LIMIT_SIZE, "limit-size", LIMIT, THEIRS, POLICY_VIOLATION, true,                             \
      "the stanza is larger than the peer accepts", "send less at once")                           \
    X(LIMIT_THEIRS, "limit-theirs", LIMIT, THEIRS, REMOTE_SERVER_TIMEOUT, false,                   \
      "the peer has no resources for us", "wait, or ask its operator")                             \
    X(LIMIT_RATE, "limit-rate", LIMIT, THEIRS, RESOURCE_CONSTRAINT, false,                         \
      "the peer sends more than it may", "raise its budget in [s2s] if it is a good one")          \
    X(PEER_HOST_UNKNOWN, "peer-host-unknown", PEER, THEIRS, REMOTE_SERVER_NOT_FOUND, false,        \
      "the server found by DNS does not serve this domain",                                        \
      "its owner must correct the SRV records or the server's configuration")                      \
    X(PEER_XML, "peer-xml", PEER, THEIRS, REMOTE_SERVER_TIMEOUT, false,                            \
      "the peer does not speak XMPP or sends malformed XML",                                       \
      "is another service on that port? See the SRV records")                                      \
    X(PEER_RULES, "peer-rules", PEER, THEIRS, REMOTE_SERVER_TIMEOUT, false,                        \
      "the peer breaks the rules of XMPP", "see the text; its software is at fault")               \
    X(PEER_VERSION, "peer-version", PEER, THEIRS, REMOTE_SERVER_TIMEOUT, false,                    \
      "the peer speaks a version of XMPP from before 1.0", "the peer must be updated")             \
    X(PEER_ERROR, "peer-error", PEER, THEIRS, REMOTE_SERVER_TIMEOUT, false,                        \
      "the peer closed the stream with an error", "see the text; its log says more")               \
    X(PEER_CLOSED, "peer-closed", PEER, THEIRS, REMOTE_SERVER_TIMEOUT, false,                      \
      "the peer closed the connection", "its log says why")                                        \
    X(PEER_RESET, "peer-reset", PEER, BETWEEN, REMOTE_SERVER_TIMEOUT, false,                       \
      "the connection was cut", "its server crashed or a middle box cuts connections")             \
    X(PEER_SILENT, "peer-silent", PEER, THEIRS, REMOTE_SERVER_TIMEOUT, false,                      \
      "the peer does not answer on an open connection", "its server hangs")                        \
    X(PEER_STALLED, "peer-stalled", PEER, THEIRS, REMOTE_SERVER_TIMEOUT, false,                    \
      "the peer takes no more data or acknowledges nothing", "its server hangs or is overloaded")  \
    X(LOCAL_STOPPING, "local-stopping", LOCAL, OURS, REMOTE_SERVER_TIMEOUT, false,                 \
      "this server is shutting down", "wait until it is up again")                                 \
    X(LOCAL_STORE, "local-store", LOCAL, OURS, INTERNAL_SERVER_ERROR, false,                       \
      "the store does not take what waits", "see the store's own errors in the log")               \
    X(LOCAL_DROPPED, "local-dropped", LOCAL, OURS, REMOTE_SERVER_TIMEOUT, true,                    \
      "the operator of this server gave up what waited for this domain", "ask the operator")

enum s2s_cause {
#define S2S_CAUSE_ENUM(id, name, class, side, cond, is_final, text, advice) S2S_CAUSE_##id,
    S2S_CAUSE_TABLE(S2S_CAUSE_ENUM)
#undef S2S_CAUSE_ENUM
        S2S_CAUSES
};
const char *s2s_cause_name(enum s2s_cause c);
const char *s2s_cause_text(enum s2s_cause c); /* a clause, lower case */
/* The clause, and text (may be NULL) behind it where that says more: "clause (text)". Returns out.
 */
char *s2s_cause_say(char *out, size_t size, enum s2s_cause c, const char *text);
const char *s2s_cause_advice(enum s2s_cause c); /* what to do; "" for none */
enum s2s_class s2s_cause_class(enum s2s_cause c);
const char *s2s_class_name(enum s2s_class c);
enum s2s_side s2s_cause_side(enum s2s_cause c);
const char *s2s_side_name(enum s2s_side s); /* "ours", "theirs", "between", "nobody" */
enum stanza_cond s2s_cause_cond(enum s2s_cause c);
/* Trying again does not help until somebody changes something: senders are told at once. */
bool s2s_cause_is_final(enum s2s_cause c);

enum s2s_cause s2s_cause_find(const char *name); /* S2S_CAUSES: there is none */

/* From what lower layers say. */
enum s2s_cause s2s_cause_of_dial(enum err e);
/* A stream that ended, before or after it was ready: what the peer's stream error says, else what
 * we refused, else how far it had come. wants_tls: it was to be TLS from the first byte;
 * is_secured: TLS was up. */
enum s2s_cause s2s_cause_of_end(const struct stream_end *e, bool wants_tls, bool is_secured);
/* A certificate that does not prove the domain. */
enum s2s_cause s2s_cause_of_cert(const struct tls_info *i);
#endif
