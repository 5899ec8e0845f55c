/* DOC: one table says what there is; nothing is written that is not in it, and the document is made
 * from it. A gathering takes a copy of each shard's counts on that shard (a sample), one after the
 * other, and writes the text on shard 0. Labels have few values by construction: shards, kinds,
 * conditions, causes; no JID, of domains only the S2S_TOP for which most waits, and the block lists
 * that the operator named. */
#include "node/admin/metrics.h"

#include <dirent.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/tls.h"
#include "lib/xmpp/stanza.h"
#include "node/c2s/c2s.h"
#include "node/cluster/world.h"
#include "node/mod/rtbl.h"
#include "node/route/spool.h"
#include "s2s/s2s.h"

enum { TEXT_MAX = 1 << 20, SHARD_NAME = 16 };

#define METRIC_TABLE(X)                                                                            \
    X(BUILD, GAUGE, "meridian_build_info", "version", "Always 1; the version is the label")        \
    X(START, GAUGE, "meridian_start_time_seconds", "", "When the node started, Unix time")         \
    X(MEMORY, GAUGE, "meridian_resident_memory_bytes", "", "Resident memory of the process")       \
    X(FILES, GAUGE, "meridian_open_files", "", "Open file descriptors of the process")             \
    X(CERT, GAUGE, "meridian_tls_certificate_expiry_time_seconds", "section",                      \
      "When our own certificate ends, Unix time")                                                  \
    X(LOG, COUNTER, "meridian_log_events_total", "level", "Events that were logged")               \
    X(TURNS, HISTOGRAM, "meridian_loop_turn_seconds", "shard",                                     \
      "How long the work of one turn of a loop took")                                              \
    X(HOGS, COUNTER, "meridian_loop_hogs_total", "shard",                                          \
      "Turns that took more processor time than the watchdog allows")                              \
    X(BYTES, COUNTER, "meridian_network_bytes_total", "direction",                                 \
      "Bytes read from and given to the network, TLS included")                                    \
    X(REFUSED, COUNTER, "meridian_connections_refused_total", "",                                  \
      "Refused: their address had as many as it may, or too many clients were not logged in")      \
    X(C2S_OPEN, GAUGE, "meridian_c2s_connections", "state",                                        \
      "Client connections now, authenticated or not")                                              \
    X(C2S_ACCEPTED, COUNTER, "meridian_c2s_accepted_total", "", "Client connections accepted")     \
    X(C2S_CLOSED, COUNTER, "meridian_c2s_closed_total", "", "Client connections ended")            \
    X(C2S_MOVED, COUNTER, "meridian_c2s_moved_total", "",                                          \
      "Client connections that moved to their home shard")                                         \
    X(C2S_REDIRECTED, COUNTER, "meridian_c2s_redirected_total", "",                                \
      "Client connections that were sent to another host")                                         \
    X(LOGINS, COUNTER, "meridian_c2s_logins_total", "outcome",                                     \
      "Authentications: ok, failed (refused or given up), unavailable (nobody could tell), "       \
      "throttled (not tried)")                                                                     \
    X(USERS, GAUGE, "meridian_users", "", "Users anchored at this node")                           \
    X(ATTACHES, COUNTER, "meridian_session_attaches_total", "", "Sessions attached here")          \
    X(CONFLICTS, COUNTER, "meridian_session_conflicts_total", "",                                  \
      "Sessions replaced by a younger connection")                                                 \
    X(SM, COUNTER, "meridian_sm_sessions_total", "event",                                          \
      "Stream management of clients: enabled, resumed, refused to resume, expired")                \
    X(STANZAS, COUNTER, "meridian_stanzas_total", "flow,kind",                                     \
      "Stanzas by where they came from or went to, and kind")                                      \
    X(BOUNCED, COUNTER, "meridian_stanzas_bounced_total", "", "Stanzas answered with an error")    \
    X(DROPPED, COUNTER, "meridian_stanzas_dropped_total", "", "Stanzas dropped by the rules")      \
    X(OFF_STORED, COUNTER, "meridian_offline_stored_total", "", "Messages stored for later")       \
    X(OFF_FLUSHED, COUNTER, "meridian_offline_flushed_total", "", "Stored messages given out")     \
    X(SPOOL, GAUGE, "meridian_spool_stanzas", "",                                                  \
      "Acknowledged and waiting for custody, in the store meanwhile")                              \
    X(S2S_STREAMS, GAUGE, "meridian_s2s_streams", "direction", "Streams of other servers now")     \
    X(S2S_WAITING, GAUGE, "meridian_s2s_waiting_stanzas", "",                                      \
      "Stanzas that wait for a stream to another server")                                          \
    X(S2S_READY, COUNTER, "meridian_s2s_out_ready_total", "", "Streams to other servers made")     \
    X(S2S_RESUMED, COUNTER, "meridian_s2s_out_tls_resumed_total", "",                              \
      "TLS handshakes with other servers that resumed a session")                                  \
    X(S2S_OUTCOMES, COUNTER, "meridian_s2s_outcomes_total", "direction,cause",                     \
      "What became of streams, by cause (docs/federation.md); none: it worked")                    \
    X(S2S_BOUNCED, COUNTER, "meridian_s2s_bounced_total", "cause",                                 \
      "Stanzas given back to their senders, by cause")                                             \
    X(S2S_DOWN, GAUGE, "meridian_s2s_domains_down", "", "Domains that are not reached now")        \
    X(S2S_TOPS, GAUGE, "meridian_s2s_domain_waiting_stanzas", "domain",                            \
      "Stanzas that wait for a domain: the ten for which most do")                                 \
    X(S2S_PROVED, COUNTER, "meridian_s2s_in_proved_total", "auth",                                 \
      "Domains that another server proved to us")                                                  \
    X(RTBL_FOLLOWED, GAUGE, "meridian_s2s_rtbl_following", "list",                                 \
      "1 while a block list of [[s2s.rtbl]] is followed, 0 while its last known items hold")       \
    X(RTBL_ITEMS, GAUGE, "meridian_s2s_rtbl_items", "list", "Items of the list")                   \
    X(RTBL_AGE, GAUGE, "meridian_s2s_rtbl_age_seconds", "list",                                    \
      "Since the list was known to be up to date")                                                 \
    X(RTBL_EVENTS, COUNTER, "meridian_s2s_rtbl_events_total", "list,event",                        \
      "Changes of the list that its service told")                                                 \
    X(STORE_OPS, COUNTER, "meridian_store_operations_total", "kind", "Operations answered")        \
    X(STORE_FAILED, COUNTER, "meridian_store_failed_total", "",                                    \
      "Operations of the store that failed")                                                       \
    X(STORE_TIME, HISTOGRAM, "meridian_store_operation_seconds", "kind",                           \
      "From question to answer of the store, waiting included")                                    \
    X(STORE_WAITING, GAUGE, "meridian_store_waiting", "", "Operations that wait for the store")    \
    X(REGISTRY, GAUGE, "meridian_registry_connected", "", "1 when the registry answers")           \
    X(MEMBERS, GAUGE, "meridian_members", "live", "Nodes of the world as this one sees them")

