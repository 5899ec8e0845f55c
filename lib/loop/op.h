#ifndef LIB_LOOP_OP_H
#define LIB_LOOP_OP_H
/* Cancellable asynchronous operations. An op is embedded in a request object; it hangs on an owner.
 * Closing the owner cancels all its ops; a cancelled op never calls back (law 3). */
#include "lib/base/base.h"

struct op_owner {
    struct list ops;
};
struct op {
    struct list link;
    void (*cancel)(struct op *op); /* frees or disowns the request; must not call back */
};
void op_owner_init(struct op_owner *o);
void op_owner_cancel_all(struct op_owner *o);
bool op_owner_idle(const struct op_owner *o);
void op_start(struct op *op, struct op_owner *o,
              void (*cancel)(struct op *op)); /* o may be NULL: nobody cancels */
void op_end(struct op *op);                   /* the implementer, right before it calls back */
void op_cancel(struct op *op);                /* the user, for one op */
#endif
