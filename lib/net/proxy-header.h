#ifndef LIB_NET_PROXY_HEADER_H
#define LIB_NET_PROXY_HEADER_H
/* The header of the PROXY protocol, versions 1 and 2: what a load balancer says of the connection
 * it passes on. Source: haproxy.org, proxy-protocol.txt 2020/03/05, section 2. */
#include "lib/net/addr.h"

/* Longest header taken, extensions (TLVs) included, which are skipped. Version 1 has at most 107
 * bytes by its own rule. */
enum { PROXY_HEADER_MAX = 4096 };

struct proxy_header {
    size_t bytes;  /* of the header; what follows is the client's */
    bool is_known; /* peer and local are given: not for the proxy's own checks (LOCAL), nor for
                      connections of other families (UNKNOWN, UNSPEC, UNIX) */
    struct addr peer, local;
};
enum proxy_verdict { PROXY_MORE, PROXY_OK, PROXY_BAD };
/* PROXY_MORE: the bytes are the beginning of a header. PROXY_OK: *out is filled. PROXY_BAD: no
 * header begins like this, or its rules are broken; why (static) says how. */
enum proxy_verdict proxy_header_parse(struct str bytes, struct proxy_header *out, const char **why);
#endif
