#ifndef NODE_SESSION_ERASE_INT_H
#define NODE_SESSION_ERASE_INT_H
/* erase-data.c: what modules keep of a user. Embedded in who asks; ends with the user, or before it
 * calls back. */
#include "node/session/session-int.h"

struct erase_data {
    struct user *user;
    size_t module, table; /* in work */
    bool is_last;         /* those tables that go last */
    bool has_more;        /* a page was full */
    store_done_cb *done;
    void *ctx;
};
/* done may come inside the call only when no module keeps anything of that sort. */
void erase_data(struct erase_data *d, struct user *u, bool is_last, store_done_cb *done, void *ctx);
#endif
