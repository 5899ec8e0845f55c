/* DOC: the table of causes, and how what lower layers say becomes one.
 * Design: most specific first. What the peer says itself (a stream error) is believed before what
 * we saw; what we refused before how the connection ended; a bare end is read by the step it came
 * in: an end within TLS has other reasons than one within SASL. No cause is a guess about what
 * nobody said: where two sides are possible, the side is "between".
 * Standards: RFC 6120 sections 4.9.3, 8.3.3. */
#include "s2s/s2s-cause.h"

#include "lib/base/base.h"

struct cause {
    const char *name, *text, *advice;
    enum s2s_class class;
    enum s2s_side side;
    enum stanza_cond cond;
    bool is_final;
};
static const struct cause causes[S2S_CAUSES] = {
#define CAUSE(id, name, cls, side, cond, is_final, text, advice)                                   \
    [S2S_CAUSE_##                                                                                  \
        id] = {name, text, advice, S2S_CLASS_##cls, S2S_SIDE_##side, STANZA_##cond, is_final},
    S2S_CAUSE_TABLE(CAUSE)
#undef CAUSE
};

static const struct cause *of(enum s2s_cause c)
{
    return &causes[(unsigned)c < S2S_CAUSES ? c : S2S_CAUSE_NONE];
}

const char *s2s_cause_name(enum s2s_cause c)
{
    return of(c)->name;
}

const char *s2s_cause_text(enum s2s_cause c)
{
    return of(c)->text;
}

const char *s2s_cause_advice(enum s2s_cause c)
{
    return of(c)->advice;
}

enum s2s_class s2s_cause_class(enum s2s_cause c)
{
    return of(c)->class;
}

enum s2s_side s2s_cause_side(enum s2s_cause c)
{
    return of(c)->side;
}

enum stanza_cond s2s_cause_cond(enum s2s_cause c)
{
    return of(c)->cond;
}

bool s2s_cause_is_final(enum s2s_cause c)
{
    return of(c)->is_final;
}

char *s2s_cause_say(char *out, size_t size, enum s2s_cause c, const char *text)
{
    const char *clause = s2s_cause_text(c);
    if (!text || !*text || strstr(clause, text))
        str_put(out, size, clause);
    else if (strstr(text, clause))
        str_put(out, size, text);
    else
        snprintf(out, size, "%s (%.*s)", clause, (int)(size > 200 ? size - 100 : size / 2), text);
    return out;
}

enum s2s_cause s2s_cause_find(const char *name)
{
    unsigned c = 0;
    while (c < S2S_CAUSES && strcmp(causes[c].name, name) != 0)
        c++;
    return (enum s2s_cause)c;
}

const char *s2s_class_name(enum s2s_class c)
{
    static const char *const names[S2S_CLASSES] = {
        [S2S_CLASS_NONE] = "none",     [S2S_CLASS_DNS] = "dns",     [S2S_CLASS_ADDRESS] = "address",
        [S2S_CLASS_TLS] = "tls",       [S2S_CLASS_CERT] = "cert",   [S2S_CLASS_AUTH] = "auth",
        [S2S_CLASS_POLICY] = "policy", [S2S_CLASS_LIMIT] = "limit", [S2S_CLASS_PEER] = "peer",
        [S2S_CLASS_LOCAL] = "local",
    };
    return names[(unsigned)c < S2S_CLASSES ? c : S2S_CLASS_NONE];
}

const char *s2s_side_name(enum s2s_side s)
{
    switch (s) {
    case S2S_SIDE_OURS:
        return "ours";
    case S2S_SIDE_THEIRS:
        return "theirs";
    case S2S_SIDE_BETWEEN:
        return "between";
    case S2S_SIDE_NOBODY:
        break;
    }
    return "nobody";
}

/* ---- from lower layers */

enum s2s_cause s2s_cause_of_dial(enum err e)
{
    static const struct {
        enum err err;
        enum s2s_cause cause;
    } table[] = {
        {ERR_OK, S2S_CAUSE_NONE},
        {ERR_INVALID, S2S_CAUSE_DNS_NAME},
        {ERR_DNS_NXDOMAIN, S2S_CAUSE_DNS_NXDOMAIN},
        {ERR_DNS_NODATA, S2S_CAUSE_DNS_NODATA},
        {ERR_DNS_TARGET, S2S_CAUSE_DNS_TARGET},
        {ERR_DNS_REFUSED_SERVICE, S2S_CAUSE_DNS_REFUSED},
        {ERR_DNS_SERVFAIL, S2S_CAUSE_DNS_SERVFAIL},
        {ERR_DNS_TIMEOUT, S2S_CAUSE_DNS_TIMEOUT},
        {ERR_PROTOCOL, S2S_CAUSE_DNS_MALFORMED},
        {ERR_REFUSED, S2S_CAUSE_ADDRESS_REFUSED},
        {ERR_UNREACHABLE, S2S_CAUSE_ADDRESS_UNREACHABLE},
        {ERR_TIMEOUT, S2S_CAUSE_ADDRESS_TIMEOUT},
        {ERR_RESET, S2S_CAUSE_PEER_RESET},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].err == e)
            return table[i].cause;
    return S2S_CAUSE_ADDRESS_UNREACHABLE; /* our own descriptors and buffers, mostly */
}

