#ifndef S2S_S2S_NEWCOMERS_H
#define S2S_S2S_NEWCOMERS_H
/* How many domains that this node has not seen before may become known to it in a minute; one
 * object for all shards, bounded memory. A domain is seen when it proved itself, or was reached by
 * us; it is forgotten after a day of silence, or when too many others came. */
#include "lib/base/base.h"

enum {
    S2S_NEWCOMERS_SEEN = 65536,
    S2S_NEWCOMERS_DAY_MS = 86400000,
    S2S_NEWCOMERS_MINUTE_MS = 60000
};
struct s2s_newcomers;
struct s2s_newcomers *s2s_newcomers_new(unsigned per_minute); /* 0: NULL, which allows all */
void s2s_newcomers_free(struct s2s_newcomers **pn);
/* May it prove itself now? Takes nothing: a name that anybody can claim costs nothing. */
bool s2s_newcomers_allows(struct s2s_newcomers *n, struct str remote);
/* It proved itself. False: too many did, it is not seen. */
bool s2s_newcomers_take(struct s2s_newcomers *n, struct str remote);
void s2s_newcomers_know(struct s2s_newcomers *n, struct str remote); /* we reached it */
#endif
