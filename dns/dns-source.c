/* dns-source: where an XMPP domain lives, as a source for dial.h. SRV of the plain and of the
 * direct-TLS service are asked together and put into one order; the addresses of a target are asked
 * when its turn comes, AAAA and A together, and given out interleaved, IPv6 first. Once one family
 * is known the other is waited for at most 50 ms; it may come later. The domain itself on the
 * default port is only tried when both SRV questions say that there is no such record: a failing
 * name server is not the same as no record, and would lead us to the wrong host. DANE: as soon as
 * one authenticated address of a target of authenticated SRV records is known, its TLSA records are
 * asked for, and no address is given before they are known; when that fails (bogus signatures
 * included) the target is dropped, else who can suppress an answer could switch DANE off.
 * RFC 6120 section 3.2, XEP-0368, RFC 2782, RFC 8305 sections 3 and 4, RFC 7673 section 3. */
#include "dns/dns-int.h"
#include "dns/dns-srv.h"
#include "lib/base/vec.h"
#include "lib/loop/timer.h"

enum {
    TARGETS_MAX = 32,
    ADDRS_MAX = 8,       /* of a family of one target */
    OTHER_FAMILY_MS = 50 /* RFC 8305 section 3, for either family */
};

enum source_state {
    SRC_NEW,   /* nothing asked */
    SRC_SRV,   /* SRV asked */
    SRC_READY, /* targets known; addresses of targets[next_target - 1] may still be on their way */
    SRC_ADDRS, /* nothing to give before more of those addresses are known */
};
enum { PLAIN, DIRECT, SRV_COUNT };
enum { V6, V4, FAMILIES };

enum tlsa_state { /* of the target whose turn it is */
                  TLSA_NONE,
                  TLSA_ASKED,
                  TLSA_KNOWN, /* there may be none */
                  TLSA_FAILED /* the target must not be used */
};

struct given { /* to the dialler */
    struct addr addr;
    size_t target;
};

struct source {
    struct dns *dns;
    struct op_owner owner;
    struct defer step;
    struct timer other_family;
    enum source_state state;
    enum dns_service service;
    char domain[DNS_NAME_MAX + 1];
    unsigned pending; /* questions asked */
    enum err srv_status[SRV_COUNT];
    bool srv_refused[SRV_COUNT]; /* the target was "." */
    struct dns_srv targets[TARGETS_MAX];
    size_t n_targets, next_target;
    struct addr addrs[FAMILIES][ADDRS_MAX];
    size_t n_addrs[FAMILIES], next_addr[FAMILIES];
    bool turn_v4;
    enum tlsa_state tlsa_state;
    struct tls_dane tlsa[TLS_DANE_RECORDS_MAX];
    size_t n_tlsa;
    VEC(struct given) given;
    bool has_srv;    /* with a target */
    enum err reason; /* why nothing was found */
    bool has_given;
    void (*cb)(void *ctx, enum err e, const struct dial_target *t);
    void *ctx;
};

static void source_step(void *ctx);

/* ---- reasons */

/* What lasts less long says more: a failure may hide an address. */
static unsigned weight_of(enum err e)
{
    return e == ERR_OK ? 0 : e == ERR_DNS_NXDOMAIN ? 1 : e == ERR_DNS_NODATA ? 2 : 3;
}

static void add_reason(struct source *s, enum err e)
{
    if (weight_of(e) > weight_of(s->reason))
        s->reason = e;
}

static bool is_absent(enum err e)
{
    return e == ERR_DNS_NXDOMAIN || e == ERR_DNS_NODATA;
}

/* ---- SRV */

static void add_target(struct source *s, const struct dns_record *r, bool direct_tls,
                       bool is_secure)
{
    if (s->n_targets == TARGETS_MAX || r->port == 0 || !r->target[0])
        return;
    s->targets[s->n_targets++] = (struct dns_srv){*r, direct_tls, is_secure};
}

static void add_domain(struct source *s, uint16_t port)
{
    struct dns_record r = {.type = DNS_SRV, .port = port};
    str_put(r.target, sizeof r.target, s->domain);
    add_target(s, &r, false, false);
}

static void choose(struct source *s)
{
    enum err plain = s->srv_status[PLAIN], direct = s->srv_status[DIRECT];
    s->state = SRC_READY;
    if (s->n_targets) {
        dns_srv_order(s->targets, s->n_targets);
        return;
    }
    if (s->has_srv) {
        s->reason = ERR_DNS_TARGET; /* all with port 0 */
    } else if (s->srv_refused[PLAIN]) {
        s->reason = ERR_DNS_REFUSED_SERVICE;
    } else if (is_absent(plain) && (is_absent(direct) || s->srv_refused[DIRECT])) {
        add_domain(s, s->service == DNS_XMPP_SERVER ? 5269 : 5222);
    } else {
        add_reason(s, plain);
        add_reason(s, direct);
        if (!s->reason) /* records, none of them of use */
            s->reason = ERR_DNS_NODATA;
    }
}

