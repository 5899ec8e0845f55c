/* DOC: XMPP Ping, asked of the domain or of an account. Standards: XEP-0199. */
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"

XEP("0199", "2.0.1", COMPLETE);

static const struct iq_handler iqs[] = {
    {NS_PING, "ping", IQ_TO_SERVER, true, false, false, iq_result},
    {NS_PING, "ping", IQ_TO_ACCOUNT, true, false, false, iq_result},
};
static const char *const features[] = {NS_PING, NULL};

const struct module mod_ping = {
    .name = "ping",
    .xep = "0199",
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .server_features = features,
    .account_features = features,
};
