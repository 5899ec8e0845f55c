#ifndef NODE_COMPONENT_COMPONENT_INT_H
#define NODE_COMPONENT_COMPONENT_INT_H
/* Shared by component.c (links) and component-place.c (who has the domain). */
#include "lib/stream/stream-in.h"
#include "node/component/component.h"

enum {
    COMPONENT_OUTPUT_MAX = 16 * 1024 * 1024, /* bytes queued to one link; past it it is closed */
    COMPONENT_WAITING_MAX = 1000,            /* stanzas that wait for the registry's answer */
    COMPONENT_KEEP_MS = 2000,                /* how long that answer is believed */
};
struct component_shard { /* slot of the shard */
    struct list links;   /* struct link: accepted here */
    struct hmap places;  /* domain -> struct place: owned here */
    bool is_stopping;
};
struct component_shard *component_shard(struct node_shard *sh);

/* ---- component.c; on the shard of the link, stale handles are nobody */
const struct node_conf_component *component_find(const struct node *n, struct str domain);
void link_claimed(struct node_shard *sh, handle h, bool is_ours); /* the owner's answer */
void link_replaced(struct node_shard *sh, handle h);
/* Takes the references; false: there is no such link, they stay the caller's. */
bool link_write(struct node_shard *sh, handle h, struct stanza *s, struct custody *c);

/* ---- component-place.c; from any shard */
void place_claim(struct node_shard *sh, const struct node_conf_component *is, handle link);
void place_release(struct node_shard *sh, const struct node_conf_component *is, handle link);
void places_free(struct component_shard *cs);
#endif
