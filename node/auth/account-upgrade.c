/* DOC: keys of more digests for an account that has just shown its password: one made before a hash
 * was configured gets it at its first login with PLAIN. The password's copy is wiped with the
 * hashing job; a change of the password meanwhile wins, because the keys that were proven are
 * required to be unchanged. */
#include "lib/base/log.h"
#include "node/auth/auth-int.h"

struct upgrade {
    struct op op; /* on the shard */
    struct op_owner ops;
    struct node_shard *sh;
    struct account_info known;
    struct str bare;
    char text[];
};

static void upgrade_free(struct upgrade *u)
{
    op_owner_cancel_all(&u->ops);
    mem_wipe(&u->known, sizeof u->known);
    mem_free(u);
}

static void upgrade_cancel(struct op *op)
{
    upgrade_free(container_of(op, struct upgrade, op));
}

static void upgrade_end(void *ctx, enum err e)
{
    struct upgrade *u = ctx;
    if (e == ERR_OK)
        log_info(NULL, "account.upgraded", "user", LOG_STR(u->bare));
    else if (e != ERR_EXISTS) /* somebody was faster */
        log_warn(NULL, "account.upgrade.failed", "user", LOG_STR(u->bare), "why", err_text(e));
    op_end(&u->op);
    upgrade_free(u);
}

static void upgrade_derived(void *ctx, const struct scram_key *keys, size_t n)
{
    struct upgrade *u = ctx;
    account_store_add(u->sh, &u->ops, u->bare, &u->known, keys, n, upgrade_end, u);
}

void account_upgrade(struct node_shard *sh, struct str bare, const struct account_info *known,
                     struct str password, unsigned set)
{
    struct upgrade *u = mem_alloc(sizeof *u + bare.n + 1);
    *u = (struct upgrade){.sh = sh, .known = *known};
    memcpy(u->text, bare.p, bare.n);
    u->bare = str_make(u->text, bare.n);
    op_owner_init(&u->ops);
    op_start(&u->op, &sh->ops, upgrade_cancel);
    enum err e = hash_derive(sh, &u->ops, password, set, upgrade_derived, u);
    if (e != ERR_OK)
        upgrade_end(u, e);
}
