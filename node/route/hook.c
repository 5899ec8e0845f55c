/* Hooks: chains ordered by phase and declared names, runs that may park. A parked run is found by
 * handle only; it owns copies of its subject and holds the user, so nothing under it goes away, and
 * it ends by itself after a deadline. The session a subject names is dropped while parked: it may
 * be gone when the run goes on. */
#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "node/route/hook-int.h"
#include "node/session/user.h"

enum { PARK_MS = 5000 };

static const char *const hook_names[] = {
#define HOOK_NAME(id, type) #id,
    HOOK_TABLE(HOOK_NAME)
#undef HOOK_NAME
};
const char *hook_name(enum hook_id id)
{
    return hook_names[id];
}

/* ---- order */
static bool comes_after(const struct hook_slot *s, const char *name)
{
    for (const char *const *a = s->handler->after; a && *a; a++)
        if (strcmp(*a, name) == 0)
            return true;
    return false;
}

/* Can slot i run now: every slot of its phase it wants to follow has run. */
static bool is_ready(const struct hook_chain *c, const bool *placed, size_t i)
{
    for (size_t j = 0; j < c->n; j++)
        if (j != i && !placed[j] && c->slots[j].handler->phase == c->slots[i].handler->phase &&
            comes_after(&c->slots[i], c->slots[j].module->name))
            return false;
    return true;
}

static enum err chain_sort(struct hook_chain *c, enum hook_id id, char *why, size_t why_size)
{
    struct hook_slot *sorted = mem_calloc(c->n + 1, sizeof *sorted);
    bool *placed = mem_calloc(c->n + 1, sizeof *placed);
    size_t n = 0;
    for (int phase = 0; phase < PH_COUNT; phase++) {
        for (bool moved = true; moved;) {
            moved = false;
            for (size_t i = 0; i < c->n; i++) {
                if (placed[i] || (int)c->slots[i].handler->phase != phase ||
                    !is_ready(c, placed, i))
                    continue;
                sorted[n++] = c->slots[i];
                placed[i] = moved = true;
            }
        }
    }
    bool cycle = n != c->n;
    for (size_t i = c->n; cycle && i-- > 0;) /* the first of them is named */
        if (!placed[i])
            snprintf(why, why_size, "hook %s: module %s waits for itself in a circle",
                     hook_name(id), c->slots[i].module->name);
    mem_free(placed);
    mem_free(c->slots);
    c->slots = sorted;
    return cycle ? ERR_INVALID : ERR_OK;
}

/* A name that nobody has would be an order that is not kept. */
static enum err check_after(const struct module *const *m, size_t n, char *why, size_t why_size)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < m[i]->n_hooks; k++) {
            for (const char *const *a = m[i]->hooks[k].after; a && *a; a++) {
                if (module_in(m, n, *a))
                    continue;
                snprintf(why, why_size, "hook %s: module %s runs after %s, which is no module",
                         hook_name(m[i]->hooks[k].id), m[i]->name, *a);
                return ERR_NOTFOUND;
            }
        }
    }
    return ERR_OK;
}

enum err hook_table_new(const struct module *const *m, size_t n, struct hook_table **out, char *why,
                        size_t why_size)
{
    enum err e = check_after(m, n, why, why_size);
    if (e != ERR_OK)
        return e;
    struct hook_table *t = mem_alloc(sizeof *t);
    for (int id = 0; id < HOOK_COUNT && e == ERR_OK; id++) {
        struct hook_chain *c = &t->chain[id];
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < m[i]->n_hooks; k++) {
                if ((int)m[i]->hooks[k].id != id)
                    continue;
                c->slots = mem_realloc(c->slots, (c->n + 1) * sizeof *c->slots);
                c->slots[c->n++] = (struct hook_slot){m[i], &m[i]->hooks[k]};
            }
        }
        e = chain_sort(c, (enum hook_id)id, why, why_size);
    }
    if (e != ERR_OK)
        hook_table_free(&t);
    else
        *out = t;
    return e;
}

