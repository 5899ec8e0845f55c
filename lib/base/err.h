#ifndef LIB_BASE_ERR_H
#define LIB_BASE_ERR_H
/* The one internal error enum. Protocol outcomes are other types (enum stanza_cond, enum
 * stream_cond). */

#define ERR_TABLE(X)                                                                               \
    X(OK, "ok")                                                                                    \
    X(AGAIN, "try again later")                                                                    \
    X(CANCELLED, "cancelled")                                                                      \
    X(CLOSED, "closed")                                                                            \
    X(CONFLICT, "changed by somebody else")                                                        \
    X(DENIED, "not allowed")                                                                       \
    X(EOF, "end of input")                                                                         \
    X(EXISTS, "exists already")                                                                    \
    X(INVALID, "invalid input")                                                                    \
    X(IO, "input/output error")                                                                    \
    X(LIMIT, "limit exceeded")                                                                     \
    X(NOMEM, "out of memory")                                                                      \
    X(NOTFOUND, "not found")                                                                       \
    X(PROTOCOL, "peer broke the protocol")                                                         \
    X(REFUSED, "connection refused")                                                               \
    X(RESET, "connection reset by peer")                                                           \
    X(TIMEOUT, "timed out")                                                                        \
    X(UNAVAILABLE, "service unavailable")                                                          \
    X(UNREACHABLE, "network or host unreachable")                                                  \
    X(UNSUPPORTED, "not supported")                                                                \
    X(TLS, "TLS failure")                                                                          \
    X(CERT, "certificate not acceptable")                                                          \
    X(AUTH, "authentication failed")                                                               \
    X(DNS_NXDOMAIN, "domain name does not exist")                                                  \
    X(DNS_NODATA, "domain name has no such record")                                                \
    X(DNS_SERVFAIL, "name server failure")                                                         \
    X(DNS_TIMEOUT, "no answer from name servers")                                                  \
    X(DNS_TARGET, "the SRV records lead to no address")                                            \
    X(DNS_REFUSED_SERVICE, "domain declares that it does not offer the service")

enum err {
#define ERR_ENUM(name, text) ERR_##name,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

/* Stable short name ("TIMEOUT") and human text ("timed out"); static strings, never NULL. */
const char *err_name(enum err e);
const char *err_text(enum err e);
/* Translate a positive errno (or a negative libuv code, which is -errno on Linux). */
enum err err_from_errno(int code);
#endif