/* What the peer says. RFC 6120 section 4.9.3: what is wrong with the host, with us, with it. */
static enum s2s_cause of_received(enum stream_cond c)
{
    static const struct {
        enum stream_cond cond;
        enum s2s_cause cause;
    } table[] = {
        {STREAM_HOST_UNKNOWN, S2S_CAUSE_PEER_HOST_UNKNOWN},
        {STREAM_HOST_GONE, S2S_CAUSE_PEER_HOST_UNKNOWN},
        {STREAM_POLICY_VIOLATION, S2S_CAUSE_POLICY_THEIRS},
        {STREAM_NOT_AUTHORIZED, S2S_CAUSE_POLICY_THEIRS},
        {STREAM_RESOURCE_CONSTRAINT, S2S_CAUSE_LIMIT_THEIRS},
        {STREAM_REMOTE_CONNECTION_FAILED, S2S_CAUSE_AUTH_DIALBACK_ERROR},
        {STREAM_SYSTEM_SHUTDOWN, S2S_CAUSE_PEER_CLOSED},
        {STREAM_RESET, S2S_CAUSE_PEER_CLOSED},
        {STREAM_UNSUPPORTED_VERSION, S2S_CAUSE_PEER_VERSION},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].cond == c)
            return table[i].cause;
    return S2S_CAUSE_PEER_ERROR;
}

/* What we did not take from it: no XMPP at all, too much, or against the rules. */
static enum s2s_cause of_sent(enum stream_cond c)
{
    static const struct {
        enum stream_cond cond;
        enum s2s_cause cause;
    } table[] = {
        {STREAM_NOT_WELL_FORMED, S2S_CAUSE_PEER_XML},
        {STREAM_INVALID_XML, S2S_CAUSE_PEER_XML},
        {STREAM_BAD_FORMAT, S2S_CAUSE_PEER_XML},
        {STREAM_INVALID_NAMESPACE, S2S_CAUSE_PEER_XML},
        {STREAM_BAD_NAMESPACE_PREFIX, S2S_CAUSE_PEER_XML},
        {STREAM_RESTRICTED_XML, S2S_CAUSE_PEER_XML},
        {STREAM_UNSUPPORTED_ENCODING, S2S_CAUSE_PEER_XML},
        {STREAM_UNSUPPORTED_STANZA_TYPE, S2S_CAUSE_PEER_XML},
        {STREAM_UNSUPPORTED_VERSION, S2S_CAUSE_PEER_VERSION},
        {STREAM_POLICY_VIOLATION, S2S_CAUSE_LIMIT_RATE},
        {STREAM_RESOURCE_CONSTRAINT, S2S_CAUSE_LIMIT_RATE},
        {STREAM_CONNECTION_TIMEOUT, S2S_CAUSE_PEER_SILENT},
        {STREAM_SYSTEM_SHUTDOWN, S2S_CAUSE_LOCAL_STOPPING},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].cond == c)
            return table[i].cause;
    return S2S_CAUSE_PEER_RULES;
}

