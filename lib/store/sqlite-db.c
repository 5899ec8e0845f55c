/* sqlite-db: opening, schema and statements of one SQLite connection. WAL with synchronous=FULL: a
 * commit that returned is on the disk, readers see snapshots and never wait. The schema is the list
 * of numbered steps in sql/; user_version says how many of them a file has had. The file is made
 * 0600, as it holds credentials; -wal and -shm follow it. */
#include "lib/store/sqlite-int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/log.h"

enum { BUSY_TIMEOUT_MS = 5000 };

static const char *const texts[SQL_COUNT] = {
#define SQLITE_STMT_TEXT(name, text) text,
    SQLITE_STATEMENTS(SQLITE_STMT_TEXT)
#undef SQLITE_STMT_TEXT
};

/* ---- statements */

static void log_failure(const struct sqlite_db *d, const char *what)
{
    log_error(NULL, "store.sqlite.failed", "statement", what, "reason", sqlite3_errmsg(d->db));
}

sqlite3_stmt *sqlite_stmt(struct sqlite_db *d, enum sqlite_stmt which)
{
    sqlite3_stmt **st = &d->stmts[which];
    if (*st) {
        sqlite3_clear_bindings(*st);
        return *st;
    }
    if (sqlite3_prepare_v3(d->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL) !=
        SQLITE_OK)
        log_failure(d, texts[which]);
    return *st;
}

void sqlite_bind_str(sqlite3_stmt *st, int at, struct str s)
{
    if (s.p)
        sqlite3_bind_text64(st, at, s.p, s.n, SQLITE_STATIC, SQLITE_UTF8);
}

void sqlite_bind_u64(sqlite3_stmt *st, int at, uint64_t n)
{
    sqlite3_bind_int64(st, at, n > INT64_MAX ? INT64_MAX : (sqlite3_int64)n);
}

struct str sqlite_column(sqlite3_stmt *st, int at)
{
    if (sqlite3_column_type(st, at) == SQLITE_NULL)
        return STR_NONE;
    const char *p = (const char *)sqlite3_column_text(st, at);
    return p ? str_make(p, (size_t)sqlite3_column_bytes(st, at)) : STR("");
}

uint64_t sqlite_column_u64(sqlite3_stmt *st, int at)
{
    return (uint64_t)sqlite3_column_int64(st, at);
}

enum err sqlite_run(struct sqlite_db *d, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    enum err e = ERR_OK;
    if (rc == SQLITE_CONSTRAINT) {
        e = ERR_EXISTS;
    } else if (rc != SQLITE_DONE) {
        log_failure(d, sqlite3_sql(st));
        e = ERR_IO;
    }
    sqlite3_reset(st);
    return e;
}

enum err sqlite_exec(struct sqlite_db *d, enum sqlite_stmt which)
{
    sqlite3_stmt *st = sqlite_stmt(d, which);
    return st ? sqlite_run(d, st) : ERR_IO;
}

bool sqlite_row(struct sqlite_db *d, sqlite3_stmt *st, enum err *e)
{
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return true;
    *e = ERR_OK;
    if (rc != SQLITE_DONE) {
        log_failure(d, sqlite3_sql(st));
        *e = ERR_IO;
    }
    sqlite3_reset(st);
    return false;
}

bool sqlite_in_txn(const struct sqlite_db *d)
{
    return !sqlite3_get_autocommit(d->db);
}

/* ---- open */

static enum err failed(const struct sqlite_db *d, const char *path, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s: %s", path, sqlite3_errmsg(d->db));
    return ERR_IO;
}

static int one_int(struct sqlite_db *d, const char *sql, int *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        *out = sqlite3_column_int(st, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc;
}

static int apply_step(struct sqlite_db *d, int step)
{
    char done[64];
    snprintf(done, sizeof done, "PRAGMA user_version = %d; COMMIT", step + 1);
    int rc = sqlite3_exec(d->db, sqlite_steps[step], NULL, NULL, NULL);
    return rc == SQLITE_OK ? sqlite3_exec(d->db, done, NULL, NULL, NULL) : rc;
}

/* Each step in a transaction of its own, together with its number; another process may do the same
 * at this moment. */
static enum err update_schema(struct sqlite_db *d, const char *path, char *why, size_t why_size)
{
    const int newest = (int)sqlite_steps_count;
    for (;;) {
        int version = 0;
        if (sqlite3_exec(d->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
            one_int(d, "PRAGMA user_version", &version) != SQLITE_OK)
            return failed(d, path, why, why_size);
        if (version > newest) {
            snprintf(why, why_size, "%s: schema version %d is newer than this server's %d", path,
                     version, newest);
            return ERR_UNSUPPORTED;
        }
        if (version == newest)
            return sqlite3_exec(d->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK
                       ? ERR_OK
                       : failed(d, path, why, why_size);
        if (apply_step(d, version) != SQLITE_OK)
            return failed(d, path, why, why_size);
    }
}

static enum err make_file(const char *path, char *why, size_t why_size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int code = errno;
        snprintf(why, why_size, "%s: %s", path, err_text(err_from_errno(code)));
        return err_from_errno(code);
    }
    close(fd);
    return ERR_OK;
}

static enum err set_up(struct sqlite_db *d, const char *path, bool writer, char *why,
                       size_t why_size)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &d->db, flags, NULL) != SQLITE_OK)
        return failed(d, path, why, why_size);
    sqlite3_busy_timeout(d->db, BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(d->db, 0);
    if (sqlite3_exec(
            d->db,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; "
            "PRAGMA journal_size_limit = 67108864",
            NULL, NULL, NULL) != SQLITE_OK)
        return failed(d, path, why, why_size);
    if (writer)
        return update_schema(d, path, why, why_size);
    if (sqlite3_exec(d->db, "PRAGMA query_only = ON", NULL, NULL, NULL) != SQLITE_OK)
        return failed(d, path, why, why_size);
    return ERR_OK;
}

enum err sqlite_db_open(const char *path, bool writer, struct sqlite_db **out, char *why,
                        size_t why_size)
{
    enum err e = make_file(path, why, why_size);
    if (e)
        return e;
    struct sqlite_db *d = mem_alloc(sizeof *d);
    e = set_up(d, path, writer, why, why_size);
    if (e)
        sqlite_db_close(&d);
    else
        *out = d;
    return e;
}

void sqlite_db_close(struct sqlite_db **pd)
{
    struct sqlite_db *d = *pd;
    *pd = NULL;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(d->stmts[i]);
    sqlite3_close(d->db);
    mem_free(d);
}
