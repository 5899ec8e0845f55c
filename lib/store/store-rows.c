/* store-rows: all rows of a store one page after the other, and rows put into another as they are,
 * revisions, versions and sequence numbers included. For copies between drivers. */
#include "lib/store/store-int.h"

static bool copy_row(struct arena *a, const struct store_row *from, struct store_row *to)
{
    *to = *from;
    return store_copy(a, from->table, STORE_TABLE_MAX, &to->table) &&
           store_copy(a, from->owner, STORE_KEY_MAX, &to->owner) &&
           store_copy(a, from->key, STORE_KEY_MAX, &to->key) &&
           store_copy(a, from->value, STORE_VALUE_MAX, &to->value) &&
           store_copy(a, from->with, STORE_KEY_MAX, &to->with);
}

struct op *store_scan(struct store_port *p, struct op_owner *o, enum store_kind kind,
                      const struct store_row *after, size_t limit, store_rows_cb *cb, void *ctx)
{
    static const struct store_row start = {
        .table = {"", 0}, .owner = {"", 0}, .key = {"", 0}, .value = {"", 0}};
    struct store_req *r = store_req_new(VERB_SCAN, (void (*)(void))cb, ctx);
    struct store_row place = after ? *after : start;
    place.value = place.with = STR_NONE;
    r->arena = arena_new(STORE_REQ_BYTES_MAX);
    r->ask.kind = kind;
    r->ask.limit = limit < STORE_READ_MAX ? limit : STORE_READ_MAX;
    if (!copy_row(r->arena, &place, &r->ask.after))
        r->err = ERR_LIMIT;
    return store_req_submit(p, o, r);
}

struct op *store_load(struct store_port *p, struct op_owner *o, const struct store_row *rows,
                      size_t n, store_done_cb *cb, void *ctx)
{
    struct store_req *r = store_req_new(VERB_LOAD, (void (*)(void))cb, ctx);
    r->arena = arena_new(STORE_REQ_BYTES_MAX);
    struct store_row *to = arena_try_alloc(r->arena, (n + 1) * sizeof *to);
    if (!to)
        r->err = ERR_LIMIT;
    for (size_t i = 0; i < n && !r->err; i++)
        if (!copy_row(r->arena, &rows[i], &to[i]))
            r->err = ERR_LIMIT;
    r->ask.rows = to;
    r->ask.rows_n = n;
    return store_req_submit(p, o, r);
}

bool store_row_answer(struct store_req *r, struct arena *a, const struct store_row *row)
{
    if (!r->answer.rows)
        r->answer.rows = arena_try_alloc(a, (r->ask.limit + 1) * sizeof *r->answer.rows);
    return r->answer.rows && copy_row(a, row, &r->answer.rows[r->answer.n++]);
}
