#ifndef INTEGRATION_TESTS_BENCH_TAP_H
#define INTEGRATION_TESTS_BENCH_TAP_H
/* A layer between a client and its connection that outlives the client: the client's stream and TLS
 * objects may go while the server goes on serving. It counts what arrives. */
#include "lib/net/transport.h"

struct tap;
/* heard is called for each arrival, before the client above sees it. */
struct tap *tap_new(struct transport **lower, void (*heard)(void *ctx), void *ctx);
struct transport *tap_transport(struct tap *t); /* for the client, once */
/* From now on nothing the client sends leaves, its last words least of all. */
void tap_mute(struct tap *t);
void tap_free(struct tap **pt); /* aborts the connection; the client is gone already */
size_t tap_size(void);
#endif
