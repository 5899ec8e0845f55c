#ifndef NODE_ROUTE_TESTS_ROUTE_INT_H
#define NODE_ROUTE_TESTS_ROUTE_INT_H
/* A node of one shard on the simulated loop with modules of the test's choice: no store, no
 * network. Its users are anchored here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/loop/sim-loop.h"
#include "node/cluster/anchor.h"
#include "node/route/hook-int.h"
#include "node/session/user.h"

#define BENCH_USER "alice@im.test"
#define BENCH_SEC UINT64_C(1000000)
struct bench {
    struct node node;
    struct node_shard shard;
    struct node_conf conf;
    struct user *user;
    struct arena *arena;
};
static const char *const bench_domains[] = {"im.test", NULL};

static UNUSED struct stanza *bench_stanza(const char *text)
{
    struct stanza *s;
    assert_int_equal(stanza_parse(str_of(text), &s), ERR_OK);
    return s;
}

static UNUSED void bench_begin(struct bench *b, const struct module *const *m, size_t n)
{
    char why[128] = "";
    memset(b, 0, sizeof *b);
    sim_begin(1);
    log_set_level(LOG_ERROR);
    node_conf_init(&b->conf);
    b->conf.domains = bench_domains;
    b->node.conf = &b->conf;
    b->node.shard = &b->shard;
    b->node.n_shards = 1;
    b->node.shards = shards_new("bench", 1);
    b->shard.node = &b->node;
    b->shard.loop = shards_loop(b->node.shards, 0);
    b->shard.handles = handle_table_new(0);
    b->shard.anchors = anchor_cache_new(&b->shard);
    op_owner_init(&b->shard.ops);
    assert_int_equal(module_set_of(&b->node, m, n, why, sizeof why), ERR_OK);
    assert_int_equal(module_shard_init(&b->shard), ERR_OK);
    anchor_learn(&b->shard, STR(BENCH_USER), "");
    struct jid j;
    b->arena = arena_new(0);
    assert_int_equal(jid_parse(b->arena, STR(BENCH_USER), &j, NULL), ERR_OK);
    b->user = user_get(&b->shard, &j);
    user_hold(b->user);
}

static UNUSED void bench_end(struct bench *b)
{
    b->node.freeing = true;
    loop_drop_mail(b->shard.loop);
    op_owner_cancel_all(&b->shard.ops);
    users_free(&b->shard);
    anchor_cache_free(&b->shard.anchors);
    module_shard_fini(&b->shard);
    handle_table_free(&b->shard.handles);
    module_set_free(&b->node);
    arena_free(&b->arena);
    shards_free(&b->node.shards);
    sim_end();
}
#endif
