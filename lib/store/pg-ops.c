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

unsigned pg_send_write(struct pg_conn *c, const struct store_req *r, int64_t mark)
{
    unsigned n = 0;
    if (r->verb == VERB_COMMIT) {
        for (const struct store_change *g = r->ask.changes; g; g = g->next, n++)
            send_change(c, r->ask.owner, g, mark);
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
    return r->verb == VERB_COMMIT ? (int64_t)hash_stable(r->ask.owner)
                                  : (int64_t)(hash_stable(r->ask.key) ^ lease_salt);
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

unsigned pg_send_read(struct pg_conn *c, const struct store_req *r)
{
    struct pg_args a = args_for(r->ask.table, r->ask.owner);
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
    case VERB_COMMIT:
    case VERB_LEASE_ACQUIRE:
    case VERB_LEASE_RELEASE:
        return 0;
    }
    return 1;
}
