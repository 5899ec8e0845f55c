#ifndef LIB_XMPP_SASL_H
#define LIB_XMPP_SASL_H
/* SASL mechanisms as pure state machines (RFC 6120 section 6, RFC 5802, 7677, 4616, 4505, XEP-0178,
 * draft-schmaus-kitten-sasl-ht-09).
 * Messages here are raw bytes, base64 is the stream's. No I/O: when a mechanism needs the account
 * it says so and is continued with the answer. */
#include "lib/base/buf.h"
#include "lib/base/crypto.h"
#include "lib/xmpp/scram-key.h"

enum sasl_mech {
    SASL_SCRAM_SHA_512_PLUS,
    SASL_SCRAM_SHA_256_PLUS,
    SASL_SCRAM_SHA_1_PLUS,
    SASL_SCRAM_SHA_512,
    SASL_SCRAM_SHA_256,
    SASL_SCRAM_SHA_1,
    SASL_PLAIN,
    SASL_EXTERNAL,
    SASL_ANONYMOUS,
    SASL_HT_SHA_256_EXPR,
    SASL_HT_SHA_256_ENDP,
    SASL_HT_SHA_256_NONE,
    SASL_MECH_COUNT
}; /* strongest first; HT, for tokens (XEP-0484), by themselves */
const char *sasl_mech_name(enum sasl_mech m);
/* Digest of a SCRAM mechanism; SHA-256 for others. */
enum digest sasl_mech_digest(enum sasl_mech m);
static inline bool sasl_mech_is_scram(enum sasl_mech m)
{
    return m <= SASL_SCRAM_SHA_1;
}
static inline bool sasl_mech_is_plus(enum sasl_mech m)
{
    return m <= SASL_SCRAM_SHA_1_PLUS;
}
static inline bool sasl_mech_is_ht(enum sasl_mech m)
{
    return m >= SASL_HT_SHA_256_EXPR && m <= SASL_HT_SHA_256_NONE;
}
enum { /* bit sets */
       SASL_MECHS_PLUS = (1 << (SASL_SCRAM_SHA_1_PLUS + 1)) - 1,
       SASL_MECHS_HT_BOUND = 1 << SASL_HT_SHA_256_EXPR | 1 << SASL_HT_SHA_256_ENDP,
       SASL_MECHS_HT = SASL_MECHS_HT_BOUND | 1 << SASL_HT_SHA_256_NONE,
};
bool sasl_mech_find(struct str name, enum sasl_mech *out);

enum sasl_status {
    SASL_CONTINUE,  /* out is a challenge */
    SASL_NEED_KEYS, /* give sasl_server_keys: stored keys of sasl_server_user for sasl_server_digest
                     */
    SASL_NEED_PASSWORD, /* give sasl_server_verdict: is sasl_server_password right for
                           sasl_server_user */
    SASL_NEED_IDENTITY, /* EXTERNAL: give sasl_server_verdict: may the peer act as
                           sasl_server_authzid ("" = derive) */
    SASL_NEED_TOKEN, /* HT: give sasl_server_token when one of the tokens of sasl_server_user makes
                        sasl_server_proof, else sasl_server_verdict with a failure */
    SASL_DONE,       /* authenticated; out is additional data with success */
    SASL_FAILED,     /* sasl_server_failure says which */
};
#define SASL_FAIL_TABLE(X)                                                                         \
    X(ABORTED, "aborted")                                                                          \
    X(ACCOUNT_DISABLED, "account-disabled")                                                        \
    X(CREDENTIALS_EXPIRED, "credentials-expired")                                                  \
    X(ENCRYPTION_REQUIRED, "encryption-required")                                                  \
    X(INCORRECT_ENCODING, "incorrect-encoding")                                                    \
    X(INVALID_AUTHZID, "invalid-authzid")                                                          \
    X(INVALID_MECHANISM, "invalid-mechanism")                                                      \
    X(MALFORMED_REQUEST, "malformed-request")                                                      \
    X(MECHANISM_TOO_WEAK, "mechanism-too-weak")                                                    \
    X(NOT_AUTHORIZED, "not-authorized") X(TEMPORARY_AUTH_FAILURE, "temporary-auth-failure")
enum sasl_failure {
    SASL_FAIL_NONE,
#define SASL_FAIL_ENUM(id, name) SASL_FAIL_##id,
    SASL_FAIL_TABLE(SASL_FAIL_ENUM)
#undef SASL_FAIL_ENUM
};
const char *sasl_failure_name(enum sasl_failure f);
enum sasl_failure sasl_failure_find(struct str name);

/* What the server offered to this client: bits of enum sasl_mech, and channel bindings with their
 * bytes (RFC 5056). */
