/* SASL EXTERNAL, server side (RFC 4422 appendix A, XEP-0178): the message is the authorization
 * identity, empty when it is to be derived from the certificate. Who the certificate speaks for is
 * the caller's knowledge. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"
#include "lib/xmpp/jid.h"

enum sasl_status sasl_external_step(struct sasl_server *s, struct str in, struct buf *out)
{
    (void)out;
    if (!utf8_valid(in) || str_find(in, '\0') >= 0)
        return sasl_server_fail(s, SASL_FAIL_MALFORMED_REQUEST);
    if (in.n > JID_MAX)
        return sasl_server_fail(s, SASL_FAIL_INVALID_AUTHZID);
    s->authzid = arena_dup(s->mem, in);
    s->phase = SASL_PHASE_VERDICT;
    return SASL_NEED_IDENTITY;
}
