/* SASL HT, server side: a token that the server gave the client earlier is shown by an HMAC with it
 * as the key. The client's message is authcid NUL HMAC(token, "Initiator" cb-data), the server's
 * HMAC(token, "Responder" cb-data) goes with success. Which tokens there are is the caller's
 * knowledge, and the key never comes here but through sasl_ht_check. Standards:
 * draft-schmaus-kitten-sasl-ht-09 (what XEP-0484 section 3.1 names). */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"
#include "lib/xmpp/jid.h"

static const char *binding_type(enum sasl_mech m)
{
    return m == SASL_HT_SHA_256_EXPR   ? "tls-exporter"
           : m == SASL_HT_SHA_256_ENDP ? "tls-server-end-point"
                                       : NULL;
}

/* The mechanisms of set whose channel binding this offer has. */
unsigned sasl_ht_usable(unsigned set, const struct sasl_offer *o)
{
    for (unsigned m = SASL_HT_SHA_256_EXPR; m <= SASL_HT_SHA_256_NONE; m++) {
        const char *type = binding_type((enum sasl_mech)m);
        if (type && !sasl_offer_binding(o, str_of(type)))
            set &= ~(1U << m);
    }
    return set;
}

void sasl_ht_sign(struct str token, const char *who, struct str binding, uint8_t out[SASL_HT_BYTES])
{
    struct buf text;
    buf_init(&text, 16 + SASL_BINDING_MAX);
    buf_cstr(&text, who);
    buf_str(&text, binding);
    must(buf_ok(&text));
    crypto_hmac(DIGEST_SHA256, token, buf_view(&text), out);
    buf_fini(&text);
}

bool sasl_ht_check(struct str token, struct str binding, struct str proof,
                   uint8_t response[SASL_HT_BYTES])
{
    uint8_t want[SASL_HT_BYTES];
    sasl_ht_sign(token, "Initiator", binding, want);
    sasl_ht_sign(token, "Responder", binding, response);
    const bool is_right = proof.n == SASL_HT_BYTES && crypto_equal(want, proof.p, SASL_HT_BYTES);
    mem_wipe(want, sizeof want);
    return is_right;
}

enum sasl_status sasl_ht_step(struct sasl_server *s, struct str in, struct buf *out)
{
    (void)out;
    const char *type = binding_type(s->mech);
    struct str rest = in, user;
    const struct str name = str_cut(&rest, '\0');
    if (!rest.p || rest.n != SASL_HT_BYTES || !name.n || name.n > JID_PART_MAX || !utf8_valid(name))
        return sasl_server_fail(s, SASL_FAIL_MALFORMED_REQUEST);
    s->binding = type ? sasl_offer_binding(&s->offer, str_of(type)) : NULL;
    if (type && (!s->binding || !s->binding->data_n))
        return sasl_server_fail(s, SASL_FAIL_INVALID_MECHANISM);
    if (jid_prep_username(s->mem, name, &user) != ERR_OK || !user.n)
        return sasl_server_fail(s, SASL_FAIL_NOT_AUTHORIZED);
    s->user = arena_dup(s->mem, user);
    memcpy(s->proof, rest.p, SASL_HT_BYTES);
    s->phase = SASL_PHASE_VERDICT;
    return SASL_NEED_TOKEN;
}

enum sasl_status sasl_server_token(struct sasl_server *s, const uint8_t response[SASL_HT_BYTES],
                                   struct buf *out)
{
    if (!sasl_mech_is_ht(s->mech))
        return sasl_server_fail(s, s->failure ? s->failure : SASL_FAIL_MALFORMED_REQUEST);
    const enum sasl_status status = sasl_server_verdict(s, SASL_FAIL_NONE, out);
    if (status == SASL_DONE)
        buf_add(out, response, SASL_HT_BYTES);
    return status;
}

struct str sasl_server_proof(const struct sasl_server *s)
{
    return str_make((const char *)s->proof, SASL_HT_BYTES);
}

struct str sasl_server_binding(const struct sasl_server *s)
{
    return s->binding ? str_make((const char *)s->binding->data, s->binding->data_n) : STR("");
}
