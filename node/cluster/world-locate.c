/* Questions of any shard to the registry on shard 0: posted there, the answer is posted back; a
 * question whose owner is gone is answered into the void (it is found by handle, never by pointer).
 */
#include "lib/base/handle.h"
#include "node/cluster/world-int.h"

struct locate { /* on the asking shard */
    struct op op;
    struct node_shard *sh;
    handle h;
    world_locate_cb *cb;
    void *ctx;
};
struct question { /* travels; in world->questions while the registry has it */
    struct list link;
    struct world *world;
    struct node_shard *asker;
    handle h;
    bool fresh;
    enum err e;
    struct world_location *found;
    size_t n;
    struct str bare;
    char text[];
};

static void question_free(void *ctx)
{
    struct question *q = ctx;
    list_del(&q->link);
    mem_free(q->found);
    mem_free(q);
}

static void locate_cancel(struct op *op)
{
    struct locate *l = container_of(op, struct locate, op);
    handle_free(l->sh->handles, l->h);
    mem_free(l);
}

static void answered(struct node_shard *sh, void *ctx)
{
    struct question *q = ctx;
    struct locate *l = handle_get(sh->handles, q->h);
    if (l) {
        world_locate_cb *cb = l->cb;
        void *cb_ctx = l->ctx;
        op_end(&l->op);
        handle_free(sh->handles, l->h);
        mem_free(l);
        cb(cb_ctx, q->e, q->found, q->n);
    }
    question_free(q);
}

static void found(void *ctx, enum err e, const struct reg_location *loc, size_t n)
{
    struct question *q = ctx;
    list_del(&q->link);
    q->e = e;
    q->n = n;
    q->found = mem_calloc(n + 1, sizeof *q->found);
    for (size_t i = 0; i < n; i++) {
        struct world_location *o = &q->found[i];
        snprintf(o->peer, sizeof o->peer, "%s/%s", loc[i].member->region, loc[i].member->node);
        str_put(o->home, sizeof o->home, loc[i].home);
        o->incarnation = loc[i].member->incarnation;
    }
    node_post(q->asker, answered, question_free, q);
}

static void asked(struct node_shard *sh, void *ctx)
{
    (void)sh;
    struct question *q = ctx;
    struct world *w = q->world;
    if (!w->registry) {
        found(q, ERR_OK, NULL, 0);
        return;
    }
    list_push(&w->questions, &q->link);
    registry_locate(w->registry, &w->ops, q->bare, q->fresh, found, q);
}

void world_questions_fini(struct world *w)
{
    struct list *n;
    while ((n = list_shift(&w->questions)))
        question_free(list_entry(n, struct question, link));
}

struct op *world_locate(struct node_shard *sh, struct op_owner *o, struct str bare, bool fresh,
                        world_locate_cb *cb, void *ctx)
{
    struct locate *l = mem_alloc(sizeof *l);
    *l = (struct locate){.sh = sh, .cb = cb, .ctx = ctx};
    l->h = handle_new(sh->handles, l);
    op_start(&l->op, o, locate_cancel);
    struct question *q = mem_alloc(sizeof *q + bare.n + 1);
    q->world = sh->node->world;
    q->asker = sh;
    q->h = l->h;
    q->fresh = fresh;
    memcpy(q->text, bare.p, bare.n);
    q->bare = str_make(q->text, bare.n);
    node_post(q->world->hub, asked, question_free, q);
    return &l->op;
}
