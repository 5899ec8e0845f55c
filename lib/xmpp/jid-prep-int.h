#ifndef LIB_XMPP_JID_PREP_INT_H
#define LIB_XMPP_JID_PREP_INT_H
/* Preparation of the parts of a JID that are not plain ASCII. Results live in the arena,
 * NUL-terminated, and may be longer than JID_PART_MAX: the caller checks. ERR_INVALID; why (never
 * NULL) gets a static text. */
#include "lib/xmpp/jid.h"

#define JID_INPUT_MAX                                                                              \
    (3 *                                                                                           \
     JID_PART_MAX) /* bytes of one part before preparation: full-width ASCII shrinks to a third */

enum err jid_prep_local(struct arena *a, struct str in, struct str *out, const char **why) MUST_USE;
enum err jid_prep_domain(struct arena *a, struct str in, struct str *out,
                         const char **why) MUST_USE;
enum err jid_prep_resource(struct arena *a, struct str in, struct str *out,
                           const char **why) MUST_USE;
/* Characters RFC 7622 section 3.3.1 forbids in a localpart on top of PRECIS: "&'/:<>@ */
bool jid_local_excludes(uint32_t c);
/* Letters, digits, hyphens and dots in labels of 1 to 63 bytes (RFC 1123, NR-LDH or A-labels). */
bool jid_domain_is_ldh(struct str s);
bool jid_domain_has_a_label(struct str s); /* one that starts with xn-- */
#endif
