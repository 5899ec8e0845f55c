#ifndef LIB_STORE_STORE_H
#define LIB_STORE_STORE_H
/* Durable data by four kinds instead of one backend per module: kv, map, log, lease (store-kinds
 * below). A store is one or more opened drivers (mem, sqlite, postgresql) shared by all shards; a
 * port is a shard's face of it: calls and callbacks on that loop. Words: table = what is stored
 * ("accounts", [a-z_]+ up to 32); route = tables kept in another place than the rest; owner key =
 * whose it is (a bare JID); txn = changes to one owner key, all or nothing, durable (fsynced) when
 * its callback says ERR_OK. Reads see every txn that was confirmed before they were asked on any
 * port, and all earlier txns of the same port. Every call returns an op on its owner; never called
 * back inside the call; exactly once unless cancelled (a cancelled commit may still happen). Byte
 * strings may hold any byte; payloads are XML text so that an administrator can query. */
#include "lib/base/arena.h"
#include "lib/base/metric.h"
#include "lib/loop/loop.h"
#include "lib/loop/op.h"

struct store;
struct store_port;

#define STORE_VALUE_MAX (1024 * 1024) /* bytes, one value or payload; ERR_LIMIT above */
#define STORE_KEY_MAX 3071
/* ERR_LIMIT also: a txn or an answer above 64 MiB; more than 65,536 calls or 256 MiB outstanding on
 * one port. */

/* Where data is kept: "mem:", "sqlite:/path/file.db", or "postgresql://user@host/database" with all
 * that libpq takes there. The rest is for PostgreSQL. */
struct store_place {
    const char *uri;
    const char *password;        /* NULL: as the URI or the surroundings say */
    uint64_t timeout_ms;         /* of a call, waiting included; 0 = 4 s */
    uint64_t connect_timeout_ms; /* 0 = 3 s */
};
struct store_route { /* these tables are kept there; what one txn writes must be in one place */
    const char *const *tables; /* ended by NULL */
    struct store_place place;
};
#define STORE_ROUTES_MAX 7
bool store_table_valid(const char *table); /* a name that a table may have */
/* Blocks while it opens: not on a running loop. why gets one line. Close order: ports, store, then
 * the ports' loops (under simulation a port's loop may go before the store). A txn is committed or
 * dropped before its port is closed.
 * ERR_UNSUPPORTED: the schema is newer; ERR_UNAVAILABLE: no server answers; ERR_AUTH. */
enum err store_open_at(const struct store_place *main, const struct store_route *routes,
                       size_t routes_n, struct store **out, char *why, size_t why_size) MUST_USE;
enum err store_open(const char *uri, struct store **out, char *why, size_t why_size) MUST_USE;
void store_close(struct store **ps); /* after all ports; finishes confirmed work */
struct store_port *store_port_open(struct store *s, struct loop *l);
/* Cancels what is asked through it. Writes already handed over are still finished (PostgreSQL:
 * blocking, for at most 2 s). */
void store_port_close(struct store_port **pp);

/* What was asked through a port so far, and how long the answers took. */
struct store_stats {
    uint64_t reads, writes, failed; /* failed: answered with anything but OK, NOTFOUND, CONFLICT,
                                       EXISTS */
    struct metric_hist read_time, write_time;
    size_t waiting; /* now */
};
void store_port_stats(const struct store_port *p, struct store_stats *out);

/* ---- kv: one value per (table, owner, key) with a revision (1, 2, ... per value) */
struct store_kv {
    struct str value; /* borrowed for the callback */
    uint64_t rev;
};
typedef void store_kv_cb(void *ctx, enum err e,
                         const struct store_kv *v); /* ERR_NOTFOUND, ERR_IO, ... */
struct op *store_kv_get(struct store_port *p, struct op_owner *o, const char *table,
                        struct str owner, struct str key, store_kv_cb *cb, void *ctx);

/* ---- map: ordered keys under an owner, with a version that grows with each txn that changes the
 * (table, owner) */
struct store_entry {
    struct str key, value;
};
typedef void store_map_cb(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                          uint64_t version);
/* Keys >= from in byte order, at most limit (<= 1000). An absent owner is ERR_OK with n = 0,
 * version = 0. */
struct op *store_map_read(struct store_port *p, struct op_owner *o, const char *table,
                          struct str owner, struct str from, size_t limit, store_map_cb *cb,
                          void *ctx);

/* ---- log: append-only per owner; seq grows (not dense), id unique per (table, owner) */
struct store_record {
    uint64_t seq, at_us;
    struct str id, with, payload;
};
struct store_log_range {
    uint64_t after, before; /* exclusive; 0 = open */
    bool newest_first;
    size_t limit; /* <= 1000 */
};
typedef void store_log_cb(void *ctx, enum err e, const struct store_record *r, size_t n);
struct op *store_log_read(struct store_port *p, struct op_owner *o, const char *table,
                          struct str owner, const struct store_log_range *range, store_log_cb *cb,
                          void *ctx);
