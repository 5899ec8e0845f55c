/* SCRAM, server side (RFC 5802, RFC 7677), and the syntax both sides share.
 *
 * Channel binding: a -PLUS mechanism needs "p=" with a type of the offer, the others refuse it, and
 * "y" (the client believes we have none) is refused when we offered it: somebody took it out of the
 * offer. The digest of the offer is in the first message (XEP-0474). A user without
 * keys gets a salt made from the name under a secret and the usual iteration count, and fails where
 * a wrong password fails: at the proof, after the same work. All messages are kept as sent, because
 * both signatures cover them byte by byte. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"
#include "lib/base/rand.h"
#include "lib/xmpp/jid.h"
#include "lib/xmpp/xep.h"

RFC("5802", COMPLETE);
RFC("7677", COMPLETE);

enum { NONCE_BYTES = 18, FAKE_SALT = 16 };

/* ---- syntax ---- */

bool scram_take(struct str *rest, char name, struct str *value)
{
    if (!rest->p || rest->n < 2 || rest->p[0] != name || rest->p[1] != '=')
        return false;
    struct str item = str_cut(rest, ',');
    *value = str_make(item.p + 2, item.n - 2);
    return true;
}

bool scram_nonce_valid(struct str nonce)
{
    if (nonce.n == 0 || nonce.n > SASL_NONCE_MAX)
        return false;
    for (size_t i = 0; i < nonce.n; i++)
        if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e || nonce.p[i] == ',')
            return false;
    return true;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool scram_extensions_valid(struct str rest)
{
    while (rest.p) {
        const struct str item = str_cut(&rest, ',');
        if (item.n < 3 || !is_alpha(item.p[0]) || item.p[0] == 'm' || item.p[1] != '=')
            return false;
    }
    return true;
}

bool scram_bytes(struct str text, enum digest d, uint8_t *out)
{
    struct buf b;
    buf_init(&b, DIGEST_MAX);
    const bool ok = base64_decode(&b, text) == ERR_OK && b.n == digest_size(d);
    if (ok)
        memcpy(out, b.p, b.n);
    buf_fini(&b);
    return ok;
}

void scram_sign(enum digest d, const uint8_t *key, const struct str auth[3], uint8_t *out)
{
    struct buf message;
    buf_init(&message, 4 * SASL_MESSAGE_MAX);
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            buf_char(&message, ',');
        buf_str(&message, auth[i]);
    }
    must(buf_ok(&message));
    crypto_hmac(d, str_make((const char *)key, digest_size(d)), buf_view(&message), out);
    buf_fini(&message);
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, any other "=" is an error. Empty is an error.
 */
static bool name_decode(struct arena *a, struct str text, struct str *out)
{
    if (text.n == 0)
        return false;
    char *p = arena_alloc(a, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '=') {
            p[n++] = text.p[i];
            continue;
        }
        const struct str code = str_make(text.p + i, text.n - i);
        if (!str_starts(code, STR("=2C")) && !str_starts(code, STR("=3D")))
            return false;
        p[n++] = text.p[i + 1] == '2' ? ',' : '=';
        i += 2;
    }
    *out = str_make(p, n);
    return true;
}

/* ---- client-first-message ---- */

/* Section 6: how the client sees channel binding must fit what it was offered and has chosen. */
static enum sasl_failure parse_binding(struct sasl_server *s, struct str flag)
{
    const bool is_plus = sasl_mech_is_plus(s->mech);
    if (str_starts(flag, STR("p=")) && flag.n > 2) {
        s->binding = sasl_offer_binding(&s->offer, str_make(flag.p + 2, flag.n - 2));
        if (is_plus)
            return s->binding ? SASL_FAIL_NONE : SASL_FAIL_MALFORMED_REQUEST;
        return SASL_FAIL_NOT_AUTHORIZED;
    }
    if (is_plus || (!str_eqc(flag, "n") && !str_eqc(flag, "y")))
        return SASL_FAIL_MALFORMED_REQUEST;
    if (str_eqc(flag, "y") && s->offer.mechs & SASL_MECHS_PLUS)
        return SASL_FAIL_NOT_AUTHORIZED;
    return SASL_FAIL_NONE;
}

