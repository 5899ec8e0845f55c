/* SASL client side: PLAIN (RFC 4616), ANONYMOUS (RFC 4505, no trace), EXTERNAL (RFC 4422 appendix
 * A), SCRAM (RFC 5802, 7677) with the digest of the offer (XEP-0474).
 *
 * The server is not trusted before its signature is checked: a foreign nonce, a tiny or huge
 * iteration count and success without a valid signature all end in ERR_AUTH. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"
#include "lib/base/rand.h"
#include "lib/xmpp/jid.h"

enum { NONCE_BYTES = 18, ITERATIONS_MIN = 4096, ITERATIONS_MAX = 1000000, SALT_MAX = 1024 };

enum client_phase {
    CLIENT_START,    /* nothing sent */
    CLIENT_SENT,     /* PLAIN, EXTERNAL: the one message is out; SCRAM: client-first is out */
    CLIENT_PROOF,    /* SCRAM: client-final is out, the server's signature is missing */
    CLIENT_VERIFIED, /* the server has proven itself as far as the mechanism can */
    CLIENT_FAILED,
};

struct sasl_client {
    enum sasl_mech mech;
    enum client_phase phase;
    struct arena *mem;
    bool is_prepared; /* false: name or password not allowed by the profile */
    struct str user, authzid, password;
    struct str gs2, first_bare, nonce, fixed_nonce;
    unsigned iterations_max;
    bool has_offer;
    struct sasl_offer offer;            /* as seen */
    const struct sasl_binding *binding; /* into offer */
    const uint8_t *salted;              /* NULL: made from the password */
    uint8_t server_signature[DIGEST_MAX];
};

struct sasl_client *sasl_client_new(enum sasl_mech m, struct str user, struct str password,
                                    struct str authzid)
{
    struct sasl_client *c = mem_alloc(sizeof *c);
    struct str name = STR(""), secret = STR("");
    struct arena *tmp = arena_new(0);
    c->mech = m;
    c->mem = arena_new(0);
    c->iterations_max = ITERATIONS_MAX;
    c->is_prepared = m == SASL_EXTERNAL || m == SASL_ANONYMOUS ||
                     (jid_prep_username(c->mem, user, &name) == ERR_OK &&
                      jid_prep_password(tmp, password, &secret) == ERR_OK);
    c->password = STR("");
    if (c->is_prepared)
        sasl_password_set(&c->password, secret);
    if (secret.n && secret.p != password.p)
        mem_wipe((char *)(uintptr_t)secret.p, secret.n);
    arena_free(&tmp);
    c->user = arena_dup(c->mem, name);
    c->authzid = arena_dup(c->mem, authzid.p ? authzid : STR(""));
    return c;
}

void sasl_client_free(struct sasl_client **pc)
{
    struct sasl_client *c = *pc;
    *pc = NULL;
    if (!c)
        return;
    sasl_password_wipe(&c->password);
    arena_free(&c->mem);
    mem_wipe(c, sizeof *c);
    mem_free(c);
}

static enum err client_fail(struct sasl_client *c)
{
    c->phase = CLIENT_FAILED;
    return ERR_AUTH;
}

static void name_encode(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == ',')
            buf_cstr(out, "=2C");
        else if (name.p[i] == '=')
            buf_cstr(out, "=3D");
        else
            buf_char(out, name.p[i]);
    }
}

static void draw_nonce(struct sasl_client *c)
{
    struct buf b;
    uint8_t bytes[NONCE_BYTES];
    buf_init(&b, SASL_NONCE_MAX);
    rand_bytes(bytes, sizeof bytes);
    base64_encode(&b, bytes, sizeof bytes);
    c->nonce = c->fixed_nonce.p ? c->fixed_nonce : arena_dup(c->mem, buf_view(&b));
    buf_fini(&b);
}

