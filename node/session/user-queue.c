/* A user's queue: one task after the other, each through its hooks, so that order holds across
 * parked hooks and storage. What needs the roster waits for it to be loaded. */
#include "lib/base/log.h"
#include "node/route/iq.h"
#include "node/session/presence.h"
#include "node/session/roster.h"
#include "node/session/session-int.h"

void task_free(struct task *t)
{
    stanza_unref(&t->route.stanza);
    custody_unref(&t->route.custody);
    if (t->departed)
        session_free(&t->departed);
    if (t->erase)
        erase_refuse(t->erase, ERR_OK);
    mem_free(t);
}

void user_task(struct user *u, struct task *t)
{
    list_push(&u->queue, &t->link);
    user_kick(u);
}

static bool needs_roster(const struct node *n, const struct task *t)
{
    if (t->kind == TASK_GONE)
        return presence_is_shown(t->departed);
    if (t->kind == TASK_ERASE)
        return true;
    const struct stanza *s = t->route.stanza;
    if (s->kind == STANZA_PRESENCE) /* what contacts show goes to the sessions that are there */
        return t->kind == TASK_FROM ||
               (s->type != PRES_AVAILABLE && s->type != PRES_UNAVAILABLE && s->type != PRES_ERROR);
    if (s->kind != STANZA_IQ || !stanza_iq_request(s))
        return false;
    if (t->kind == TASK_TO && jid_is_full(&s->to)) /* who may ask a resource (deliver.c) */
        return n->conf->guard_resources;
    return iq_needs_roster(n, s);
}

/* ---- what a hook run left behind */
void task_verdict(struct user *u, const struct hook_run *run, struct route *r, enum verdict v,
                  void (*pass)(struct user *u, struct route *r, handle session), handle session)
{
    struct stanza *s = r->stanza;
    struct custody *c = r->custody;
    switch (v) {
    case V_PASS:
    case V_WAIT: /* not a final verdict */
        pass(u, r, session);
        break;
    case V_STOP:
        stanza_unref(&s);
        custody_unref(&c);
        break;
    case V_DROP:
        route_drop(u->shard, s, c);
        break;
    case V_BOUNCE:
        route_bounce(u->shard, s, c, run->bounce, NULL);
        break;
    }
    r->stanza = NULL;
    r->custody = NULL;
}

static void pass_from(struct user *u, struct route *r, handle session)
{
    outbound(u, session, r);
}

/* A session may have ended while the hooks looked at it: what comes back from there is older. */
static void pass_to(struct user *u, struct route *r, handle session)
{
    (void)session;
    if (!leave_holds(u, r)) {
        deliver(u, r);
        return;
    }
    struct task *t = mem_alloc(sizeof *t);
    *t = (struct task){.kind = TASK_TO, .route = *r, .is_passed = true};
    leave_hold(u, t);
}

static void from_done(void *ctx, struct hook_run *run, struct user_stanza *us, enum verdict v)
{
    task_verdict(us->user, run, us->route, v, pass_from, us->sender);
    user_resume(ctx);
}

static void to_done(void *ctx, struct hook_run *run, struct user_stanza *us, enum verdict v)
{
    task_verdict(us->user, run, us->route, v, pass_to, 0);
    user_resume(ctx);
}

static void run_from(struct user *u, struct task *t)
{
    struct session *ss = session_by_handle(u->shard, t->session);
    struct user_stanza us = {.user = u, .session = ss, .sender = t->session, .route = &t->route};
    u->shard->stats.flow[FLOW_from_clients][t->route.stanza->kind]++;
    user_pause(u);
    hook_run_user_send(u->shard, &us, from_done, u);
}

static void task_passed(struct user *u, struct task *t)
{
    struct route r = t->route;
    t->route.stanza = NULL;
    t->route.custody = NULL;
    pass_to(u, &r, 0);
    user_resume(u);
}

static void run_to(struct user *u, struct task *t)
{
    struct user_stanza us = {.user = u, .route = &t->route};
    user_pause(u);
    if (t->is_passed) {
        task_passed(u, t);
        return;
    }
    hook_run_user_receive(u->shard, &us, to_done, u);
}

static void run_task(struct user *u, struct task *t)
{
    switch (t->kind) {
    case TASK_FROM:
        run_from(u, t);
        break;
    case TASK_TO:
        run_to(u, t);
        break;
    case TASK_GONE:
        presence_gone(u, t->departed);
        break;
    case TASK_ERASE:
        erase_run(t->erase);
        t->erase = NULL;
        break;
    }
    /* a parked run has its own copy of the route and with it the references */
    if (u->pauses)
        t->route.stanza = NULL, t->route.custody = NULL;
    task_free(t);
}

/* The task that asked for the roster is the first of the queue; without it, it is refused (who left
 * is withdrawn as far as that goes). */
static void roster_ready(void *ctx, enum err e)
{
    struct user *u = ctx;
    if (e != ERR_OK) {
        log_error(NULL, "roster.load.failed", "user", u->bare.full.p, "why", err_text(e));
        struct task *t = list_entry(list_shift(&u->queue), struct task, link);
        if (t->kind == TASK_GONE) {
            presence_gone(u, t->departed);
        } else if (t->kind == TASK_ERASE) {
            erase_refuse(t->erase, e);
            t->erase = NULL;
        } else {
            route_bounce(u->shard, t->route.stanza, t->route.custody, STANZA_INTERNAL_SERVER_ERROR,
                         "the roster cannot be read");
        }
        t->route.stanza = NULL;
        t->route.custody = NULL;
        task_free(t);
    }
    user_resume(u);
}

void user_run(struct user *u)
{
    user_hold(u);
    u->running = true;
    while (!u->pauses && !list_empty(&u->queue)) {
        struct task *t = list_entry(list_first(&u->queue), struct task, link);
        if (needs_roster(u->shard->node, t) && !roster_is_loaded(u)) {
            user_pause(u);
            roster_load(u, roster_ready, u);
            break;
        }
        list_del(&t->link);
        run_task(u, t);
    }
    u->running = false;
    user_release(&u);
}
