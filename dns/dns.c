/* dns: questions, joined, asked, cached, delivered. A request is answered in two steps: when its
 * answer is known (from the cache, or when its question ends) it holds the answer and moves to the
 * list of the ready; a deferred call delivers those, one by one, from the top of the loop, so users
 * may close the resolver or ask again inside. Longer CNAME chains than one message tells are
 * followed by asking again. A question nobody waits for refreshes an answer that is used much. When
 * no server speaks (ERR_TIMEOUT) those who wait get the stale answer, if there is one (RFC 8767):
 * as soon as that is known, and at the latest after 1.8 s, while the question goes on. */
#include "dns/dns-int.h"
#include "lib/base/hmap.h"
#include "lib/loop/timer.h"

enum { QUESTIONS_MAX = 4096 };

struct dns {
    struct loop *loop;
    bool trust_ad;
    struct dns_backend *backend;
    struct dns_cache *cache;
    struct hmap questions;
    struct list asked;             /* the same questions */
    struct list ready, delivering; /* of struct request */
    struct defer deliver;
    enum addr_family second; /* until then */
    uint64_t second_until_us;
    unsigned holds; /* delivery on the stack */
    bool is_closed;
};

struct question {
    struct dns *dns;
    struct list link;
    struct list waiting;   /* of struct request */
    struct timer patience; /* runs when there is a stale answer */
    enum dns_type type;
    char name[DNS_NAME_MAX + 1];
    char at[DNS_NAME_MAX + 1]; /* the end of the CNAME chain so far */
    unsigned links;
    uint32_t chain_ttl;
    bool authenticated;
    size_t key_n;
    char key[DNS_KEY_MAX];
};

struct request {
    struct op op;
    struct list link; /* of question.waiting, then dns.ready */
    struct dns_held *held;
    dns_cb *cb;
    void *ctx;
};

/* ---- requests */

static void request_cancel(struct op *op)
{
    struct request *r = container_of(op, struct request, op);
    list_del(&r->link);
    dns_held_unref(&r->held);
    mem_free(r);
}

static void request_answer(struct dns *d, struct request *r)
{
    struct dns_held *h = r->held;
    struct dns_answer a = h->a;
    dns_cb *cb = r->cb;
    void *ctx = r->ctx;
    uint64_t now_us = loop_now_us(d->loop);
    if (h->expires_us > now_us)
        a.ttl = (uint32_t)((h->expires_us - now_us + 999999) / 1000000);
    else
        a.ttl = a.status == ERR_OK ? DNS_TTL_STALE : 0;
    op_end(&r->op);
    mem_free(r);
    cb(ctx, &a);
    dns_held_unref(&h);
}

static void on_deliver(void *ctx)
{
    struct dns *d = ctx;
    list_splice(&d->delivering, &d->ready);
    d->holds++;
    for (struct list *n; (n = list_shift(&d->delivering));)
        request_answer(d, list_entry(n, struct request, link));
    d->holds--;
    if (d->is_closed)
        mem_free(d);
}

static void make_ready(struct dns *d, struct request *r, struct dns_held *h)
{
    r->held = dns_held_ref(h);
    list_push(&d->ready, &r->link);
    loop_defer(d->loop, &d->deliver);
}

/* ---- questions */

static void question_free(struct question *q)
{
    hmap_del(&q->dns->questions, str_make(q->key, q->key_n));
    list_del(&q->link);
    timer_stop(&q->patience);
    mem_free(q);
}

static void answer_waiting(struct question *q, struct dns_held *h)
{
    for (struct list *n; (n = list_shift(&q->waiting));)
        make_ready(q->dns, list_entry(n, struct request, link), h);
}

/* False: there is no stale answer. */
static bool answer_stale(struct question *q)
{
    struct dns *d = q->dns;
    struct dns_held *h = dns_cache_serve_stale(d->cache, q->name, q->type, loop_now_us(d->loop));
    if (h)
        answer_waiting(q, h);
    return h != NULL;
}

static void on_patience(void *ctx)
{
    (void)answer_stale(ctx);
}

/* Takes the answer. */
static void question_end(struct question *q, struct dns_held *h)
{
    struct dns *d = q->dns;
    h->a.authenticated = d->trust_ad && q->authenticated && h->a.authenticated;
    if (h->a.status != ERR_TIMEOUT || !answer_stale(q)) {
        dns_cache_put(d->cache, q->name, q->type, h, loop_now_us(d->loop));
        answer_waiting(q, h);
    }
    question_free(q);
    dns_held_unref(&h);
}

static void question_fail(struct question *q, enum err e)
{
    struct dns_held *h = dns_held_new();
    h->a.status = e;
    question_end(q, h);
}

static void on_raw(void *ctx, enum err e, struct str raw)
{
    struct question *q = ctx;
    struct dns_raw_answer read;
    if (e) {
        question_fail(q, e);
        return;
    }
    struct dns_held *h = dns_held_new();
    dns_answer_read(h->arena, raw, q->at, q->type, &read);
    q->links += read.links;
    if (read.a.ttl < q->chain_ttl)
        q->chain_ttl = read.a.ttl;
    q->authenticated = q->authenticated && read.a.authenticated;
    if (read.next_name[0] && !read.truncated && q->links <= DNS_CNAME_MAX) {
        dns_held_unref(&h);
        memcpy(q->at, read.next_name, sizeof q->at);
        dns_backend_ask(q->dns->backend, q->at, q->type, on_raw, q);
        return;
    }
    h->a = read.a;
    h->a.ttl = q->chain_ttl;
    if (read.truncated || read.next_name[0]) /* incomplete, or an endless chain */
        h->a = (struct dns_answer){.status = ERR_DNS_SERVFAIL};
    question_end(q, h);
}

