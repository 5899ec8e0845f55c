#ifndef S2S_S2S_TLS_H
#define S2S_S2S_TLS_H
/* TLS sessions of servers we spoke to, to begin the next connection with: in memory, bounded, by
 * pair of domains and address, because a session is that of the certificate we showed. */
#include "lib/base/hmap.h"
#include "lib/base/list.h"
#include "lib/net/addr.h"
#include "lib/net/tls.h"

enum {
    S2S_TLS_SESSIONS_MAX = 256,          /* the least recently used goes */
    S2S_TLS_AVOID_MS = 24 * 3600 * 1000, /* after a handshake that failed with one */
};
struct s2s_tls {
    struct hmap by_key;
    struct list lru; /* the oldest first */
};
void s2s_tls_init(struct s2s_tls *c);
void s2s_tls_fini(struct s2s_tls *c);
size_t s2s_tls_count(const struct s2s_tls *c);
/* Heap. */
char *s2s_tls_key(const char *local, const char *remote, const struct addr *at);
/* Each is used once (RFC 8446 appendix C.4); a reference, NULL: none. */
struct tls_session *s2s_tls_take(struct s2s_tls *c, const char *key);
/* Takes the reference, which may be NULL. */
void s2s_tls_keep(struct s2s_tls *c, const char *key, struct tls_session *session, uint64_t now_us);
/* The server does not bear it: keep none of its for a day. */
void s2s_tls_avoid(struct s2s_tls *c, const char *key, uint64_t now_us);
#endif
