/* Cancellable operations. An op is active from op_start to op_end or op_cancel; its cancel pointer
 * says which. */
#include "lib/loop/op.h"

void op_owner_init(struct op_owner *o)
{
    list_init(&o->ops);
}

void op_owner_cancel_all(struct op_owner *o)
{
    for (struct list *n; (n = list_first(&o->ops));)
        op_cancel(list_entry(n, struct op, link));
}

bool op_owner_idle(const struct op_owner *o)
{
    return list_empty(&o->ops);
}

void op_start(struct op *op, struct op_owner *o, void (*cancel)(struct op *op))
{
    must(cancel != NULL);
    list_init(&op->link);
    op->cancel = cancel;
    if (o)
        list_push(&o->ops, &op->link);
}

void op_end(struct op *op)
{
    list_del(&op->link);
    op->cancel = NULL;
}

void op_cancel(struct op *op)
{
    void (*cancel)(struct op *) = op->cancel;
    op_end(op);
    if (cancel)
        cancel(op);
}
