#ifndef DNS_DNS_INT_H
#define DNS_DNS_INT_H
/* Inside of the resolver. Words: question = one (name, type) in flight with all who wait for it;
 * backend = who carries a question to a name server and brings raw bytes back: c-ares (dns-ares.c)
 * or the simulated zones (sim-dns.c). */
#include "dns/dns-answer.h"

struct loop *dns_loop(const struct dns *d);

/* ---- families: the one that lost to the other goes second for a while (RFC 8305 section 4) */
enum { DNS_FAMILY_SECOND_MS = 600000 };
/* A connection was made. has_beaten: the other family had been tried before at the same target. */
void dns_family_won(struct dns *d, enum addr_family winner, bool has_beaten);
/* ADDR_NONE: neither. */
enum addr_family dns_family_second(const struct dns *d);

/* ---- backend */
struct dns_backend;
enum err dns_backend_open(struct loop *l, const struct dns_conf *c, struct dns_backend **out,
                          char *why, size_t why_size) MUST_USE;
void dns_backend_close(struct dns_backend **pb); /* nothing is called back afterwards */
/* ERR_OK with the message (borrowed), ERR_TIMEOUT (no server spoke: silence, or nobody there),
 * ERR_DNS_SERVFAIL (none would answer), ERR_PROTOCOL. */
typedef void dns_backend_cb(void *ctx, enum err e, struct str raw);
/* Never called back inside; from the loop, where anything may be done. name is normalised, copied.
 */
void dns_backend_ask(struct dns_backend *b, const char *name, enum dns_type type,
                     dns_backend_cb *cb, void *ctx);

/* ---- answers that several hold; one loop, so a plain count */
struct dns_held {
    int refs;
    uint64_t expires_us; /* monotonic */
    struct arena *arena;
    struct dns_answer a;
};
struct dns_held *dns_held_new(void); /* one reference */
struct dns_held *dns_held_ref(struct dns_held *h);
void dns_held_unref(struct dns_held **ph);

/* ---- cache: dns-cache.c */
#define DNS_CACHE_ENTRIES 8192
#define DNS_CACHE_BYTES ((size_t)8 * 1024 * 1024)
enum { /* seconds; what servers say is kept within these */
       DNS_TTL_MIN = 1,
       DNS_TTL_MAX = 86400,
       DNS_TTL_NEGATIVE_MAX = 3600, /* RFC 2308 section 5 */
       DNS_TTL_FAILURE = 5,         /* SERVFAIL, timeout, garbage: RFC 2308 section 7 allows 300 */
       DNS_TTL_STALE = 30,          /* RFC 8767 section 4 */
       DNS_STALE_MAX = 86400        /* past its end: RFC 8767 section 5, 1 to 3 days */
};
enum {
    DNS_PATIENCE_MS = 1800, /* before a stale answer is given: RFC 8767 section 5 */
    DNS_REFRESH_HITS = 3,   /* an answer used so often ... */
    DNS_REFRESH_PART = 10   /* ... is asked for again in the last such part of its life */
};
struct dns_cache;
struct dns_cache *dns_cache_new(size_t max_entries, size_t max_bytes);
void dns_cache_free(struct dns_cache **pc);
/* Borrowed until the next call on the cache; NULL when unknown or expired, unless its stale answer
 * is being served. *is_due: it is used much and ends soon; told once. */
struct dns_held *dns_cache_get(struct dns_cache *c, const char *name, enum dns_type type,
                               uint64_t now_us, bool *is_due);
/* An expired answer with records that may be given when no server speaks; NULL: none. Never TLSA,
 * as what a key is must not be older than its owner allows. */
struct dns_held *dns_cache_stale(struct dns_cache *c, const char *name, enum dns_type type,
                                 uint64_t now_us);
/* The same, and dns_cache_get gives it for the next DNS_TTL_STALE seconds. */
struct dns_held *dns_cache_serve_stale(struct dns_cache *c, const char *name, enum dns_type type,
                                       uint64_t now_us);
/* Remember h until its ttl (clamped here, h->a.ttl too) is over. A negative answer without TTL is
 * not kept; a failure does not replace an answer that holds. */
void dns_cache_put(struct dns_cache *c, const char *name, enum dns_type type, struct dns_held *h,
                   uint64_t now_us);
size_t dns_cache_count(const struct dns_cache *c);

/* "name type" as a key for maps; returns it as slice of out. */
#define DNS_KEY_MAX (DNS_NAME_MAX + 8)
struct str dns_key(char out[DNS_KEY_MAX], const char *name, enum dns_type type);
#endif
