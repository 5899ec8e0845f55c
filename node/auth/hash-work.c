/* DOC: PBKDF2 on the node's hashing pool, never on a loop. A job carries copies of what it needs,
 * so whoever asked may go meanwhile; secrets are wiped when the job is released. An unknown account
 * costs the same work as a known one, so that the two cannot be told apart by time. Standards: RFC
 * 5802 section 3, RFC 7677. */
#include "node/auth/auth-int.h"

enum { KEYS = ACCOUNT_KEYS_MAX };
static const enum digest digests[KEYS] = {DIGEST_SHA256, DIGEST_SHA1, DIGEST_SHA512};

struct hash_job {
    struct scram_key keys[KEYS];
    struct str password;      /* heap */
    unsigned iterations, set; /* set: bits of enum digest to derive */
    size_t n;
    bool matches, is_known;
    hash_keys_cb *derived;
    hash_match_cb *matched;
    void *ctx;
};

static void job_release(void *ctx)
{
    struct hash_job *j = ctx;
    mem_wipe((char *)(uintptr_t)j->password.p, j->password.n);
    mem_free((char *)(uintptr_t)j->password.p);
    mem_wipe(j, sizeof *j);
    mem_free(j);
}

static struct hash_job *job_new(struct str password, void *ctx)
{
    struct hash_job *j = mem_alloc(sizeof *j);
    j->password = str_make(str_dup(password), password.n);
    j->ctx = ctx;
    return j;
}

static enum err job_submit(struct node_shard *sh, struct op_owner *o, struct hash_job *j,
                           void (*run)(void *ctx), void (*done)(void *ctx))
{
    struct work_job w = {.run = run, .done = done, .release = job_release, .ctx = j};
    enum err e = work_submit(sh->node->hashing, sh->loop, o, &w);
    if (e != ERR_OK)
        job_release(j);
    return e;
}

static void derive_run(void *ctx)
{
    struct hash_job *j = ctx;
    for (int i = 0; i < KEYS; i++)
        if (j->set & 1U << digests[i])
            scram_key_derive(&j->keys[j->n++], digests[i], j->password, j->iterations);
}

static void derive_done(void *ctx)
{
    struct hash_job *j = ctx;
    j->derived(j->ctx, j->keys, j->n);
}

enum err hash_derive(struct node_shard *sh, struct op_owner *o, struct str password, unsigned set,
                     hash_keys_cb *cb, void *ctx)
{
    struct hash_job *j = job_new(password, ctx);
    j->iterations = sh->tune.scram_iterations;
    j->set = set;
    j->derived = cb;
    return job_submit(sh, o, j, derive_run, derive_done);
}

static void verify_run(void *ctx)
{
    struct hash_job *j = ctx;
    j->matches = scram_key_matches(&j->keys[0], j->password) && j->is_known;
}

static void verify_done(void *ctx)
{
    struct hash_job *j = ctx;
    j->matched(j->ctx, j->matches);
}

enum err hash_verify(struct node_shard *sh, struct op_owner *o, const struct scram_key *key_or_null,
                     struct str password, hash_match_cb *cb, void *ctx)
{
    struct hash_job *j = job_new(password, ctx);
    j->is_known = key_or_null != NULL;
    if (key_or_null)
        j->keys[0] = *key_or_null;
    else
        j->keys[0] = (struct scram_key){
            .digest = DIGEST_SHA256, .iterations = sh->tune.scram_iterations, .salt_len = 16};
    j->matched = cb;
    return job_submit(sh, o, j, verify_run, verify_done);
}
