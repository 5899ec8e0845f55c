/* sqlite-ops: the store driver on SQLite. One SQLite transaction per group of requests, a savepoint
 * for each of them, so that a failed one leaves nothing while its neighbours go through. When
 * SQLite itself gives the transaction up (disk full, I/O error) the whole group fails: write and
 * commit look whether it is still there. */
#include "lib/base/clock.h"
#include "lib/store/sqlite-int.h"
#include "lib/store/store-int.h"

/* The statement with table, owner and (unless STR_NONE) key bound to 1, 2, 3. */
static sqlite3_stmt *stmt_for(struct sqlite_db *d, enum sqlite_stmt which, const char *table,
                              struct str owner, struct str key)
{
    sqlite3_stmt *st = sqlite_stmt(d, which);
    if (!st)
        return NULL;
    sqlite_bind_str(st, 1, str_of(table));
    sqlite_bind_str(st, 2, owner);
    sqlite_bind_str(st, 3, key);
    return st;
}

/* First column of the only row; 0 when there is none. */
static enum err one_u64(struct sqlite_db *d, sqlite3_stmt *st, uint64_t *out)
{
    enum err e = ERR_IO;
    *out = 0;
    if (!st || !sqlite_row(d, st, &e))
        return e;
    *out = sqlite_column_u64(st, 0);
    sqlite3_reset(st);
    return ERR_OK;
}

/* ---- writes */

static enum err kv_change(struct sqlite_db *d, struct str owner, const struct store_change *c)
{
    uint64_t rev;
    if (c->number != STORE_REV_ANY) {
        enum err e = one_u64(d, stmt_for(d, SQL_KV_REV, c->table, owner, c->key), &rev);
        if (e || rev != c->number)
            return e ? e : ERR_CONFLICT;
    }
    bool put = c->kind == CHANGE_KV_PUT;
    sqlite3_stmt *st = stmt_for(d, put ? SQL_KV_PUT : SQL_KV_DEL, c->table, owner, c->key);
    if (!st)
        return ERR_IO;
    if (put)
        sqlite_bind_str(st, 4, c->value);
    return sqlite_run(d, st);
}

static enum err map_change(struct sqlite_db *d, struct str owner, const struct store_change *c,
                           bool *changed)
{
    bool put = c->kind == CHANGE_MAP_PUT;
    sqlite3_stmt *st = stmt_for(d, put ? SQL_MAP_PUT : SQL_MAP_DEL, c->table, owner, c->key);
    if (!st)
        return ERR_IO;
    if (put)
        sqlite_bind_str(st, 4, c->value);
    enum err e = sqlite_run(d, st);
    *changed = !e && sqlite3_changes(d->db) > 0;
    return e;
}

static enum err log_append(struct sqlite_db *d, struct str owner, const struct store_change *c)
{
    sqlite3_stmt *st = stmt_for(d, SQL_LOG_APPEND, c->table, owner, c->key);
    if (!st)
        return ERR_IO;
    sqlite_bind_str(st, 4, c->value);
    sqlite_bind_u64(st, 5, c->number);
    sqlite_bind_str(st, 6, c->with);
    sqlite_bind_u64(st, 7, c->value.n);
    return sqlite_run(d, st);
}

static enum err log_trim(struct sqlite_db *d, struct str owner, const struct store_change *c)
{
    sqlite3_stmt *st = stmt_for(d, SQL_LOG_TRIM, c->table, owner, STR_NONE);
    if (!st)
        return ERR_IO;
    sqlite_bind_u64(st, 3, c->number);
    return sqlite_run(d, st);
}

/* changed: a map did change. */
static enum err change_one(struct sqlite_db *d, struct str owner, const struct store_change *c,
                           bool *changed)
{
    switch (c->kind) {
    case CHANGE_KV_PUT:
    case CHANGE_KV_DEL:
        return kv_change(d, owner, c);
    case CHANGE_MAP_PUT:
    case CHANGE_MAP_DEL:
        return map_change(d, owner, c, changed);
    case CHANGE_LOG_APPEND:
        return log_append(d, owner, c);
    case CHANGE_LOG_TRIM:
        return log_trim(d, owner, c);
    }
    return ERR_INVALID;
}

struct bumped { /* tables whose map version this transaction has raised */
    const struct bumped *next;
    const char *table;
};

