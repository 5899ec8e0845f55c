#ifndef LIB_XMPP_STANZA_ERROR_H
#define LIB_XMPP_STANZA_ERROR_H
/* Stanza error conditions of RFC 6120 section 8.3.3 with their default error type. STANZA_OK is "no
 * error". */
#include "lib/base/base.h"
#define STANZA_COND_TABLE(X)                                                                       \
    X(BAD_REQUEST, "bad-request", "modify")                                                        \
    X(CONFLICT, "conflict", "cancel")                                                              \
    X(FEATURE_NOT_IMPLEMENTED, "feature-not-implemented", "cancel")                                \
    X(FORBIDDEN, "forbidden", "auth")                                                              \
    X(GONE, "gone", "cancel")                                                                      \
    X(INTERNAL_SERVER_ERROR, "internal-server-error", "cancel") X(ITEM_NOT_FOUND,                  \
                                                                  "item-not-found", "cancel")      \
        X(JID_MALFORMED, "jid-malformed", "modify") X(NOT_ACCEPTABLE, "not-acceptable", "modify")  \
            X(NOT_ALLOWED, "not-allowed", "cancel") X(NOT_AUTHORIZED, "not-authorized", "auth")    \
                X(POLICY_VIOLATION, "policy-violation",                                            \
                  "modify") X(RECIPIENT_UNAVAILABLE, "recipient-unavailable",                      \
                              "wait") X(REDIRECT, "redirect", "modify")                            \
                    X(REGISTRATION_REQUIRED, "registration-required",                              \
                      "auth") X(REMOTE_SERVER_NOT_FOUND, "remote-server-not-found", "cancel")      \
                        X(REMOTE_SERVER_TIMEOUT, "remote-server-timeout", "wait")                  \
                            X(RESOURCE_CONSTRAINT, "resource-constraint", "wait")                  \
                                X(SERVICE_UNAVAILABLE, "service-unavailable", "cancel")            \
                                    X(SUBSCRIPTION_REQUIRED, "subscription-required", "auth")      \
                                        X(UNDEFINED_CONDITION, "undefined-condition", "cancel")    \
                                            X(UNEXPECTED_REQUEST, "unexpected-request", "wait")
enum stanza_cond {
    STANZA_OK,
#define STANZA_COND_ENUM(id, name, type) STANZA_##id,
    STANZA_COND_TABLE(STANZA_COND_ENUM)
#undef STANZA_COND_ENUM
        STANZA_CONDS
};
const char *stanza_cond_name(enum stanza_cond c);
const char *stanza_cond_type(enum stanza_cond c); /* "cancel", "wait", "modify", "auth" */
enum stanza_cond stanza_cond_find(struct str name);
#endif
