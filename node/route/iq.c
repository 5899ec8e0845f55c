/* IQ requests: find the handler by (namespace, element, target), see that it answers exactly once
 * and in time. Source: RFC 6120 section 8.2.3, RFC 6121 section 8.5.1 and 8.5.2.1.3. */
#include "node/route/iq.h"

#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "node/route/module.h"
#include "node/session/user.h"

enum { IQ_ANSWER_MS = 30000 };

struct request { /* what a handler sees as struct iq_request is its first member */
    struct iq_request r;
    struct timer deadline;
    struct op self; /* on the shard: a shard that goes takes its requests along */
};

static void request_free(struct request *q)
{
    timer_stop(&q->deadline);
    op_owner_cancel_all(&q->r.ops);
    op_end(&q->self);
    stanza_unref(&q->r.stanza);
    custody_unref(&q->r.custody);
    user_release(&q->r.user);
    mem_free(q);
}

static void request_cancel(struct op *op)
{
    request_free(container_of(op, struct request, self));
}

/* The answer goes out by the router, which takes the custody of the question along. */
static void answer(struct request *q, struct stanza *s)
{
    struct custody *c = q->r.custody;
    q->r.custody = NULL;
    if (s)
        route_start(q->r.shard, s, c, ROUTE_SERVER, 0, NULL);
    else
        custody_unref(&c);
    request_free(q);
}

void iq_result(struct iq_request *r)
{
    answer(container_of(r, struct request, r), stanza_result(r->stanza));
}

void iq_result_el(struct iq_request *r, const struct xml *child)
{
    struct stanza_build b;
    stanza_result_build(&b, r->stanza);
    xml_add_el(b.arena, b.el, xml_copy(b.arena, child));
    answer(container_of(r, struct request, r), stanza_finish(&b));
}

void iq_error(struct iq_request *r, enum stanza_cond c, const char *text_or_null)
{
    answer(container_of(r, struct request, r), stanza_error_reply(r->stanza, c, text_or_null));
}

void iq_answered(struct iq_request *r)
{
    answer(container_of(r, struct request, r), NULL);
}

static void on_deadline(void *ctx)
{
    struct request *q = ctx;
    const struct xml *payload = stanza_payload(q->r.stanza);
    log_warn(NULL, "iq.handler.late", "ns", payload ? payload->ns : "");
    iq_error(&q->r, STANZA_INTERNAL_SERVER_ERROR, "the request took too long");
}

static const struct iq_handler *find(const struct node *n, enum iq_target target,
                                     const struct xml *payload, const struct module **whose)
{
    size_t count;
    const struct module *const *m = module_list(n, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < m[i]->n_iqs; k++)
            if (m[i]->iqs[k].target == target &&
                xml_is(payload, m[i]->iqs[k].ns, m[i]->iqs[k].name)) {
                *whose = m[i];
                return &m[i]->iqs[k];
            }
    return NULL;
}

bool iq_needs_roster(const struct node *n, const struct stanza *s)
{
    const struct module *m;
    return find(n, IQ_TO_ACCOUNT, stanza_payload(s), &m) && m->iqs_need_roster;
}

void iq_dispatch(struct node_shard *sh, enum iq_target target, struct user *u, handle session,
                 struct stanza *s, struct custody *c)
{
    const struct module *m;
    const struct iq_handler *h = find(sh->node, target, stanza_payload(s), &m);
    bool own = target == IQ_TO_SERVER || session != 0;
    if (!h || (h->own_only && !own)) {
        route_bounce(sh, s, c, STANZA_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    if (s->type == IQ_GET ? !h->get : !h->set) {
        route_bounce(sh, s, c, STANZA_FEATURE_NOT_IMPLEMENTED, NULL);
        return;
    }
    struct request *q = mem_alloc(sizeof *q);
    q->r =
        (struct iq_request){.shard = sh, .stanza = s, .custody = c, .user = u, .session = session};
    op_owner_init(&q->r.ops);
    op_start(&q->self, &sh->ops, request_cancel);
    if (u)
        user_hold(u);
    timer_init(&q->deadline, sh->loop, on_deadline, q);
    timer_start(&q->deadline, IQ_ANSWER_MS);
    h->fn(&q->r);
}
