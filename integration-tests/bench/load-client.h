#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H
/* An XMPP client: logs in, answers what any client answers, gives the rest to the scenario.
 * Words: ready = logged in, with all that was asked for. */
#include "integration-tests/bench/load-conn.h"
#include "integration-tests/bench/load-scram.h"

enum { LOAD_JID_MAX = 512 };

enum load_client_state {
    LOAD_CLIENT_OFF,      /* no connection */
    LOAD_CLIENT_CONNECT,  /* on the way to the server, TLS of mode direct included */
    LOAD_CLIENT_FEATURES, /* waits for features before TLS */
    LOAD_CLIENT_PROCEED,  /* waits for the word to begin TLS, then for TLS */
    LOAD_CLIENT_MECHS,    /* waits for features with mechanisms */
    LOAD_CLIENT_SASL,     /* waits for challenge or success */
    LOAD_CLIENT_SUCCESS,  /* the answer was right; waits for features with bind */
    LOAD_CLIENT_BIND,     /* waits for its JID */
    LOAD_CLIENT_SESSION,  /* waits for the old session's result */
    LOAD_CLIENT_ENABLE,   /* waits for stream management */
    LOAD_CLIENT_ROSTER,   /* waits for its roster */
    LOAD_CLIENT_PRESENCE, /* waits for its own presence */
    LOAD_CLIENT_READY,
    LOAD_CLIENT_CLOSING /* has closed its stream, waits for the server to do so */
};

struct load_client;

struct load_client_events {
    /* A stanza for the scenario: messages, presences, results nobody here waits for. */
    void (*stanza)(struct load_client *c, const struct load_item *item);
    /* Logged in, or gone after a close. May be NULL. */
    void (*ready)(struct load_client *c);
    void (*closed)(struct load_client *c);
    /* Its roster, or a change of it: an iq with a query. May be NULL. */
    void (*roster)(struct load_client *c, const struct load_item *item);
};

/* What a login contains; shared by all clients of a scenario. */
struct load_login {
    const struct load_client_events *events;
    bool has_roster;      /* ask for the roster */
    bool has_presence;    /* send presence */
    bool awaits_presence; /* and wait until it comes back */
    bool wants_ticket;    /* keep TLS tickets, resume with them */
};

/* Stream management (XEP-0198). */
struct load_sm {
    bool is_on;
    uint32_t received, sent, acked;
    unsigned unasked; /* stanzas sent since the last <r/> */
};

struct load_client {
    struct load_conn conn; /* first */
    struct load_loop *loop;
    const struct load_login *login;
    void *scenario;
    unsigned index;   /* its resource is r<index> */
    unsigned account; /* its name is PREFIX<account> */
    bool uses_b;      /* connects to --server-b */
    bool was_resumed; /* its TLS session */
    enum load_client_state state;
    struct load_scram scram;
    struct load_sm sm;
    char jid[LOAD_JID_MAX]; /* as the server bound it */
};

/* Set up a zeroed one. */
void load_client_init(struct load_client *c, struct load_loop *l, const struct load_login *login,
                      unsigned index, unsigned account);
void load_client_fini(struct load_client *c);
/* Begin to log in; between turns. */
void load_client_start(struct load_client *c);
/* Close the stream; `closed` comes when the server has, too. */
void load_client_stop(struct load_client *c);
/* Count a stanza that was put into its connection; asks for an acknowledgement now and then. */
void load_client_sent(struct load_client *c);
/* Log in n clients, --connect-parallel at once. False if one fails. */
bool load_clients_login(struct load_loop *l, struct load_client *clients, size_t n);
/* Close the streams of all that are ready, wait for the server, free all. */
void load_clients_logout(struct load_loop *l, struct load_client *clients, size_t n);
/* n clients in the order of accounts. */
struct load_client *load_clients_new(struct load_loop *l, const struct load_login *login, size_t n,
                                     unsigned first);
#endif
