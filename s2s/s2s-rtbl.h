#ifndef S2S_S2S_RTBL_H
#define S2S_S2S_RTBL_H
/* Real-time block lists: the domains that lists of pubsub services name, as the policy asks for
 * them. Who follows the lists is node/mod/rtbl.c. Words: item id = how a list names somebody; key =
 * SHA-256 of a domain, the one form in which all ids are kept; list = the keys of one node of one
 * service; set = all lists. Lists and sets are filled by their maker, then immutable, counted,
 * shared by all shards. */
#include "lib/base/base.h"

enum {
    S2S_RTBL_LISTS_MAX = 16,
    S2S_RTBL_ITEMS_MAX = 100000, /* of one list */
    S2S_RTBL_ID_MAX = 255,       /* bytes of an item id */
    S2S_RTBL_NAME_MAX = 255,     /* of a service's address, and of a node's name */
};
struct s2s_rtbl_key {
    uint8_t b[32];
};
enum s2s_rtbl_id {
    S2S_RTBL_DOMAIN,  /* a domain, or the hash of one (or of an address: nobody can tell) */
    S2S_RTBL_ADDRESS, /* of a user: not for us */
    S2S_RTBL_MALFORMED,
};
/* What an item id names. out: of S2S_RTBL_DOMAIN. */
enum s2s_rtbl_id s2s_rtbl_read(struct str id, struct s2s_rtbl_key *out);
void s2s_rtbl_key_of(struct str domain, struct s2s_rtbl_key *out); /* in normal form */

struct s2s_rtbl;
/* Room for max keys. */
struct s2s_rtbl *s2s_rtbl_new(struct str service, struct str node, size_t max);
void s2s_rtbl_add(struct s2s_rtbl *l, const struct s2s_rtbl_key *k);
void s2s_rtbl_spare(struct s2s_rtbl *l, struct str domain); /* whatever the list says of it */
struct s2s_rtbl *s2s_rtbl_ref(struct s2s_rtbl *l);
void s2s_rtbl_unref(struct s2s_rtbl **pl);
struct str s2s_rtbl_service(const struct s2s_rtbl *l);

struct s2s_rtbl_set;
struct s2s_rtbl_set *s2s_rtbl_set_new(void);
void s2s_rtbl_set_add(struct s2s_rtbl_set *s, struct s2s_rtbl **take); /* at most LISTS_MAX */
struct s2s_rtbl_set *s2s_rtbl_set_ref(struct s2s_rtbl_set *s);
void s2s_rtbl_set_unref(struct s2s_rtbl_set **ps);
/* The i-th list, NULL behind the last. s may be NULL: there are none. */
const struct s2s_rtbl *s2s_rtbl_at(const struct s2s_rtbl_set *s, size_t i);
struct s2s_terms;
/* Deny what a list names, unless a rule is for this very domain. s may be NULL. */
void s2s_rtbl_apply(const struct s2s_rtbl_set *s, struct str remote, struct s2s_terms *t);
#endif