static enum s2s_cause of_tls(const struct stream_end *e, bool is_secured)
{
    if (e->step == STREAM_AT_FEATURES && !is_secured)
        return S2S_CAUSE_TLS_MISSING;
    if (e->step == STREAM_AT_STARTTLS)
        return S2S_CAUSE_TLS_REFUSED;
    switch (e->tls) {
    case TLS_FAULT_VERSION:
        return S2S_CAUSE_TLS_VERSION;
    case TLS_FAULT_LOST:
        return S2S_CAUSE_TLS_LOST;
    case TLS_FAULT_NONE:
    case TLS_FAULT_GARBAGE:
    case TLS_FAULT_ALERT:
    case TLS_FAULT_OTHER:
        break;
    }
    return S2S_CAUSE_TLS_HANDSHAKE;
}

static enum s2s_cause of_reset(const struct stream_end *e, bool wants_tls, bool is_secured)
{
    bool is_in_tls = e->step == STREAM_AT_TLS || e->step == STREAM_AT_STARTTLS;
    if (is_in_tls || (wants_tls && !is_secured))
        return S2S_CAUSE_TLS_LOST;
    return e->is_eof ? S2S_CAUSE_PEER_CLOSED : S2S_CAUSE_PEER_RESET;
}

enum s2s_cause s2s_cause_of_end(const struct stream_end *e, bool wants_tls, bool is_secured)
{
    if (e->received != STREAM_OK)
        return of_received(e->received);
    switch (e->err) {
    case ERR_PROTOCOL:
        return of_sent(e->sent);
    case ERR_TLS:
        return of_tls(e, is_secured);
    case ERR_RESET:
        return e->sent == STREAM_OK ? of_reset(e, wants_tls, is_secured) : of_sent(e->sent);
    case ERR_CERT:
        return S2S_CAUSE_CERT_OTHER;
    case ERR_AUTH:
        return e->step == STREAM_AT_SASL ? S2S_CAUSE_AUTH_EXTERNAL : S2S_CAUSE_AUTH_NONE;
    case ERR_TIMEOUT:
        return S2S_CAUSE_PEER_SILENT;
    case ERR_LIMIT:
        return S2S_CAUSE_PEER_STALLED;
    case ERR_UNREACHABLE:
        return S2S_CAUSE_ADDRESS_UNREACHABLE;
    case ERR_OK:
    case ERR_EOF:
    case ERR_CLOSED:
        return e->sent == STREAM_OK ? S2S_CAUSE_PEER_CLOSED : of_sent(e->sent);
    default: /* of the transport */
        return S2S_CAUSE_PEER_RESET;
    }
}

enum s2s_cause s2s_cause_of_cert(const struct tls_info *i)
{
    if (!i->has_cert)
        return S2S_CAUSE_CERT_MISSING;
    switch (i->cert_fault) {
    case TLS_CERT_EXPIRED:
        return S2S_CAUSE_CERT_EXPIRED;
    case TLS_CERT_NOT_YET:
        return S2S_CAUSE_CERT_NOT_YET;
    case TLS_CERT_ISSUER:
        return S2S_CAUSE_CERT_ISSUER;
    case TLS_CERT_WEAK:
        return S2S_CAUSE_CERT_WEAK;
    case TLS_CERT_REVOKED:
        return S2S_CAUSE_CERT_REVOKED;
    case TLS_CERT_OTHER:
        return S2S_CAUSE_CERT_OTHER;
    case TLS_CERT_OK:
        break;
    }
    return i->chain_ok ? S2S_CAUSE_CERT_NAME : S2S_CAUSE_CERT_OTHER;
}
