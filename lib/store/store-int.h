#ifndef LIB_STORE_STORE_INT_H
#define LIB_STORE_STORE_INT_H
/* Inside of the store. A request (one call of store.h) is filled on the port's loop, mailed to a
 * worker (a thread with a loop of its own and one driver connection), executed there and mailed
 * back. An asynchronous driver has no workers: it takes the requests of a port on the port's loop.
 * Words: part = one opened driver; writer = the one worker that changes things, all writes that
 * wait are one group; reader = a worker that only reads; verb = what a request asks. */
#include "lib/loop/timer.h"
#include "lib/store/store.h"

#define STORE_TABLE_MAX 32
#define STORE_READ_MAX 1000                            /* rows of one answer */
#define STORE_REQ_BYTES_MAX ((size_t)64 * 1024 * 1024) /* one request with its answer */
#define STORE_PORT_REQS_MAX 65536                      /* outstanding on one port */
#define STORE_PORT_BYTES_MAX                                                                       \
    ((size_t)256 * 1024 * 1024) /* asked, not yet answered, on one port                            \
                                 */
#define STORE_READERS_MAX 2

enum store_verb {
    VERB_KV_GET,
    VERB_MAP_READ,
    VERB_LOG_READ,
    VERB_LOG_COUNT,
    VERB_OWNERS,
    VERB_SCAN,
    VERB_COMMIT, /* from here on: writes */
    VERB_LEASE_ACQUIRE,
    VERB_LEASE_RELEASE,
    VERB_LOAD,
};

enum store_change_kind {
    CHANGE_KV_PUT,
    CHANGE_KV_DEL,
    CHANGE_MAP_PUT,
    CHANGE_MAP_DEL,
    CHANGE_LOG_APPEND,
    CHANGE_LOG_TRIM
};

struct store_change { /* in the request's arena */
    struct store_change *next;
    enum store_change_kind kind;
    const char *table;
    struct str key; /* kv, map: key; log: id */
    struct str value, with;
    uint64_t number; /* kv: expected revision; append: at_us; trim: upto */
};

struct store_ask { /* which of them: by verb */
    const char *table;
    struct str owner, key; /* map: from; owners: after; lease: key */
    struct store_log_range range;
    size_t limit;
    const struct store_change *changes;
    struct str holder;
    uint64_t incarnation, ttl_ms;
    enum store_kind kind;         /* scan */
    struct store_row after;       /* scan */
    const struct store_row *rows; /* load */
    size_t rows_n;
};

struct store_answer { /* which of them: by verb; strings in the request's arena */
    struct store_kv kv;
    struct store_entry *entries;
    struct store_record *records;
    struct str *owners;
    struct store_row *rows;
    size_t n;
    uint64_t version, count, bytes;
    struct store_lease lease;
};

struct store_req {
    struct op op;
    struct mail mail;        /* to the worker, then home */
    struct list worker_link; /* worker's thread only */
    struct list port_link;   /* home only */
    struct store_port *port; /* home only; NULL = the port was closed */
    struct loop *home;       /* NULL = nobody waits (only where worker and home are one thread) */
    struct store_worker *worker;
    struct arena *arena;        /* of the request, wanders with it */
    struct arena *answer_arena; /* where an answer may have to be made anew; NULL = in arena */
    uint64_t deadline_us;       /* asynchronous drivers */
    unsigned part;
    size_t charged_bytes;
    uint64_t asked_us; /* on the port's loop */
    bool cancelled;    /* home only */
    bool inject;       /* fault injection: fail after the work was done, before it counts */
    enum store_verb verb;
    enum err err;
    struct store_ask ask;
    struct store_answer answer;
    void (*cb)(void); /* the user's, cast back by verb */
    void *ctx;
};

/* A driver that works on the ports' loops. */
struct store_async {
    enum err (*open)(const struct store_place *place, void **db, char *why,
                     size_t why_size) MUST_USE;
    void (*close)(void *db); /* after all its ports */
    void *(*port_open)(void *db, struct loop *l);
    void (*port_close)(void *port); /* returns all requests it has */
    /* Owns r until store_req_return, which it calls later or at once. */
    void (*submit)(void *port, struct store_req *r);
};

/* What a kind of storage implements. All calls on one connection come from one thread at a time. */
struct store_driver {
    const char *scheme;
    const struct store_async *async; /* then nothing below */
    unsigned readers;                /* connections that only read; 0 = the writer reads too */
    enum err (*open)(const char *path, bool writer, void **conn, char *why,
                     size_t why_size) MUST_USE;
    void (*close)(void *conn);
    enum err (*begin)(void *conn) MUST_USE;
    /* Within begin and commit: all of the request or nothing of it. */
    enum err (*write)(void *conn, struct store_req *r) MUST_USE;
    enum err (*commit)(void *conn) MUST_USE; /* durable on ERR_OK, else all since begin is undone */
    enum err (*read)(void *conn, struct store_req *r) MUST_USE;
};
extern const struct store_driver store_mem_driver, store_sqlite_driver, store_pgsql_driver;

/* ---- worker: store-worker.c */
struct store_worker;
struct store_worker *store_worker_new(const struct store_driver *d, void *conn_take,
                                      unsigned index);
void store_worker_free(
    struct store_worker **pw); /* runs what was posted before (not under simulation), closes conn */
void store_worker_post(struct store_worker *w, struct store_req *r);
void store_req_return(
    struct store_req *r); /* on the worker: send it home, where store_req_done runs */

/* ---- request: store.c */
void store_req_done(struct mail *m);
void store_req_drop(struct mail *m);
void store_req_free(struct store_req *r);
struct store_req *store_req_new(enum store_verb verb, void (*cb)(void), void *ctx);
struct op *store_req_submit(struct store_port *p, struct op_owner *o, struct store_req *r);
/* Add a row to the answer of a scan; false past the budget of the arena. */
bool store_row_answer(struct store_req *r, struct arena *a, const struct store_row *row) MUST_USE;

/* Copies within the budget of the arena; false past it (or above max). STR_NONE stays STR_NONE. */
bool store_copy(struct arena *a, struct str s, size_t max, struct str *out) MUST_USE;
/* Lease rule shared by the drivers: may (holder, incarnation) take what has (cur) now. */
bool store_lease_allows(const struct store_lease *cur, struct str holder, uint64_t incarnation,
                        uint64_t now_us);
void store_lease_fill(struct store_lease *l, struct str holder, uint64_t incarnation,
                      uint64_t expires_us);

/* ---- thread: store-thread.c (real), sim-store-thread.c (simulation: the simulator runs the loop)
 */
struct store_thread;
struct store_thread *store_thread_start(struct loop *l);
void store_thread_join(struct store_thread **pt); /* after loop_stop */
bool store_thread_is_inline(void);                /* worker and ports run on one thread */
uint64_t
store_thread_delay_ms(void); /* how long a worker waits before it works; 0 = the end of the turn */

/* ---- transaction: store-txn.c */
struct store_txn {
    struct store_port *port;
    struct arena *arena;
    struct str owner;
    struct store_change *first, **tail;
    enum err err; /* first thing that was wrong, told at commit */
};
#endif
