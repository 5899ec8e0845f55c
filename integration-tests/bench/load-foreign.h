#ifndef BENCH_LOAD_FOREIGN_H
#define BENCH_LOAD_FOREIGN_H
/* The generator as many foreign servers behind one address: streams of its own to the server under
 * test, one for each domain, and the streams that server opens. Words: out = a stream we opened,
 * on which we send; in = one the server opened, on which we receive. */
#include "integration-tests/bench/load-conn.h"

enum { LOAD_DOMAIN_MAX = 256, LOAD_STREAM_ID_MAX = 128, LOAD_KEY_MAX = 65 };

enum load_peer_state {
    LOAD_PEER_OFF,
    LOAD_PEER_CONNECT,
    LOAD_PEER_FEATURES, /* out: waits for features before TLS */
    LOAD_PEER_PROCEED,  /* out: waits for the word, then for TLS */
    LOAD_PEER_MECHS,    /* out: waits for features with mechanisms */
    LOAD_PEER_SASL,     /* out: waits for success */
    LOAD_PEER_SUCCESS,  /* out: waits for features again */
    LOAD_PEER_RESULT,   /* out: waits for the verdict of dialback */
    LOAD_PEER_ENABLE,   /* out: waits for stream management */
    LOAD_PEER_READY     /* out: may send. in: is accepted, whatever it is waiting for */
};

struct load_foreign;

/* A stream of either kind. */
struct load_peer {
    struct load_conn conn; /* first */
    struct load_foreign *foreign;
    enum load_peer_state state;
    bool is_tls, is_proved, is_sm_offered, has_acks;
    unsigned handled;     /* in: stanzas since <enable/> */
    uint64_t sent, acked; /* out: stanzas, with acks */
    unsigned domain;      /* in: the number of domains until the header said which */
    char id[LOAD_STREAM_ID_MAX];
    struct load_peer *next;
};

/* A message came for a domain. */
typedef void load_foreign_message(void *scenario, unsigned domain, const struct load_item *item);

struct load_foreign {
    struct load_source listener; /* first */
    struct load_loop *loop;
    SSL_CTX *tls;
    unsigned n;
    char (*name)[LOAD_DOMAIN_MAX];
    struct load_peer *out; /* n of them */
    struct load_peer *in;  /* a list */
    unsigned char secret[32];
    unsigned acknowledging; /* streams, both ways, on which stream management was enabled */
    unsigned proved_by_cert, proved_by_dialback; /* streams of the server's that were accepted */
    load_foreign_message *message;
    void *scenario;
};

/* Listen; ends the program if that fails. */
void load_foreign_init(struct load_foreign *f, struct load_loop *l, load_foreign_message *message,
                       void *scenario);
void load_foreign_fini(struct load_foreign *f);
/* Open the outgoing streams, --connect-parallel at once. False if one fails. */
bool load_foreign_open(struct load_foreign *f);

/* Of the streams' files: the number of a domain, or n. */
unsigned load_foreign_find(const struct load_foreign *f, struct load_span name);
/* The dialback key of a stream, in hex. */
void load_foreign_key(const struct load_foreign *f, unsigned domain, struct load_span id,
                      char out[LOAD_KEY_MAX]);
void load_peer_out_init(struct load_peer *p, struct load_foreign *f, unsigned domain);
void load_peer_out_start(struct load_peer *p);
/* Of the scenario: a stanza went out on it. */
void load_peer_sent(struct load_peer *p);
/* A new one for a socket that was accepted. */
struct load_peer *load_peer_in_new(struct load_foreign *f, int fd);
#endif
