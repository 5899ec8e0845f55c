/* SASL server side: mechanism names, the object common to all mechanisms, its phases.
 *
 * A mechanism is a step function; this file holds the order of calls. Whatever comes in the wrong
 * phase, and everything after the end, fails: a caller (or a peer) that goes on after the verdict
 * can never turn a failure into success. Standards: RFC 4422, RFC 6120 section 6. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/siphash.h"

static const struct {
    const char *name;
    enum digest digest;
    enum sasl_status (*step)(struct sasl_server *s, struct str in, struct buf *out);
} mechs[SASL_MECH_COUNT] = {
    [SASL_SCRAM_SHA_512_PLUS] = {"SCRAM-SHA-512-PLUS", DIGEST_SHA512, sasl_scram_step},
    [SASL_SCRAM_SHA_256_PLUS] = {"SCRAM-SHA-256-PLUS", DIGEST_SHA256, sasl_scram_step},
    [SASL_SCRAM_SHA_1_PLUS] = {"SCRAM-SHA-1-PLUS", DIGEST_SHA1, sasl_scram_step},
    [SASL_SCRAM_SHA_512] = {"SCRAM-SHA-512", DIGEST_SHA512, sasl_scram_step},
    [SASL_SCRAM_SHA_256] = {"SCRAM-SHA-256", DIGEST_SHA256, sasl_scram_step},
    [SASL_SCRAM_SHA_1] = {"SCRAM-SHA-1", DIGEST_SHA1, sasl_scram_step},
    [SASL_PLAIN] = {"PLAIN", DIGEST_SHA256, sasl_plain_step},
    [SASL_EXTERNAL] = {"EXTERNAL", DIGEST_SHA256, sasl_external_step},
    [SASL_ANONYMOUS] = {"ANONYMOUS", DIGEST_SHA256, sasl_anonymous_step},
    [SASL_HT_SHA_256_EXPR] = {"HT-SHA-256-EXPR", DIGEST_SHA256, sasl_ht_step},
    [SASL_HT_SHA_256_ENDP] = {"HT-SHA-256-ENDP", DIGEST_SHA256, sasl_ht_step},
    [SASL_HT_SHA_256_NONE] = {"HT-SHA-256-NONE", DIGEST_SHA256, sasl_ht_step},
};

static const char *const failure_names[] = {[SASL_FAIL_NONE] = "none",
#define SASL_FAIL_NAME(id, name) [SASL_FAIL_##id] = name,
                                            SASL_FAIL_TABLE(SASL_FAIL_NAME)
#undef SASL_FAIL_NAME
};

const char *sasl_mech_name(enum sasl_mech m)
{
    return mechs[m].name;
}

bool sasl_mech_find(struct str name, enum sasl_mech *out)
{
    for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
        if (str_eqc(name, mechs[i].name)) {
            *out = (enum sasl_mech)i;
            return true;
        }
    }
    return false;
}

enum digest sasl_mech_digest(enum sasl_mech m)
{
    return mechs[m].digest;
}

const char *sasl_failure_name(enum sasl_failure f)
{
    return failure_names[f];
}

enum sasl_failure sasl_failure_find(struct str name)
{
    for (size_t i = SASL_FAIL_NONE + 1; i < ARRAY_LEN(failure_names); i++)
        if (str_eqc(name, failure_names[i]))
            return (enum sasl_failure)i;
    return SASL_FAIL_NONE;
}

struct sasl_server *sasl_server_new(enum sasl_mech m)
{
    struct sasl_server *s = mem_alloc(sizeof *s);
    s->mech = m;
    s->mem = arena_new(0);
    s->user = s->authzid = s->password = STR("");
    s->fake_iterations = SCRAM_ITERATIONS_DEFAULT;
    crypto_hash(DIGEST_SHA256, str_make((const char *)siphash_secret(), 16), s->fake_secret);
    return s;
}

void sasl_server_free(struct sasl_server **ps)
{
    struct sasl_server *s = *ps;
    *ps = NULL;
    if (!s)
        return;
    sasl_password_wipe(&s->password);
    arena_free(&s->mem);
    mem_wipe(s, sizeof *s);
    mem_free(s);
}

void sasl_server_set_fake(struct sasl_server *s, struct str secret, unsigned iterations)
{
    crypto_hash(DIGEST_SHA256, secret, s->fake_secret);
    s->fake_iterations = iterations;
}

void sasl_server_set_offer(struct sasl_server *s, const struct sasl_offer *o)
{
    s->offer = *o;
    s->has_offer = true;
}

void sasl_password_wipe(struct str *dst)
{
    if (dst->n > 0) {
        char *owned = (char *)(uintptr_t)dst->p;
        mem_wipe(owned, dst->n);
        mem_free(owned);
    }
    *dst = STR("");
}

void sasl_password_set(struct str *dst, struct str secret)
{
    sasl_password_wipe(dst);
    if (secret.n > 0)
        *dst = str_make(mem_dup(secret.p, secret.n), secret.n);
}

enum sasl_status sasl_server_fail(struct sasl_server *s, enum sasl_failure f)
{
    s->phase = SASL_PHASE_END;
    s->failure = f;
    return SASL_FAILED;
}

/* A call in the wrong phase: the first failure stays the reason. */
static enum sasl_status out_of_order(struct sasl_server *s)
{
    return sasl_server_fail(s, s->failure ? s->failure : SASL_FAIL_MALFORMED_REQUEST);
}

enum sasl_status sasl_server_step(struct sasl_server *s, struct str in, struct buf *out)
{
    if (s->phase != SASL_PHASE_START && s->phase != SASL_PHASE_PROMPT &&
        s->phase != SASL_PHASE_FINAL)
        return out_of_order(s);
    if (in.n > SASL_MESSAGE_MAX)
        return sasl_server_fail(s, SASL_FAIL_MALFORMED_REQUEST);
    if (s->phase == SASL_PHASE_START && !in.p) {
        s->phase = SASL_PHASE_PROMPT;
        return SASL_CONTINUE;
    }
    return mechs[s->mech].step(s, in.p ? in : STR(""), out);
}

enum sasl_status sasl_server_keys(struct sasl_server *s, const struct scram_key *keys,
                                  struct buf *out)
{
    if (s->phase != SASL_PHASE_KEYS)
        return out_of_order(s);
    return sasl_scram_keys(s, keys, out);
}

enum sasl_status sasl_server_verdict(struct sasl_server *s, enum sasl_failure f, struct buf *out)
{
    (void)out; /* with a mere verdict no mechanism has data to go with success */
    bool keys_refused = s->phase == SASL_PHASE_KEYS && f != SASL_FAIL_NONE;
    if (s->phase != SASL_PHASE_VERDICT && !keys_refused)
        return out_of_order(s);
    sasl_password_wipe(&s->password);
    if (f != SASL_FAIL_NONE)
        return sasl_server_fail(s, f);
    s->phase = SASL_PHASE_END;
    return SASL_DONE;
}

struct str sasl_server_user(const struct sasl_server *s)
{
    return s->user;
}
struct str sasl_server_authzid(const struct sasl_server *s)
{
    return s->authzid;
}
struct str sasl_server_password(const struct sasl_server *s)
{
    return s->password;
}
enum digest sasl_server_digest(const struct sasl_server *s)
{
    return sasl_mech_digest(s->mech);
}
enum sasl_failure sasl_server_failure(const struct sasl_server *s)
{
    return s->failure;
}