void hook_table_free(struct hook_table **pt)
{
    struct hook_table *t = *pt;
    *pt = NULL;
    if (!t)
        return;
    for (int i = 0; i < HOOK_COUNT; i++)
        mem_free(t->chain[i].slots);
    mem_free(t);
}

/* ---- runs. Each hook has a thunk that calls a handler with its true type, so that no function
 * pointer is ever called through another one. */
struct hook_class {
    enum verdict (*call)(const struct hook_handler *h, struct hook_run *run, void *subject);
    void (*finish)(void (*done)(void), void *ctx, struct hook_run *run, void *subject,
                   enum verdict v);
    size_t size;
    struct user *(*user)(const void *subject);
    void (*own)(void *subject, bool take); /* keep what the subject borrows while parked */
    void (*lose)(void *subject);           /* nobody will finish it: drop what it refers to */
};

struct parked {
    struct hook_run run;
    const struct hook_class *class;
    enum hook_id id;
    size_t next;
    struct timer deadline;
    void (*done)(void);
    void *ctx;
    struct user *user;
    struct op op; /* on the user: it may be freed with its shard while this waits */
    max_align_t subject[];
};

static void own_user_stanza(void *subject, bool take)
{
    struct user_stanza *us = subject;
    us->session = NULL;
    if (take) { /* the caller's route may live on its stack */
        us->route = mem_dup(us->route, sizeof *us->route);
    } else {
        mem_free(us->route);
    }
}
static void lose_user_stanza(void *subject)
{
    struct user_stanza *us = subject;
    stanza_unref(&us->route->stanza);
    custody_unref(&us->route->custody);
}
static void own_session_event(void *subject, bool take)
{
    (void)take;
    ((struct session_event *)subject)->session = NULL;
    ((struct session_event *)subject)->presence = NULL;
}
static struct user *user_of_user_stanza(const void *s)
{
    return ((const struct user_stanza *)s)->user;
}
static struct user *user_of_session_event(const void *s)
{
    return ((const struct session_event *)s)->user;
}

#define CLASS(id, type, user_of, own_fn, lose_fn)                                                  \
    static enum verdict call_##id(const struct hook_handler *h, struct hook_run *run,              \
                                  void *subject)                                                   \
    {                                                                                              \
        return h->fn.id(run, subject);                                                             \
    }                                                                                              \
    static void finish_##id(void (*done)(void), void *ctx, struct hook_run *run, void *subject,    \
                            enum verdict v)                                                        \
    {                                                                                              \
        ((void (*)(void *, struct hook_run *, type *, enum verdict))done)(ctx, run, subject, v);   \
    }                                                                                              \
    static const struct hook_class class_##id = {call_##id, finish_##id, sizeof(type),             \
                                                 user_of,   own_fn,      lose_fn};

CLASS(user_send, struct user_stanza, user_of_user_stanza, own_user_stanza, lose_user_stanza)
CLASS(user_receive, struct user_stanza, user_of_user_stanza, own_user_stanza, lose_user_stanza)
CLASS(user_unreachable, struct user_stanza, user_of_user_stanza, own_user_stanza, lose_user_stanza)
CLASS(session_available, struct session_event, user_of_session_event, own_session_event, NULL)
CLASS(session_closed, struct session_event, user_of_session_event, own_session_event, NULL)
CLASS(disco, struct disco_subject, NULL, NULL, NULL)
CLASS(server_receive, struct server_stanza, NULL, NULL, NULL)
CLASS(user_contact, struct contact_check, NULL, NULL, NULL)
CLASS(stream_features, struct features_subject, NULL, NULL, NULL)

static void parked_end(struct parked *p, enum verdict v);

/* Run from slot `at`; true when a verdict was reached, false when parked. */
static bool chain_run(struct hook_run *run, const struct hook_class *k, enum hook_id id, size_t *at,
                      void *subject, enum verdict *v)
{
    const struct hook_chain *c = &run->shard->node->hooks->chain[id];
    *v = V_PASS;
    while (*at < c->n && *v == V_PASS)
        *v = k->call(c->slots[(*at)++].handler, run, subject);
    return *v != V_WAIT;
}