static void on_srv(struct source *s, const struct dns_answer *a, int which)
{
    s->srv_status[which] = a->status;
    for (size_t i = 0; i < a->n; i++) {
        s->has_srv = s->has_srv || a->records[i].target[0];
        add_target(s, &a->records[i], which == DIRECT, a->authenticated);
    }
    s->srv_refused[which] = a->n == 1 && !a->records[0].target[0];
    if (--s->pending > 0)
        return;
    choose(s);
    source_step(s);
}

static void on_plain(void *ctx, const struct dns_answer *a)
{
    on_srv(ctx, a, PLAIN);
}

static void on_direct(void *ctx, const struct dns_answer *a)
{
    on_srv(ctx, a, DIRECT);
}

static void ask_srv(struct source *s)
{
    static const char *const names[][SRV_COUNT] = {
        [DNS_XMPP_SERVER] = {"_xmpp-server", "_xmpps-server"},
        [DNS_XMPP_CLIENT] = {"_xmpp-client", "_xmpps-client"}};
    static dns_cb *const cbs[SRV_COUNT] = {on_plain, on_direct};
    s->state = SRC_SRV;
    s->pending = SRV_COUNT;
    for (int i = 0; i < SRV_COUNT; i++) {
        char name[DNS_NAME_MAX + 32];
        snprintf(name, sizeof name, "%s._tcp.%s", names[s->service][i], s->domain);
        dns_query(s->dns, &s->owner, name, DNS_SRV, cbs[i], s);
    }
}

/* ---- addresses */

static const struct dns_srv *current(const struct source *s)
{
    return &s->targets[s->next_target - 1];
}

/* What is known is enough to go on. */
static void go_on(void *ctx)
{
    struct source *s = ctx;
    timer_stop(&s->other_family);
    if (s->state != SRC_ADDRS || s->tlsa_state == TLSA_ASKED)
        return;
    s->state = SRC_READY;
    source_step(s);
}

/* Nothing of the target may be used. */
static void drop_target(struct source *s)
{
    s->tlsa_state = TLSA_FAILED;
    op_owner_cancel_all(&s->owner);
    s->pending = 0;
    memset(s->n_addrs, 0, sizeof s->n_addrs);
    memset(s->next_addr, 0, sizeof s->next_addr);
}

static void on_tlsa(void *ctx, const struct dns_answer *a)
{
    struct source *s = ctx;
    s->tlsa_state = TLSA_KNOWN;
    for (size_t i = 0; a->authenticated && i < a->n && s->n_tlsa < TLS_DANE_RECORDS_MAX; i++)
        if (tls_dane_read(a->records[i].data, &s->tlsa[s->n_tlsa]))
            s->n_tlsa++;
    if (a->status && !is_absent(a->status)) {
        add_reason(s, a->status);
        drop_target(s);
    }
    if (!s->pending || !timer_running(&s->other_family))
        go_on(s);
}

/* RFC 7673 sections 3.2, 3.3. */
static void ask_tlsa(struct source *s)
{
    char name[DNS_NAME_MAX + sizeof "_65535._tcp."];
    const struct dns_srv *of = current(s);
    snprintf(name, sizeof name, "_%u._tcp.%.253s", of->record.port, of->record.target);
    s->tlsa_state = TLSA_ASKED;
    dns_query(s->dns, &s->owner, name, DNS_TLSA, on_tlsa, s);
}

static void on_addrs(struct source *s, const struct dns_answer *a, int family)
{
    if (a->n && a->authenticated && current(s)->is_secure && s->tlsa_state == TLSA_NONE)
        ask_tlsa(s);
    for (size_t i = 0; i < a->n && s->n_addrs[family] < ADDRS_MAX; i++)
        s->addrs[family][s->n_addrs[family]++] = a->records[i].addr;
    add_reason(s, a->status);
    if (--s->pending == 0)
        go_on(s);
    else if (a->n)
        timer_start(&s->other_family, OTHER_FAMILY_MS);
}

static void on_v6(void *ctx, const struct dns_answer *a)
{
    on_addrs(ctx, a, V6);
}

static void on_v4(void *ctx, const struct dns_answer *a)
{
    on_addrs(ctx, a, V4);
}

static bool literal(struct str text, struct addr *out)
{
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_make(text.p + 1, text.n - 2);
    return addr_parse(text, 0, out) == ERR_OK;
}

static void ask_addrs(struct source *s)
{
    const char *name = s->targets[s->next_target++].record.target;
    struct addr addr;
    memset(s->n_addrs, 0, sizeof s->n_addrs);
    memset(s->next_addr, 0, sizeof s->next_addr);
    s->tlsa_state = TLSA_NONE;
    s->n_tlsa = 0;
    s->turn_v4 = dns_family_second(s->dns) == ADDR_V6;
    if (literal(str_of(name), &addr)) {
        int family = addr.family == ADDR_V6 ? V6 : V4;
        s->addrs[family][s->n_addrs[family]++] = addr;
        source_step(s);
        return;
    }
    s->state = SRC_ADDRS;
    s->pending = FAMILIES;
    dns_query(s->dns, &s->owner, name, DNS_AAAA, on_v6, s);
    dns_query(s->dns, &s->owner, name, DNS_A, on_v4, s);
}

