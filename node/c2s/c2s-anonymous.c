/* DOC: logins with ANONYMOUS: the client becomes somebody new, of a name whose home shard is this
 * one, so that it need not move and each shard counts its own. The count ends with the connection,
 * as the account does: a session of such a user cannot be resumed. Standards: XEP-0175. */
#include "lib/base/log.h"
#include "node/auth/account.h"
#include "node/c2s/c2s-int.h"

enum { DRAWS = 10000 }; /* for a name of this shard; 64 shards need 64 on the average */

static size_t part_of_shard(const struct node_conf *c)
{
    return (c->anonymous_max + c->shards - 1) / c->shards;
}

enum sasl_failure conn_anonymous_account(struct conn *c, struct arena *a, struct jid *out)
{
    char name[ACCOUNT_ANONYMOUS_LEN + 1];
    struct node_shard *sh = c->sh;
    const struct node_conf *conf = sh->node->conf;
    if (sh->c2s->anonymous >= part_of_shard(conf)) {
        log_info(NULL, "c2s.anonymous.refused", "why", "too many");
        return SASL_FAIL_TEMPORARY_AUTH_FAILURE;
    }
    for (unsigned i = 0; i < DRAWS; i++) {
        account_anonymous_name(conf, name);
        if (jid_make(a, str_of(name), str_of(c->domain), STR_NONE, out) != ERR_OK)
            break;
        if (node_shard_of(sh->node, out->bare) != sh)
            continue;
        c->is_anonymous = true;
        sh->c2s->anonymous++;
        conn_inline_free(c);
        if (stream_in_request(c->stream))
            (void)conn_login_new(c);
        return SASL_FAIL_NONE;
    }
    return SASL_FAIL_TEMPORARY_AUTH_FAILURE;
}

void conn_anonymous_end(struct conn *c)
{
    if (c->is_anonymous)
        c->sh->c2s->anonymous--;
    c->is_anonymous = false;
}