/* Each wait has a handle of its own: who answers late, or twice, must not resume the next one. */
static void parked_go(struct parked *p)
{
    enum verdict v;
    handle_free(p->run.shard->handles, p->run.wait);
    p->run.wait = handle_new(p->run.shard->handles, p);
    if (chain_run(&p->run, p->class, p->id, &p->next, p->subject, &v))
        parked_end(p, v);
    else
        timer_start(&p->deadline, PARK_MS);
}

static void parked_cancel(struct op *op)
{
    struct parked *p = container_of(op, struct parked, op);
    timer_stop(&p->deadline);
    handle_free(p->run.shard->handles, p->run.wait);
    if (p->class->lose)
        p->class->lose(p->subject);
    p->class->own(p->subject, false);
    mem_free(p);
}

static void parked_end(struct parked *p, enum verdict v)
{
    op_end(&p->op);
    timer_stop(&p->deadline);
    handle_free(p->run.shard->handles, p->run.wait);
    p->class->finish(p->done, p->ctx, &p->run, p->subject, v);
    p->class->own(p->subject, false);
    user_release(&p->user);
    mem_free(p);
}

static void parked_late(void *ctx)
{
    struct parked *p = ctx;
    log_warn(NULL, "hook.parked.late", "hook", hook_name(p->id));
    parked_go(p);
}

handle hook_wait(struct hook_run *run)
{
    if (!run->wait && expect(run->class->own != NULL)) {
        struct parked *p = mem_alloc(sizeof *p + run->class->size);
        run->wait = handle_new(run->shard->handles, p);
    }
    return run->wait;
}

void hook_resume(struct node_shard *sh, handle wait, enum verdict v)
{
    struct parked *p = handle_get(sh->handles, wait);
    if (!p)
        return;
    timer_stop(&p->deadline);
    if (v == V_PASS)
        parked_go(p);
    else
        parked_end(p, v);
}

static void park(struct hook_run *run, const struct hook_class *k, enum hook_id id, size_t next,
                 void *subject, void (*done)(void), void *ctx, struct parked *p)
{
    p->run = *run;
    p->class = k;
    p->id = id;
    p->next = next;
    p->done = done;
    p->ctx = ctx;
    memcpy(p->subject, subject, k->size);
    k->own(p->subject, true);
    p->user = k->user(subject);
    user_hold(p->user);
    op_start(&p->op, &p->user->ops, parked_cancel);
    timer_init(&p->deadline, run->shard->loop, parked_late, p);
    timer_start(&p->deadline, PARK_MS);
}

static void hook_start(struct node_shard *sh, enum hook_id id, const struct hook_class *k,
                       void *subject, void (*done)(void), void *ctx)
{
    struct hook_run run = {.shard = sh, .class = k};
    size_t next = 0;
    enum verdict v;
    bool is_done = chain_run(&run, k, id, &next, subject, &v);
    struct parked *p = run.wait ? handle_get(sh->handles, run.wait) : NULL;
    if (!is_done && expect(p != NULL)) {
        park(&run, k, id, next, subject, done, ctx, p);
        return;
    }
    if (p) { /* it was not needed after all */
        handle_free(sh->handles, run.wait);
        mem_free(p);
    }
    k->finish(done, ctx, &run, subject, is_done ? v : V_PASS); /* some hooks cannot wait */
}

#define HOOK_RUN_FN(id, type)                                                                      \
    void hook_run_##id(                                                                            \
        struct node_shard *sh, type *subject,                                                      \
        void (*done)(void *ctx, struct hook_run *run, type *subject, enum verdict v), void *ctx)   \
    {                                                                                              \
        hook_start(sh, HOOK_##id, &class_##id, subject, (void (*)(void))done, ctx);                \
    }
HOOK_TABLE(HOOK_RUN_FN)
