/* DOC: from the channel bindings of lib/net to those of SASL. Standards: RFC 5802 section 6, RFC
 * 9266, RFC 5929. */
#include "lib/stream/stream-binding.h"

#include "lib/net/channel-binding.h"
#include "lib/xmpp/xep.h"

RFC("5929", PARTIAL, "no tls-unique without the extended master secret, no tls-unique-for-telnet");
RFC("9266", COMPLETE);

static void add(const struct transport *t, struct sasl_offer *o, bool with_data)
{
    _Static_assert((int)SASL_BINDINGS_MAX == (int)CHANNEL_BINDING_COUNT, "a place for each");
    _Static_assert((int)SASL_BINDING_MAX == (int)CHANNEL_BINDING_MAX, "room for each");
    o->n = 0;
    for (enum channel_binding i = 0; t && i < CHANNEL_BINDING_COUNT; i++) {
        struct sasl_binding *b = &o->bindings[o->n];
        b->data_n = 0;
        if (!(with_data ? channel_binding_get(t, i, b->data, &b->data_n)
                        : channel_binding_has(t, i)))
            continue;
        b->type = channel_binding_name(i);
        o->n++;
    }
}

void stream_bindings(const struct transport *t, struct sasl_offer *o)
{
    add(t, o, true);
}

void stream_binding_names(const struct transport *t, struct sasl_offer *o)
{
    add(t, o, false);
}
