#ifndef S2S_S2S_CARRY_H
#define S2S_S2S_CARRY_H
/* Finding a carrier for an outbox: a stream that can have it, or a new one. */
#include "s2s/s2s-outbox.h"

/* b has no carrier and its domain may be tried: attach it to a ready stream that may carry it (an
 * outgoing one to the same remote domain after dialback for this pair, or an incoming bidirectional
 * one whose peer proved the remote domain), or begin an outgoing stream. Ends, sooner or later, in
 * s2s_outbox_attach and s2s_domain_up, or in s2s_domain_failed; never inside this call. Nothing
 * happens when an attempt for it is under way. */
void s2s_carry(struct s2s_outbox *b);
#endif
