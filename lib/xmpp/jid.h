#ifndef LIB_XMPP_JID_H
#define LIB_XMPP_JID_H
/* JIDs (RFC 7622): normal form in one string, parts are slices of it. The domain keeps U-labels;
 * jid_domain_ascii gives the A-label form for DNS and TLS. A zeroed struct is "no address". */
#include "lib/base/arena.h"

struct jid {
    struct str full;                    /* localpart@domain/resource, NUL-terminated */
    struct str bare;                    /* prefix of full */
    struct str local, domain, resource; /* STR_NONE when absent */
};
#define JID_PART_MAX 1023
#define JID_MAX 3071

/* Parse and prepare (PRECIS: UsernameCaseMapped for local, OpaqueString for resource; IDNA2008 for
 * domain; ASCII fast path). The result lives in the arena. ERR_INVALID, ERR_LIMIT; why (may be
 * NULL) gets a static text. */
enum err jid_parse(struct arena *a, struct str text, struct jid *out, const char **why) MUST_USE;
enum err jid_make(struct arena *a, struct str local, struct str domain, struct str resource,
                  struct jid *out) MUST_USE;
static inline bool jid_is_set(const struct jid *j)
{
    return j->full.p != NULL;
}
static inline bool jid_is_full(const struct jid *j)
{
    return j->resource.p != NULL;
}
bool jid_eq(const struct jid *a, const struct jid *b);
bool jid_bare_eq(const struct jid *a, const struct jid *b);
/* The bare JID / the domain JID of j, as slices of the same memory (full of the result is not
 * NUL-terminated). */
struct jid jid_to_bare(const struct jid *j);
struct jid jid_to_domain(const struct jid *j);
struct jid jid_dup(struct arena *a, const struct jid *j);
/* Heap copy for long-lived owners: one allocation behind out->full.p. */
void jid_dup_heap(const struct jid *j, struct jid *out);
void jid_fini(struct jid *j);
enum err jid_domain_ascii(struct str domain, char out[256]) MUST_USE;
/* jid-prep, for SASL: SASLprep-like preparation of user names and passwords (OpaqueString). */
enum err jid_prep_username(struct arena *a, struct str in, struct str *out) MUST_USE;
enum err jid_prep_password(struct arena *a, struct str in, struct str *out) MUST_USE;
#endif