static enum sasl_failure parse_gs2(struct sasl_server *s, struct str *rest)
{
    const enum sasl_failure f = parse_binding(s, str_cut(rest, ','));
    if (f != SASL_FAIL_NONE)
        return f;
    if (!rest->p)
        return SASL_FAIL_MALFORMED_REQUEST;
    struct str authzid = str_cut(rest, ',');
    if (!rest->p)
        return SASL_FAIL_MALFORMED_REQUEST;
    if (authzid.n == 0)
        return SASL_FAIL_NONE;
    struct str name;
    if (!scram_take(&authzid, 'a', &name) || name.n > JID_MAX ||
        !name_decode(s->mem, name, &s->authzid))
        return SASL_FAIL_MALFORMED_REQUEST;
    return SASL_FAIL_NONE;
}

static enum sasl_failure parse_bare(struct sasl_server *s, struct str rest)
{
    struct str name, decoded, prepared;
    if (str_starts(rest, STR("m=")))
        return SASL_FAIL_NOT_AUTHORIZED; /* mandatory extensions: none is known */
    if (!scram_take(&rest, 'n', &name) || !scram_take(&rest, 'r', &s->nonce) ||
        !scram_nonce_valid(s->nonce) || !scram_extensions_valid(rest) ||
        !name_decode(s->mem, name, &decoded))
        return SASL_FAIL_MALFORMED_REQUEST;
    if (decoded.n > JID_PART_MAX || jid_prep_username(s->mem, decoded, &prepared) != ERR_OK ||
        prepared.n == 0)
        return SASL_FAIL_NOT_AUTHORIZED;
    s->user = arena_dup(s->mem, prepared);
    return SASL_FAIL_NONE;
}

static enum sasl_status client_first(struct sasl_server *s, struct str in)
{
    if (!utf8_valid(in) || str_find(in, '\0') >= 0)
        return sasl_server_fail(s, SASL_FAIL_MALFORMED_REQUEST);
    const struct str message = arena_dup(s->mem, in);
    struct str rest = message;
    enum sasl_failure f = parse_gs2(s, &rest);
    if (f == SASL_FAIL_NONE)
        f = parse_bare(s, rest);
    if (f != SASL_FAIL_NONE)
        return sasl_server_fail(s, f);
    s->gs2 = str_make(message.p, (size_t)(rest.p - message.p));
    s->first_bare = rest;
    s->phase = SASL_PHASE_KEYS;
    return SASL_NEED_KEYS;
}

/* ---- server-first-message ---- */

static void fake_part(const struct sasl_server *s, const char *label, uint8_t out[32])
{
    struct buf b;
    buf_init(&b, 2 * SASL_MESSAGE_MAX);
    buf_printf(&b, "%s %u ", label,
               (unsigned)sasl_mech_digest(s->mech)); /* with and without PLUS */
    buf_str(&b, s->user);
    crypto_hmac(DIGEST_SHA256, str_make((const char *)s->fake_secret, sizeof s->fake_secret),
                buf_view(&b), out);
    buf_fini(&b);
}

static void fake_key(struct sasl_server *s)
{
    uint8_t part[32];
    s->key = (struct scram_key){.digest = sasl_mech_digest(s->mech),
                                .iterations = s->fake_iterations,
                                .salt_len = FAKE_SALT};
    fake_part(s, "salt", part);
    memcpy(s->key.salt, part, FAKE_SALT);
    fake_part(s, "stored", s->key.stored_key);
    fake_part(s, "server", s->key.server_key);
    s->key_is_fake = true;
}

static struct str server_nonce(struct sasl_server *s, struct buf *scratch)
{
    if (s->fixed_nonce.p)
        return s->fixed_nonce;
    uint8_t bytes[NONCE_BYTES];
    rand_bytes(bytes, sizeof bytes);
    base64_encode(scratch, bytes, sizeof bytes);
    return buf_view(scratch);
}

