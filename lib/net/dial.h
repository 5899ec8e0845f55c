#ifndef LIB_NET_DIAL_H
#define LIB_NET_DIAL_H
/* Connect to the first target that answers. Targets are pulled one by one from a source (dns
 * implements it), attempts are staggered (RFC 8305, 250 ms), the first connected wins, the others
 * are closed. */
#include "lib/loop/op.h"
#include "lib/net/tls-dane.h"
#include "lib/net/transport.h"

enum dial_dane { /* how far DNSSEC vouches for a target */
                 DIAL_DANE_NONE,
                 DIAL_DANE_NAME, /* its host name is authentic, there are no TLSA records of use */
                 DIAL_DANE_TLSA  /* it has TLSA records: TLS, and a certificate that matches */
};
struct dial_target {
    struct addr addr;
    bool direct_tls; /* found by _xmpps: TLS from the first byte */
    char name[256];  /* host name it came from */
    enum dial_dane dane;
    size_t n_tlsa; /* with DIAL_DANE_TLSA: at least one */
    struct tls_dane tlsa[TLS_DANE_RECORDS_MAX];
};
struct dial_source_ops {
    /* Ask for the next target; answer comes later through cb, exactly once unless cancelled by
     * close. ERR_OK with a target; ERR_EOF after the last; another error when nothing could be
     * found (the true reason). */
    void (*next)(void *src, void (*cb)(void *ctx, enum err e, const struct dial_target *t),
                 void *ctx);
    void (*close)(void *src); /* cancels a pending next and frees the source */
    /* How an attempt ended: ERR_OK for the one that is kept, what went wrong for those that failed
     * before. Those that were overtaken are not told. May be NULL. */
    void (*outcome)(void *src, const struct addr *addr, enum err e);
};
struct dial_source {
    const struct dial_source_ops *ops;
    void *src;
};
struct dial_result {
    struct dial_target target;
    unsigned attempts;
    char why[160]; /* last failure in words: "203.0.113.5:5269: connection refused" */
};
typedef void dial_done(void *ctx, enum err e, struct transport *t, const struct dial_result *r);
/* Takes the source (closes it in the end). On ERR_OK the transport is the caller's, connected; set
 * its events at once. */
struct op *dial_open(struct loop *l, struct op_owner *o, struct dial_source src,
                     uint64_t deadline_ms, dial_done *done, void *ctx);
/* A source over a fixed list (copied). */
struct dial_source dial_source_fixed(struct loop *l, const struct dial_target *targets, size_t n);
/* Client side of a unix socket (meridianctl). */
struct op *dial_unix(struct loop *l, struct op_owner *o, const char *path, dial_done *done,
                     void *ctx);
#endif
