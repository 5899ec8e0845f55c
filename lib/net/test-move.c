/* Moves between shards under traffic: an echoing server whose connections change threads every few
 * data events, in both directions, with and without TLS. No byte is lost, doubled or reordered. */
#include "lib/net/tests-common-int.h"

#include "lib/loop/shard.h"
#include "lib/loop/timer.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"
#include "lib/net/tests-certs.h"

enum { CONNS = 8, BYTES = 8 << 20, MOVES_EACH = 100 };

struct client {
    struct transport *t;
    struct bench *bench;
    size_t sent, got;
    uint64_t seed;
};

struct mover { /* the server's side of one connection; belongs to the shard it is on */
    struct mail mail;
    struct parcel *parcel;
    struct transport *t;
    struct bench *bench;
    unsigned shard, moves, datas;
    size_t echoed;
};

struct bench {
    struct shards *shards;
    struct tls_ctx *server_ctx, *client_ctx;
    struct listener *listener;
    struct client clients[CONNS];
    struct timer deadline;
    unsigned movers_done; /* on shard 0 */
    unsigned moves, move_every;
    bool timed_out;
};

static const struct transport_events mover_events;

static void mover_arrive(struct mail *m)
{
    struct mover *v = container_of(m, struct mover, mail);
    v->t = parcel_attach(&v->parcel, shards_loop(v->bench->shards, v->shard));
    transport_set_events(v->t, &mover_events, v);
}

static void mover_done(struct mail *m)
{
    struct mover *v = container_of(m, struct mover, mail);
    struct bench *b = v->bench;
    must(v->echoed == BYTES);
    b->moves += v->moves;
    mem_free(v);
    if (++b->movers_done == CONNS)
        shards_stop(b->shards);
}

static void mover_data(void *ctx, struct str s)
{
    struct mover *v = ctx;
    v->echoed += s.n;
    if (!transport_send(v->t, s))
        transport_pause(v->t, true);
    if (v->moves == MOVES_EACH || ++v->datas % v->bench->move_every != 0)
        return;
    v->moves++;
    v->shard = v->shard == 1 ? 2 : 1;
    v->parcel = transport_detach(&v->t);
    v->mail.fn = mover_arrive;
    loop_post(shards_loop(v->bench->shards, v->shard), &v->mail);
}

static void mover_drain(void *ctx)
{
    transport_pause(((struct mover *)ctx)->t, false);
}

static void mover_end(void *ctx, enum err why)
{
    struct mover *v = ctx;
    must(why == ERR_EOF);
    transport_close(&v->t);
    v->mail.fn = mover_done;
    loop_post(shards_loop(v->bench->shards, 0), &v->mail);
}

static const struct transport_events mover_events = {
    .data = mover_data, .drain = mover_drain, .end = mover_end};

static void on_accept(void *ctx, struct transport *t)
{
    struct bench *b = ctx;
    struct mover *v = mem_alloc(sizeof *v);
    v->bench = b;
    v->shard = 1;
    v->t = b->server_ctx ? tls_server(&t, b->server_ctx) : t;
    transport_set_events(v->t, &mover_events, v);
}

static void client_pump(struct client *c)
{
    char piece[1500];
    bool more = true;
    while (more && c->sent < BYTES) {
        size_t n = 1 + (c->sent * 7 + 13) % sizeof piece;
        n = n < BYTES - c->sent ? n : BYTES - c->sent;
        for (size_t i = 0; i < n; i++)
            piece[i] = suite_byte(c->seed, c->sent + i);
        c->sent += n;
        more = transport_send(c->t, str_make(piece, n));
    }
}

static void client_ready(void *ctx)
{
    client_pump(ctx);
}
static void client_drain(void *ctx)
{
    client_pump(ctx);
}
static void client_data(void *ctx, struct str s)
{
    struct client *c = ctx;
    for (size_t i = 0; i < s.n; i++)
        must(s.p[i] == suite_byte(c->seed, c->got + i));
    c->got += s.n;
    must(c->got <= c->sent);
    if (c->got == BYTES)
        transport_close(&c->t);
}
static void client_end(void *ctx UNUSED, enum err why)
{
    must(why == ERR_OK); /* never */
}

static void on_dialled(void *ctx, enum err e, struct transport *t,
                       const struct dial_result *r UNUSED)
{
    static const struct transport_events events = {client_ready, client_data, client_drain,
                                                   client_end};
    struct client *c = ctx;
    must(e == ERR_OK);
    c->t = c->bench->client_ctx ? tls_client(&t, c->bench->client_ctx, "server.example") : t;
    transport_set_events(c->t, &events, c);
}

static void on_deadline(void *ctx)
{
    struct bench *b = ctx;
    b->timed_out = true;
    shards_stop(b->shards);
}

static void run_moves(struct bench *b)
{
    struct dial_target target = {.addr = {.family = ADDR_NONE}};
    struct addr at;

    b->shards = shards_new("test", 3);
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &at), ERR_OK);
    assert_int_equal(listener_open(shards_loop(b->shards, 1), &at, on_accept, b, &b->listener),
                     ERR_OK);
    target.addr = *listener_addr(b->listener);
    for (int i = 0; i < CONNS; i++) {
        struct loop *l = shards_loop(b->shards, 0);
        b->clients[i] = (struct client){.bench = b, .seed = (uint64_t)i};
        dial_open(l, NULL, dial_source_fixed(l, &target, 1), 20000, on_dialled, &b->clients[i]);
    }
    timer_init(&b->deadline, shards_loop(b->shards, 0), on_deadline, b);
    timer_start(&b->deadline, 200000);
    shards_run(b->shards);
    timer_stop(&b->deadline);
    listener_close(&b->listener);
    shards_free(&b->shards);
    assert_false(b->timed_out);
    assert_true(b->moves >= 500);
}

static void test_move_tcp(void **state UNUSED)
{
    struct bench b = {.move_every = 1};
    run_moves(&b);
}

static void test_move_tls(void **state UNUSED)
{
    char dir[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256];
    struct tls_ctx_conf client = {.no_system_ca = true}, server = {0};
    struct bench b = {.move_every = 3};

    test_certs_begin(dir);
    test_cert_domain(dir, "server.example");
    server.cert_file = test_path(crt, dir, "server.example", "crt");
    server.key_file = test_path(key, dir, "server.example", "key");
    assert_int_equal(tls_ctx_new(true, &server, &b.server_ctx, why, sizeof why), ERR_OK);
    assert_int_equal(tls_ctx_new(false, &client, &b.client_ctx, why, sizeof why), ERR_OK);
    run_moves(&b);
    tls_ctx_unref(&b.server_ctx);
    tls_ctx_unref(&b.client_ctx);
    test_certs_end(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_move_tcp),
                                       cmocka_unit_test(test_move_tls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
