#ifndef NODE_NODE_OPTIONS_H
#define NODE_NODE_OPTIONS_H
/* The options of a node's configuration file and their way into struct node_conf. */
#include "conf/conf.h"
#include "node/node-conf.h"

#define NODE_CONFIG_PATH "/etc/meridian/meridian.toml" /* where the package puts it */

extern const struct conf_schema node_schema;
extern const struct conf_known node_known[]; /* node-known.c */
struct node_settings {
    struct node_conf conf;
};
/* Fill from a loaded snapshot, which must outlive the result. Addresses were checked by
 * node_schema.verify. */
void node_settings_open(const struct conf *c, struct node_settings *out);
void node_settings_close(struct node_settings *s);
#endif