enum metric_id {
#define METRIC_ENUM(id, type, name, labels, help) M_##id,
    METRIC_TABLE(METRIC_ENUM)
#undef METRIC_ENUM
        M_COUNT
};
static const struct metric_def defs[M_COUNT] = {
#define METRIC_DEF(id, type, name, labels, help) [M_##id] = {METRIC_##type, name, labels, help},
    METRIC_TABLE(METRIC_DEF)
#undef METRIC_DEF
};

/* ---- samples */
struct sample { /* of one shard */
    struct node_stats node;
    struct loop_stats loop;
    struct store_stats store;
    struct s2s_stats s2s;
    size_t connections, unauthenticated, users, spooled;
};
struct gathering {
    struct op op; /* on the asker's owner, on shard 0 */
    struct node *node;
    handle self; /* of shard 0: void when it was cancelled */
    metrics_cb *cb;
    void *ctx;
};
struct round { /* travels */
    struct node *node;
    handle gathering;
    unsigned n;
    struct s2s_top top[S2S_TOP]; /* of the shards visited so far */
    struct sample sample[];
};

static void sample_take(struct node_shard *sh, struct sample *s)
{
    s->node = sh->stats;
    s->loop = *loop_stats(sh->loop);
    store_port_stats(sh->store, &s->store);
    if (sh->s2s)
        s2s_stats(sh->s2s, &s->s2s);
    c2s_count(sh, &s->connections, &s->unauthenticated);
    s->users = hmap_count(&sh->users);
    s->spooled = spool_stored(sh->spool);
}

/* ---- writing */
static void put(struct buf *out, enum metric_id id, const char *label, double value)
{
    metric_sample(out, &defs[id], &label, value);
}

