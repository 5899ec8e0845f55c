/* DOC: messages for a user whom nobody can take: stored under the trace of their journey, so that a
 * message resent on its way is stored once, and flushed to the first session that becomes available
 * (offline-flush.c). Standards: XEP-0160, XEP-0203, XEP-0334 (no-store, store), RFC 6121
 * section 8.5.2.2. */
#include "node/mod/offline.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/xmpp/delay.h"
#include "lib/xmpp/hints.h"
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

XEP("0160", "1.0.1", COMPLETE);
XEP("0203", "2.0", COMPLETE);
XEP("0334", "1.0.0", COMPLETE);

/* ---- storing */
struct keep {
    struct op op; /* on the user */
    struct user *user;
    handle parked;
    struct stanza *stanza;
    char trace[33];
};

static void keep_free(struct keep *k)
{
    stanza_unref(&k->stanza);
    mem_free(k);
}

static void keep_cancel(struct op *op)
{
    keep_free(container_of(op, struct keep, op));
}

static void keep_end(struct keep *k, enum verdict v)
{
    struct node_shard *sh = k->user->shard;
    handle parked = k->parked;
    op_end(&k->op);
    keep_free(k);
    hook_resume(sh, parked, v);
}

static void keep_stored(void *ctx, enum err e)
{
    struct keep *k = ctx;
    if (e == ERR_OK)
        k->user->shard->stats.offline_stored++;
    else if (e != ERR_EXISTS)
        log_error(NULL, "offline.store.failed", "trace", k->trace, "why", err_text(e));
    keep_end(k, e == ERR_OK || e == ERR_EXISTS ? V_STOP : V_BOUNCE);
}

static void keep_counted(void *ctx, enum err e, uint64_t count, uint64_t bytes)
{
    struct keep *k = ctx;
    struct user *u = k->user;
    (void)bytes;
    if (e != ERR_OK || count >= u->shard->tune.offline_max) {
        log_info(NULL, "offline.refused", "user", LOG_STR(u->bare.full), "why",
                 e == ERR_OK ? "full" : err_text(e));
        keep_end(k, V_BOUNCE);
        return;
    }
    struct buf text;
    buf_init(&text, STORE_VALUE_MAX);
    stanza_write(&text, k->stanza, NS_CLIENT);
    if (!buf_ok(&text)) {
        keep_end(k, V_BOUNCE);
    } else {
        struct str from = k->stanza->from.bare;
        struct store_txn *t = store_txn_new(u->shard->store, u->bare.full);
        store_txn_log_append(t, OFFLINE_TABLE, str_of(k->trace), clock_wall_us(),
                             from.p ? from : STR(""), buf_view(&text));
        store_commit(&t, &u->ops, keep_stored, k);
    }
    buf_fini(&text);
}

enum worth { WORTH_NOTHING, WORTH_KEEPING, WORTH_BOUNCING };

static enum worth worth_of(const struct stanza *s)
{
    if (hints_is_fleeting(s) && !hints_has(s, "store"))
        return WORTH_NOTHING;
    return hints_has(s, "no-store") ? WORTH_BOUNCING : WORTH_KEEPING;
}

static enum verdict keep(struct hook_run *run, struct user_stanza *us)
{
    struct user *u = us->user;
    struct stanza *s = us->route->stanza;
    struct str id = us->route->source == ROUTE_RETURNED ? mod_offline_stanza_id(u, s) : STR_NONE;
    struct keep *k = mem_alloc(sizeof *k);
    *k = (struct keep){.user = u,
                       .parked = hook_wait(run),
                       .stanza = delay_stamp(s, u->bare.domain, clock_wall_us())};
    if (id.n && id.n < sizeof k->trace) /* what came back is the same message, also in the store */
        snprintf(k->trace, sizeof k->trace, STR_FMT, STR_ARG(id));
    else
        str_put(k->trace, sizeof k->trace, us->route->trace);
    op_start(&k->op, &u->ops, keep_cancel);
    store_log_count(u->shard->store, &u->ops, OFFLINE_TABLE, u->bare.full, keep_counted, k);
    run->bounce = STANZA_SERVICE_UNAVAILABLE;
    return V_WAIT;
}

static enum verdict on_unreachable(struct hook_run *run, struct user_stanza *us)
{
    switch (worth_of(us->route->stanza)) {
    case WORTH_NOTHING:
        return V_DROP;
    case WORTH_BOUNCING:
        return V_PASS;
    case WORTH_KEEPING:
        break;
    }
    return keep(run, us);
}

/* What a session that ended gives back goes before what is newer (for the bare JID, or for a
 * resource that is gone). */
static enum verdict on_receive(struct hook_run *run, struct user_stanza *us)
{
    const struct route *r = us->route;
    const struct stanza *s = r->stanza;
    if (s->kind != STANZA_MESSAGE)
        return V_PASS;
    if (mod_offline_came_back(us->user, r))
        return V_STOP;
    bool is_storable =
        (s->type == MSG_CHAT || s->type == MSG_NORMAL) && worth_of(s) == WORTH_KEEPING;
    bool is_for_any = !s->to.resource.p || !user_session(us->user, s->to.resource);
    if (is_storable && is_for_any && mod_offline_is_behind(us->user))
        return keep(run, us);
    return V_PASS;
}

static const struct hook_handler hooks[] = {
    HOOK_ON(user_receive, PH_DELIVER, on_receive),
    HOOK_ON(user_unreachable, PH_DELIVER, on_unreachable),
    HOOK_ON(session_available, PH_DELIVER, mod_offline_available),
};
static const struct module_data data[] = {{DATA_LOG, OFFLINE_TABLE, NULL}};
static const char *const features[] = {NS_OFFLINE, NULL};

const struct module mod_offline = {
    .name = "offline",
    .xep = "0160",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .server_features = features,
    .data = data,
    .n_data = ARRAY_LEN(data),
    .shard_size = sizeof(struct mod_offline_again),
    .init = mod_offline_init,
    .fini = mod_offline_fini,
    .region_changed = mod_offline_region_changed,
    .user_size = sizeof(struct mod_offline_flush),
    .user_fini = mod_offline_user_gone,
};
