#ifndef S2S_S2S_EXPLAIN_H
#define S2S_S2S_EXPLAIN_H
/* What stands between us and a remote domain, found out now: its records, each of its addresses,
 * TLS, certificate, what it offers, authentication; then what is kept of it and what waits; and one
 * sentence that says what is wrong, on whose side, and what to do. The probe has connections of its
 * own, and closes them when they are authenticated: nothing is sent, no stream of the domain is
 * touched; but a domain that turns out to be reachable is not waited for any longer. Words:
 * question = one name asked of DNS; walk = one address, from connecting to authenticated. */
#include "lib/base/json.h"
#include "lib/loop/op.h"
#include "s2s/s2s.h"

enum {
    S2S_EXPLAINS_MAX = 16,      /* under way at once, on one shard */
    S2S_EXPLAIN_WALKS_MAX = 8,  /* addresses that are tried */
    S2S_EXPLAIN_MS_MAX = 45000, /* however long connect_timeout_ms is */
};
/* Add the sentence to a report: "verdict". With "record" (s2s_show) in it, what waits is part of
 * it. */
void s2s_explain_verdict(struct json *report);
/* report (the callee may take it): domain, local, steps (a row each: ms since the beginning, took,
 * step, about, outcome), addresses (a row each), certificate, reached_at, tls, auth, works,
 * cause, class, side, text, advice. NULL: too many at once. */
typedef void s2s_explain_done(void *ctx, struct json **report);
/* local: one of our domains. Ends after connect_timeout_ms at the latest. */
struct op *s2s_explain(struct s2s *s, struct op_owner *o, const char *local, struct str remote,
                       s2s_explain_done *done, void *ctx);
#endif