/* An absent host of an SRV record is not an absent domain. */
static enum err reason_of(const struct source *s)
{
    return s->has_srv && is_absent(s->reason) ? ERR_DNS_TARGET : s->reason;
}

/* Next of the addresses on hand, the families in turn. */
static bool take_addr(struct source *s, struct addr *out)
{
    for (int i = 0; i < FAMILIES; i++) {
        int family = s->turn_v4 ? V4 : V6;
        s->turn_v4 = !s->turn_v4;
        if (s->next_addr[family] < s->n_addrs[family]) {
            *out = s->addrs[family][s->next_addr[family]++];
            return true;
        }
    }
    return false;
}

/* ---- the source */

static void source_answer(struct source *s, enum err e, const struct dial_target *t)
{
    void (*cb)(void *, enum err, const struct dial_target *) = s->cb;
    s->cb = NULL;
    s->has_given = s->has_given || e == ERR_OK;
    cb(s->ctx, e, t); /* may close the source */
}

static void give(struct source *s, struct addr addr)
{
    const struct dns_srv *from = current(s);
    struct dial_target t = {.addr = addr, .direct_tls = from->direct_tls, .n_tlsa = s->n_tlsa};
    t.dane = s->n_tlsa ? DIAL_DANE_TLSA : from->is_secure ? DIAL_DANE_NAME : DIAL_DANE_NONE;
    memcpy(t.tlsa, s->tlsa, s->n_tlsa * sizeof *t.tlsa);
    t.addr.port = from->record.port;
    str_put(t.name, sizeof t.name, from->record.target);
    vec_push(&s->given, ((struct given){t.addr, s->next_target - 1}));
    source_answer(s, ERR_OK, &t);
}

static void source_step(void *ctx)
{
    struct source *s = ctx;
    struct addr addr;
    if (s->state == SRC_NEW)
        ask_srv(s);
    else if (s->tlsa_state == TLSA_ASKED)
        s->state = SRC_ADDRS;
    else if (take_addr(s, &addr))
        give(s, addr);
    else if (s->pending)
        s->state = SRC_ADDRS;
    else if (s->next_target < s->n_targets)
        ask_addrs(s);
    else
        source_answer(s, s->has_given ? ERR_EOF : reason_of(s), NULL);
}

static void source_next(void *src, void (*cb)(void *ctx, enum err e, const struct dial_target *t),
                        void *ctx)
{
    struct source *s = src;
    must(!s->cb);
    s->cb = cb;
    s->ctx = ctx;
    loop_defer(dns_loop(s->dns), &s->step);
}

static void source_close(void *src)
{
    struct source *s = src;
    op_owner_cancel_all(&s->owner);
    defer_cancel(&s->step);
    timer_stop(&s->other_family);
    vec_fini(&s->given);
    mem_free(s);
}

/* A family that was tried first and has not connected before the other did has lost to it. Failures
 * alone say nothing of a family: the host may be down. */
static void source_outcome(void *src, const struct addr *addr, enum err e)
{
    const struct source *s = src;
    size_t at = 0;
    bool has_beaten = false;
    while (at < s->given.n && !addr_eq(&s->given.p[at].addr, addr))
        at++;
    if (e || at == s->given.n)
        return;
    for (size_t i = 0; i < at; i++)
        has_beaten = has_beaten || (s->given.p[i].target == s->given.p[at].target &&
                                    s->given.p[i].addr.family != addr->family);
    dns_family_won(s->dns, addr->family, has_beaten);
}

static struct source *source_new(struct dns *d, struct str host)
{
    struct source *s = mem_alloc(sizeof *s);
    s->dns = d;
    op_owner_init(&s->owner);
    defer_init(&s->step, source_step, s);
    timer_init(&s->other_family, dns_loop(d), go_on, s);
    if (host.n <= DNS_NAME_MAX && host.n > 0)
        memcpy(s->domain, host.p, host.n);
    s->reason = s->domain[0] ? ERR_OK : ERR_DNS_NXDOMAIN;
    return s;
}

static const struct dial_source_ops source_ops = {source_next, source_close, source_outcome};

struct dial_source dns_xmpp_source(struct dns *d, struct str domain, enum dns_service service)
{
    struct source *s = source_new(d, domain);
    struct addr addr;
    s->service = service;
    s->state = s->reason ? SRC_READY : SRC_NEW;
    if (literal(domain, &addr)) {
        s->state = SRC_READY;
        add_domain(s, service == DNS_XMPP_SERVER ? 5269 : 5222);
    }
    return (struct dial_source){&source_ops, s};
}

struct dial_source dns_host_source(struct dns *d, struct str host, uint16_t port)
{
    struct source *s = source_new(d, host);
    s->state = SRC_READY;
    if (!s->reason)
        add_domain(s, port);
    return (struct dial_source){&source_ops, s};
}
