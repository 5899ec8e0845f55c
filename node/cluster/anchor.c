/* The anchor of a bare JID: home region by our own store, by a registry row, or by asking the other
 * regions; then the rendezvous choice among that region's members. Answers are remembered per
 * shard; questions for the same JID are joined, so that stanzas keep their order while one is under
 * way. */
#include "node/cluster/anchor.h"

#include "lib/base/clock.h"
#include "lib/base/siphash.h"
#include "node/auth/account.h"
#include "node/cluster/world.h"

enum { HOME_KEEP_S = 600, ABSENT_KEEP_MS = 2000, HOMES_MAX = 200000 };

struct home {
    uint64_t expires_us;
    const char *home; /* behind bare; NULL: no such account */
    char bare[];
};

struct anchor_cache {
    struct node_shard *sh;
    struct hmap homes;     /* bare -> struct home */
    struct hmap questions; /* bare -> struct question */
    size_t sweep;          /* where eviction goes on */
};

struct question {
    struct anchor_cache *cache;
    struct op_owner ops;
    struct list waiters;
    bool is_doubtful; /* our own store could not be read */
    struct str key;
    char bare[];
};

struct waiter {
    struct op op;
    struct list link;
    anchor_cb *cb;
    void (*drop)(void *ctx);
    void *ctx;
};

struct anchor_cache *anchor_cache_new(struct node_shard *sh)
{
    struct anchor_cache *a = mem_alloc(sizeof *a);
    a->sh = sh;
    return a;
}

static void question_free(struct question *q)
{
    hmap_del(&q->cache->questions, q->key);
    op_owner_cancel_all(&q->ops);
    list_each (&q->waiters, n) {
        list_del(n);
    }
    mem_free(q);
}

void anchor_cache_free(struct anchor_cache **pa)
{
    struct anchor_cache *a = *pa;
    *pa = NULL;
    if (!a)
        return;
    void *v;
    for (size_t it = 0; (v = hmap_next(&a->questions, &it, NULL));)
        question_free(v);
    for (size_t it = 0; (v = hmap_next(&a->homes, &it, NULL));)
        mem_free(v);
    hmap_fini(&a->questions);
    hmap_fini(&a->homes);
    mem_free(a);
}

static void home_forget(struct anchor_cache *a, struct str bare)
{
    mem_free(hmap_del(&a->homes, bare));
}

/* Make room: drop a few entries, expired or not; a cache may forget. */
static void homes_evict(struct anchor_cache *a)
{
    for (int i = 0; i < 8; i++) {
        struct str key;
        void *v = hmap_next(&a->homes, &a->sweep, &key);
        if (!v) {
            a->sweep = 0;
            return;
        }
        hmap_del(&a->homes, key);
        mem_free(v);
    }
}

static void home_put(struct anchor_cache *a, struct str bare, const char *home_or_null)
{
    home_forget(a, bare);
    if (hmap_count(&a->homes) >= HOMES_MAX)
        homes_evict(a);
    size_t n = home_or_null ? strlen(home_or_null) + 1 : 0;
    struct home *h = mem_alloc(sizeof *h + bare.n + n);
    memcpy(h->bare, bare.p, bare.n);
    h->expires_us =
        clock_mono_us() + (home_or_null ? HOME_KEEP_S * 1000000ull : ABSENT_KEEP_MS * 1000ull);
    if (home_or_null)
        h->home = memcpy(h->bare + bare.n, home_or_null, n);
    hmap_put(&a->homes, str_make(h->bare, bare.n), h);
}

void anchor_learn(struct node_shard *sh, struct str bare, const char *home_or_null_for_forget)
{
    if (home_or_null_for_forget)
        home_put(sh->anchors, bare, home_or_null_for_forget);
    else
        home_forget(sh->anchors, bare);
}

/* Rendezvous: the member of the region with the highest hash for this JID; live ones before dead
 * ones. */
static const struct world_member *choose(const struct world_view *v, const char *home,
                                         struct str bare)
{
    const struct world_member *best = NULL;
    uint64_t best_score = 0;
    uint64_t key = hash_stable(bare);
    for (size_t i = 0; i < v->n; i++) {
        const struct world_member *m = &v->members[i];
        if (strcmp(m->m.region, home) != 0)
            continue;
        uint64_t mix[2] = {key, hash_stable(str_of(m->id))};
        uint64_t score = hash_stable(str_make((const char *)mix, sizeof mix));
        if (!best || m->live > best->live || (m->live == best->live && score > best_score)) {
            best = m;
            best_score = score;
        }
    }
    return best;
}

