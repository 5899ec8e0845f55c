#ifndef INTEGRATION_TESTS_SIM_TESTS_COMPONENT_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_COMPONENT_INT_H
/* An external component (XEP-0114) by hand, on the simulated platform. */
#include "integration-tests/sim/tests-world-int.h"
#include "lib/base/crypto.h"
#include "lib/base/encode.h"
#include "lib/net/dial.h"

enum { PORT = 5347, WAIT_SECONDS = 20 };

/* ---- a component: sends text, keeps what it gets */
struct peer {
    struct loop *loop;
    struct transport *t;
    struct buf in;
    bool with_tls, is_over;
    const char *wanted;
};

static UNUSED void peer_data(void *ctx, struct str bytes)
{
    buf_str(&((struct peer *)ctx)->in, bytes);
}

static UNUSED void peer_end(void *ctx, enum err why)
{
    struct peer *p = ctx;
    (void)why;
    p->is_over = true;
    transport_close(&p->t);
}

static const struct transport_events peer_events = {.data = peer_data, .end = peer_end};

static UNUSED void peer_dialled(void *ctx, enum err e, struct transport *t,
                                const struct dial_result *r)
{
    struct peer *p = ctx;
    (void)r;
    assert_int_equal(e, ERR_OK);
    p->t = p->with_tls ? tls_client(&t, rig_client_tls, RIG_DOMAIN) : t;
    transport_set_events(p->t, &peer_events, p);
}

static UNUSED bool peer_has(void *ctx)
{
    struct peer *p = ctx;
    if (!p->wanted)
        return p->t != NULL;
    buf_char(&p->in, '\0');
    p->in.n--;
    return strstr(p->in.p, p->wanted) != NULL;
}

static UNUSED bool peer_expect(struct peer *p, const char *text)
{
    p->wanted = text;
    bool ok = sim_run(WAIT_SECONDS * SEC, peer_has, p);
    if (!ok)
        print_error("waited for %s\n got " STR_FMT "\n", text, STR_ARG(buf_view(&p->in)));
    return ok;
}

static UNUSED bool is_over(void *ctx)
{
    return ((struct peer *)ctx)->is_over;
}

static UNUSED void peer_send(struct peer *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static UNUSED void peer_send(struct peer *p, const char *fmt, ...)
{
    char text[8192];
    va_list args;
    va_start(args, fmt);
    assert_true(vsnprintf(text, sizeof text, fmt, args) < (int)sizeof text);
    va_end(args);
    (void)transport_send(p->t, str_of(text));
}

static UNUSED void peer_open(struct peer *p, const struct addr *at, uint16_t port, bool with_tls,
                             const char *ns, const char *to)
{
    struct dial_target target = {.addr = *at};
    *p = (struct peer){.loop = loop_new("component/0", 0), .with_tls = with_tls};
    target.addr.port = port;
    buf_init(&p->in, 1 << 20);
    dial_open(p->loop, NULL, dial_source_fixed(p->loop, &target, 1), 5000, peer_dialled, p);
    assert_true(sim_run(WAIT_SECONDS * SEC, peer_has, p));
    peer_send(p,
              "<stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
              ns, to);
}

static UNUSED void peer_close(struct peer *p)
{
    if (p->t)
        transport_close(&p->t);
    buf_fini(&p->in);
    loop_free(&p->loop);
}

/* The proof for the stream id of the header that came. */
static UNUSED void prove(struct peer *p, const char *secret)
{
    assert_true(peer_expect(p, " id='"));
    assert_null(strstr(p->in.p, "features"));
    struct str id = str_of(strstr(p->in.p, " id='") + 5);
    id = str_cut(&id, '\'');
    char text[256];
    uint8_t hash[DIGEST_MAX];
    struct buf hex;
    snprintf(text, sizeof text, STR_FMT "%s", STR_ARG(id), secret);
    crypto_hash(DIGEST_SHA1, str_of(text), hash);
    buf_init(&hex, 100);
    hex_encode(&hex, hash, digest_size(DIGEST_SHA1));
    buf_clear(&p->in);
    peer_send(p, "<handshake>" STR_FMT "</handshake>", STR_ARG(buf_view(&hex)));
    buf_fini(&hex);
}

#endif
