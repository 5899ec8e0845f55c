#ifndef S2S_TESTS_WORLD_INT_H
#define S2S_TESTS_WORLD_INT_H
/* Simulated hosts for the tests of federation: host i serves d<i>.test at 10.0.0.<i+1>, with zones,
 * certificates and a record of what was delivered and bounced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/sim-dns.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/listen.h"
#include "lib/net/sim-net.h"
#include "lib/net/tests-certs.h"
#include "s2s/s2s-int.h"

enum { HOSTS = 3, GOT_MAX = 1000 };
#define SEC UINT64_C(1000000)

static char certs_dir[TEST_PATH_MAX];
/* Good: signed by the CA of all. Bad: signed by a CA nobody knows. */
static struct tls_ctx *good_in[HOSTS], *good_out[HOSTS], *bad_in[HOSTS], *bad_out[HOSTS];
/* Good, for d1.test and sub.d1.test. */
static struct tls_ctx *wide_in, *wide_out;
/* Good, d0.test and sub.d0.test with a certificate each. */
static struct tls_ctx *sites_in, *sites_out;

static inline void certs_ctx(const char *stem, struct tls_ctx **in, struct tls_ctx **out)
{
    char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256] = "";
    struct tls_ctx_conf c = {.ca_file = test_path(ca, certs_dir, "ca", "crt"),
                             .cert_file = test_path(crt, certs_dir, stem, "crt"),
                             .key_file = test_path(key, certs_dir, stem, "key"),
                             .no_system_ca = true,
                             .request_peer_cert = true,
                             .alpn = "xmpp-server"};
    if (tls_ctx_new(true, &c, in, why, sizeof why) != ERR_OK ||
        tls_ctx_new(false, &c, out, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
}

static inline void certs_sites(void)
{
    char ca[TEST_PATH_MAX], crt[2][TEST_PATH_MAX], key[2][TEST_PATH_MAX], why[256] = "";
    test_cert_domain(certs_dir, "sub.d0.test");
    struct tls_site_conf sites[] = {{"sub.d0.test",
                                     test_path(crt[1], certs_dir, "sub.d0.test", "crt"),
                                     test_path(key[1], certs_dir, "sub.d0.test", "key")},
                                    {NULL, NULL, NULL}};
    struct tls_ctx_conf c = {.ca_file = test_path(ca, certs_dir, "ca", "crt"),
                             .cert_file = test_path(crt[0], certs_dir, "d0.test", "crt"),
                             .key_file = test_path(key[0], certs_dir, "d0.test", "key"),
                             .no_system_ca = true,
                             .request_peer_cert = true,
                             .sites = sites,
                             .alpn = "xmpp-server"};
    if (tls_ctx_new(true, &c, &sites_in, why, sizeof why) != ERR_OK ||
        tls_ctx_new(false, &c, &sites_out, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
}

static inline void log_swallow(void *ctx UNUSED, enum log_level l UNUSED, const char *line UNUSED)
{
}

static int certs_begin(void **state UNUSED)
{
    test_certs_begin(certs_dir);
    test_cert_make(certs_dir, "ca2", &(struct test_cert){.cn = "Other CA", .is_ca = true});
    for (int i = 0; i < HOSTS; i++) {
        char domain[20], bad[20], san[30];
        snprintf(domain, sizeof domain, "d%d.test", i);
        snprintf(bad, sizeof bad, "bad%d", i);
        snprintf(san, sizeof san, "DNS:%s", domain);
        test_cert_domain(certs_dir, domain);
        test_cert_make(certs_dir, bad, &(struct test_cert){.cn = "x", .san = san, .issuer = "ca2"});
        certs_ctx(domain, &good_in[i], &good_out[i]);
        certs_ctx(bad, &bad_in[i], &bad_out[i]);
    }
    test_cert_make(
        certs_dir, "wide",
        &(struct test_cert){.cn = "x", .san = "DNS:d1.test,DNS:sub.d1.test", .issuer = "ca"});
    certs_ctx("wide", &wide_in, &wide_out);
    certs_sites();
    log_set_capture(getenv("TEST_LOG") ? NULL : log_swallow, NULL);
    if (getenv("TEST_LOG"))
        log_set_level(LOG_DEBUG);
    return 0;
}

static int certs_end(void **state UNUSED)
{
    for (int i = 0; i < HOSTS; i++) {
        tls_ctx_unref(&good_in[i]);
        tls_ctx_unref(&good_out[i]);
        tls_ctx_unref(&bad_in[i]);
        tls_ctx_unref(&bad_out[i]);
    }
    tls_ctx_unref(&wide_in);
    tls_ctx_unref(&wide_out);
    tls_ctx_unref(&sites_in);
    tls_ctx_unref(&sites_out);
    test_certs_end(certs_dir);
    return 0;
}

/* ---- hosts ---- */

struct got {
    unsigned id;
    uint64_t at_us;
    enum stanza_cond cond; /* of a bounce */
    char text[S2S_TEXT_MAX];
};
struct host {
    int i;
    char domain[20];
    struct loop *loop;
    struct dns *dns;
    struct s2s *s2s;
    struct s2s_conf conf;
    struct listener *listener, *direct;
    size_t n_accepted; /* connections */
    /* What it has no custody of yet: for ever, or given back one by one, in any order. */
    bool keeps;
    bool no_queue; /* nor does any queue have it */
    uint64_t keeps_ms;
    const char *slow;   /* a user who takes nothing: a bounded queue has it, nobody custody */
    size_t n_slow;      /* stanzas to him */
    bool answers_pings; /* of streams; they do not count as stanzas */
    size_t n_pings;
    struct s2s_receipt kept[GOT_MAX];
    uint64_t kept_us[GOT_MAX]; /* since when */
    size_t n_kept;
    struct timer give_back;
    struct got in[GOT_MAX], back[GOT_MAX];
    size_t n_in, n_back, n_taken, n_notices;
    unsigned noticed; /* the last message whose sender was told that it waits */
    char notice[2 * S2S_TEXT_MAX];
    struct store_port *store; /* NULL: in memory only */
    bool is_dead;             /* being killed: what it says now nobody hears */
    bool taken[GOT_MAX];
    bool in_send; /* nothing may come back inside */
    unsigned next_id;
};
struct world {
    struct host h[HOSTS];
};

static inline struct addr host_addr(int i)
{
    struct addr a = {.family = ADDR_V4, .port = 5269, .ip = {10, 0, 0, (uint8_t)(i + 1)}};
    return a;
}

static inline bool host_is_local(void *ctx, struct str domain)
{
    struct host *h = ctx;
    return str_eqc(domain, h->domain) ||
           (str_starts(domain, STR("sub.")) && str_ends(domain, str_of(h->domain)));
}

static inline unsigned stanza_number(const struct stanza *s)
{
    uint64_t n = 0;
    (void)str_to_u64(s->id, 1000000, &n);
    return (unsigned)n;
}

static inline void host_give_back(void *ctx)
{
    struct host *h = ctx;
    if (!h->n_kept)
        return;
    size_t i = (size_t)sim_rand(h->n_kept);
    struct s2s_receipt r = h->kept[i];
    h->kept[i] = h->kept[--h->n_kept];
    h->kept_us[i] = h->kept_us[h->n_kept];
    timer_start(&h->give_back, 1 + sim_rand(h->keeps_ms));
    if (h->s2s)
        s2s_received(h->s2s, r);
}

static inline void host_custody(struct host *h, struct s2s_receipt r, bool is_slow)
{
    if (!h->no_queue)
        s2s_queued(h->s2s, r);
    h->n_slow += is_slow;
    if (!h->keeps && !h->keeps_ms && !is_slow) {
        s2s_received(h->s2s, r);
        return;
    }
    h->kept_us[h->n_kept] = sim_now_us();
    h->kept[h->n_kept++] = r;
    if (h->keeps_ms && !timer_running(&h->give_back))
        timer_start(&h->give_back, 1 + sim_rand(h->keeps_ms));
}

static inline void host_deliver(void *ctx, struct stanza *s, struct s2s_receipt r)
{
    struct host *h = ctx;
    if (str_starts(s->id, STR("s2s-ping-"))) {
        h->n_pings++;
        assert_true(stanza_iq_request(s)); /* answers are not for the host, late ones neither */
        if (h->answers_pings)
            s2s_send(h->s2s, stanza_result(s), NULL);
        stanza_unref(&s);
        host_custody(h, r, false);
        return;
    }
    bool is_slow = h->slow && str_eqc(s->to.local, h->slow);
    assert_true(h->n_in < GOT_MAX);
    assert_true(host_is_local(h, s->to.domain));
    assert_true(s->el->ns == NS_CLIENT);
    h->in[h->n_in++] = (struct got){.id = stanza_number(s), .at_us = sim_now_us()};
    stanza_unref(&s);
    host_custody(h, r, is_slow);
}

static inline void host_taken(void *ctx, void *token)
{
    struct host *h = ctx;
    if (!h->is_dead) {
        h->n_taken++;
        h->taken[*(unsigned *)token] = true;
    }
    mem_free(token);
}

static inline void host_bounce(void *ctx, struct stanza *s, enum stanza_cond c, const char *text,
                               void *token)
{
    struct host *h = ctx;
    assert_false(h->in_send);
    assert_true(h->n_back < GOT_MAX);
    assert_true(text && *text);
    struct got *g = &h->back[h->n_back++];
    *g = (struct got){.id = stanza_number(s), .at_us = sim_now_us(), .cond = c};
    snprintf(g->text, sizeof g->text, "%s", text);
    stanza_unref(&s);
    mem_free(token);
}

static inline void host_delayed(void *ctx, const struct stanza *s, const char *text)
{
    struct host *h = ctx;
    snprintf(h->notice, sizeof h->notice, "%s", text);
    h->noticed = stanza_number(s);
    h->n_notices++;
}

static const struct s2s_host_ops world_host_ops = {.is_local_domain = host_is_local,
                                                   .deliver = host_deliver,
                                                   .bounce = host_bounce,
                                                   .taken = host_taken,
                                                   .delayed = host_delayed};

static inline void host_accept(void *ctx, struct transport *t)
{
    struct host *h = ctx;
    h->n_accepted++;
    s2s_accept(h->s2s, t, false, NULL);
}

static inline void host_accept_direct(void *ctx, struct transport *t)
{
    s2s_accept(((struct host *)ctx)->s2s, t, true, NULL);
}

static inline void host_listen_direct(struct host *h)
{
    struct addr at = host_addr(h->i);
    at.port = 5270;
    assert_int_equal(listener_open(h->loop, &at, host_accept_direct, h, &h->direct), ERR_OK);
}

static inline void host_listen(struct host *h)
{
    struct addr at = host_addr(h->i);
    assert_int_equal(listener_open(h->loop, &at, host_accept, h, &h->listener), ERR_OK);
}

/* After changes of h->conf. */
static inline void host_open(struct host *h)
{
    h->s2s = s2s_new(h->loop, &h->conf, h->store, h->dns, &world_host_ops, h);
}

static inline void host_begin(struct host *h, int i)
{
    char name[20], zone[200], why[100];
    struct dns_conf dc = {0};
    h->i = i;
    h->next_id = 1;
    snprintf(h->domain, sizeof h->domain, "d%d.test", i);
    snprintf(name, sizeof name, "h%d/0", i);
    h->loop = loop_new(name, 0);
    timer_init(&h->give_back, h->loop, host_give_back, h);
    assert_int_equal(dns_open(h->loop, &dc, &h->dns, why, sizeof why), ERR_OK);
    snprintf(zone, sizeof zone,
             "_xmpp-server._tcp.d%d.test 60 SRV 0 0 5269 x%d.test\nx%d.test 60 A 10.0.0.%d\n", i, i,
             i, i + 1);
    sim_dns_zone(zone);
    h->conf = (struct s2s_conf){
        .tls_server = good_in[i],
        .tls_client = good_out[i],
        .tls_required = true,
        .dialback = true,
        .external = true,
        .dialback_secret = i ? "other" : "secret",
        .store_owner = "n1",
        .tune = {.connect_timeout_ms = 10000, .idle_timeout_ms = 60000, .expire_message_ms = 9000}};
}

/* Hosts exist, listen, and have zones; nothing is opened yet. */
static inline struct world *world_begin(uint64_t seed)
{
    struct world *w = mem_alloc(sizeof *w);
    sim_begin(seed);
    sim_net_begin();
    sim_dns_begin();
    for (int i = 0; i < HOSTS; i++)
        host_begin(&w->h[i], i);
    return w;
}

static inline void world_open(struct world *w)
{
    for (int i = 0; i < HOSTS; i++) {
        host_open(&w->h[i]);
        if (!w->h[i].listener)
            host_listen(&w->h[i]);
    }
}

static inline void world_end(struct world **pw)
{
    struct world *w = *pw;
    for (int i = 0; i < HOSTS; i++) {
        if (w->h[i].listener)
            listener_close(&w->h[i].listener);
        if (w->h[i].direct)
            listener_close(&w->h[i].direct);
        timer_stop(&w->h[i].give_back);
        s2s_free(&w->h[i].s2s);
        dns_close(&w->h[i].dns);
    }
    sim_run(10 * SEC, NULL, NULL);
    for (int i = 0; i < HOSTS; i++)
        loop_free(&w->h[i].loop);
    sim_dns_end();
    sim_net_end();
    sim_end();
    mem_free(w);
    *pw = NULL;
}

static inline struct stanza *make_text(const char *text)
{
    struct stanza *s;
    assert_int_equal(stanza_parse(str_of(text), &s), ERR_OK);
    return s;
}

static inline void host_put(struct host *h, const char *text)
{
    struct stanza *st = make_text(text);
    unsigned *token = mem_alloc(sizeof *token);
    *token = stanza_number(st);
    h->in_send = true;
    s2s_send(h->s2s, st, token);
    h->in_send = false;
}

/* A message of about this size; its number. */
static inline unsigned host_send(struct host *h, const char *to, size_t size)
{
    struct buf b;
    unsigned id = h->next_id++;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "<message id='%u' from='u@%s/r' to='v@%s'><body>%0*d</body></message>", id,
               h->domain, to, (int)size, 0);
    buf_char(&b, '\0');
    host_put(h, b.p);
    buf_fini(&b);
    return id;
}

struct wait {
    const size_t *n;
    size_t want;
};
static inline bool wait_pred(void *ctx)
{
    const struct wait *w = ctx;
    return *w->n >= w->want;
}
/* Run until the counter reaches want; fails after for_us. */
static inline void run_until(const size_t *n, size_t want, uint64_t for_us)
{
    struct wait w = {n, want};
    if (!sim_run(for_us, wait_pred, &w))
        fail_msg("%zu of %zu", *n, want);
}
static inline void run_for(uint64_t us)
{
    sim_run(us, NULL, NULL);
}

/* Value of a field of the row of direction and remote; the result lives until the next call. */
static inline const char *host_list(struct host *h, const char *direction, const char *remote,
                                    const char *field)
{
    static char value[300];
    struct json *list = json_new_array();
    value[0] = '\0';
    s2s_list(h->s2s, list);
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *j = json_at(list, i);
        if (strcmp(json_get_str(j, "direction"), direction) == 0 &&
            strcmp(json_get_str(j, "remote"), remote) == 0)
            snprintf(value, sizeof value, "%s", json_get_str(j, field));
    }
    json_free(&list);
    return value;
}
static inline size_t host_rows(struct host *h)
{
    struct json *list = json_new_array();
    s2s_list(h->s2s, list);
    size_t n = json_len(list);
    json_free(&list);
    return n;
}
#endif
