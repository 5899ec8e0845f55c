#ifndef LIB_XMPP_STREAM_ERROR_H
#define LIB_XMPP_STREAM_ERROR_H
/* Stream error conditions of RFC 6120 section 4.9.3. STREAM_OK is "no error". */
#include "lib/base/base.h"
#define STREAM_COND_TABLE(X)                                                                       \
    X(BAD_FORMAT, "bad-format")                                                                    \
    X(BAD_NAMESPACE_PREFIX, "bad-namespace-prefix")                                                \
    X(CONFLICT, "conflict")                                                                        \
    X(CONNECTION_TIMEOUT, "connection-timeout")                                                    \
    X(HOST_GONE, "host-gone")                                                                      \
    X(HOST_UNKNOWN, "host-unknown") X(IMPROPER_ADDRESSING, "improper-addressing")                  \
        X(INTERNAL_SERVER_ERROR, "internal-server-error") X(INVALID_FROM, "invalid-from")          \
            X(INVALID_NAMESPACE, "invalid-namespace") X(INVALID_XML, "invalid-xml")                \
                X(NOT_AUTHORIZED, "not-authorized") X(NOT_WELL_FORMED, "not-well-formed")          \
                    X(POLICY_VIOLATION, "policy-violation") X(REMOTE_CONNECTION_FAILED,            \
                                                              "remote-connection-failed")          \
                        X(RESET, "reset") X(RESOURCE_CONSTRAINT, "resource-constraint") X(         \
                            RESTRICTED_XML, "restricted-xml") X(SEE_OTHER_HOST, "see-other-host")  \
                            X(SYSTEM_SHUTDOWN, "system-shutdown")                                  \
                                X(UNDEFINED_CONDITION, "undefined-condition")                      \
                                    X(UNSUPPORTED_ENCODING, "unsupported-encoding")                \
                                        X(UNSUPPORTED_FEATURE, "unsupported-feature")              \
                                            X(UNSUPPORTED_STANZA_TYPE, "unsupported-stanza-type")  \
                                                X(UNSUPPORTED_VERSION, "unsupported-version")
enum stream_cond {
    STREAM_OK,
#define STREAM_COND_ENUM(id, name) STREAM_##id,
    STREAM_COND_TABLE(STREAM_COND_ENUM)
#undef STREAM_COND_ENUM
};
const char *stream_cond_name(enum stream_cond c);   /* element name; "ok" for STREAM_OK */
enum stream_cond stream_cond_find(struct str name); /* UNDEFINED_CONDITION when unknown */
struct xml;
/* Read <stream:error/>: condition and text (STR_NONE if none). */
enum stream_cond stream_error_read(const struct xml *error, struct str *text);
#endif
