#ifndef NODE_MOD_DISCO_H
#define NODE_MOD_DISCO_H
/* For modules that say what our domains are elsewhere than in a disco answer (caps.c). */
#include "node/node.h"

struct xml;
/* <query/> of disco#info as the domain answers it; in a. */
struct xml *mod_disco_server(struct node_shard *sh, struct arena *a);
#endif