static void put_one(struct buf *out, enum metric_id id, const char *label, double value)
{
    metric_head(out, &defs[id]);
    put(out, id, label, value);
}

static double resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n > 3 ? (double)(n - 3) : 0; /* ".", "..", the one that reads */
}

static void put_certs(struct buf *out, const struct node *n)
{
    struct tls_cert_info info;
    metric_head(out, &defs[M_CERT]);
    if (tls_ctx_cert(n->tls_c2s, &info))
        put(out, M_CERT, "tls", (double)(info.not_after_us / 1000000));
    if (n->tls_region_in && tls_ctx_cert(n->tls_region_in, &info))
        put(out, M_CERT, "region", (double)(info.not_after_us / 1000000));
}

static void put_process(struct buf *out, const struct node *n)
{
    put_one(out, M_BUILD, MERIDIAN_VERSION, 1);
    put_one(out, M_START, NULL, (double)n->incarnation / 1e6);
    put_one(out, M_MEMORY, NULL, resident_bytes());
    put_one(out, M_FILES, NULL, open_files());
    put_certs(out, n);
    metric_head(out, &defs[M_LOG]);
    for (unsigned l = LOG_TRACE; l <= LOG_ERROR; l++)
        put(out, M_LOG, log_level_name(l), (double)log_count(l));
}

static void put_loops(struct buf *out, const struct round *r)
{
    char shard[SHARD_NAME];
    const char *label = shard;
    uint64_t in = 0, sent = 0;
    metric_head(out, &defs[M_TURNS]);
    for (unsigned i = 0; i < r->n; i++) {
        snprintf(shard, sizeof shard, "%u", i);
        metric_sample_hist(out, &defs[M_TURNS], &label, &r->sample[i].loop.turn);
    }
    metric_head(out, &defs[M_HOGS]);
    for (unsigned i = 0; i < r->n; i++) {
        snprintf(shard, sizeof shard, "%u", i);
        put(out, M_HOGS, shard, (double)r->sample[i].loop.hogs);
        in += r->sample[i].loop.bytes_in;
        sent += r->sample[i].loop.bytes_out;
    }
    metric_head(out, &defs[M_BYTES]);
    put(out, M_BYTES, "in", (double)in);
    put(out, M_BYTES, "out", (double)sent);
}

static void put_clients(struct buf *out, const struct sample *s)
{
    const struct node_stats *n = &s->node;
    put_one(out, M_REFUSED, NULL, (double)n->connections_refused);
    metric_head(out, &defs[M_C2S_OPEN]);
    put(out, M_C2S_OPEN, "authenticated", (double)(s->connections - s->unauthenticated));
    put(out, M_C2S_OPEN, "unauthenticated", (double)s->unauthenticated);
    put_one(out, M_C2S_ACCEPTED, NULL, (double)n->c2s_accepted);
    put_one(out, M_C2S_CLOSED, NULL, (double)n->c2s_closed);
    put_one(out, M_C2S_MOVED, NULL, (double)n->c2s_moved);
    put_one(out, M_C2S_REDIRECTED, NULL, (double)n->c2s_redirected);
    metric_head(out, &defs[M_LOGINS]);
    put(out, M_LOGINS, "ok", (double)n->c2s_authenticated);
    put(out, M_LOGINS, "failed", (double)n->c2s_auth_failed);
    put(out, M_LOGINS, "unavailable", (double)n->c2s_auth_unavailable);
    put(out, M_LOGINS, "throttled", (double)n->c2s_auth_throttled);
    put_one(out, M_USERS, NULL, (double)s->users);
    put_one(out, M_ATTACHES, NULL, (double)n->attaches);
    put_one(out, M_CONFLICTS, NULL, (double)n->conflicts);
    metric_head(out, &defs[M_SM]);
    put(out, M_SM, "enabled", (double)n->sm_enabled);
    put(out, M_SM, "resumed", (double)n->sm_resumed);
    put(out, M_SM, "refused", (double)n->sm_resume_failed);
    put(out, M_SM, "expired", (double)n->sm_expired);
}