static enum err bump_once(struct sqlite_db *d, struct store_req *r, const char *table,
                          const struct bumped **seen)
{
    for (const struct bumped *b = *seen; b; b = b->next)
        if (strcmp(b->table, table) == 0)
            return ERR_OK;
    struct bumped *b = arena_try_alloc(r->arena, sizeof *b);
    sqlite3_stmt *st = stmt_for(d, SQL_MAP_BUMP, table, r->ask.owner, STR_NONE);
    if (!b || !st)
        return b ? ERR_IO : ERR_LIMIT;
    *b = (struct bumped){*seen, table};
    *seen = b;
    return sqlite_run(d, st);
}

static enum err commit_changes(struct sqlite_db *d, struct store_req *r)
{
    const struct bumped *seen = NULL;
    enum err e = ERR_OK;
    for (const struct store_change *c = r->ask.changes; c && !e; c = c->next) {
        bool changed = false;
        e = change_one(d, r->ask.owner, c, &changed);
        if (!e && changed)
            e = bump_once(d, r, c->table, &seen);
    }
    return e;
}

static enum err lease_get(struct sqlite_db *d, struct str key, struct store_lease *out, bool *found)
{
    enum err e = ERR_IO;
    sqlite3_stmt *st = sqlite_stmt(d, SQL_LEASE_GET);
    *found = false;
    if (!st)
        return e;
    sqlite_bind_str(st, 1, key);
    if (!sqlite_row(d, st, &e))
        return e;
    store_lease_fill(out, sqlite_column(st, 0), sqlite_column_u64(st, 1), sqlite_column_u64(st, 2));
    sqlite3_reset(st);
    *found = true;
    return ERR_OK;
}

static enum err lease_acquire(struct sqlite_db *d, struct store_req *r)
{
    const struct store_ask *a = &r->ask;
    uint64_t now_us = clock_wall_us();
    bool found;
    enum err e = lease_get(d, a->key, &r->answer.lease, &found);
    if (e)
        return e;
    if (found && !store_lease_allows(&r->answer.lease, a->holder, a->incarnation, now_us))
        return ERR_CONFLICT;
    store_lease_fill(&r->answer.lease, a->holder, a->incarnation, now_us + a->ttl_ms * 1000);
    sqlite3_stmt *st = sqlite_stmt(d, SQL_LEASE_PUT);
    if (!st)
        return ERR_IO;
    sqlite_bind_str(st, 1, a->key);
    sqlite_bind_str(st, 2, a->holder);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)a->incarnation); /* all 64 bits, only compared by us */
    sqlite_bind_u64(st, 4, r->answer.lease.expires_wall_us);
    return sqlite_run(d, st);
}

static enum err lease_release(struct sqlite_db *d, struct store_req *r)
{
    const struct store_ask *a = &r->ask;
    struct store_lease cur;
    bool found;
    enum err e = lease_get(d, a->key, &cur, &found);
    if (e || !found)
        return e;
    if (!str_eqc(a->holder, cur.holder) || a->incarnation != cur.incarnation)
        return cur.expires_wall_us > clock_wall_us() ? ERR_CONFLICT : ERR_OK;
    sqlite3_stmt *st = sqlite_stmt(d, SQL_LEASE_DEL);
    if (!st)
        return ERR_IO;
    sqlite_bind_str(st, 1, a->key);
    return sqlite_run(d, st);
}

/* Sequence numbers above all there are stay above all that follow: SQLite keeps the greatest. */
static enum err load_rows(struct sqlite_db *d, const struct store_req *r)
{
    static const enum sqlite_stmt which[] = {SQL_LOAD_KV, SQL_LOAD_MAP, SQL_LOAD_MAP_VERSION,
                                             SQL_LOAD_LOG};
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->ask.rows_n && !e; i++) {
        const struct store_row *row = &r->ask.rows[i];
        sqlite3_stmt *st = sqlite_stmt(d, which[row->kind]);
        if (!st)
            return ERR_IO;
        sqlite_bind_str(st, 1, row->table);
        sqlite_bind_str(st, 2, row->owner);
        sqlite_bind_str(st, 3, row->key);
        sqlite_bind_str(st, 4, row->value);
        sqlite_bind_str(st, 5, row->with);
        sqlite_bind_u64(st, 6, row->number);
        sqlite_bind_u64(st, 7, row->place);
        sqlite_bind_u64(st, 8, row->value.n);
        e = sqlite_run(d, st);
    }
    return e;
}

static enum err write_inside(struct sqlite_db *d, struct store_req *r)
{
    enum err e = ERR_INVALID;
    if (r->verb == VERB_COMMIT)
        e = commit_changes(d, r);
    else if (r->verb == VERB_LEASE_ACQUIRE)
        e = lease_acquire(d, r);
    else if (r->verb == VERB_LEASE_RELEASE)
        e = lease_release(d, r);
    else if (r->verb == VERB_LOAD)
        e = load_rows(d, r);
    return !e && r->inject ? ERR_IO : e;
}

