/* The move between shards on real threads: a logged-in stream over TLS travels between two shards
 * while its peer sends. Run it under the thread sanitizer, too. */
#include "lib/loop/shard.h"
#include "lib/stream/tests-parties-int.h"

enum { MOVES = 60, STANZAS = 3000, AT_ONCE = 50 };

struct journey {
    struct mail m;
    struct shards *shards;
    struct rig r; /* server and client on shard 0 */
    struct inner i;
    struct outer o;
    struct stream_parcel *parcel;
    struct stream_in *s; /* on the shard that has it */
    unsigned at, moves, expected, sent;
    struct timer due[2]; /* one on each shard */
    struct timer pump;
};

static void journey_element(struct inner *i, struct xml_doc *doc)
{
    struct journey *j = i->more;
    uint64_t n;
    assert_true(str_to_u64(xml_get(doc->root, "id"), 1000000, &n));
    assert_int_equal(n, j->expected);
    j->expected++;
    xml_doc_free(&doc);
}

static void arrive(struct mail *m)
{
    struct journey *j = container_of(m, struct journey, m);
    j->i.s = stream_in_attach(&j->parcel, shards_loop(j->shards, j->at), &inner_events, &j->i);
    timer_start(&j->due[j->at], j->moves % 3);
}

static void leave(void *ctx)
{
    struct journey *j = ctx;
    if (j->expected == STANZAS && j->moves >= MOVES) {
        stream_in_close(j->i.s, STREAM_OK, NULL);
        return;
    }
    j->parcel = stream_in_detach(&j->i.s);
    assert_non_null(j->parcel);
    j->moves++;
    j->at = !j->at;
    loop_post(shards_loop(j->shards, j->at), &j->m);
}

static void pump(void *ctx)
{
    struct journey *j = ctx;
    char text[128];
    for (unsigned n = 0; n < AT_ONCE && j->sent < STANZAS && j->o.s; n++, j->sent++) {
        snprintf(text, sizeof text, "<message id='%u'><body>%0*u</body></message>", j->sent,
                 (int)(j->sent % 60), j->sent);
        (void)stream_out_send_text(j->o.s, str_of(text));
    }
    if (j->o.ends)
        shards_stop(j->shards);
    else
        timer_start(&j->pump, 1);
}

static void on_ready(struct outer *o)
{
    struct journey *j = o->more;
    timer_start(&j->pump, 1);
    timer_start(&j->due[0], 0);
}

static void test_move_between_threads(void **state)
{
    struct journey *j = mem_alloc(sizeof *j);
    struct addr at;
    (void)state;
    j->shards = shards_new("test", 2);
    j->r.server = j->r.server2 = j->r.client = shards_loop(j->shards, 0);
    j->m.fn = arrive;
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &at), ERR_OK);
    assert_int_equal(listener_open(j->r.server, &at, rig_accepted, &j->r, &j->r.listener), ERR_OK);
    inner_begin(&j->i, &j->r);
    j->i.on_element = journey_element;
    j->i.more = j;
    outer_begin(&j->o, &j->r);
    j->o.on_ready = on_ready;
    j->o.more = j;
    timer_init(&j->pump, j->r.client, pump, j);
    for (unsigned k = 0; k < 2; k++)
        timer_init(&j->due[k], shards_loop(j->shards, k), leave, j);
    rig_dial(&j->r, &j->o.taken);
    shards_run(j->shards);
    assert_int_equal(j->expected, STANZAS);
    assert_true(j->moves >= MOVES);
    assert_int_equal(j->o.end.err, ERR_EOF);
    inner_fini(&j->i);
    outer_fini(&j->o);
    listener_close(&j->r.listener);
    shards_free(&j->shards);
    mem_free(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_move_between_threads)};
    return cmocka_run_group_tests_name("move", tests, rig_tls_begin, rig_tls_end);
}
