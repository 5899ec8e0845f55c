#ifndef LIB_STORE_REDIS_CONN_H
#define LIB_STORE_REDIS_CONN_H
/* One Redis connection that keeps itself up: hiredis as codec over our own transport (it has
 * neither TLS nor deadlines), AUTH, SELECT, reconnect with jittered back-off (0.1 .. 5 s),
 * pipelined commands with deadlines, pub/sub. Per loop. */
#include "lib/loop/op.h"
#include "lib/net/dial.h"
#include "lib/net/tls.h"

struct redis_conf {                          /* copied */
    struct dial_source (*source)(void *ctx); /* where to connect; asked at each attempt */
    void *source_ctx;
    const char *username, *password; /* NULL = no AUTH */
    unsigned db;
    struct tls_ctx *tls;         /* NULL = plain; the chain must be good */
    const char *sni;             /* also the name the certificate must have; NULL = any */
    uint64_t command_timeout_ms; /* 0 = 2,000; on expiry the connection is dropped */
};
enum redis_kind { REDIS_NIL, REDIS_STRING, REDIS_INTEGER, REDIS_ARRAY, REDIS_STATUS, REDIS_ERROR };
struct redis_reply { /* borrowed for the callback */
    enum redis_kind kind;
    int64_t integer;
    struct str text; /* string, status, error */
    const struct redis_reply *items;
    size_t n;
};
struct redis_events {
    void (*up)(void *ctx); /* authenticated, ready; subscriptions must be asked again here */
    /* was up; all outstanding commands were answered ERR_CLOSED before. Failed attempts are logged,
     * not told. */
    void (*down)(void *ctx, enum err e, const char *why);
    void (*message)(void *ctx, struct str channel, struct str payload);
};
struct redis_conn;
typedef void redis_cb(void *ctx, enum err e,
                      const struct redis_reply *r); /* ERR_OK also with REDIS_ERROR replies */
/* Connects from the next turn on, for ever. close cancels what is outstanding; both may be called
 * from any callback. */
struct redis_conn *redis_open(struct loop *l, const struct redis_conf *c,
                              const struct redis_events *ev, void *ctx);
void redis_close(struct redis_conn **pc);
bool redis_is_up(const struct redis_conn *c);
/* Not up: answered ERR_UNAVAILABLE in the next turn. At most 65,536 outstanding: then ERR_LIMIT
 * likewise. */
struct op *redis_command(struct redis_conn *c, struct op_owner *o, size_t argc,
                         const struct str *argv, redis_cb *cb, void *ctx);
/* EVALSHA, with EVAL when the server does not know the script (NOSCRIPT). */
struct redis_script {
    const char *text;
    char sha[41]; /* filled by redis_script_init */
};
void redis_script_init(struct redis_script *s, const char *text);
struct op *redis_eval(struct redis_conn *c, struct op_owner *o, const struct redis_script *s,
                      size_t n_keys, size_t argc, const struct str *keys_then_args, redis_cb *cb,
                      void *ctx);
/* Turns the connection into a subscriber: no other commands afterwards. No effect unless up: ask in
 * up. */
void redis_subscribe(struct redis_conn *c, struct str channel);
#endif
