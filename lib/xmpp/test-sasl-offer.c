/* Channel binding and the digest of the offer: the published exchange, and what somebody in between
 * may try. */
#include "lib/base/base.h"

#include <setjmp.h>

#include <cmocka.h>

#include "lib/xmpp/test-sasl-int.h"

#define FAKE_DATA "THIS IS FAKE CB DATA"

static struct sasl_offer offer_of(unsigned mechs, size_t bindings)
{
    struct sasl_offer o = {.mechs = mechs, .n = bindings};
    static const char *const types[] = {"tls-server-end-point", "tls-exporter"};
    for (size_t i = 0; i < bindings; i++) {
        o.bindings[i].type = types[i];
        o.bindings[i].data_n = strlen(FAKE_DATA);
        memcpy(o.bindings[i].data, FAKE_DATA, strlen(FAKE_DATA));
    }
    return o;
}

enum {
    SHA1_BOTH = 1 << SASL_SCRAM_SHA_1 | 1 << SASL_SCRAM_SHA_1_PLUS,
    ALL = (1 << SASL_MECH_COUNT) - 1,
};

static void assert_hash(const struct sasl_offer *o, enum digest d, const char *want)
{
    struct buf b;
    buf_init(&b, 128);
    sasl_offer_hash(o, d, &b);
    assert_text(&b, want);
    buf_fini(&b);
}

static void test_sasl_offer_published_hash(void **state)
{
    (void)state;
    const struct sasl_offer o = offer_of(SHA1_BOTH, 2);
    assert_hash(&o, DIGEST_SHA1, "G6k/rBLDqgOhRRaCuuatSDFkJ08="); /* XEP-0474 example 1 */
    const struct sasl_offer none = offer_of(1 << SASL_SCRAM_SHA_1 | 1 << SASL_PLAIN, 0);
    /* base64(sha1("PLAIN\x1eSCRAM-SHA-1")), by Python's hashlib */
    assert_hash(&none, DIGEST_SHA1, "Y+xk2TW25vKwG9yWicfQlsuiFQs=");
}

/* A server after client-first, with keys of "pencil"; its challenge in out. */
static struct sasl_server *challenged(enum sasl_mech m, const struct sasl_offer *o,
                                      struct str first, struct buf *out)
{
    struct sasl_server *s = sasl_server_new(m);
    const struct scram_key k =
        key_with_salt(sasl_server_digest(s), "pencil", "QSXCR+Q6sek8bf92", 4096);
    sasl_server_set_nonce(s, STR("a09117a6-ac50-4f2f-93f1-93799c2bddf6"));
    sasl_server_set_offer(s, o);
    assert_int_equal(server_step(s, first, out), SASL_NEED_KEYS);
    buf_clear(out);
    assert_int_equal(sasl_server_keys(s, &k, out), SASL_CONTINUE);
    return s;
}

#define NONCE "12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6"
static void test_sasl_offer_published_exchange(void **state)
{
    (void)state;
    const struct sasl_offer o = offer_of(SHA1_BOTH, 2);
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct sasl_server *s =
        challenged(SASL_SCRAM_SHA_1_PLUS, &o, STR("p=tls-exporter,,n=user,r=" NONCE), &out);
    assert_text(&out, "r=" NONCE "a09117a6-ac50-4f2f-93f1-93799c2bddf6,s=QSXCR+Q6sek8bf92,i=4096,"
                      "h=G6k/rBLDqgOhRRaCuuatSDFkJ08=");
    assert_int_equal(
        server_step(s,
                    STR("c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,r=" NONCE
                        "a09117a6-ac50-4f2f-93f1-93799c2bddf6,x=19C6532F-1CF4-4A27-A18D-"
                        "DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4="),
                    &out),
        SASL_DONE);
    assert_text(&out, "v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=");
    sasl_server_free(&s);
    buf_fini(&out);
}