static void anchor_of_home(struct node_shard *sh, struct str bare, const char *home,
                           struct anchor *out)
{
    memset(out, 0, sizeof *out);
    str_put(out->home, sizeof out->home, home);
    if (!sh->node->conf->region_name) {
        out->what = ANCHOR_HERE;
        return;
    }
    const struct world_member *m = choose(world_view(sh), home, bare);
    if (!m) {
        out->what = ANCHOR_UNKNOWN;
        return;
    }
    out->what = m->self ? ANCHOR_HERE : ANCHOR_PEER;
    str_put(out->peer, sizeof out->peer, m->self ? "" : m->id);
}

bool anchor_is_ours(struct node_shard *sh, struct str bare)
{
    const char *region = sh->node->conf->region_name;
    struct anchor a;
    anchor_of_home(sh, bare, region ? region : "", &a);
    return a.what == ANCHOR_HERE;
}

bool anchor_now(struct node_shard *sh, struct str bare, struct anchor *out)
{
    struct home *h = hmap_get(&sh->anchors->homes, bare);
    if (!h || hmap_get(&sh->anchors->questions, bare))
        return false;
    if (h->expires_us <= clock_mono_us()) {
        home_forget(sh->anchors, bare);
        return false;
    }
    if (!h->home) {
        memset(out, 0, sizeof *out);
        out->what = ANCHOR_NO_ACCOUNT;
    } else {
        anchor_of_home(sh, bare, h->home, out);
    }
    return true;
}

/* The question is answered: tell all who waited, in the order they asked. */
static void answer(struct question *q, const struct anchor *a)
{
    struct list waiters;
    list_init(&waiters);
    list_splice(&waiters, &q->waiters);
    question_free(q);
    struct list *n;
    while ((n = list_shift(&waiters))) {
        struct waiter *w = list_entry(n, struct waiter, link);
        anchor_cb *cb = w->cb;
        void *ctx = w->ctx;
        op_end(&w->op);
        mem_free(w);
        cb(ctx, a);
    }
}

static void answer_home(struct question *q, const char *home)
{
    struct anchor a;
    home_put(q->cache, q->key, home);
    anchor_of_home(q->cache->sh, q->key, home, &a);
    answer(q, &a);
}

static void on_world_account(void *ctx, enum err e, const struct account_info *info)
{
    struct question *q = ctx;
    struct anchor a = {.what = ANCHOR_UNKNOWN};
    if (e == ERR_OK && info->exists) {
        answer_home(q, info->home);
        return;
    }
    if ((e == ERR_OK || e == ERR_NOTFOUND) && !q->is_doubtful) {
        a.what = ANCHOR_NO_ACCOUNT;
        home_put(q->cache, q->key, NULL);
    }
    answer(q, &a);
}

/* A row of a session outlives the account for a moment: of our own region our store knows better.
 */
static bool is_believed(const struct question *q, const char *home)
{
    const char *self = q->cache->sh->node->conf->region_name;
    return home[0] && (q->is_doubtful || strcmp(home, self) != 0);
}

static void on_rows(void *ctx, enum err e, const struct world_location *l, size_t n)
{
    struct question *q = ctx;
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        if (is_believed(q, l[i].home)) {
            answer_home(q, l[i].home);
            return;
        }
    }
    account_lookup(q->cache->sh, &q->ops, q->key, false, DIGEST_SHA256, on_world_account, q);
}

static void on_own_account(void *ctx, enum err e, const struct account_info *info)
{
    struct question *q = ctx;
    const char *self = q->cache->sh->node->conf->region_name;
    q->is_doubtful = e != ERR_OK && e != ERR_NOTFOUND;
    if (e == ERR_OK && info->exists) {
        answer_home(q, self ? self : "");
    } else if (!self) {
        struct account_info none = {0};
        on_world_account(q, ERR_OK, &none);
    } else {
        world_locate(q->cache->sh, &q->ops, q->key, false, on_rows, q);
    }
}

static void waiter_cancel(struct op *op)
{
    struct waiter *w = container_of(op, struct waiter, op);
    list_del(&w->link);
    if (w->drop)
        w->drop(w->ctx);
    mem_free(w);
}

struct op *anchor_ask(struct node_shard *sh, struct op_owner *o, struct str bare, anchor_cb *cb,
                      void (*drop)(void *ctx), void *ctx)
{
    struct anchor_cache *a = sh->anchors;
    struct question *q = hmap_get(&a->questions, bare);
    if (!q) {
        q = mem_alloc(sizeof *q + bare.n + 1);
        q->cache = a;
        memcpy(q->bare, bare.p, bare.n);
        q->key = str_make(q->bare, bare.n);
        list_init(&q->waiters);
        op_owner_init(&q->ops);
        hmap_put(&a->questions, q->key, q);
        account_lookup_here(sh, &q->ops, q->key, false, DIGEST_SHA256, on_own_account, q);
    }
    struct waiter *w = mem_alloc(sizeof *w);
    w->cb = cb;
    w->drop = drop;
    w->ctx = ctx;
    op_start(&w->op, o, waiter_cancel);
    list_push(&q->waiters, &w->link);
    return &w->op;
}