static void put_stanzas(struct buf *out, const struct sample *s)
{
    const struct node_stats *n = &s->node;
    static const char *const flows[NODE_FLOWS] = {
#define FLOW_NAME(name) [FLOW_##name] = #name,
        NODE_FLOW_TABLE(FLOW_NAME)
#undef FLOW_NAME
    };
    metric_head(out, &defs[M_STANZAS]);
    for (size_t f = 0; f < NODE_FLOWS; f++)
        for (unsigned k = 0; k < NODE_KINDS; k++)
            metric_sample(out, &defs[M_STANZAS],
                          (const char *const[]){flows[f], stanza_kind_name(k)},
                          (double)n->flow[f][k]);
    put_one(out, M_BOUNCED, NULL, (double)n->stanzas_bounced);
    put_one(out, M_DROPPED, NULL, (double)n->stanzas_dropped);
    put_one(out, M_OFF_STORED, NULL, (double)n->offline_stored);
    put_one(out, M_OFF_FLUSHED, NULL, (double)n->offline_flushed);
    put_one(out, M_SPOOL, NULL, (double)s->spooled);
}

static void put_outcomes(struct buf *out, const struct s2s_stats *s)
{
    metric_head(out, &defs[M_S2S_OUTCOMES]);
    for (unsigned c = 0; c < S2S_CAUSES; c++)
        for (int is_in = 0; is_in < 2; is_in++)
            if (s->outcomes[is_in][c] || !c)
                metric_sample(out, &defs[M_S2S_OUTCOMES],
                              (const char *const[]){is_in ? "in" : "out", s2s_cause_name(c)},
                              (double)s->outcomes[is_in][c]);
    metric_head(out, &defs[M_S2S_BOUNCED]);
    for (unsigned c = 1; c < S2S_CAUSES; c++)
        if (s->bounced[c])
            put(out, M_S2S_BOUNCED, s2s_cause_name(c), (double)s->bounced[c]);
}

static void put_s2s(struct buf *out, const struct s2s_stats *s, const struct s2s_top *top)
{
    metric_head(out, &defs[M_S2S_STREAMS]);
    put(out, M_S2S_STREAMS, "in", (double)s->in_streams);
    put(out, M_S2S_STREAMS, "out", (double)s->out_streams);
    put_one(out, M_S2S_WAITING, NULL, (double)s->waiting);
    put_one(out, M_S2S_READY, NULL, (double)s->out_ready);
    put_one(out, M_S2S_RESUMED, NULL, (double)s->out_tls_resumed);
    put_outcomes(out, s);
    put_one(out, M_S2S_DOWN, NULL, (double)s->domains_down);
    metric_head(out, &defs[M_S2S_TOPS]);
    for (size_t i = 0; i < S2S_TOP && top[i].waiting; i++)
        put(out, M_S2S_TOPS, top[i].domain, (double)top[i].waiting);
    metric_head(out, &defs[M_S2S_PROVED]);
    put(out, M_S2S_PROVED, "external", (double)s->in_external);
    put(out, M_S2S_PROVED, "dialback", (double)s->in_dialback);
}

static void put_rtbl(struct buf *out, struct node *n)
{
    struct rtbl_view v[S2S_RTBL_LISTS_MAX];
    size_t count = rtbl_views(n, v);
    metric_head(out, &defs[M_RTBL_FOLLOWED]);
    for (size_t i = 0; i < count; i++)
        put(out, M_RTBL_FOLLOWED, v[i].name, v[i].is_following);
    metric_head(out, &defs[M_RTBL_ITEMS]);
    for (size_t i = 0; i < count; i++)
        put(out, M_RTBL_ITEMS, v[i].name, (double)v[i].items);
    metric_head(out, &defs[M_RTBL_AGE]);
    for (size_t i = 0; i < count; i++)
        if (v[i].age_s != UINT64_MAX)
            put(out, M_RTBL_AGE, v[i].name, (double)v[i].age_s);
    metric_head(out, &defs[M_RTBL_EVENTS]);
    for (size_t i = 0; i < count; i++)
        for (unsigned e = 0; e < RTBL_EVENT_KINDS; e++)
            metric_sample(out, &defs[M_RTBL_EVENTS],
                          (const char *const[]){v[i].name, rtbl_event_name(e)},
                          (double)v[i].events[e]);
}

static void put_store(struct buf *out, const struct store_stats *s)
{
    const char *read = "read", *write = "write";
    metric_head(out, &defs[M_STORE_OPS]);
    put(out, M_STORE_OPS, read, (double)s->reads);
    put(out, M_STORE_OPS, write, (double)s->writes);
    put_one(out, M_STORE_FAILED, NULL, (double)s->failed);
    metric_head(out, &defs[M_STORE_TIME]);
    metric_sample_hist(out, &defs[M_STORE_TIME], &read, &s->read_time);
    metric_sample_hist(out, &defs[M_STORE_TIME], &write, &s->write_time);
    put_one(out, M_STORE_WAITING, NULL, (double)s->waiting);
}

