#ifndef BENCH_LOAD_CONN_H
#define BENCH_LOAD_CONN_H
/* A connection: socket, TLS when it has begun, scanner, output. It lives inside its owner and may
 * be opened again after it was closed, between turns. */
#include <stdarg.h>

#include "integration-tests/bench/load-loop.h"
#include "integration-tests/bench/load-xml.h"

enum { LOAD_IN_MAX = 4 << 20, LOAD_OUT_MAX = 64 << 20 };

struct load_buf {
    char *p;
    size_t len, size;
};

struct load_conn_events {
    /* The way is open: once after the connect, once more when TLS is up. */
    void (*opened)(void *owner, bool is_tls);
    /* A stream header, a stanza, the closing tag. The item is valid during the call. */
    void (*item)(void *owner, enum load_xml_kind kind, const struct load_item *item);
    /* It is closed; by the other side ("closed by the other side"), or by an error. */
    void (*ended)(void *owner, const char *why);
};

enum load_conn_state {
    LOAD_CONN_CLOSED,
    LOAD_CONN_CONNECTING,
    LOAD_CONN_HANDSHAKE,
    LOAD_CONN_OPEN
};

struct load_conn {
    struct load_source source; /* first: events lead here */
    struct load_loop *loop;
    const struct load_conn_events *events;
    void *owner;
    enum load_conn_state state;
    SSL *ssl;
    SSL_SESSION *ticket; /* to resume with; ours */
    bool wants_ticket;
    bool is_dirty, is_blocked; /* blocked: the socket takes no more for now */
    struct load_conn *next_dirty;
    struct load_xml xml;
    struct load_buf in, out;
};

/* Set up a zeroed one. */
void load_conn_init(struct load_conn *c, struct load_loop *l, const struct load_conn_events *e,
                    void *owner);
void load_conn_fini(struct load_conn *c);
/* Connect; opened or ended comes from a turn, ended at once if there are no ports left. */
void load_conn_open(struct load_conn *c, const struct sockaddr_in *to);
/* Take an accepted socket; it is open at once, opened is not called. */
void load_conn_accept(struct load_conn *c, int fd);
/* Begin TLS; what the other side had sent before is an error. name: for SNI, and to check if the
 * context does; NULL: as a server. alpn: NULL, or the protocol's name. */
void load_conn_tls(struct load_conn *c, SSL_CTX *x, const char *name, const char *alpn);
/* The next byte begins a new stream. */
void load_conn_restart(struct load_conn *c);
/* Close at once, without a word; `ended` is not called. */
void load_conn_close(struct load_conn *c);

/* Output of this turn. reserve: room for n bytes, to be filled before added is called. More
 * than LOAD_OUT_MAX waiting is a fatal error of the run, and is dropped. */
char *load_conn_reserve(struct load_conn *c, size_t n);
void load_conn_added(struct load_conn *c, size_t n);
void load_conn_put(struct load_conn *c, const char *p, size_t n);
__attribute__((format(printf, 2, 3))) void load_conn_say(struct load_conn *c, const char *format,
                                                         ...);
/* Of the loop: write what there is. */
void load_conn_flush(struct load_conn *c);
#endif