static enum err ops_write(void *conn, struct store_req *r)
{
    struct sqlite_db *d = conn;
    if (!sqlite_in_txn(d) || sqlite_exec(d, SQL_SAVE))
        return ERR_IO;
    enum err e = write_inside(d, r);
    if (!sqlite_in_txn(d))
        return ERR_IO;
    enum err undone = e ? sqlite_exec(d, SQL_UNDO) : ERR_OK;
    enum err released = sqlite_exec(d, SQL_RELEASE);
    if (undone ||
        released) { /* what is in the transaction now is unknown: none of the group may count */
        (void)(sqlite_in_txn(d) && sqlite_exec(d, SQL_ROLLBACK));
        return ERR_IO;
    }
    return e;
}

static enum err ops_begin(void *conn)
{
    return sqlite_exec(conn, SQL_BEGIN);
}

static enum err ops_commit(void *conn)
{
    struct sqlite_db *d = conn;
    if (!sqlite_in_txn(d))
        return ERR_IO;
    enum err e = sqlite_exec(d, SQL_COMMIT);
    if (e && sqlite_in_txn(d) && sqlite_exec(d, SQL_ROLLBACK))
        return ERR_IO;
    return e;
}

/* ---- reads */

static bool copy(struct store_req *r, struct str s, struct str *out)
{
    return store_copy(r->arena, s, SIZE_MAX, out);
}

static enum err kv_get(struct sqlite_db *d, struct store_req *r)
{
    enum err e = ERR_IO;
    sqlite3_stmt *st = stmt_for(d, SQL_KV_GET, r->ask.table, r->ask.owner, r->ask.key);
    if (!st)
        return e;
    if (!sqlite_row(d, st, &e))
        return e ? e : ERR_NOTFOUND;
    r->answer.kv.rev = sqlite_column_u64(st, 0);
    e = copy(r, sqlite_column(st, 1), &r->answer.kv.value) ? ERR_OK : ERR_LIMIT;
    sqlite3_reset(st);
    return e;
}

static enum err map_entries(struct sqlite_db *d, struct store_req *r)
{
    enum err e = ERR_IO;
    struct store_answer *a = &r->answer;
    sqlite3_stmt *st = stmt_for(d, SQL_MAP_GET, r->ask.table, r->ask.owner, r->ask.key);
    if (!st)
        return e;
    sqlite_bind_u64(st, 4, r->ask.limit);
    a->entries = arena_alloc(r->arena, (r->ask.limit + 1) * sizeof *a->entries);
    while (sqlite_row(d, st, &e)) {
        struct store_entry *to = &a->entries[a->n++];
        if (!copy(r, sqlite_column(st, 0), &to->key) ||
            !copy(r, sqlite_column(st, 1), &to->value)) {
            sqlite3_reset(st);
            return ERR_LIMIT;
        }
    }
    return e;
}

/* Entries and version out of one snapshot. */
static enum err map_read(struct sqlite_db *d, struct store_req *r)
{
    enum err e = sqlite_exec(d, SQL_BEGIN_READ);
    if (e)
        return e;
    e = map_entries(d, r);
    if (!e)
        e = one_u64(d, stmt_for(d, SQL_MAP_VERSION, r->ask.table, r->ask.owner, STR_NONE),
                    &r->answer.version);
    enum err ended = sqlite_in_txn(d) ? sqlite_exec(d, SQL_ROLLBACK) : ERR_OK;
    return e ? e : ended;
}

static bool record_copy(struct store_req *r, sqlite3_stmt *st, struct store_record *to)
{
    to->seq = sqlite_column_u64(st, 0);
    to->at_us = sqlite_column_u64(st, 1);
    return copy(r, sqlite_column(st, 2), &to->id) && copy(r, sqlite_column(st, 3), &to->with) &&
           copy(r, sqlite_column(st, 4), &to->payload);
}

static enum err log_read(struct sqlite_db *d, struct store_req *r)
{
    enum err e = ERR_IO;
    const struct store_log_range *g = &r->ask.range;
    struct store_answer *a = &r->answer;
    enum sqlite_stmt which = g->newest_first ? SQL_LOG_DOWN : SQL_LOG_UP;
    sqlite3_stmt *st = stmt_for(d, which, r->ask.table, r->ask.owner, STR_NONE);
    if (!st)
        return e;
    sqlite_bind_u64(st, 3, g->after);
    sqlite_bind_u64(st, 4, g->before ? g->before : UINT64_MAX);
    sqlite_bind_u64(st, 5, r->ask.limit);
    a->records = arena_alloc(r->arena, (r->ask.limit + 1) * sizeof *a->records);
    while (sqlite_row(d, st, &e)) {
        if (!record_copy(r, st, &a->records[a->n++])) {
            sqlite3_reset(st);
            return ERR_LIMIT;
        }
    }
    return e;
}

