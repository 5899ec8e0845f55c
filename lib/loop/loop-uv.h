#ifndef LIB_LOOP_LOOP_UV_H
#define LIB_LOOP_LOOP_UV_H
/* The libuv loop below a loop, for the files that own libuv handles: lib/net's tcp, unix and
 * listen, and fdpoll and sig. Handles opened on it must be closed (uv_close) before loop_free. */
#include "lib/loop/loop.h"
struct uv_loop_s;
struct uv_loop_s *loop_uv(struct loop *l); /* borrowed; real platform only */

/* Work that outlives its user (background flushes) and is to be given up when the loop is freed.
 * Embedded in its object; fn is called from loop_free with the hook unlinked and closes the handle.
 * list_del(&h->link) takes it back. */
struct loop_hook {
    struct list link;
    void (*fn)(struct loop_hook *h);
};
void loop_at_free(struct loop *l, struct loop_hook *h);
#endif