static void test_sasl_offer_first_failures(void **state)
{
    static const struct {
        enum sasl_mech mech;
        const char *flag;
        unsigned mechs;
        enum sasl_failure failure;
    } cases[] = {
        {SASL_SCRAM_SHA_256_PLUS, "p=tls-exporter", ALL, SASL_FAIL_NONE},
        {SASL_SCRAM_SHA_512_PLUS, "p=tls-server-end-point", ALL, SASL_FAIL_NONE},
        {SASL_SCRAM_SHA_256_PLUS, "p=tls-unique", ALL, SASL_FAIL_MALFORMED_REQUEST},
        {SASL_SCRAM_SHA_256_PLUS, "n", ALL, SASL_FAIL_MALFORMED_REQUEST},
        {SASL_SCRAM_SHA_256_PLUS, "y", ALL, SASL_FAIL_MALFORMED_REQUEST},
        {SASL_SCRAM_SHA_256, "p=tls-exporter", ALL, SASL_FAIL_NOT_AUTHORIZED},
        {SASL_SCRAM_SHA_256, "n", ALL, SASL_FAIL_NONE}, /* it cannot do it */
        {SASL_SCRAM_SHA_256, "y", ALL, SASL_FAIL_NOT_AUTHORIZED},
        {SASL_SCRAM_SHA_256, "y", 1 << SASL_SCRAM_SHA_256, SASL_FAIL_NONE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct sasl_offer o = offer_of(cases[i].mechs, 2);
        struct sasl_server *s = sasl_server_new(cases[i].mech);
        struct buf out;
        char first[64];
        buf_init(&out, OUT_MAX);
        snprintf(first, sizeof first, "%s,,n=user,r=abc", cases[i].flag);
        sasl_server_set_offer(s, &o);
        (void)server_step(s, str_of(first), &out);
        if (sasl_server_failure(s) != cases[i].failure)
            print_error("%s %s\n", sasl_mech_name(cases[i].mech), first);
        assert_int_equal(sasl_server_failure(s), cases[i].failure);
        sasl_server_free(&s);
        buf_fini(&out);
    }
}

struct outcome {
    enum err client; /* of its answer to the challenge, else of the end */
    enum sasl_failure server;
};

/* A whole exchange of a client that saw and bound one thing with a server that offered and has
 * another. old, new: what somebody in between replaces in the challenge. */
static struct outcome exchange(enum sasl_mech m, const struct sasl_offer *offered,
                               const struct sasl_offer *seen, const char *binding, const char *old,
                               const char *new)
{
    struct outcome end = {0};
    struct buf up, down;
    buf_init(&up, OUT_MAX);
    buf_init(&down, OUT_MAX);
    struct sasl_client *c = sasl_client_new(m, STR("user"), STR("pencil"), STR_NONE);
    sasl_client_set_offer(c, seen, binding);
    assert_int_equal(client_step(c, STR_NONE, &up), ERR_OK);
    struct sasl_server *s = challenged(m, offered, buf_view(&up), &down);
    char *at = old ? memmem(down.p, down.n, old, strlen(old)) : NULL;
    assert_true((old != NULL) == (at != NULL));
    if (at)
        memcpy(at, new, strlen(new));
    end.client = client_step(c, buf_view(&down), &up);
    if (end.client == ERR_OK && server_step(s, buf_view(&up), &down) == SASL_DONE)
        end.client = sasl_client_finish(c, buf_view(&down));
    end.server = sasl_server_failure(s);
    sasl_client_free(&c);
    sasl_server_free(&s);
    buf_fini(&up);
    buf_fini(&down);
    return end;
}

static void test_sasl_offer_agrees(void **state)
{
    static const enum sasl_mech mechs[] = {SASL_SCRAM_SHA_1_PLUS, SASL_SCRAM_SHA_256_PLUS,
                                           SASL_SCRAM_SHA_512_PLUS};
    const struct sasl_offer o = offer_of(ALL, 2);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mechs); i++)
        for (size_t b = 0; b < 2; b++) {
            const struct outcome e = exchange(mechs[i], &o, &o, o.bindings[b].type, NULL, NULL);
            assert_int_equal(e.client, ERR_OK);
            assert_int_equal(e.server, SASL_FAIL_NONE);
        }
}

/* Two TLS connections, one in between: the bytes differ. */
static void test_sasl_offer_other_connection(void **state)
{
    const struct sasl_offer offered = offer_of(ALL, 2);
    struct sasl_offer seen = offered;
    (void)state;
    seen.bindings[1].data[3] ^= 1;
    assert_int_equal(
        exchange(SASL_SCRAM_SHA_256_PLUS, &offered, &seen, "tls-exporter", NULL, NULL).server,
        SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(
        exchange(SASL_SCRAM_SHA_256_PLUS, &offered, &seen, "tls-server-end-point", NULL, NULL)
            .server,
        SASL_FAIL_NONE);
    seen = offered;
    seen.bindings[1].data_n--;
    assert_int_equal(
        exchange(SASL_SCRAM_SHA_256_PLUS, &offered, &seen, "tls-exporter", NULL, NULL).server,
        SASL_FAIL_NOT_AUTHORIZED);
}

/* Something was taken out of the features: the client sees it in the digest; who changes the digest
 * too is found out by the server, whose signature covers it. */
static void test_sasl_offer_tampered(void **state)
{
    const struct sasl_offer offered = offer_of(ALL, 2);
    const struct sasl_offer fewer = offer_of(1 << SASL_SCRAM_SHA_1, 0);
    const struct sasl_offer weaker = offer_of(ALL, 1);
    (void)state;
    assert_int_equal(exchange(SASL_SCRAM_SHA_1, &offered, &fewer, NULL, NULL, NULL).client,
                     ERR_AUTH);
    assert_int_equal(
        exchange(SASL_SCRAM_SHA_256_PLUS, &offered, &weaker, "tls-server-end-point", NULL, NULL)
            .client,
        ERR_AUTH);
    struct buf true_hash, false_hash;
    buf_init(&true_hash, 64);
    buf_init(&false_hash, 64);
    sasl_offer_hash(&offered, DIGEST_SHA1, &true_hash);
    sasl_offer_hash(&fewer, DIGEST_SHA1, &false_hash);
    buf_char(&true_hash, '\0');
    buf_char(&false_hash, '\0');
    const struct outcome e =
        exchange(SASL_SCRAM_SHA_1, &offered, &fewer, NULL, true_hash.p, false_hash.p);
    assert_int_equal(e.client, ERR_OK);
    assert_int_equal(e.server, SASL_FAIL_NOT_AUTHORIZED);
    buf_fini(&true_hash);
    buf_fini(&false_hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sasl_offer_published_hash),
        cmocka_unit_test(test_sasl_offer_published_exchange),
        cmocka_unit_test(test_sasl_offer_first_failures),
        cmocka_unit_test(test_sasl_offer_agrees),
        cmocka_unit_test(test_sasl_offer_other_connection),
        cmocka_unit_test(test_sasl_offer_tampered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
