#ifndef INTEGRATION_TESTS_SIM_TESTS_REMOVAL_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_REMOVAL_INT_H
/* What the stores have of an account that is removed. */
#include "integration-tests/sim/tests-world-int.h"

#define REMOVED "alice@" RIG_DOMAIN

static UNUSED struct store_port *port_of(const struct rig *r)
{
    return node_shard_of(r->node, STR(REMOVED))->store;
}

/* ---- what the stores have of her */
struct found {
    bool is_done;
    size_t n;
};

static UNUSED bool found_is_done(void *ctx)
{
    return ((struct found *)ctx)->is_done;
}

static UNUSED void found_kv(void *ctx, enum err e, const struct store_kv *v)
{
    (void)v;
    assert_true(e == ERR_OK || e == ERR_NOTFOUND);
    *(struct found *)ctx = (struct found){true, e == ERR_OK};
}

static UNUSED void found_map(void *ctx, enum err e, const struct store_entry *x, size_t n,
                             uint64_t v)
{
    (void)x, (void)v;
    assert_int_equal(e, ERR_OK);
    *(struct found *)ctx = (struct found){true, n};
}

static UNUSED void found_log(void *ctx, enum err e, uint64_t count, uint64_t bytes)
{
    (void)bytes;
    assert_int_equal(e, ERR_OK);
    *(struct found *)ctx = (struct found){true, count};
}

static UNUSED size_t kv_at(struct rig *r, const char *table, const char *key)
{
    struct found f = {0};
    store_kv_get(port_of(r), &r->ops, table, STR(REMOVED), str_of(key), found_kv, &f);
    assert_true(sim_run(20 * SEC, found_is_done, &f));
    return f.n;
}

static UNUSED size_t map_at(struct rig *r, const char *table)
{
    struct found f = {0};
    store_map_read(port_of(r), &r->ops, table, STR(REMOVED), STR(""), 1000, found_map, &f);
    assert_true(sim_run(20 * SEC, found_is_done, &f));
    return f.n;
}

static UNUSED size_t offline_at(struct rig *r)
{
    struct found f = {0};
    store_log_count(port_of(r), &r->ops, "offline", STR(REMOVED), found_log, &f);
    assert_true(sim_run(20 * SEC, found_is_done, &f));
    return f.n;
}

/* Of each sort one, all told. */
enum { ALL_DATA = 6 };
static UNUSED size_t data_left(struct rig *r)
{
    return map_at(r, "roster") + map_at(r, "private") + map_at(r, "blocklist") +
           kv_at(r, "vcard", "vcard-temp") + kv_at(r, "last", "last") + offline_at(r);
}

static UNUSED size_t rows_left(struct rig *r)
{
    return kv_at(r, "accounts", "created") + kv_at(r, "accounts", "scram-sha-256") +
           kv_at(r, "accounts", "fast") + kv_at(r, "removals", "removal");
}
#endif