static void put_world(struct buf *out, struct node *n)
{
    const struct world_view *v = world_view(&n->shard[0]);
    size_t live = 0;
    for (size_t i = 0; i < v->n; i++)
        live += v->members[i].live;
    put_one(out, M_REGISTRY, NULL, world_registry_connected(n->world));
    metric_head(out, &defs[M_MEMBERS]);
    put(out, M_MEMBERS, "true", (double)live);
    put(out, M_MEMBERS, "false", (double)(v->n - live));
}

/* ---- sums */
/* Structs of uint64_t counters, added field by field. */
static void add_words(void *to, const void *from, size_t bytes)
{
    uint64_t *a = to;
    const uint64_t *b = from;
    for (size_t i = 0; i < bytes / sizeof *a; i++)
        a[i] += b[i];
}

static void sum_samples(const struct round *r, struct sample *sum)
{
    _Static_assert(sizeof(struct sample) % sizeof(uint64_t) == 0 &&
                       sizeof(size_t) == sizeof(uint64_t),
                   "a sample is nothing but 64-bit counts");
    memset(sum, 0, sizeof *sum);
    for (unsigned i = 0; i < r->n; i++)
        add_words(sum, &r->sample[i], sizeof *sum);
}

static void write_all(struct buf *out, const struct round *r)
{
    struct sample *sum = mem_alloc(sizeof *sum);
    sum_samples(r, sum);
    put_process(out, r->node);
    put_loops(out, r);
    put_clients(out, sum);
    put_stanzas(out, sum);
    put_s2s(out, &sum->s2s, r->top);
    put_rtbl(out, r->node);
    put_store(out, &sum->store);
    put_world(out, r->node);
    mem_free(sum);
}

/* ---- the round over the shards */
static void gathering_cancel(struct op *op)
{
    struct gathering *g = container_of(op, struct gathering, op);
    handle_free(g->node->shard[0].handles, g->self);
    mem_free(g);
}

static void round_home(struct node_shard *hub, void *ctx)
{
    struct round *r = ctx;
    struct gathering *g = handle_get(hub->handles, r->gathering);
    if (g) {
        struct buf text;
        metrics_cb *cb = g->cb;
        void *cb_ctx = g->ctx;
        buf_init(&text, TEXT_MAX);
        write_all(&text, r);
        op_end(&g->op);
        gathering_cancel(&g->op);
        cb(cb_ctx, &text);
        buf_fini(&text);
    }
    mem_free(r);
}

static void round_visit(struct node_shard *sh, void *ctx)
{
    struct round *r = ctx;
    sample_take(sh, &r->sample[sh->index]);
    if (sh->s2s)
        s2s_top(sh->s2s, r->top);
    if (sh->index + 1 < r->n)
        node_post(&r->node->shard[sh->index + 1], round_visit, mem_free, r);
    else
        node_post(&r->node->shard[0], round_home, mem_free, r);
}

struct op *metrics_gather(struct node *n, struct op_owner *o, metrics_cb *cb, void *ctx)
{
    struct gathering *g = mem_alloc(sizeof *g);
    struct round *r = mem_alloc(sizeof *r + n->n_shards * sizeof r->sample[0]);
    *g = (struct gathering){.node = n, .cb = cb, .ctx = ctx};
    g->self = handle_new(n->shard[0].handles, g);
    r->node = n;
    r->gathering = g->self;
    r->n = n->n_shards;
    op_start(&g->op, o, gathering_cancel);
    node_post(&n->shard[0], round_visit, mem_free, r);
    return &g->op;
}

void metrics_docs(struct buf *out)
{
    buf_cstr(out,
             "# Metrics\n\nEvery metric of `GET /metrics` on the port of `[metrics] listen`, as "
             "`meridiand --metrics-docs` prints them; do\nnot edit. Counters begin at zero with "
             "each start. Histograms have the bounds 0.1 ms, 1 ms, 5 ms, 20 ms, 100 ms,\n0.5 s, "
             "2 s, 10 s.\n\n| metric | type | labels | what it is |\n|---|---|---|---|\n");
    for (size_t i = 0; i < M_COUNT; i++)
        buf_printf(out, "| `%s` | %s | %s | %s |\n", defs[i].name, metric_type_name(defs[i].type),
                   defs[i].labels[0] ? defs[i].labels : " ", defs[i].help);
}
