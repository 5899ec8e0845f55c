/* DOC: one value holds all tokens of an account, so that each change of them is one comparison of
 * its revision, and they go with one deletion. A token is a keyed digest of account, agent,
 * mechanism and a random number with the node's secret (the one that is the same on all nodes of
 * the world); only the random number is stored. HT needs the token itself to check a proof, so a
 * digest of the token could not be kept instead. Lines of the text: "since" and a time in
 * microseconds, or
 *   <agent> <mechanism> current|new <random> <expiry, us> <count>
 * Standards: XEP-0484 sections 3.5, 5.1. */
#include "node/auth/account-token-int.h"

#include "lib/base/encode.h"
#include "lib/base/rand.h"

enum { HALF_DIGEST = 16 };

/* ---- text */
static bool read_hex(struct str s, char *out, size_t n)
{
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr("0123456789abcdef", s.p[i]) || !s.p[i])
            return false;
    memcpy(out, s.p, n);
    out[n] = 0;
    return true;
}

static bool read_token(struct str line, struct account_token *t)
{
    const struct str agent = str_cut(&line, ' '), mech = str_cut(&line, ' '),
                     slot = str_cut(&line, ' '), nonce = str_cut(&line, ' '),
                     expiry = str_cut(&line, ' ');
    t->is_new = str_eqc(slot, "new");
    return read_hex(agent, t->agent, ACCOUNT_AGENT_HEX) && sasl_mech_find(mech, &t->mech) &&
           sasl_mech_is_ht(t->mech) && (t->is_new || str_eqc(slot, "current")) &&
           read_hex(nonce, t->nonce, ACCOUNT_NONCE_HEX) &&
           str_to_u64(expiry, INT64_MAX, &t->expires_us) && line.p &&
           str_to_u64(line, INT64_MAX, &t->count);
}

static bool read_line(struct str line, struct account_tokens *set)
{
    if (str_starts(line, STR("since ")))
        return str_to_u64(str_make(line.p + 6, line.n - 6), INT64_MAX, &set->since_us);
    struct account_token t = {0};
    if (set->n == ACCOUNT_TOKENS_MAX || !read_token(line, &t) ||
        account_tokens_find(set, t.agent, t.is_new))
        return false;
    set->t[set->n++] = t;
    return true;
}

enum err account_tokens_parse(struct str text, struct account_tokens *out)
{
    struct account_tokens *set = mem_alloc(sizeof *set);
    bool ok = text.n <= ACCOUNT_TOKENS_TEXT;
    for (struct str rest = text; ok && rest.n > 0;)
        ok = read_line(str_cut(&rest, '\n'), set);
    if (ok)
        *out = *set;
    mem_free(set);
    return ok ? ERR_OK : ERR_INVALID;
}

void account_tokens_format(const struct account_tokens *set, struct buf *out)
{
    if (set->since_us)
        buf_printf(out, "since %" PRIu64 "\n", set->since_us);
    for (size_t i = 0; i < set->n; i++) {
        const struct account_token *t = &set->t[i];
        buf_printf(out, "%s %s %s %s %" PRIu64 " %" PRIu64 "\n", t->agent, sasl_mech_name(t->mech),
                   t->is_new ? "new" : "current", t->nonce, t->expires_us, t->count);
    }
}

static void put_hex(char *out, const void *p, size_t n)
{
    struct buf hex;
    buf_init(&hex, 2 * n);
    hex_encode(&hex, p, n);
    memcpy(out, hex.p, 2 * n);
    out[2 * n] = 0;
    buf_fini(&hex);
}

void account_agent_digest(struct str id, char out[ACCOUNT_AGENT_HEX + 1])
{
    uint8_t sum[DIGEST_MAX];
    crypto_hash(DIGEST_SHA256, id, sum);
    put_hex(out, sum, HALF_DIGEST);
}

void account_token_text(const struct account_token *t, struct str secret, struct str bare,
                        char out[ACCOUNT_TOKEN_TEXT + 1])
{
    struct buf text;
    uint8_t sum[DIGEST_MAX];
    buf_init(&text, 4096 + ACCOUNT_TOKENS_TEXT);
    buf_printf(&text, "fast token " STR_FMT " %s %s %s", STR_ARG(bare), t->agent,
               sasl_mech_name(t->mech), t->nonce);
    must(buf_ok(&text));
    crypto_hmac(DIGEST_SHA256, secret, buf_view(&text), sum);
    buf_clear(&text);
    base64_encode(&text, sum, digest_size(DIGEST_SHA256));
    must(text.n == ACCOUNT_TOKEN_TEXT);
    memcpy(out, text.p, text.n);
    out[text.n] = 0;
    mem_wipe(sum, sizeof sum);
    mem_wipe(text.p, text.cap);
    buf_fini(&text);
}

/* ---- life */
struct account_token *account_tokens_find(struct account_tokens *set, const char *agent,
                                          bool is_new)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->t[i].is_new == is_new && strcmp(set->t[i].agent, agent) == 0)
            return &set->t[i];
    return NULL;
}

void account_tokens_drop(struct account_tokens *set, struct account_token *t)
{
    if (t)
        *t = set->t[--set->n];
}

bool account_tokens_used(struct account_tokens *set, struct account_token *t, uint64_t count)
{
    const bool is_counted = count > t->count;
    if (is_counted)
        t->count = count;
    const struct account_token used = *t;
    if (!used.is_new) {
        struct account_token *other = account_tokens_find(set, used.agent, true);
        const bool is_older = other && other->expires_us < used.expires_us;
        account_tokens_drop(set, is_older ? other : NULL);
        return is_counted || is_older;
    }
    account_tokens_drop(set, t);
    account_tokens_drop(set, account_tokens_find(set, used.agent, false));
    set->t[set->n] = used;
    set->t[set->n++].is_new = false;
    return true;
}

static struct account_token *first_to_expire(struct account_tokens *set)
{
    struct account_token *first = &set->t[0];
    for (size_t i = 1; i < set->n; i++)
        if (set->t[i].expires_us < first->expires_us)
            first = &set->t[i];
    return first;
}

struct account_token *account_tokens_add(struct account_tokens *set, const char *agent,
                                         enum sasl_mech mech, uint64_t expires_us)
{
    uint8_t random[ACCOUNT_NONCE_HEX / 2];
    account_tokens_drop(set, account_tokens_find(set, agent, true));
    if (set->n == ACCOUNT_TOKENS_MAX)
        account_tokens_drop(set, first_to_expire(set));
    struct account_token *t = &set->t[set->n++];
    *t = (struct account_token){.mech = mech, .is_new = true, .expires_us = expires_us};
    str_put(t->agent, sizeof t->agent, agent);
    rand_bytes(random, sizeof random);
    put_hex(t->nonce, random, sizeof random);
    return t;
}