static enum err scram_first(struct sasl_client *c, struct buf *out)
{
    struct buf b;
    buf_init(&b, 4 * SASL_MESSAGE_MAX);
    draw_nonce(c);
    if (c->binding)
        buf_printf(&b, "p=%s,", c->binding->type);
    else
        buf_cstr(&b, "n,");
    if (c->authzid.n > 0) {
        buf_cstr(&b, "a=");
        name_encode(&b, c->authzid);
    }
    buf_char(&b, ',');
    const size_t gs2 = b.n;
    buf_cstr(&b, "n=");
    name_encode(&b, c->user);
    buf_printf(&b, ",r=" STR_FMT, STR_ARG(c->nonce));
    const bool fits = buf_ok(&b) && b.n <= SASL_MESSAGE_MAX;
    if (fits) {
        const struct str message = arena_dup(c->mem, buf_view(&b));
        c->gs2 = str_make(message.p, gs2);
        c->first_bare = str_make(message.p + gs2, message.n - gs2);
        buf_str(out, message);
    }
    buf_fini(&b);
    c->phase = CLIENT_SENT;
    return fits ? ERR_OK : client_fail(c);
}

static enum err client_first(struct sasl_client *c, struct buf *out)
{
    if (!c->is_prepared)
        return client_fail(c);
    if (sasl_mech_is_scram(c->mech))
        return scram_first(c, out);
    buf_str(out, c->authzid);
    if (c->mech == SASL_PLAIN) {
        buf_char(out, '\0');
        buf_str(out, c->user);
        buf_char(out, '\0');
        buf_str(out, c->password);
    }
    c->phase = CLIENT_SENT;
    return ERR_OK;
}

struct challenge {
    struct str nonce;
    struct buf salt;
    unsigned iterations;
};

/* XEP-0474 section 6.2: a server that says what it offered must have offered what we saw. */
static bool offer_agrees(const struct sasl_client *c, struct str extensions)
{
    struct buf own;
    bool agrees = true;
    buf_init(&own, SASL_MESSAGE_MAX);
    if (c->has_offer)
        sasl_offer_hash(&c->offer, sasl_mech_digest(c->mech), &own);
    while (extensions.p && own.n > 0) {
        struct str item = str_cut(&extensions, ',');
        if (str_starts(item, STR("h=")))
            agrees = agrees && str_eq(str_make(item.p + 2, item.n - 2), buf_view(&own));
    }
    buf_fini(&own);
    return agrees;
}

static bool parse_challenge(const struct sasl_client *c, struct str in, struct challenge *ch)
{
    struct str rest = in, salt, count;
    uint64_t iterations = 0;
    if (in.n > SASL_MESSAGE_MAX || !scram_take(&rest, 'r', &ch->nonce) ||
        !scram_nonce_valid(ch->nonce) || !str_starts(ch->nonce, c->nonce) ||
        ch->nonce.n == c->nonce.n)
        return false;
    if (!scram_take(&rest, 's', &salt) || base64_decode(&ch->salt, salt) != ERR_OK ||
        ch->salt.n == 0)
        return false;
    if (!scram_take(&rest, 'i', &count) || !str_to_u64(count, c->iterations_max, &iterations) ||
        iterations < ITERATIONS_MIN)
        return false;
    ch->iterations = (unsigned)iterations;
    return scram_extensions_valid(rest) && offer_agrees(c, rest);
}

/* Section 3: proof = ClientKey XOR HMAC(H(ClientKey), AuthMessage); keeps the signature the server
 * has to show. */
static void make_proof(struct sasl_client *c, const struct challenge *ch, const struct str auth[3],
                       uint8_t *proof)
{
    const enum digest d = sasl_mech_digest(c->mech);
    const size_t n = digest_size(d);
    uint8_t salted[DIGEST_MAX], key[DIGEST_MAX], stored[DIGEST_MAX];
    if (c->salted)
        memcpy(salted, c->salted, n);
    else
        crypto_pbkdf2(d, c->password, buf_view(&ch->salt), ch->iterations, salted);
    crypto_hmac(d, str_make((const char *)salted, n), STR("Client Key"), key);
    crypto_hash(d, str_make((const char *)key, n), stored);
    scram_sign(d, stored, auth, proof);
    for (size_t i = 0; i < n; i++)
        proof[i] ^= key[i];
    crypto_hmac(d, str_make((const char *)salted, n), STR("Server Key"), key);
    scram_sign(d, key, auth, c->server_signature);
    mem_wipe(salted, sizeof salted);
    mem_wipe(key, sizeof key);
    mem_wipe(stored, sizeof stored);
}

