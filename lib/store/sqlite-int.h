#ifndef LIB_STORE_SQLITE_INT_H
#define LIB_STORE_SQLITE_INT_H
/* One connection to a SQLite file with its prepared statements (sqlite-db.c), used by the driver
 * (sqlite-ops.c). */
#include <sqlite3.h>

#include "lib/base/base.h"

#define SQLITE_STATEMENTS(X)                                                                       \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(BEGIN_READ, "BEGIN")                                                                         \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(SAVE, "SAVEPOINT txn")                                                                       \
    X(RELEASE, "RELEASE txn")                                                                      \
    X(UNDO, "ROLLBACK TO txn")                                                                     \
    X(KV_GET, "SELECT rev, value FROM kv WHERE tbl = ?1 AND owner = ?2 AND key = ?3")              \
    X(KV_REV, "SELECT rev FROM kv WHERE tbl = ?1 AND owner = ?2 AND key = ?3")                     \
    X(KV_PUT, "INSERT INTO kv (tbl, owner, key, rev, value) VALUES (?1, ?2, ?3, 1, ?4) "           \
              "ON CONFLICT DO UPDATE SET rev = rev + 1, value = excluded.value")                   \
    X(KV_DEL, "DELETE FROM kv WHERE tbl = ?1 AND owner = ?2 AND key = ?3")                         \
    X(OWNERS,                                                                                      \
      "SELECT DISTINCT owner FROM kv WHERE tbl = ?1 AND owner > ?2 ORDER BY owner LIMIT ?3")       \
    X(MAP_GET, "SELECT key, value FROM map WHERE tbl = ?1 AND owner = ?2 AND key >= ?3 ORDER BY "  \
               "key LIMIT ?4")                                                                     \
    X(MAP_VERSION, "SELECT version FROM map_version WHERE tbl = ?1 AND owner = ?2")                \
    X(MAP_PUT, "INSERT INTO map (tbl, owner, key, value) VALUES (?1, ?2, ?3, ?4) "                 \
               "ON CONFLICT DO UPDATE SET value = excluded.value")                                 \
    X(MAP_DEL, "DELETE FROM map WHERE tbl = ?1 AND owner = ?2 AND key = ?3")                       \
    X(MAP_BUMP, "INSERT INTO map_version (tbl, owner, version) VALUES (?1, ?2, 1) "                \
                "ON CONFLICT DO UPDATE SET version = version + 1")                                 \
    X(LOG_APPEND, "INSERT INTO log (tbl, owner, id, payload, at_us, with_jid, bytes) "             \
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                           \
    X(LOG_TRIM, "DELETE FROM log WHERE tbl = ?1 AND owner = ?2 AND seq <= ?3")                     \
    X(LOG_UP, "SELECT seq, at_us, id, with_jid, payload FROM log INDEXED BY log_order "            \
              "WHERE tbl = ?1 AND owner = ?2 AND seq > ?3 AND seq < ?4 ORDER BY seq LIMIT ?5")     \
    X(LOG_DOWN,                                                                                    \
      "SELECT seq, at_us, id, with_jid, payload FROM log INDEXED BY log_order "                    \
      "WHERE tbl = ?1 AND owner = ?2 AND seq > ?3 AND seq < ?4 ORDER BY seq DESC LIMIT ?5")        \
    X(LOG_COUNT, "SELECT count(*), coalesce(sum(bytes), 0) FROM log INDEXED BY log_order "         \
                 "WHERE tbl = ?1 AND owner = ?2")                                                  \
    X(LEASE_GET, "SELECT holder, incarnation, expires_wall_us FROM lease WHERE key = ?1")          \
    X(LEASE_PUT,                                                                                   \
      "INSERT INTO lease (key, holder, incarnation, expires_wall_us) VALUES (?1, ?2, ?3, ?4) "     \
      "ON CONFLICT DO UPDATE SET holder = excluded.holder, incarnation = excluded.incarnation, "   \
      "expires_wall_us = excluded.expires_wall_us")                                                \
    X(LEASE_DEL, "DELETE FROM lease WHERE key = ?1")                                               \
    X(SCAN_KV, "SELECT tbl, owner, key, value, NULL, rev, 0 FROM kv "                              \
               "WHERE (tbl, owner, key) > (?1, ?2, ?3) ORDER BY tbl, owner, key LIMIT ?4")         \
    X(SCAN_MAP, "SELECT tbl, owner, key, value, NULL, 0, 0 FROM map "                              \
                "WHERE (tbl, owner, key) > (?1, ?2, ?3) ORDER BY tbl, owner, key LIMIT ?4")        \
    X(SCAN_MAP_VERSION, "SELECT tbl, owner, '', NULL, NULL, version, 0 FROM map_version "          \
                        "WHERE (tbl, owner) > (?1, ?2) ORDER BY tbl, owner LIMIT ?4")              \
    X(SCAN_LOG, "SELECT tbl, owner, id, payload, with_jid, at_us, seq FROM log WHERE seq > ?5 "    \
                "ORDER BY seq LIMIT ?4")                                                           \
    X(LOAD_KV, "INSERT INTO kv (tbl, owner, key, value, rev) VALUES (?1, ?2, ?3, ?4, ?6)")         \
    X(LOAD_MAP, "INSERT INTO map (tbl, owner, key, value) VALUES (?1, ?2, ?3, ?4)")                \
    X(LOAD_MAP_VERSION, "INSERT INTO map_version (tbl, owner, version) VALUES (?1, ?2, ?6)")       \
    X(LOAD_LOG, "INSERT INTO log (tbl, owner, id, payload, with_jid, at_us, seq, bytes) "          \
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")

enum sqlite_stmt {
#define SQLITE_STMT_ENUM(name, text) SQL_##name,
    SQLITE_STATEMENTS(SQLITE_STMT_ENUM)
#undef SQLITE_STMT_ENUM
        SQL_COUNT
};

/* The schema steps, in order: generated from sql/sqlite-NNN-*.sql (CMakeLists.txt). */
extern const char *const sqlite_steps[];
extern const unsigned sqlite_steps_count;

struct sqlite_db {
    sqlite3 *db;
    sqlite3_stmt *stmts[SQL_COUNT]; /* prepared at first use */
};

/* Open or create the file (mode 0600), bring its schema up to date (writer) or refuse a newer one.
 * why gets one line. */
enum err sqlite_db_open(const char *path, bool writer, struct sqlite_db **out, char *why,
                        size_t why_size) MUST_USE;
void sqlite_db_close(struct sqlite_db **pd);
/* The statement, reset and unbound; NULL (and logged) when it cannot be prepared. */
sqlite3_stmt *sqlite_stmt(struct sqlite_db *d, enum sqlite_stmt which);
void sqlite_bind_str(sqlite3_stmt *st, int at,
                     struct str s); /* borrowed until the next reset; STR_NONE is NULL */
/* A number of ours, which may be above what SQLite can hold: then the largest it can. */
void sqlite_bind_u64(sqlite3_stmt *st, int at, uint64_t n);
struct str sqlite_column(sqlite3_stmt *st, int at); /* until the next step; NULL is STR_NONE */
uint64_t sqlite_column_u64(sqlite3_stmt *st, int at);
/* Run a statement that gives no rows; it is reset. ERR_EXISTS on a broken uniqueness, else ERR_IO
 * (logged). */
enum err sqlite_run(struct sqlite_db *d, sqlite3_stmt *st) MUST_USE;
enum err sqlite_exec(struct sqlite_db *d, enum sqlite_stmt which) MUST_USE;
/* Next row: true. False: the end (*e = ERR_OK) or a failure; the statement is reset then. */
bool sqlite_row(struct sqlite_db *d, sqlite3_stmt *st, enum err *e) MUST_USE;
bool sqlite_in_txn(const struct sqlite_db *d);
#endif
