/* One question to one live member of each other region, or to a named one, answers collected
 * (account look-ups). The asker is on any shard, the bookkeeping on shard 0. A region whose member
 * does not answer within ASK_MS counts as out of reach. */
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "node/cluster/world-int.h"

enum { ASK_MS = 5000 };

struct asker { /* on the asking shard */
    struct op op;
    struct node_shard *sh;
    handle h;
    world_answer_cb *cb;
    void *ctx;
};
struct ask { /* on shard 0, by id in world->asks */
    struct world *world;
    struct node_shard *asker;
    handle h;
    struct stanza *question; /* until it is sent */
    struct timer deadline;
    VEC(char *) asked; /* member ids that have not answered */
    bool lost;         /* a region did not get it */
    char only[130];    /* the one member to ask; "" = one of each other region */
    char id[RAND_ID_LEN + 1];
};
struct news { /* shard 0 -> asker */
    handle h;
    enum err e;
    char region[REG_NAME_MAX];
    struct stanza *answer;
};

static void asker_end(struct asker *a)
{
    op_end(&a->op);
    handle_free(a->sh->handles, a->h);
    mem_free(a);
}

static void asker_cancel(struct op *op)
{
    struct asker *a = container_of(op, struct asker, op);
    handle_free(a->sh->handles, a->h);
    mem_free(a);
}

static void news_free(void *ctx)
{
    struct news *n = ctx;
    stanza_unref(&n->answer);
    mem_free(n);
}

static void news_arrived(struct node_shard *sh, void *ctx)
{
    struct news *n = ctx;
    struct asker *a = handle_get(sh->handles, n->h);
    if (a) {
        world_answer_cb *cb = a->cb;
        void *cb_ctx = a->ctx;
        handle h = n->h;
        if (n->e != ERR_OK)
            asker_end(a);
        bool more = cb(cb_ctx, n->e, n->region, n->answer);
        if (n->e == ERR_OK && !more && (a = handle_get(sh->handles, h)))
            asker_end(a);
    }
    news_free(n);
}

static void tell(struct ask *a, enum err e, const char *region, const struct stanza *answer)
{
    struct news *n = mem_alloc(sizeof *n);
    n->h = a->h;
    n->e = e;
    str_put(n->region, sizeof n->region, region);
    if (answer)
        n->answer = stanza_ref((struct stanza *)(uintptr_t)answer);
    node_post(a->asker, news_arrived, news_free, n);
}

static void ask_free(void *ctx)
{
    struct ask *a = ctx;
    if (hmap_get(&a->world->asks, str_of(a->id)) == a)
        hmap_del(&a->world->asks, str_of(a->id));
    if (a->deadline.fn)
        timer_stop(&a->deadline);
    for (size_t i = 0; i < a->asked.n; i++)
        mem_free(a->asked.p[i]);
    vec_fini(&a->asked);
    stanza_unref(&a->question);
    mem_free(a);
}

static void ask_maybe_over(struct ask *a)
{
    if (a->asked.n)
        return;
    tell(a, a->lost ? ERR_TIMEOUT : ERR_EOF, "", NULL);
    ask_free(a);
}

static void ask_deadline(void *ctx)
{
    struct ask *a = ctx;
    tell(a, ERR_TIMEOUT, "", NULL);
    ask_free(a);
}

/* This member has nothing more to say: it counts once, and only if it was asked. */
static bool ask_settle(struct ask *a, const char *peer_id)
{
    for (size_t i = 0; i < a->asked.n; i++) {
        if (strcmp(a->asked.p[i], peer_id) != 0)
            continue;
        mem_free(a->asked.p[i]);
        a->asked.p[i] = a->asked.p[--a->asked.n];
        return true;
    }
    return false;
}

static bool region_seen_before(const struct world_view *v, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(v->members[j].m.region, v->members[i].m.region) == 0)
            return true;
    return false;
}

static const struct world_member *live_member(const struct world_view *v, const char *region)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->members[i].live && strcmp(v->members[i].m.region, region) == 0)
            return &v->members[i];
    return NULL;
}

/* id of the question becomes ours; to and from are the members' names. */
static struct stanza *question_for(const struct ask *a, const struct stanza *q)
{
    struct stanza_build b;
    stanza_build(&b, STANZA_IQ, q->type, &q->from, &q->to, str_of(a->id));
    xml_add_el(b.arena, b.el, xml_copy(b.arena, stanza_payload(q)));
    return stanza_finish(&b);
}

static void ask_one(struct ask *a, const struct world_member *m_or_null)
{
    if (!m_or_null) {
        a->lost = true;
        return;
    }
    struct region_route r = {.purpose = REGION_ASK};
    route_trace_new(r.trace);
    vec_push(&a->asked, mem_strdup(m_or_null->id));
    world_send_now(a->world, m_or_null->id, question_for(a, a->question), NULL, &r);
}

static void ask_arrived(struct node_shard *sh, void *ctx)
{
    struct ask *a = ctx;
    struct world *w = a->world;
    hmap_put(&w->asks, str_of(a->id), a);
    timer_init(&a->deadline, sh->loop, ask_deadline, a);
    timer_start(&a->deadline, ASK_MS);
    if (a->only[0]) {
        const struct world_member *m = world_member_find(&w->view, a->only);
        ask_one(a, m && m->live ? m : NULL);
    }
    for (size_t i = 0; !a->only[0] && i < w->view.n; i++) {
        const struct world_member *m = &w->view.members[i];
        if (!region_seen_before(&w->view, i) &&
            strcmp(m->m.region, w->node->conf->region_name) != 0)
            ask_one(a, live_member(&w->view, m->m.region));
    }
    ask_maybe_over(a);
}

struct op *world_ask(struct node_shard *sh, struct op_owner *o, struct stanza *question,
                     world_answer_cb *cb, void *ctx)
{
    return world_ask_member(sh, o, "", question, cb, ctx);
}

struct op *world_ask_member(struct node_shard *sh, struct op_owner *o, const char *peer_id,
                            struct stanza *question, world_answer_cb *cb, void *ctx)
{
    struct asker *as = mem_alloc(sizeof *as);
    *as = (struct asker){.sh = sh, .cb = cb, .ctx = ctx};
    as->h = handle_new(sh->handles, as);
    op_start(&as->op, o, asker_cancel);
    struct ask *a = mem_alloc(sizeof *a);
    a->world = sh->node->world;
    a->asker = sh;
    a->h = as->h;
    a->question = question;
    snprintf(a->only, sizeof a->only, "%s", peer_id);
    rand_id(a->id);
    node_post(a->world->hub, ask_arrived, ask_free, a);
    return &as->op;
}

void world_answered(struct world *w, const char *peer_id, const struct stanza *answer)
{
    struct ask *a = hmap_get(&w->asks, answer->id);
    if (!a || !ask_settle(a, peer_id))
        return; /* too late, or not asked */
    const struct world_member *m = world_member_find(&w->view, peer_id);
    if (m && answer->type == IQ_RESULT)
        tell(a, ERR_OK, m->m.region, answer);
    else
        a->lost = true;
    ask_maybe_over(a);
}

void world_ask_lost(struct world *w, const char *peer_id, struct str ask_id)
{
    struct ask *a = hmap_get(&w->asks, ask_id);
    if (!a || !ask_settle(a, peer_id))
        return;
    a->lost = true;
    ask_maybe_over(a);
}

void world_asks_fini(struct world *w)
{
    struct ask *a;
    for (size_t it = 0; (a = hmap_next(&w->asks, &it, NULL));)
        ask_free(a);
    hmap_fini(&w->asks);
}
