/* SASL ANONYMOUS, server side (RFC 4505): the message is trace information, text of the client's
 * that nobody has to believe; it is checked and left. Who the client becomes is the caller's
 * business. Standards: RFC 4505 section 2, XEP-0175 section 3. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"
#include "lib/xmpp/xep.h"

RFC("4505", COMPLETE);

enum { TRACE_MAX = 255 * 4 }; /* bytes: 255 characters */

static bool is_trace(struct str s)
{
    size_t characters = 0;
    for (struct str rest = s; rest.n > 0; characters++) {
        uint32_t cp;
        const size_t n = utf8_next(rest, &cp);
        if (!n || cp < 0x20 || cp == 0x7f)
            return false;
        rest = str_make(rest.p + n, rest.n - n);
    }
    return characters <= TRACE_MAX / 4;
}

enum sasl_status sasl_anonymous_step(struct sasl_server *s, struct str in, struct buf *out)
{
    (void)out;
    if (in.n > TRACE_MAX || !is_trace(in))
        return sasl_server_fail(s, SASL_FAIL_MALFORMED_REQUEST);
    s->phase = SASL_PHASE_END;
    return SASL_DONE;
}
