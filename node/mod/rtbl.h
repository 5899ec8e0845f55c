#ifndef NODE_MOD_RTBL_H
#define NODE_MOD_RTBL_H
/* Block lists at pubsub services: what others may ask of those that are followed. All on shard 0.
 */
#include "lib/base/json.h"
#include "node/node.h"
#include "s2s/s2s-rtbl.h"

enum { RTBL_EVENT_KINDS = 5 };
struct rtbl_view {
    char name[2 * S2S_RTBL_NAME_MAX + 2]; /* "service/node" */
    const char *state;                    /* loading, joining, following, away */
    const char *why; /* "" or what stands in the way; borrowed until the next turn */
    bool is_following;
    size_t items;
    uint64_t age_s; /* since it was known to be up to date; UINT64_MAX: it never was */
    uint64_t next_s;
    uint64_t ignored;                  /* item ids that name no domain, so far */
    uint64_t events[RTBL_EVENT_KINDS]; /* by enum rtbl_event */
};
size_t rtbl_views(struct node *n, struct rtbl_view out[S2S_RTBL_LISTS_MAX]);
const char *rtbl_event_name(unsigned e);
/* Rows for the operator: list, state, items, ignored, age_s (absent: never), next_s, why. */
void rtbl_rows(struct node *n, struct json *array);
/* These lists from now on (copied): those that were followed already go on. */
void rtbl_configure(struct node *n, const struct node_conf_rtbl *c, size_t count);
#endif