typedef void store_count_cb(void *ctx, enum err e, uint64_t count, uint64_t payload_bytes);
struct op *store_log_count(struct store_port *p, struct op_owner *o, const char *table,
                           struct str owner, store_count_cb *cb, void *ctx);

/* ---- transaction over one owner: fill, then commit; strings are copied */
struct store_txn;
#define STORE_REV_ANY UINT64_MAX /* no comparison; 0 = must not exist yet; else must equal */
struct store_txn *store_txn_new(struct store_port *p, struct str owner);
void store_txn_kv_put(struct store_txn *t, const char *table, struct str key, struct str value,
                      uint64_t expect_rev);
void store_txn_kv_del(struct store_txn *t, const char *table, struct str key, uint64_t expect_rev);
void store_txn_map_put(struct store_txn *t, const char *table, struct str key, struct str value);
void store_txn_map_del(struct store_txn *t, const char *table,
                       struct str key); /* absent: no change, no version */
void store_txn_log_append(struct store_txn *t, const char *table, struct str id, uint64_t at_us,
                          struct str with, struct str payload);
void store_txn_log_trim(struct store_txn *t, const char *table,
                        uint64_t upto_seq); /* removes seq <= upto */
void store_txn_drop(struct store_txn **pt);
/* ERR_CONFLICT: a revision differed. ERR_EXISTS: a log id was there already. ERR_UNAVAILABLE: no
 * database within the time. ERR_INVALID: its tables are in several places. Then nothing of the txn
 * happened. ERR_IO, ERR_TIMEOUT: it may have. */
typedef void store_done_cb(void *ctx, enum err e);
struct op *store_commit(struct store_txn **t_take, struct op_owner *o, store_done_cb *cb,
                        void *ctx);

/* ---- lease: key held by (node, incarnation) until expiry on the store's clock */
struct store_lease {
    char holder[64];
    uint64_t incarnation, expires_wall_us;
};
typedef void store_lease_cb(void *ctx, enum err e, const struct store_lease *current);
/* Take or renew. ERR_OK: ours now. ERR_CONFLICT: current is somebody else's (or our younger
 * incarnation's). */
struct op *store_lease_acquire(struct store_port *p, struct op_owner *o, struct str key,
                               struct str holder, uint64_t incarnation, uint64_t ttl_ms,
                               store_lease_cb *cb, void *ctx);
/* ERR_OK: not ours any more (or never was anybody's). ERR_CONFLICT: another holder or incarnation
 * has it. */
struct op *store_lease_release(struct store_port *p, struct op_owner *o, struct str key,
                               struct str holder, uint64_t incarnation, store_done_cb *cb,
                               void *ctx);

/* ---- owners that have a value in a kv table, in byte order after a given one (administration) */
typedef void store_owners_cb(void *ctx, enum err e, const struct str *owners, size_t n);
struct op *store_owners(struct store_port *p, struct op_owner *o, const char *table,
                        struct str after, size_t limit, store_owners_cb *cb, void *ctx);

/* ---- all rows, for copies between drivers; of the main place only. Leases are not among them:
 * they end by themselves. Nobody else may write meanwhile. */
enum store_kind { STORE_KV, STORE_MAP, STORE_MAP_VERSION, STORE_LOG, STORE_KINDS };
struct store_row {
    enum store_kind kind;
    struct str table, owner, key, value, with; /* log: key = id, value = payload */
    uint64_t number;                           /* kv: rev; map version: version; log: at_us */
    uint64_t place;                            /* log: seq; else the driver's own */
};
typedef void store_rows_cb(void *ctx, enum err e, const struct store_row *rows, size_t n);
/* Rows of a kind behind a row of an answer before (NULL = from the start), in an order of the
 * driver's, at most limit (<= 1000); n = 0: that was all. */
struct op *store_scan(struct store_port *p, struct op_owner *o, enum store_kind kind,
                      const struct store_row *after, size_t limit, store_rows_cb *cb, void *ctx);
/* Put rows as they are, all or none. ERR_EXISTS: one of them is there already. */
struct op *store_load(struct store_port *p, struct op_owner *o, const struct store_row *rows,
                      size_t n, store_done_cb *cb, void *ctx);

/* Copy all data of one place to another, which must be empty; nobody else may use either. Blocks,
 * on a loop of its own. progress: after each page. Real platform only.
 * ERR_EXISTS: there is data already. ERR_NOTFOUND: there is nothing to copy. After a failure the
 * other place holds a part of it. */
struct store_copied {
    uint64_t rows[STORE_KINDS], bytes;
};
typedef void store_copied_cb(void *ctx, const struct store_copied *c);
enum err store_copy_all(const struct store_place *from, const struct store_place *to,
                        store_copied_cb *progress, void *ctx, char *why, size_t why_size) MUST_USE;

/* Fault injection for the suite: the n-th operation from now fails with ERR_IO (0 = off), a commit
 * after its work was done and before it counts. Only while all ports are used by one thread. */
void store_fail_nth(struct store *s, unsigned n);
#endif
