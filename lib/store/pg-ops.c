/* pg-ops: what the store asks, as prepared statements with binary arguments. A request becomes one
 * statement (a read) or one for each change (a write); conditions are checked by the functions of
 * the schema, which raise an error, so that nothing has to be waited for in between. */
#include "lib/base/rand.h"
#include "lib/base/siphash.h"
#include "lib/store/pg-int.h"

enum { TEXT, BINARY };

/* ---- arguments */

static void add(struct pg_args *a, const char *p, size_t n, int format)
{
    must(a->n < PG_ARGS_MAX && n <= INT32_MAX);
    a->values[a->n] = p;
    a->lengths[a->n] = (int)n;
    a->formats[a->n++] = format;
}

void pg_add_str(struct pg_args *a, struct str s)
{
    add(a, s.p, s.n, BINARY);
}

void pg_add_i64(struct pg_args *a, int64_t n)
{
    char *to = a->numbers[a->n];
    for (int i = 0; i < 8; i++)
        to[i] = (char)((uint64_t)n >> (56 - 8 * i));
    add(a, to, 8, BINARY);
}

void pg_add_u64(struct pg_args *a, uint64_t n)
{
    pg_add_i64(a, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

void pg_add_digits(struct pg_args *a, uint64_t n)
{
    char *to = a->numbers[a->n];
    int len = snprintf(to, sizeof a->numbers[0], "%" PRIu64, n);
    add(a, to, (size_t)len, TEXT);
}

static struct pg_args args_for(const char *table, struct str owner)
{
    struct pg_args a = {.n = 0};
    pg_add_str(&a, str_of(table));
    pg_add_str(&a, owner);
    return a;
}

/* ---- writes */

static int64_t expected_rev(uint64_t rev)
{
    return rev == STORE_REV_ANY ? -1 : rev > INT64_MAX ? INT64_MAX : (int64_t)rev;
}

static void send_change(struct pg_conn *c, struct str owner, const struct store_change *g,
                        int64_t mark)
{
    static const enum pg_stmt which[] = {
        [CHANGE_KV_PUT] = PG_KV_PUT,         [CHANGE_KV_DEL] = PG_KV_DEL,
        [CHANGE_MAP_PUT] = PG_MAP_PUT,       [CHANGE_MAP_DEL] = PG_MAP_DEL,
        [CHANGE_LOG_APPEND] = PG_LOG_APPEND, [CHANGE_LOG_TRIM] = PG_LOG_TRIM,
    };
    struct pg_args a = args_for(g->table, owner);
    if (g->kind != CHANGE_LOG_TRIM)
        pg_add_str(&a, g->key);
    if (g->kind == CHANGE_KV_PUT || g->kind == CHANGE_MAP_PUT || g->kind == CHANGE_LOG_APPEND)
        pg_add_str(&a, g->value);
    if (g->kind == CHANGE_KV_PUT || g->kind == CHANGE_KV_DEL)
        pg_add_i64(&a, expected_rev(g->number));
    if (g->kind == CHANGE_MAP_PUT || g->kind == CHANGE_MAP_DEL)
        pg_add_i64(&a, mark);
    if (g->kind == CHANGE_LOG_APPEND || g->kind == CHANGE_LOG_TRIM)
        pg_add_u64(&a, g->number);
    if (g->kind == CHANGE_LOG_APPEND)
        pg_add_str(&a, g->with);
    pg_conn_send(c, which[g->kind], &a);
}

static void send_lease(struct pg_conn *c, const struct store_req *r)
{
    const struct store_ask *q = &r->ask;
    struct pg_args a = {.n = 0};
    pg_add_str(&a, q->key);
    pg_add_str(&a, q->holder);
    pg_add_digits(&a, q->incarnation);
    if (r->verb == VERB_LEASE_ACQUIRE)
        pg_add_u64(&a, q->ttl_ms > INT64_MAX / 2000 ? INT64_MAX / 2 : q->ttl_ms * 1000);
    pg_conn_send(c, r->verb == VERB_LEASE_ACQUIRE ? PG_LEASE_ACQUIRE : PG_LEASE_RELEASE, &a);
}

static void send_row(struct pg_conn *c, const struct store_row *row)
{
    static const enum pg_stmt which[] = {PG_LOAD_KV, PG_LOAD_MAP, PG_LOAD_MAP_VERSION, PG_LOAD_LOG};
    struct pg_args a = {.n = 0};
    pg_add_str(&a, row->table);
    pg_add_str(&a, row->owner);
    if (row->kind != STORE_MAP_VERSION) {
        pg_add_str(&a, row->key);
        pg_add_str(&a, row->value);
    }
    if (row->kind != STORE_MAP)
        pg_add_u64(&a, row->number);
    if (row->kind == STORE_LOG) {
        pg_add_u64(&a, row->place);
        pg_add_str(&a, row->with);
    }
    pg_conn_send(c, which[row->kind], &a);
}

/* Sequence numbers given later are above all that were loaded. */
static unsigned send_rows(struct pg_conn *c, const struct store_req *r)
{
    uint64_t seq = 0;
    unsigned n = 0;
    for (; n < r->ask.rows_n; n++) {
        const struct store_row *row = &r->ask.rows[n];
        send_row(c, row);
        if (row->kind == STORE_LOG && row->place > seq)
            seq = row->place;
    }
    if (!seq)
        return n;
    struct pg_args a = {.n = 0};
    pg_add_u64(&a, seq);
    pg_conn_send(c, PG_LOAD_SEQ, &a);
    return n + 1;
}

unsigned pg_send_write(struct pg_conn *c, const struct store_req *r, int64_t mark)
{
    unsigned n = 0;
    if (r->verb == VERB_COMMIT) {
        for (const struct store_change *g = r->ask.changes; g; g = g->next, n++)
            send_change(c, r->ask.owner, g, mark);
    } else if (r->verb == VERB_LOAD) {
        n = send_rows(c, r);
    } else {
        send_lease(c, r);
        n++;
    }
    if (r->inject) {
        struct pg_args a = {.n = 0};
        pg_add_i64(&a, 0);
        pg_conn_send(c, PG_FAIL, &a);
        n++;
    }
    return n;
}

int64_t pg_lock_key(const struct store_req *r)
{
    static const uint64_t lease_salt = 0x6c65617365; /* an owner and a lease of one name differ */
    if (r->verb == VERB_COMMIT || r->verb == VERB_LOAD) /* a load has no owner: one at a time */
        return (int64_t)hash_stable(r->ask.owner);
    return (int64_t)(hash_stable(r->ask.key) ^ lease_salt);
}

/* ---- reads */

static void send_log_read(struct pg_conn *c, const struct store_req *r)
{
    const struct store_log_range *g = &r->ask.range;
    struct pg_args a = args_for(r->ask.table, r->ask.owner);
    pg_add_u64(&a, g->after);
    pg_add_u64(&a, g->before ? g->before : UINT64_MAX);
    pg_add_u64(&a, r->ask.limit);
    pg_conn_send(c, g->newest_first ? PG_LOG_DOWN : PG_LOG_UP, &a);
}

static void send_scan(struct pg_conn *c, const struct store_req *r)
{
    static const enum pg_stmt which[] = {PG_SCAN_KV, PG_SCAN_MAP, PG_SCAN_MAP_VERSION, PG_SCAN_LOG};
    struct pg_args a = {.n = 0};
    pg_add_u64(&a, r->ask.after.place);
    pg_add_u64(&a, r->ask.limit);
    pg_conn_send(c, which[r->ask.kind], &a);
}

unsigned pg_send_read(struct pg_conn *c, const struct store_req *r)
{
    struct pg_args a = {.n = 0};
    if (r->ask.table)
        a = args_for(r->ask.table, r->ask.owner);
    switch (r->verb) {
    case VERB_KV_GET:
        pg_add_str(&a, r->ask.key);
        pg_conn_send(c, PG_KV_GET, &a);
        break;
    case VERB_MAP_READ:
        pg_add_str(&a, r->ask.key);
        pg_add_u64(&a, r->ask.limit);
        pg_conn_send(c, PG_MAP_GET, &a);
        break;
    case VERB_LOG_READ:
        send_log_read(c, r);
        break;
    case VERB_LOG_COUNT:
        pg_conn_send(c, PG_LOG_COUNT, &a);
        break;
    case VERB_OWNERS:
        a = args_for(r->ask.table, r->ask.key);
        pg_add_u64(&a, r->ask.limit);
        pg_conn_send(c, PG_OWNERS, &a);
        break;
    case VERB_SCAN:
        send_scan(c, r);
        break;
    case VERB_COMMIT:
    case VERB_LEASE_ACQUIRE:
    case VERB_LEASE_RELEASE:
    case VERB_LOAD:
        return 0;
    }
    return 1;
}
