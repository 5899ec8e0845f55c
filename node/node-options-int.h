#ifndef NODE_NODE_OPTIONS_INT_H
#define NODE_NODE_OPTIONS_INT_H
/* Options of storage: where data is kept, pools of outgoing connections to databases. */
#include "conf/conf.h"
#include "node/node-conf.h"

struct opt_store {
    const char *uri;
};
struct opt_route {
    struct conf_list tables;
    const char *uri;
};
struct opt_pool { /* to a relational database */
    const char *uri, *password;
    uint64_t timeout, connect_timeout;
};
struct store_options {
    const struct opt_store *store;
    const struct opt_route *routes;
    size_t routes_n;
    const struct opt_pool *pool;
};

void node_options_store_check(const struct conf *c, const struct store_options *o,
                              struct conf_errors *errs);
/* routes are made here: free them with node_options_store_close. */
void node_options_store_open(const struct store_options *o, struct node_conf *c);
void node_options_store_close(struct node_conf *c);
#endif
