/* pg-answer: rows of PostgreSQL as answers of the store. Rows come one by one and are copied into
 * the request's answer arena, whose budget bounds an answer; past it the rest is read and thrown
 * away. */
#include "lib/store/pg-int.h"

static struct str column(const PGresult *r, int row, int at)
{
    if (PQgetisnull(r, row, at))
        return STR_NONE;
    return str_make(PQgetvalue(r, row, at), (size_t)PQgetlength(r, row, at));
}

int64_t pg_column_i64(const PGresult *r, int row, int at)
{
    const char *p = PQgetvalue(r, row, at);
    int size = PQgetlength(r, row, at);
    uint64_t n = 0;
    for (int i = 0; i < size; i++)
        n = n << 8 | (uint8_t)p[i];
    return size == 4 ? (int32_t)n : (int64_t)n;
}

static uint64_t column_u64(const PGresult *r, int row, int at)
{
    return (uint64_t)pg_column_i64(r, row, at);
}

static bool copy(struct store_req *r, struct str s, struct str *out)
{
    return store_copy(r->answer_arena, s, SIZE_MAX, out);
}

/* The list of the answer, made at its first row. */
#define NEXT_OF(r, list)                                                                           \
    ((r)->answer.list =                                                                            \
         (r)->answer.list                                                                          \
             ? (r)->answer.list                                                                    \
             : arena_alloc((r)->answer_arena, ((r)->ask.limit + 1) * sizeof *(r)->answer.list),    \
     &(r)->answer.list[(r)->answer.n++])

static bool add_kv(struct store_req *r, const PGresult *res, int i)
{
    r->answer.kv.rev = column_u64(res, i, 0);
    r->answer.n++;
    return copy(r, column(res, i, 1), &r->answer.kv.value);
}

static bool add_entry(struct store_req *r, const PGresult *res, int i)
{
    r->answer.version = column_u64(res, i, 0);
    if (PQgetisnull(res, i, 1)) /* only the version is there */
        return true;
    struct store_entry *to = NEXT_OF(r, entries);
    return copy(r, column(res, i, 1), &to->key) && copy(r, column(res, i, 2), &to->value);
}

static bool add_record(struct store_req *r, const PGresult *res, int i)
{
    struct store_record *to = NEXT_OF(r, records);
    to->seq = column_u64(res, i, 0);
    to->at_us = column_u64(res, i, 1);
    return copy(r, column(res, i, 2), &to->id) && copy(r, column(res, i, 3), &to->with) &&
           copy(r, column(res, i, 4), &to->payload);
}

static bool add_count(struct store_req *r, const PGresult *res, int i)
{
    r->answer.count = column_u64(res, i, 0);
    r->answer.bytes = column_u64(res, i, 1);
    return true;
}

static bool add_owner(struct store_req *r, const PGresult *res, int i)
{
    struct str *to = NEXT_OF(r, owners);
    return copy(r, column(res, i, 0), to);
}

static bool add_lease(struct store_req *r, const PGresult *res, int i)
{
    uint64_t incarnation = 0;
    must(str_to_u64(column(res, i, 2), UINT64_MAX, &incarnation));
    store_lease_fill(&r->answer.lease, column(res, i, 1), incarnation, column_u64(res, i, 3));
    r->err = pg_column_i64(res, i, 0) ? ERR_OK : ERR_CONFLICT;
    return true;
}

static bool add_release(struct store_req *r, const PGresult *res, int i)
{
    r->err = pg_column_i64(res, i, 0) ? ERR_OK : ERR_CONFLICT;
    return true;
}

static bool add_scanned(struct store_req *r, const PGresult *res, int i)
{
    struct store_row row = {.kind = r->ask.kind,
                            .table = column(res, i, 0),
                            .owner = column(res, i, 1),
                            .key = column(res, i, 2),
                            .value = column(res, i, 3),
                            .with = column(res, i, 4),
                            .number = column_u64(res, i, 5),
                            .place = column_u64(res, i, 6)};
    return store_row_answer(r, r->answer_arena, &row);
}

static bool add_row(struct store_req *r, const PGresult *res, int i)
{
    switch (r->verb) {
    case VERB_KV_GET:
        return add_kv(r, res, i);
    case VERB_MAP_READ:
        return add_entry(r, res, i);
    case VERB_LOG_READ:
        return add_record(r, res, i);
    case VERB_LOG_COUNT:
        return add_count(r, res, i);
    case VERB_OWNERS:
        return add_owner(r, res, i);
    case VERB_LEASE_ACQUIRE:
        return add_lease(r, res, i);
    case VERB_LEASE_RELEASE:
        return add_release(r, res, i);
    case VERB_SCAN:
        return add_scanned(r, res, i);
    case VERB_COMMIT: /* functions that return nothing of use */
    case VERB_LOAD:
        break;
    }
    return true;
}

void pg_answer_begin(struct store_req *r)
{
    arena_free(&r->answer_arena);
    r->answer_arena = arena_new(STORE_REQ_BYTES_MAX);
    r->answer = (struct store_answer){0};
    r->err = ERR_OK;
}

void pg_answer_add(struct store_req *r, const PGresult *res)
{
    for (int i = 0; i < PQntuples(res) && r->err != ERR_LIMIT; i++)
        if (!add_row(r, res, i))
            r->err = ERR_LIMIT;
}

void pg_answer_end(struct store_req *r)
{
    if (!r->err && r->verb == VERB_KV_GET && !r->answer.n)
        r->err = ERR_NOTFOUND;
}
