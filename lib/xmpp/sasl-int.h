#ifndef LIB_XMPP_SASL_INT_H
#define LIB_XMPP_SASL_INT_H
/* Inside of the SASL mechanisms: the common server object, the mechanism table, SCRAM syntax shared
 * by both sides. */
#include "lib/base/arena.h"
#include "lib/xmpp/sasl.h"

enum { SASL_NONCE_MAX = 512, SASL_GS2_MAX = SASL_MESSAGE_MAX };

enum sasl_phase {
    SASL_PHASE_START,   /* nothing received */
    SASL_PHASE_PROMPT,  /* an empty challenge asked for the initial response */
    SASL_PHASE_FINAL,   /* SCRAM: server-first sent, client-final expected */
    SASL_PHASE_KEYS,    /* waits for sasl_server_keys */
    SASL_PHASE_VERDICT, /* waits for sasl_server_verdict */
    SASL_PHASE_END,     /* done or failed */
};

struct sasl_server {
    enum sasl_mech mech;
    enum sasl_phase phase;
    enum sasl_failure failure;
    struct arena *mem; /* names and messages; no secrets */
    struct str user, authzid;
    struct str password; /* heap, wiped */
    /* SCRAM */
    struct str gs2, first_bare, server_first, nonce, fixed_nonce;
    struct scram_key key;
    bool key_is_fake;
    bool has_offer;
    struct sasl_offer offer;
    const struct sasl_binding *binding; /* the client chose it; into offer */
    uint8_t proof[SASL_HT_BYTES];       /* HT */
    uint8_t fake_secret[32];
    unsigned fake_iterations;
};

/* End with a failure; returns SASL_FAILED. */
enum sasl_status sasl_server_fail(struct sasl_server *s, enum sasl_failure f);
void sasl_password_set(struct str *dst,
                       struct str secret); /* heap copy, replaces and wipes the old one */
void sasl_password_wipe(struct str *dst);

enum sasl_status sasl_plain_step(struct sasl_server *s, struct str in, struct buf *out);
enum sasl_status sasl_external_step(struct sasl_server *s, struct str in, struct buf *out);
enum sasl_status sasl_anonymous_step(struct sasl_server *s, struct str in, struct buf *out);
enum sasl_status sasl_ht_step(struct sasl_server *s, struct str in, struct buf *out);
enum sasl_status sasl_scram_step(struct sasl_server *s, struct str in, struct buf *out);
enum sasl_status sasl_scram_keys(struct sasl_server *s, const struct scram_key *k, struct buf *out);

/* SCRAM syntax (RFC 5802 section 7). */
/* Take "<name>=value" from the front of rest; false when it is not there. Advances past the comma;
 * rest->p is NULL at the end. */
bool scram_take(struct str *rest, char name, struct str *value);
bool scram_nonce_valid(struct str nonce);
/* Optional extensions: all must be attr-val, none may be "m". */
bool scram_extensions_valid(struct str rest);
/* Proof or signature of exactly digest_size bytes, base64. */
bool scram_bytes(struct str text, enum digest d, uint8_t *out);
/* HMAC(key, client-first-bare "," server-first "," client-final-without-proof). */
void scram_sign(enum digest d, const uint8_t *key, const struct str auth[3], uint8_t *out);

/* Hooks for tests and fuzzers: fix the nonce part a side would draw; bound the client's work. */
void sasl_server_set_nonce(struct sasl_server *s, struct str nonce);
void sasl_client_set_nonce(struct sasl_client *c, struct str nonce);
void sasl_client_set_iterations_max(struct sasl_client *c, unsigned max);
/* The salted password, digest_size bytes, as the client may have kept it (RFC 5802 section 5.1):
 * whatever salt the server names, no time is spent on it. Borrowed until free. */
void sasl_client_set_salted(struct sasl_client *c, const uint8_t *salted);
#endif