static struct question *question_new(struct dns *d, const char *name, enum dns_type type)
{
    struct question *q = mem_alloc(sizeof *q);
    q->dns = d;
    list_init(&q->waiting);
    timer_init(&q->patience, d->loop, on_patience, q);
    q->type = type;
    q->authenticated = true;
    q->chain_ttl = UINT32_MAX;
    str_put(q->name, sizeof q->name, name);
    str_put(q->at, sizeof q->at, name);
    struct str key = dns_key(q->key, name, type);
    q->key_n = key.n;
    hmap_put(&d->questions, key, q);
    list_push(&d->asked, &q->link);
    dns_backend_ask(d->backend, name, type, on_raw, q);
    return q;
}

/* An answer nobody needs to ask for; not cached. */
static void refuse(struct dns *d, struct request *r, enum err status)
{
    struct dns_held *h = dns_held_new();
    h->a.status = status;
    make_ready(d, r, h);
    dns_held_unref(&h);
}

/* Answer from the cache. False: it has to be asked. */
static bool answer_cached(struct dns *d, struct request *r, const char *norm, enum dns_type t)
{
    char key[DNS_KEY_MAX];
    bool is_due;
    struct dns_held *h = dns_cache_get(d->cache, norm, t, loop_now_us(d->loop), &is_due);
    if (!h)
        return false;
    make_ready(d, r, h);
    if (is_due && hmap_count(&d->questions) < QUESTIONS_MAX &&
        !hmap_get(&d->questions, dns_key(key, norm, t)))
        (void)question_new(d, norm, t);
    return true;
}

struct op *dns_query(struct dns *d, struct op_owner *o, const char *name, enum dns_type t,
                     dns_cb *cb, void *ctx)
{
    char norm[DNS_NAME_MAX + 1], key[DNS_KEY_MAX];
    struct request *r = mem_alloc(sizeof *r);
    r->cb = cb;
    r->ctx = ctx;
    op_start(&r->op, o, request_cancel);
    if (dns_name_normalise(name, norm)) {
        refuse(d, r, ERR_DNS_NXDOMAIN);
        return &r->op;
    }
    if (answer_cached(d, r, norm, t))
        return &r->op;
    struct question *q = hmap_get(&d->questions, dns_key(key, norm, t));
    if (!q && hmap_count(&d->questions) >= QUESTIONS_MAX) {
        refuse(d, r, ERR_DNS_SERVFAIL);
        return &r->op;
    }
    if (!q)
        q = question_new(d, norm, t);
    list_push(&q->waiting, &r->link);
    if (!timer_running(&q->patience) && dns_cache_stale(d->cache, norm, t, loop_now_us(d->loop)))
        timer_start(&q->patience, DNS_PATIENCE_MS);
    return &r->op;
}

struct loop *dns_loop(const struct dns *d)
{
    return d->loop;
}

/* ---- families */

void dns_family_won(struct dns *d, enum addr_family winner, bool has_beaten)
{
    if (has_beaten) {
        d->second = winner == ADDR_V6 ? ADDR_V4 : ADDR_V6;
        d->second_until_us = loop_now_us(d->loop) + (uint64_t)DNS_FAMILY_SECOND_MS * 1000;
    } else if (d->second == winner) {
        d->second = ADDR_NONE;
    }
}

enum addr_family dns_family_second(const struct dns *d)
{
    return loop_now_us(d->loop) < d->second_until_us ? d->second : ADDR_NONE;
}

/* ---- life */

enum err dns_open(struct loop *l, const struct dns_conf *c, struct dns **out, char *why,
                  size_t why_size)
{
    struct dns *d = mem_alloc(sizeof *d);
    enum err e = dns_backend_open(l, c, &d->backend, why, why_size);
    if (e) {
        mem_free(d);
        return e;
    }
    d->loop = l;
    d->trust_ad = c->trust_ad;
    d->cache = dns_cache_new(DNS_CACHE_ENTRIES, DNS_CACHE_BYTES);
    hmap_init(&d->questions);
    list_init(&d->asked);
    list_init(&d->ready);
    list_init(&d->delivering);
    defer_init(&d->deliver, on_deliver, d);
    *out = d;
    return ERR_OK;
}

static void cancel_requests(struct list *requests)
{
    for (struct list *n; (n = list_first(requests));)
        op_cancel(&list_entry(n, struct request, link)->op);
}

bool dns_trusts_resolver(const struct dns *d)
{
    return d->trust_ad;
}

void dns_close(struct dns **pd)
{
    struct dns *d = *pd;
    *pd = NULL;
    if (!d)
        return;
    d->is_closed = true;
    dns_backend_close(&d->backend);
    defer_cancel(&d->deliver);
    cancel_requests(&d->ready);
    cancel_requests(&d->delivering);
    for (struct list *n; (n = list_first(&d->asked));) {
        struct question *q = list_entry(n, struct question, link);
        cancel_requests(&q->waiting);
        question_free(q);
    }
    hmap_fini(&d->questions);
    dns_cache_free(&d->cache);
    if (d->holds == 0)
        mem_free(d);
}
