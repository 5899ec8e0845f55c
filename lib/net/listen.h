#ifndef LIB_NET_LISTEN_H
#define LIB_NET_LISTEN_H
/* Listeners for TCP (reuse-port: each shard opens its own on the same address) and unix sockets,
 * and unix connect. */
#include "lib/net/transport.h"

struct listener;
/* accept hands over a transport; set its events at once. port 0 picks one (listener_addr tells). */
typedef void listen_accept(void *ctx, struct transport *t);
enum err listener_open(struct loop *l, const struct addr *at, listen_accept *accept, void *ctx,
                       struct listener **out) MUST_USE;
enum err
listener_open_unix(struct loop *l, const char *path, listen_accept *accept, void *ctx,
                   struct listener **out) MUST_USE; /* mode 0600; a stale socket file is replaced */
const struct addr *listener_addr(const struct listener *s);
void listener_pause(struct listener *s, bool paused);
void listener_close(struct listener **ps);
#endif