enum sasl_status sasl_scram_keys(struct sasl_server *s, const struct scram_key *k, struct buf *out)
{
    if (k && k->digest == sasl_mech_digest(s->mech))
        s->key = *k;
    else
        fake_key(s);
    struct buf b, scratch;
    buf_init(&b, SASL_MESSAGE_MAX);
    buf_init(&scratch, SASL_NONCE_MAX);
    const struct str drawn = server_nonce(s, &scratch);
    s->nonce = arena_printf(s->mem, STR_FMT STR_FMT, STR_ARG(s->nonce), STR_ARG(drawn));
    buf_printf(&b, "r=" STR_FMT ",s=", STR_ARG(s->nonce));
    base64_encode(&b, s->key.salt, s->key.salt_len);
    buf_printf(&b, ",i=%u", s->key.iterations);
    if (s->has_offer) {
        buf_cstr(&b, ",h=");
        sasl_offer_hash(&s->offer, s->key.digest, &b);
    }
    must(buf_ok(&b));
    s->server_first = arena_dup(s->mem, buf_view(&b));
    buf_str(out, s->server_first);
    buf_fini(&scratch);
    buf_fini(&b);
    s->phase = SASL_PHASE_FINAL;
    return SASL_CONTINUE;
}

/* ---- client-final-message ---- */

struct client_final {
    struct str without_proof, nonce;
    uint8_t proof[DIGEST_MAX];
    bool binding_ok;
};

/* c= must carry the GS2 header of the first message, which nothing in between may have changed, and
 * the bytes of the channel binding. */
static bool binding_matches(const struct sasl_server *s, struct str text, bool *ok)
{
    struct buf b;
    buf_init(&b, SASL_MESSAGE_MAX);
    const bool is_base64 = base64_decode(&b, text) == ERR_OK;
    const struct str sent = buf_view(&b);
    const size_t n = s->binding ? s->binding->data_n : 0;
    *ok = is_base64 && sent.n == s->gs2.n + n && str_starts(sent, s->gs2) &&
          (n == 0 || crypto_equal(sent.p + s->gs2.n, s->binding->data, n));
    buf_fini(&b);
    return is_base64;
}

static bool parse_final(const struct sasl_server *s, struct str in, struct client_final *f)
{
    size_t at = in.n;
    while (at > 0 && in.p[at - 1] != ',')
        at--;
    if (at == 0)
        return false;
    struct str last = str_make(in.p + at, in.n - at), proof, binding;
    f->without_proof = str_make(in.p, at - 1);
    struct str rest = f->without_proof;
    return scram_take(&last, 'p', &proof) && scram_bytes(proof, s->key.digest, f->proof) &&
           scram_take(&rest, 'c', &binding) && binding_matches(s, binding, &f->binding_ok) &&
           scram_take(&rest, 'r', &f->nonce) && scram_nonce_valid(f->nonce) &&
           scram_extensions_valid(rest);
}

/* Section 3: H(ClientProof XOR ClientSignature) is the stored key. */
static bool proof_matches(const struct sasl_server *s, const struct str auth[3],
                          const uint8_t *proof)
{
    const enum digest d = s->key.digest;
    const size_t n = digest_size(d);
    uint8_t key[DIGEST_MAX], stored[DIGEST_MAX];
    scram_sign(d, s->key.stored_key, auth, key);
    for (size_t i = 0; i < n; i++)
        key[i] ^= proof[i];
    crypto_hash(d, str_make((const char *)key, n), stored);
    const bool same = crypto_equal(stored, s->key.stored_key, n);
    mem_wipe(key, sizeof key);
    return same && !s->key_is_fake;
}

static enum sasl_status client_final(struct sasl_server *s, struct str in, struct buf *out)
{
    struct client_final f = {0};
    if (!utf8_valid(in) || str_find(in, '\0') >= 0 || !parse_final(s, in, &f))
        return sasl_server_fail(s, SASL_FAIL_MALFORMED_REQUEST);
    const struct str auth[3] = {s->first_bare, s->server_first, f.without_proof};
    const bool proven = proof_matches(s, auth, f.proof);
    if (!proven || !f.binding_ok || !str_eq(f.nonce, s->nonce))
        return sasl_server_fail(s, SASL_FAIL_NOT_AUTHORIZED);
    uint8_t signature[DIGEST_MAX];
    scram_sign(s->key.digest, s->key.server_key, auth, signature);
    buf_cstr(out, "v=");
    base64_encode(out, signature, digest_size(s->key.digest));
    s->phase = SASL_PHASE_END;
    return SASL_DONE;
}

enum sasl_status sasl_scram_step(struct sasl_server *s, struct str in, struct buf *out)
{
    return s->phase == SASL_PHASE_FINAL ? client_final(s, in, out) : client_first(s, in);
}

void sasl_server_set_nonce(struct sasl_server *s, struct str nonce)
{
    s->fixed_nonce = arena_dup(s->mem, nonce);
}