static enum err answer_challenge(struct sasl_client *c, struct str in, const struct challenge *ch,
                                 struct buf *out)
{
    struct buf b, binding;
    uint8_t proof[DIGEST_MAX];
    buf_init(&b, 4 * SASL_MESSAGE_MAX);
    buf_init(&binding, 2 * SASL_MESSAGE_MAX);
    buf_str(&binding, c->gs2);
    if (c->binding)
        buf_add(&binding, (const char *)c->binding->data, c->binding->data_n);
    buf_cstr(&b, "c=");
    base64_encode(&b, binding.p, binding.n);
    buf_fini(&binding);
    buf_printf(&b, ",r=" STR_FMT, STR_ARG(ch->nonce));
    must(buf_ok(&b));
    const struct str auth[3] = {c->first_bare, in, buf_view(&b)};
    make_proof(c, ch, auth, proof);
    buf_str(out, buf_view(&b));
    buf_cstr(out, ",p=");
    base64_encode(out, proof, digest_size(sasl_mech_digest(c->mech)));
    buf_fini(&b);
    c->phase = CLIENT_PROOF;
    return ERR_OK;
}

static enum err scram_challenge(struct sasl_client *c, struct str in, struct buf *out)
{
    struct challenge ch = {0};
    buf_init(&ch.salt, SALT_MAX);
    const bool ok = parse_challenge(c, in, &ch);
    const enum err e = ok ? answer_challenge(c, in, &ch, out) : client_fail(c);
    buf_fini(&ch.salt);
    return e;
}

static enum err scram_verify(struct sasl_client *c, struct str in)
{
    const enum digest d = sasl_mech_digest(c->mech);
    uint8_t shown[DIGEST_MAX];
    struct str rest = in, text;
    if (in.n > SASL_MESSAGE_MAX || !scram_take(&rest, 'v', &text) || !scram_bytes(text, d, shown) ||
        !scram_extensions_valid(rest) || !crypto_equal(shown, c->server_signature, digest_size(d)))
        return client_fail(c);
    c->phase = CLIENT_VERIFIED;
    return ERR_OK;
}

enum err sasl_client_step(struct sasl_client *c, struct str in, struct buf *out)
{
    if (c->phase == CLIENT_START)
        return in.p ? client_fail(c) : client_first(c, out);
    if (!sasl_mech_is_scram(c->mech))
        return client_fail(c); /* one message is all there is */
    if (c->phase == CLIENT_SENT)
        return scram_challenge(c, in, out);
    if (c->phase == CLIENT_PROOF)
        return scram_verify(c, in); /* signature in a challenge: answered with an empty response */
    return client_fail(c);
}

enum err sasl_client_finish(struct sasl_client *c, struct str additional)
{
    if (sasl_mech_is_scram(c->mech)) {
        if (c->phase == CLIENT_PROOF)
            return scram_verify(c, additional);
        return c->phase == CLIENT_VERIFIED && additional.n == 0 ? ERR_OK : client_fail(c);
    }
    if (c->phase != CLIENT_SENT)
        return client_fail(c);
    c->phase = CLIENT_VERIFIED;
    return ERR_OK;
}

void sasl_client_set_offer(struct sasl_client *c, const struct sasl_offer *seen,
                           const char *binding)
{
    c->offer = *seen;
    c->has_offer = true;
    c->binding = binding ? sasl_offer_binding(&c->offer, str_of(binding)) : NULL;
}

void sasl_client_set_nonce(struct sasl_client *c, struct str nonce)
{
    c->fixed_nonce = arena_dup(c->mem, nonce);
}

void sasl_client_set_iterations_max(struct sasl_client *c, unsigned max)
{
    c->iterations_max = max;
}

void sasl_client_set_salted(struct sasl_client *c, const uint8_t *salted)
{
    c->salted = salted;
}
