#ifndef LIB_STORE_PG_INT_H
#define LIB_STORE_PG_INT_H
/* Inside of the PostgreSQL driver. Words: target = what the URI says; session = one connection that
 * is up, known to the server by a number of ours; unit = what one Sync ends: a read, a group of
 * writes (one transaction), or a step of the recovery; doubt = the group whose connection broke
 * before its Sync was answered; fence = end the session of a doubt, so that it cannot commit any
 * more, and ask what it had committed. */
#include <postgresql/libpq-fe.h>

#include "lib/loop/work.h"
#include "lib/store/store-int.h"

/* The schema steps, in order: generated from sql/pg-NNN-*.sql (CMakeLists.txt). */
extern const char *const pg_steps[];
extern const unsigned pg_steps_count;

/* ---- target: pg-target.c */
#define PG_PARAMS_MAX 80
struct pg_params { /* for libpq */
    const char *keywords[PG_PARAMS_MAX + 1], *values[PG_PARAMS_MAX + 1];
};
struct pg_target {
    struct arena *mem;
    struct pg_params params; /* all but host, hostaddr and port; secrets are wiped at the end */
    size_t n;
    const char *host, *hostaddr, *port; /* lists as libpq takes them */
    bool has_names;                     /* some host must be looked up */
    uint64_t timeout_ms, connect_timeout_ms;
};
enum err pg_target_new(const struct store_place *p, struct pg_target **out, char *why,
                       size_t why_size) MUST_USE;
void pg_target_free(struct pg_target **pt);

/* ---- names of hosts: pg-names.c. libpq would look them up itself, blocking the loop. */
bool pg_host_is_name(struct str host);
/* All parameters of one attempt, in a; each address of each name, in order. Blocks when the target
 * has names.
 * ERR_NOTFOUND: no name has an address. */
enum err pg_names_look_up(const struct pg_target *t, struct arena *a, struct pg_params *out,
                          char *why, size_t why_size) MUST_USE;

/* ---- schema: pg-schema.c. Blocks, at most for the target's times. */
enum err pg_schema_update(const struct pg_target *t, char *why, size_t why_size) MUST_USE;

/* ---- statements: pg-ops.c */
enum { PG_ARGS_MAX = 8 };
struct pg_args {
    const char *values[PG_ARGS_MAX];
    int lengths[PG_ARGS_MAX], formats[PG_ARGS_MAX];
    char numbers[PG_ARGS_MAX][24];
    int n;
};
void pg_add_str(struct pg_args *a, struct str s);  /* borrowed; STR_NONE is NULL */
void pg_add_i64(struct pg_args *a, int64_t n);     /* bigint */
void pg_add_u64(struct pg_args *a, uint64_t n);    /* bigint: at most what it can hold */
void pg_add_digits(struct pg_args *a, uint64_t n); /* numeric */

#define PG_KEY(key)                                                                                \
    "substr(key, 1, 1500) = substr(" key ", 1, 1500) AND sha256(key) = sha256(" key ")"