enum { SASL_BINDINGS_MAX = 3, SASL_BINDING_MAX = 64 };
struct sasl_binding {
    const char *type; /* static: "tls-exporter" */
    uint8_t data[SASL_BINDING_MAX];
    size_t data_n;
};
struct sasl_offer {
    unsigned mechs;
    size_t n;
    struct sasl_binding bindings[SASL_BINDINGS_MAX];
};
/* Digest of the offer's names, those of HT apart, as SCRAM carries it, base64 (XEP-0474
 * section 6.1). */
void sasl_offer_hash(const struct sasl_offer *o, enum digest d, struct buf *out);
/* NULL: not offered. */
const struct sasl_binding *sasl_offer_binding(const struct sasl_offer *o, struct str type);

#define SASL_MESSAGE_MAX 4096 /* bytes, decoded; longer input is MALFORMED_REQUEST */
struct sasl_server;
/* iterations/salt for unknown users are faked deterministically from a secret so that they cannot
 * be told apart. */
struct sasl_server *sasl_server_new(enum sasl_mech m);
void sasl_server_free(struct sasl_server **ps); /* wipes secrets */
/* Secret and iteration count of the fakes, for a service of several nodes or of restarts: the same
 * everywhere, as real accounts are. Default: drawn per process, SCRAM_ITERATIONS_DEFAULT. */
void sasl_server_set_fake(struct sasl_server *s, struct str secret, unsigned iterations);
/* SCRAM: the offer goes into the first message, and "y" is refused when -PLUS was in it. Copied.
 * Without it no channel binding is known and nothing is said about the offer. */
void sasl_server_set_offer(struct sasl_server *s, const struct sasl_offer *o);
/* in: STR_NONE for <auth/> without initial response (answered by an empty challenge), "" for "=".
 */
enum sasl_status sasl_server_step(struct sasl_server *s, struct str in, struct buf *out);
/* Answers; each returns the next status as step does. keys NULL: no such user or no keys of this
 * digest. */
enum sasl_status sasl_server_keys(struct sasl_server *s, const struct scram_key *keys,
                                  struct buf *out);
/* SASL_FAIL_NONE = yes. A failure may also be given where keys are needed: the account cannot be
 * looked up now. */
enum sasl_status sasl_server_verdict(struct sasl_server *s, enum sasl_failure f, struct buf *out);
struct str sasl_server_user(const struct sasl_server *s); /* prepared authcid; valid until free */
struct str
sasl_server_authzid(const struct sasl_server *s); /* as sent, "" if none; the caller checks it */
struct str sasl_server_password(const struct sasl_server *s); /* PLAIN only */
enum digest sasl_server_digest(const struct sasl_server *s);
enum sasl_failure sasl_server_failure(const struct sasl_server *s);

/* ---- HT (sasl-ht.c) */
enum { SASL_HT_BYTES = 32 };
/* Of set, what needs no channel binding that the offer lacks. */
unsigned sasl_ht_usable(unsigned set, const struct sasl_offer *o);
struct str sasl_server_proof(const struct sasl_server *s);   /* SASL_HT_BYTES */
struct str sasl_server_binding(const struct sasl_server *s); /* bytes of the channel's, or "" */
/* Was the proof made with this token? In constant time; response: ours, to go with success. */
bool sasl_ht_check(struct str token, struct str binding, struct str proof,
                   uint8_t response[SASL_HT_BYTES]);
enum sasl_status sasl_server_token(struct sasl_server *s, const uint8_t response[SASL_HT_BYTES],
                                   struct buf *out);
/* The HMAC of either side; who: "Initiator" or "Responder". */
void sasl_ht_sign(struct str token, const char *who, struct str binding,
                  uint8_t out[SASL_HT_BYTES]);

/* Client side, for s2s EXTERNAL, tests and the simulator. Blocking PBKDF2 inside SCRAM. */
struct sasl_client;
struct sasl_client *sasl_client_new(enum sasl_mech m, struct str user, struct str password,
                                    struct str authzid);
void sasl_client_free(struct sasl_client **pc);
/* SCRAM: what the client saw of the offer, as it may have been changed on its way: the server's
 * digest of it, if it sends one, must agree. binding: the type to use with a -PLUS mechanism
 * (static; must be in the offer), NULL for none. Copied. */
void sasl_client_set_offer(struct sasl_client *c, const struct sasl_offer *seen,
                           const char *binding);
/* first call with in = STR_NONE gives the initial response. ERR_AUTH when the server's proof is
 * wrong or malformed. */
enum err sasl_client_step(struct sasl_client *c, struct str in, struct buf *out) MUST_USE;
enum err sasl_client_finish(struct sasl_client *c, struct str additional)
    MUST_USE; /* data of <success/>; verifies the server signature */
#endif
