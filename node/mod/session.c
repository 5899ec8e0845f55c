/* DOC: the session request of RFC 3921, which RFC 6121 made void but old clients still send: it is
 * answered and does nothing. Standards: RFC 3921 section 3; RFC 6121 section 1.4. */
#include "node/mod/mods.h"

static const struct iq_handler iqs[] = {
    {NS_SESSION, "session", IQ_TO_SERVER, false, true, false, iq_result},
    {NS_SESSION, "session", IQ_TO_ACCOUNT, false, true, true, iq_result},
};

const struct module mod_session = {
    .name = "session",
    .xep = "RFC 3921",
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
};
