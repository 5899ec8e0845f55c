#ifndef NODE_ROUTE_IQ_H
#define NODE_ROUTE_IQ_H
/* IQ requests to handlers by (namespace, element, target). A request must be answered exactly once;
 * one that is not answered within 30 s is answered with internal-server-error: never silence (RFC
 * 6120 section 8.2.3). */
#include "lib/loop/op.h"
#include "node/route/route.h"

enum iq_target {
    IQ_TO_SERVER,
    IQ_TO_ACCOUNT
}; /* account: at the user's anchor; from the user itself or from others */
struct user;
struct session;
struct iq_request {
    struct node_shard *shard;
    struct stanza *stanza; /* the request; owned */
    struct custody *custody;
    struct user *user;   /* IQ_TO_ACCOUNT: whose account; kept alive by the request */
    handle session;      /* sender's session when it is (or was, if stale) one of user's own; 0 for
                            others */
    struct op_owner ops; /* for what the handler asks; cancelled at the end */
};
struct iq_handler {
    const char *ns, *name;
    enum iq_target target;
    bool get, set; /* which types; the other gets feature-not-implemented */
    bool own_only; /* IQ_TO_ACCOUNT: only the user itself; others get service-unavailable (RFC
                      6121 8.5.1) */
    void (*fn)(struct iq_request *r); /* owns r until it answers */
};
void iq_result(struct iq_request *r);                             /* empty result; frees r */
void iq_result_el(struct iq_request *r, const struct xml *child); /* child is copied; frees r */
void iq_error(struct iq_request *r, enum stanza_cond c, const char *text_or_null);
/* The handler wrote the answer to the session itself (order with what else it writes there); frees
 * r. */
void iq_answered(struct iq_request *r);
/* A request to one of our users that needs the roster (whatever address it has). */
bool iq_needs_roster(const struct node *n, const struct stanza *s);
/* Find the handler and call it; service-unavailable when there is none. Takes stanza and custody.
 */
void iq_dispatch(struct node_shard *sh, enum iq_target target, struct user *u, handle session,
                 struct stanza *s, struct custody *c);
#endif
