#ifndef S2S_S2S_POLICY_H
#define S2S_S2S_POLICY_H
/* With whom we federate, both ways, and on which proof: the operator's rules and block list, made
 * once, immutable, counted, shared by all shards. The most exact rule decides:
 *   1. a rule for the domain itself;
 *   2. the block list: the domain itself, or "*.parent" of any domain above it; and the lists of
 *      s2s-rtbl.h, which change more often and are asked beside it;
 *   3. the rule for "*.parent" of the nearest domain above it;
 *   4. the default. */
#include "lib/base/base.h"

enum {
    S2S_BLOCKLIST_BYTES = 8 << 20, /* of the file */
    S2S_BLOCKLIST_MAX = 100000,    /* domains in it */
};
enum s2s_proof { S2S_PROOF_ANY, S2S_PROOF_CERTIFICATE };
struct s2s_rule {
    const char *host; /* "a.example", or "*.a.example": all below it, itself not */
    bool is_denied;
    enum s2s_proof auth;
    bool is_plain; /* TLS is not required */
};
struct s2s_policy_conf {
    bool is_denied; /* whom no rule names */
    const struct s2s_rule *rules;
    size_t n_rules;
    const char *blocklist_file; /* NULL: none */
};
struct s2s_policy;
/* Reads the file: blocks. why: "FILE:LINE: what is wrong". ERR_INVALID, ERR_LIMIT, ERR_IO. */
enum err s2s_policy_new(const struct s2s_policy_conf *c, struct s2s_policy **out, char *why,
                        size_t why_size) MUST_USE;
/* The block list alone, for s2s_policy_new and tests: a domain a line, # begins a comment. */
enum err s2s_policy_block(struct s2s_policy *p, const char *name, struct str text, char *why,
                          size_t why_size) MUST_USE;
struct s2s_policy *s2s_policy_ref(struct s2s_policy *p);
void s2s_policy_unref(struct s2s_policy **pp);
/* Is this a domain, or "*." and a domain? */
bool s2s_policy_host_ok(struct str host);
size_t s2s_policy_blocked(const struct s2s_policy *p); /* entries of the block list */

/* What holds for one remote domain. */
struct s2s_terms {
    bool is_denied, needs_cert;            /* it must prove itself by its certificate */
    bool is_named;                         /* a rule is for this very domain */
    bool is_listed;                        /* denied by a list of s2s-rtbl.h */
    bool tls_required, dialback, external; /* as in s2s_conf, with what the rule says */
    char why[160];                         /* of is_denied and needs_cert; "" else */
};
/* t: filled with what [s2s] says for all. p NULL: that remains. remote in normal form. */
void s2s_policy_apply(const struct s2s_policy *p, struct str remote, struct s2s_terms *t);
#endif
