#ifndef INTEGRATION_TESTS_SIM_TESTS_FAST_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_FAST_INT_H
/* A client that logs in with tokens (XEP-0484). */
#include "integration-tests/sim/sim-client-int.h"
#include "integration-tests/sim/tests-sasl2-int.h"
#include "lib/stream/stream-binding.h"

#define UA "<user-agent id='" AGENT "'/>"
#define BIND "<bind xmlns='urn:xmpp:bind:0'><tag>Desk</tag></bind>"
#define FAST "<fast xmlns='urn:xmpp:fast:0'/>"
#define TOKEN_MAX 64

/* The bytes of this end's channel binding for a mechanism; "" for NONE. */
static UNUSED struct str binding_of(struct transport *t, enum sasl_mech m, struct sasl_offer *keep)
{
    *keep = (struct sasl_offer){0};
    stream_bindings(t, keep);
    const char *type = m == SASL_HT_SHA_256_EXPR   ? "tls-exporter"
                       : m == SASL_HT_SHA_256_ENDP ? "tls-server-end-point"
                                                   : NULL;
    const struct sasl_binding *b = type ? sasl_offer_binding(keep, str_of(type)) : NULL;
    assert_true(!type || b);
    return b ? str_make((const char *)b->data, b->data_n) : STR("");
}

/* base64 of the client's message. */
static UNUSED void initial_of(struct buf *out, const char *user, const char *token,
                              struct str binding)
{
    struct buf raw;
    uint8_t proof[SASL_HT_BYTES];
    buf_init(&raw, 512);
    sasl_ht_sign(str_of(token), "Initiator", binding, proof);
    buf_cstr(&raw, user);
    buf_char(&raw, '\0');
    buf_add(&raw, proof, sizeof proof);
    base64_encode(out, raw.p, raw.n);
    buf_fini(&raw);
}

static UNUSED void send_token(struct sim_client *s, const char *user, const char *token,
                              enum sasl_mech m, const char *more)
{
    struct sasl_offer keep;
    struct buf text;
    buf_init(&text, 1024);
    initial_of(&text, user, token, binding_of(stream_out_transport(s->stream), m, &keep));
    sim_client_send(s,
                    "<authenticate xmlns='%s' mechanism='%s'><initial-response>" STR_FMT
                    "</initial-response>%s</authenticate>",
                    NS_SASL2, sasl_mech_name(m), STR_ARG(buf_view(&text)), more);
    buf_fini(&text);
}

/* The server knows the token, too: its proof is in the <success/> just expected. */
static UNUSED void assert_proof(struct sim_client *s, const char *token, enum sasl_mech m)
{
    struct sasl_offer keep;
    struct buf got;
    uint8_t want[SASL_HT_BYTES];
    struct arena *a = arena_new(0);
    buf_init(&got, 256);
    sasl_ht_sign(str_of(token), "Responder", binding_of(stream_out_transport(s->stream), m, &keep),
                 want);
    const struct xml *el = xml_child(sim_client_last(s), NS_SASL2, "additional-data");
    assert_non_null(el);
    assert_int_equal(base64_decode(&got, xml_text(a, el)), ERR_OK);
    assert_int_equal(got.n, sizeof want);
    assert_memory_equal(got.p, want, sizeof want);
    buf_fini(&got);
    arena_free(&a);
}

static UNUSED void token_of(struct sim_client *s, char token[TOKEN_MAX])
{
    attr_of(s, "token", NULL, "token", token, TOKEN_MAX);
}

/* Log in with the password and take a token home. */
static UNUSED void earn(const struct rig *r, const char *agent, enum sasl_mech m,
                        char token[TOKEN_MAX])
{
    char more[512];
    struct sim_client *s = stranger(r, 0);
    snprintf(more, sizeof more, "<user-agent id='%s'/><request-token xmlns='%s' mechanism='%s'/>",
             agent, NS_FAST, sasl_mech_name(m));
    authenticate(s, "alice", "wonder", more);
    assert_true(sim_client_expect_next(
        s, "<success xmlns='%s'><token xmlns='%s' token='*' expiry='*'/></success>", NS_SASL2,
        NS_FAST));
    token_of(s, token);
    sim_client_free(&s);
}

static UNUSED bool has_letter(void *ctx)
{
    return list_first(&((struct sim_client *)ctx)->inbox) != NULL;
}

/* One login with a token, on a connection of its own; "success", or the condition of the failure.
 * fresh: gets a new token, or "". */
static UNUSED const char *outcome_of(const struct rig *r, const char *user, const char *token,
                                     enum sasl_mech m, const char *more, char fresh[TOKEN_MAX])
{
    static char outcome[64];
    struct sim_client *s = stranger(r, 1);
    send_token(s, user, token, m, more);
    assert_true(sim_run(30000000, has_letter, s));
    const bool failed = sim_client_count(s, "<failure xmlns='%s'/>", NS_SASL2) > 0;
    assert_true(
        sim_client_expect_next(s, "<%s xmlns='%s'/>", failed ? "failure" : "success", NS_SASL2));
    const struct xml *el = sim_client_last(s), *t = xml_child(el, NS_FAST, "token");
    snprintf(outcome, sizeof outcome, "%s", failed ? el->first->el->name : el->name);
    if (!failed)
        assert_proof(s, token, m);
    if (fresh) {
        fresh[0] = 0;
        if (t)
            token_of(s, fresh);
    }
    sim_client_free(&s);
    return outcome;
}
#endif