static enum err log_count(struct sqlite_db *d, struct store_req *r)
{
    enum err e = ERR_IO;
    sqlite3_stmt *st = stmt_for(d, SQL_LOG_COUNT, r->ask.table, r->ask.owner, STR_NONE);
    if (!st || !sqlite_row(d, st, &e))
        return e;
    r->answer.count = sqlite_column_u64(st, 0);
    r->answer.bytes = sqlite_column_u64(st, 1);
    sqlite3_reset(st);
    return ERR_OK;
}

static enum err owners_read(struct sqlite_db *d, struct store_req *r)
{
    enum err e = ERR_IO;
    struct store_answer *a = &r->answer;
    sqlite3_stmt *st = stmt_for(d, SQL_OWNERS, r->ask.table, r->ask.key, STR_NONE);
    if (!st)
        return e;
    sqlite_bind_u64(st, 3, r->ask.limit);
    a->owners = arena_alloc(r->arena, (r->ask.limit + 1) * sizeof *a->owners);
    while (sqlite_row(d, st, &e)) {
        if (!copy(r, sqlite_column(st, 0), &a->owners[a->n++])) {
            sqlite3_reset(st);
            return ERR_LIMIT;
        }
    }
    return e;
}

static enum err scan(struct sqlite_db *d, struct store_req *r)
{
    static const enum sqlite_stmt which[] = {SQL_SCAN_KV, SQL_SCAN_MAP, SQL_SCAN_MAP_VERSION,
                                             SQL_SCAN_LOG};
    const struct store_row *after = &r->ask.after;
    enum err e = ERR_IO;
    sqlite3_stmt *st = sqlite_stmt(d, which[r->ask.kind]);
    if (!st)
        return e;
    sqlite_bind_str(st, 1, after->table);
    sqlite_bind_str(st, 2, after->owner);
    sqlite_bind_str(st, 3, after->key);
    sqlite_bind_u64(st, 4, r->ask.limit);
    sqlite_bind_u64(st, 5, after->place);
    while (sqlite_row(d, st, &e)) {
        struct store_row row = {.kind = r->ask.kind,
                                .table = sqlite_column(st, 0),
                                .owner = sqlite_column(st, 1),
                                .key = sqlite_column(st, 2),
                                .value = sqlite_column(st, 3),
                                .with = sqlite_column(st, 4),
                                .number = sqlite_column_u64(st, 5),
                                .place = sqlite_column_u64(st, 6)};
        if (!store_row_answer(r, r->arena, &row)) {
            sqlite3_reset(st);
            return ERR_LIMIT;
        }
    }
    return e;
}

static enum err ops_read(void *conn, struct store_req *r)
{
    if (r->inject)
        return ERR_IO;
    switch (r->verb) {
    case VERB_KV_GET:
        return kv_get(conn, r);
    case VERB_MAP_READ:
        return map_read(conn, r);
    case VERB_LOG_READ:
        return log_read(conn, r);
    case VERB_LOG_COUNT:
        return log_count(conn, r);
    case VERB_OWNERS:
        return owners_read(conn, r);
    case VERB_SCAN:
        return scan(conn, r);
    case VERB_COMMIT:
    case VERB_LEASE_ACQUIRE:
    case VERB_LEASE_RELEASE:
    case VERB_LOAD:
        break;
    }
    return ERR_INVALID;
}

/* ---- driver */

static enum err ops_open(const char *path, bool writer, void **conn, char *why, size_t why_size)
{
    struct sqlite_db *d;
    if (path[0] == ':') { /* to SQLite a database of this connection alone */
        snprintf(why, why_size, "%s: not a path", path);
        return ERR_INVALID;
    }
    enum err e = sqlite_db_open(path, writer, &d, why, why_size);
    if (!e)
        *conn = d;
    return e;
}

static void ops_close(void *conn)
{
    struct sqlite_db *d = conn;
    sqlite_db_close(&d);
}

const struct store_driver store_sqlite_driver = {
    .scheme = "sqlite",
    .readers = STORE_READERS_MAX,
    .open = ops_open,
    .close = ops_close,
    .begin = ops_begin,
    .write = ops_write,
    .commit = ops_commit,
    .read = ops_read,
};