#define PG_LOG_WHERE "FROM meridian.log WHERE tbl = $1 AND sha256(owner) = sha256($2::bytea) "
#define PG_STATEMENTS(X)                                                                           \
    X(FENCE_OLD, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "                         \
                 "WHERE pid = $1::int8 AND application_name = $2")                                 \
    X(FENCE, "UPDATE meridian.session SET is_fenced = true WHERE id = $1 RETURNING n")             \
    X(GROUP_BEGIN, "SELECT meridian.group_begin($1, $2, $3)")                                      \
    X(FAIL, "SELECT 1 / $1::int8")                                                                 \
    X(KV_GET,                                                                                      \
      "SELECT rev, value FROM meridian.kv WHERE tbl = $1 AND sha256(owner) = sha256($2::bytea) "   \
      "AND " PG_KEY("$3::bytea"))                                                                  \
    X(KV_PUT, "SELECT meridian.kv_put($1, $2, $3, $4, $5)")                                        \
    X(KV_DEL, "SELECT meridian.kv_del($1, $2, $3, $4)")                                            \
    X(OWNERS, "SELECT owner FROM meridian.kv WHERE tbl = $1 AND substr(owner, 1, 1500) >= "        \
              "substr($2::bytea, 1, 1500) AND owner > $2 GROUP BY substr(owner, 1, 1500), owner "  \
              "ORDER BY substr(owner, 1, 1500), owner LIMIT $3")                                   \
    X(MAP_GET,                                                                                     \
      "SELECT v.version, m.key, m.value FROM (SELECT coalesce((SELECT version FROM "               \
      "meridian.map_version WHERE tbl = $1 AND sha256(owner) = sha256($2::bytea)), 0) AS "         \
      "version) v "                                                                                \
      "LEFT JOIN (SELECT key, value FROM meridian.map WHERE tbl = $1 AND sha256(owner) = "         \
      "sha256($2::bytea) AND substr(key, 1, 1500) >= substr($3::bytea, 1, 1500) AND key >= "       \
      "$3::bytea "                                                                                 \
      "ORDER BY substr(key, 1, 1500), key LIMIT $4) m ON true ORDER BY m.key")                     \
    X(MAP_PUT, "SELECT meridian.map_put($1, $2, $3, $4, $5)")                                      \
    X(MAP_DEL, "SELECT meridian.map_del($1, $2, $3, $4)")                                          \
    X(LOG_APPEND, "INSERT INTO meridian.log (tbl, owner, id, payload, at_us, with_jid, bytes) "    \
                  "VALUES ($1, $2, $3, $4, $5, $6, octet_length($4::bytea))")                      \
    X(LOG_TRIM, "DELETE " PG_LOG_WHERE "AND seq <= $3")                                            \
    X(LOG_UP, "SELECT seq, at_us, id, with_jid, payload " PG_LOG_WHERE                             \
              "AND seq > $3 AND seq < $4 ORDER BY seq LIMIT $5")                                   \
    X(LOG_DOWN, "SELECT seq, at_us, id, with_jid, payload " PG_LOG_WHERE                           \
                "AND seq > $3 AND seq < $4 ORDER BY seq DESC LIMIT $5")                            \
    X(LOG_COUNT, "SELECT count(*), coalesce(sum(bytes), 0)::int8 " PG_LOG_WHERE)                   \
    X(LEASE_ACQUIRE, "SELECT * FROM meridian.lease_acquire($1, $2, $3, $4)")                       \
    X(LEASE_RELEASE, "SELECT meridian.lease_release($1, $2, $3)")                                  \
    X(SCAN_KV, "SELECT tbl, owner, key, value, NULL::bytea, rev, id FROM meridian.kv "             \
               "WHERE id > $1 ORDER BY id LIMIT $2")                                               \
    X(SCAN_MAP, "SELECT tbl, owner, key, value, NULL::bytea, 0::int8, id FROM meridian.map "       \
                "WHERE id > $1 ORDER BY id LIMIT $2")                                              \
    X(SCAN_MAP_VERSION, "SELECT tbl, owner, ''::bytea, NULL::bytea, NULL::bytea, version, id "     \
                        "FROM meridian.map_version WHERE id > $1 ORDER BY id LIMIT $2")            \
    X(SCAN_LOG, "SELECT tbl, owner, id, payload, with_jid, at_us, seq FROM meridian.log "          \
                "WHERE seq > $1 ORDER BY seq LIMIT $2")                                            \
    X(LOAD_KV, "INSERT INTO meridian.kv (tbl, owner, key, value, rev) VALUES ($1, $2, $3, $4, "    \
               "$5)")                                                                              \
    X(LOAD_MAP, "INSERT INTO meridian.map (tbl, owner, key, value) VALUES ($1, $2, $3, $4)")       \
    X(LOAD_MAP_VERSION, "INSERT INTO meridian.map_version (tbl, owner, version, mark) "            \
                        "VALUES ($1, $2, $3, 0)")                                                  \
    X(LOAD_LOG, "INSERT INTO meridian.log (tbl, owner, id, payload, at_us, seq, with_jid, bytes) " \
                "VALUES ($1, $2, $3, $4, $5, $6, $7, octet_length($4::bytea))")                    \
    X(LOAD_SEQ, "SELECT setval('meridian.log_seq_seq', greatest($1::int8, last_value)) "           \
                "FROM meridian.log_seq_seq")

enum pg_stmt {
#define PG_STMT_ENUM(name, text) PG_##name,
    PG_STATEMENTS(PG_STMT_ENUM)
#undef PG_STMT_ENUM
        PG_STMT_COUNT
};
struct pg_stmt_text {
    const char *name, *text;
};
extern const struct pg_stmt_text pg_stmts[PG_STMT_COUNT];

/* ---- connection: pg-conn.c */
struct pg_conn_events {
    void (*up)(void *ctx);
    /* The connection is gone, or an attempt failed; another follows by itself. */
    void (*down)(void *ctx, enum err e, const char *why);
    /* Of the oldest statement: a row, its end, its failure; borrowed. */
    void (*result)(void *ctx, const PGresult *r);
    void (*over)(void *ctx); /* the oldest statement is */
    void (*sync)(void *ctx); /* the oldest Sync was answered: its transaction is durable */
};
struct pg_conn;
/* Connects from the next turn on, for ever. names: where host names are looked up. */
struct pg_conn *pg_conn_open(struct loop *l, const struct pg_target *t, struct work_pool *names,
                             const struct pg_conn_events *ev, void *ctx);
void pg_conn_close(struct pg_conn **pc); /* calls nothing */
bool pg_conn_is_up(const struct pg_conn *c);
/* Only while up. A failure shows itself as down, in the next turn. */
void pg_conn_send(struct pg_conn *c, enum pg_stmt which, const struct pg_args *a);
void pg_conn_sync(struct pg_conn *c);
/* Give the connection up: down is called inside. */
void pg_conn_drop(struct pg_conn *c, enum err e, const char *why);
int64_t pg_conn_session(const struct pg_conn *c); /* a random number */
int pg_conn_pid(const struct pg_conn *c);         /* of the server process */
#define PG_APP_NAME_SIZE 48
void pg_app_name(int64_t session, char out[PG_APP_NAME_SIZE]); /* how the server knows a session */
/* Wait for the server without the loop, at most so long, and take what came: for closing. */
void pg_conn_serve(struct pg_conn *c, uint64_t ms);

/* What is wrong with r, by its SQLSTATE. */
enum err pg_error(const PGresult *r);
/* The server itself is unwell or of no use to us (going down, read-only, our session over): try
 * another one. */
bool pg_error_is_server(const PGresult *r);
/* "23505 duplicate key ...": the state and the first line, without the values in it. */
void pg_error_text(const PGresult *r, char *out, size_t size);

/* ---- requests as statements: pg-ops.c */
/* The number of statements sent. mark: unlike that of any other transaction. */
unsigned pg_send_write(struct pg_conn *c, const struct store_req *r, int64_t mark);
unsigned pg_send_read(struct pg_conn *c, const struct store_req *r);
int64_t pg_lock_key(const struct store_req *r); /* of the owner or lease it changes */

/* ---- results as answers: pg-answer.c. One result after the other; sets r->err. */
void pg_answer_begin(struct store_req *r); /* forget what a try before has brought */
void pg_answer_add(struct store_req *r, const PGresult *res);
void pg_answer_end(struct store_req *r);
int64_t pg_column_i64(const PGresult *r, int row, int column);

/* ---- port: pg-port.c */
struct pg_db { /* opened by store-pgsql.c, shared by the ports */
    struct pg_target *target;
    struct work_pool *names;
};
void *pg_port_open(void *db, struct loop *l);
void pg_port_close(void *port);
void pg_port_submit(void *port, struct store_req *r);
#endif
