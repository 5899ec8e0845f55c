#ifndef LIB_LOOP_LOOP_UV_H
#define LIB_LOOP_LOOP_UV_H
/* The libuv loop below a loop, for the files that own libuv handles: lib/net's tcp, unix and
 * listen, and fdpoll and sig. Handles opened on it must be closed (uv_close) before loop_free. */
#include "lib/loop/loop.h"
struct uv_loop_s;
struct uv_loop_s *loop_uv(struct loop *l); /* borrowed; real platform only */
#endif
