#ifndef NODE_NODE_H
#define NODE_NODE_H
/* A node: shards, store, federation, region links, registry, modules, wired together. node.c is the
 * only file that knows everybody. Several nodes may live in one process (simulator): no globals.
 * Words: DESIGN sections 1 and 8. */
#include "dns/dns.h"
#include "lib/base/handle.h"
#include "lib/base/hmap.h"
#include "lib/base/vec.h"
#include "lib/loop/shard.h"
#include "lib/loop/timer.h"
#include "lib/loop/work.h"
#include "lib/store/store.h"
#include "lib/stream/stream-in.h"
#include "node/node-conf.h"

struct node;
struct s2s;
struct world;
struct hook_table;
struct spool;
struct spool_load;
struct module_set;
struct reg_driver;

/* Counters of one shard, summed for status. One line each. */
#define NODE_STAT_TABLE(X)                                                                         \
    X(connections_refused)                                                                         \
    X(c2s_accepted)                                                                                \
    X(c2s_authenticated)                                                                           \
    X(c2s_auth_failed)                                                                             \
    X(c2s_auth_unavailable)                                                                        \
    X(c2s_auth_throttled)                                                                          \
    X(c2s_redirected)                                                                              \
    X(c2s_moved)                                                                                   \
    X(c2s_closed)                                                                                  \
    X(stanzas_bounced)                                                                             \
    X(stanzas_dropped)                                                                             \
    X(offline_stored)                                                                              \
    X(offline_flushed)                                                                             \
    X(attaches) X(conflicts) X(sm_enabled) X(sm_resumed) X(sm_resume_failed) X(sm_expired)
/* Where stanzas come from and go to, counted by kind. */
#define NODE_FLOW_TABLE(X)                                                                         \
    X(from_clients) X(to_clients) X(from_s2s) X(to_s2s) X(from_regions) X(to_regions)
enum node_flow {
#define NODE_FLOW_ENUM(name) FLOW_##name,
    NODE_FLOW_TABLE(NODE_FLOW_ENUM)
#undef NODE_FLOW_ENUM
        NODE_FLOWS
};
enum { NODE_KINDS = 3 }; /* enum stanza_kind */
struct node_stats {
    uint64_t flow[NODE_FLOWS][NODE_KINDS];
#define NODE_STAT_FIELD(name) uint64_t name;
    NODE_STAT_TABLE(NODE_STAT_FIELD)
#undef NODE_STAT_FIELD
};

static inline uint64_t node_flow_sum(const struct node_stats *s, enum node_flow f)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < NODE_KINDS; i++)
        sum += s->flow[f][i];
    return sum;
}

/* What one shard of the node owns. Touched by its own loop only. */
struct node_shard {
    struct node *node;
    unsigned index;
    struct loop *loop;
    struct store_port *store;
    struct dns *dns;
    struct s2s *s2s;              /* NULL when federation is off */
    struct handle_table *handles; /* c2s connections, parked hook runs, iq requests */
    struct hmap users;            /* bare JID -> struct user anchored here (session/user.h) */
    struct anchor_cache *anchors; /* cluster/anchor.h */
    struct c2s_set *c2s;          /* c2s/c2s.h */
    struct spool *spool;          /* route/spool.h */
    void **module_state;          /* per-module slots (route/module.h) */
    struct op_owner ops;          /* cancelled when the shard goes */
    VEC(struct node_listener *) listeners; /* node-int.h */
    struct node_stats stats;
    struct node_tune tune;      /* numbers in force; a reload replaces them */
    struct stream_in_fake fake; /* what logins to unknown accounts are shown */
};
struct node {
    const struct node_conf *conf;
    struct shards *shards;
    struct node_shard *shard; /* [n_shards] */
    unsigned n_shards;
    uint64_t incarnation;
    struct store *store;
    struct work_pool *hashing;                      /* PBKDF2 */
    struct throttle *tries_address, *tries_account; /* logins, of all shards: c2s/c2s-throttle.c */
    struct tally *addresses; /* connections of each address, of all shards: node-listen.c */
    struct transport_seats seats;
    size_t half_open_max; /* connections that proved nothing: of clients, of servers, each shard */
    struct world *world;  /* registry and region links, on shard 0 (cluster/world.h) */
    struct spool_load *spool_load; /* what a former life left (route/spool.h) */
    struct hook_table *hooks;
    struct module_set *modules;
    struct tls_ctx *tls_c2s, *tls_s2s_in, *tls_s2s_out, *tls_region_in, *tls_region_out, *tls_redis;
    struct s2s_conf *s2s_conf;
    struct reloader *reloader; /* node-reload.h; NULL without a file */
    struct timer cert_watch;   /* node-tls.c */
    bool is_stopping;
    struct stop *stop; /* while stopping */
    bool store_is_shared;
    bool fenced;  /* stopped because another process has our name */
    bool freeing; /* no loop runs any more: posts are dropped at once */
};

/* Everything is opened (store, TLS, listeners) or nothing: why names the option and the reason.
 * registry: taken; NULL = reg_redis from conf, or a fake of our own without [region]. store: a
 * shared one for the simulator (not closed), or NULL. */
enum err node_new(const struct node_conf *c, struct shards *shards, struct reg_driver **registry,
                  struct store *store_shared, struct node **out, char *why,
                  size_t why_size) MUST_USE;
/* Orderly stop: no new connections, streams closed with system-shutdown, links flushed; done within
 * 5 s. On shard 0. */
void node_stop(struct node *n, void (*done)(void *ctx), void *ctx);
/* After shards_run returned, or at any time under simulation (a crash: nothing is sent). */
void node_free(struct node **pn);
/* Another process took our name in the registry: stop at once, without touching shared state (P5).
 */
void node_fenced(struct node *n);
bool node_serves(const struct node *n, struct str domain);
/* The shard on which everything about this bare JID (or remote domain) of this node lives. */
static inline struct node_shard *node_shard_of(struct node *n, struct str key)
{
    return &n->shard[shard_of(key, n->n_shards)];
}
/* Post a call to a shard: fn(shard, ctx) there, later, FIFO per sender. drop frees ctx when the
 * shard goes first (may be NULL). */
void node_post(struct node_shard *to, void (*fn)(struct node_shard *sh, void *ctx),
               void (*drop)(void *ctx), void *ctx);
#endif
