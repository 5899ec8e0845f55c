/* sim-dns: the simulated name server, as a backend of dns. Zones are one list of records for all
 * hosts. Answers are written as raw messages and come after 1..5 ms of virtual time; a CNAME comes
 * with or without what it points at, as drawn, so both ways of following it are used. Answers have
 * the AD bit unless an INSECURE record covers a name of its chain. */
#include "dns/sim-dns.h"
#include "dns/dns-int.h"
#include "dns/raw-int.h"
#include "lib/base/encode.h"
#include "lib/base/rand.h"
#include "lib/loop/timer.h"

enum {
    LATENCY_MIN_MS = 1,
    LATENCY_MAX_MS = 5,
    TIMEOUT_MS = 2000,
    TRIES = 2,
    NEGATIVE_TTL = 60,
    RAW_MAX = 16384
};
enum { PSEUDO_SERVFAIL = 0x10001, PSEUDO_TIMEOUT, PSEUDO_INSECURE };

struct zone_record {
    struct list link;
    char name[DNS_NAME_MAX + 1];
    uint32_t ttl;
    unsigned type;
    unsigned only;                 /* SERVFAIL, TIMEOUT: for questions of this type; 0 = all */
    char target[DNS_NAME_MAX + 1]; /* CNAME */
    struct buf data;               /* rdata */
};

static struct list zone; /* of the simulation that runs */
static bool has_begun;

/* ---- zones */

void sim_dns_begin(void)
{
    must(!has_begun);
    has_begun = true;
    list_init(&zone);
}

static void record_free(struct zone_record *r)
{
    list_del(&r->link);
    buf_fini(&r->data);
    mem_free(r);
}

void sim_dns_end(void)
{
    must(has_begun);
    has_begun = false;
    for (struct list *n; (n = list_first(&zone));)
        record_free(list_entry(n, struct zone_record, link));
}

static struct str word(struct str *rest)
{
    struct str w = STR("");
    *rest = str_trim(*rest);
    if (rest->p && rest->n)
        w = str_cut(rest, ' ');
    return w;
}

static unsigned number(struct str *rest, uint64_t max)
{
    uint64_t n;
    bool is_number = str_to_u64(word(rest), max, &n);
    must(is_number);
    return (unsigned)n;
}

static void name_word(struct str *rest, char out[DNS_NAME_MAX + 1])
{
    char text[DNS_NAME_MAX + 2];
    struct str w = word(rest);
    must(w.n > 0 && w.n < sizeof text);
    memcpy(text, w.p, w.n);
    text[w.n] = '\0';
    out[0] = '\0';
    if (strcmp(text, ".") != 0) {
        enum err e = dns_name_normalise(text, out);
        must(!e);
    }
}

static void parse_addr(struct zone_record *r, struct str rest, enum addr_family family)
{
    struct addr a;
    enum err e = addr_parse(word(&rest), 0, &a);
    must(!e && a.family == family);
    buf_add(&r->data, a.ip, family == ADDR_V4 ? 4 : 16);
}

static void parse_srv(struct zone_record *r, struct str rest)
{
    char target[DNS_NAME_MAX + 1];
    for (int i = 0; i < 3; i++)
        raw_u16(&r->data, number(&rest, 65535));
    name_word(&rest, target);
    raw_name(&r->data, target);
}

static void parse_txt(struct zone_record *r, struct str rest)
{
    struct str text = str_trim(rest);
    if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
        text = str_make(text.p + 1, text.n - 2);
    must(text.n <= 255);
    buf_char(&r->data, (char)text.n);
    buf_str(&r->data, text);
}

static void parse_tlsa(struct zone_record *r, struct str rest)
{
    for (int i = 0; i < 3; i++)
        buf_char(&r->data, (char)number(&rest, 255));
    enum err e = hex_decode(&r->data, word(&rest));
    must(!e);
}

static void parse_cname(struct zone_record *r, struct str rest)
{
    name_word(&rest, r->target);
    raw_name(&r->data, r->target);
}

/* 0 when unknown. */
static unsigned type_of(struct str name)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {{"A", DNS_A},
                 {"AAAA", DNS_AAAA},
                 {"SRV", DNS_SRV},
                 {"CNAME", DNS_CNAME},
                 {"TXT", DNS_TXT},
                 {"TLSA", DNS_TLSA},
                 {"SERVFAIL", PSEUDO_SERVFAIL},
                 {"TIMEOUT", PSEUDO_TIMEOUT},
                 {"INSECURE", PSEUDO_INSECURE}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eqc(name, types[i].name))
            return types[i].type;
    return 0;
}

static void parse_data(struct zone_record *r, struct str type, struct str rest)
{
    r->type = type_of(type);
    must(r->type); /* else an unknown type in a zone */
    switch (r->type) {
    case DNS_A:
        parse_addr(r, rest, ADDR_V4);
        break;
    case DNS_AAAA:
        parse_addr(r, rest, ADDR_V6);
        break;
    case DNS_SRV:
        parse_srv(r, rest);
        break;
    case DNS_CNAME:
        parse_cname(r, rest);
        break;
    case DNS_TXT:
        parse_txt(r, rest);
        break;
    case DNS_TLSA:
        parse_tlsa(r, rest);
        break;
    default: /* a pseudo record: the type it is for */
        r->only = type_of(word(&rest));
        break;
    }
}

void sim_dns_zone(const char *lines)
{
    struct str rest = str_of(lines);
    must(has_begun);
    while (rest.p) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        if (!line.n)
            continue;
        struct zone_record *r = mem_alloc(sizeof *r);
        buf_init(&r->data, RAW_MAX);
        name_word(&line, r->name);
        r->ttl = number(&line, UINT32_MAX);
        parse_data(r, word(&line), line);
        list_push(&zone, &r->link);
    }
}

void sim_dns_remove(const char *name)
{
    char norm[DNS_NAME_MAX + 1];
    enum err e = dns_name_normalise(name, norm);
    must(!e);
    list_each (&zone, n) {
        struct zone_record *r = list_entry(n, struct zone_record, link);
        if (strcmp(r->name, norm) == 0)
            record_free(r);
    }
}

/* ---- answers */

static struct zone_record *find(const char *name, unsigned type)
{
    list_each (&zone, n) {
        struct zone_record *r = list_entry(n, struct zone_record, link);
        if (r->type == type && strcmp(r->name, name) == 0)
            return r;
    }
    return NULL;
}

static bool is_bad(const char *name, unsigned pseudo, unsigned type)
{
    const struct zone_record *r = find(name, pseudo);
    return r && (!r->only || r->only == type);
}

/* The name, or one below it, has a record. */
static bool exists(const char *name)
{
    size_t name_n = strlen(name);
    list_each (&zone, n) {
        const struct zone_record *r = list_entry(n, struct zone_record, link);
        size_t n_all = strlen(r->name);
        if (n_all < name_n || strcmp(r->name + n_all - name_n, name) != 0)
            continue;
        if (n_all == name_n || r->name[n_all - name_n - 1] == '.')
            return true;
    }
    return false;
}

static bool is_secure(const char *name)
{
    for (const char *at = name; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL)
        if (find(at, PSEUDO_INSECURE))
            return false;
    return true;
}

static void add(struct buf *b, const struct zone_record *r)
{
    size_t at = raw_rr(b, RAW_AT_ANSWERS, r->name, r->type, r->ttl);
    buf_str(b, buf_view(&r->data));
    raw_rr_end(b, at);
}

static unsigned add_all(struct buf *b, const char *name, unsigned type)
{
    unsigned count = 0;
    list_each (&zone, n) {
        const struct zone_record *r = list_entry(n, struct zone_record, link);
        if (r->type != type || strcmp(r->name, name) != 0)
            continue;
        add(b, r);
        count++;
    }
    return count;
}

static void set_rcode(struct buf *b, unsigned rcode)
{
    b->p[3] = (char)((unsigned char)b->p[3] | rcode);
}

static void write_answer(struct buf *b, const char *name, unsigned type)
{
    raw_begin(b, RAW_QR | RAW_RD_RA | (is_secure(name) ? RAW_AD : 0), name, type);
    if (is_bad(name, PSEUDO_SERVFAIL, type)) {
        set_rcode(b, 2);
        return;
    }
    for (int links = 0; links < 2 * DNS_CNAME_MAX; links++) {
        const struct zone_record *cname = find(name, DNS_CNAME);
        if (add_all(b, name, type) || type == DNS_CNAME || !cname)
            break;
        add(b, cname);
        name = cname->target;
        if (!is_secure(name))
            b->p[3] = (char)((unsigned char)b->p[3] & ~RAW_AD);
        if (rand_below(2)) /* the resolver tells the rest only when asked */
            return;
    }
    bool is_answered = find(name, type) != NULL;
    if (!is_answered && !exists(name))
        set_rcode(b, 3);
    if (!is_answered)
        raw_soa(b, "", NEGATIVE_TTL, NEGATIVE_TTL);
}

/* ---- the backend */

struct dns_backend {
    struct loop *loop;
    uint64_t timeout_ms;
    struct list asked; /* of struct exchange */
};

struct exchange {
    struct list link;
    struct timer timer;
    char name[DNS_NAME_MAX + 1];
    enum dns_type type;
    bool is_lost;
    dns_backend_cb *cb;
    void *ctx;
};

static void exchange_free(struct exchange *x)
{
    list_del(&x->link);
    timer_stop(&x->timer);
    mem_free(x);
}

static void on_answer(void *ctx)
{
    struct exchange *x = ctx;
    struct exchange copy = *x;
    struct buf b;
    exchange_free(x);
    if (copy.is_lost) {
        copy.cb(copy.ctx, ERR_TIMEOUT, STR_NONE);
        return;
    }
    buf_init(&b, RAW_MAX);
    write_answer(&b, copy.name, copy.type);
    must(buf_ok(&b));
    copy.cb(copy.ctx, ERR_OK, buf_view(&b));
    buf_fini(&b);
}

void dns_backend_ask(struct dns_backend *b, const char *name, enum dns_type type,
                     dns_backend_cb *cb, void *ctx)
{
    struct exchange *x = mem_alloc(sizeof *x);
    str_put(x->name, sizeof x->name, name);
    x->type = type;
    x->cb = cb;
    x->ctx = ctx;
    x->is_lost = is_bad(x->name, PSEUDO_TIMEOUT, type);
    timer_init(&x->timer, b->loop, on_answer, x);
    list_push(&b->asked, &x->link);
    uint64_t latency_ms = LATENCY_MIN_MS + rand_below(LATENCY_MAX_MS - LATENCY_MIN_MS + 1);
    timer_start(&x->timer, x->is_lost ? b->timeout_ms : latency_ms);
}

enum err dns_backend_open(struct loop *l, const struct dns_conf *c, struct dns_backend **out,
                          char *why, size_t why_size)
{
    (void)why, (void)why_size;
    must(has_begun);
    struct dns_backend *b = mem_alloc(sizeof *b);
    b->loop = l;
    b->timeout_ms = (c->timeout_ms ? c->timeout_ms : TIMEOUT_MS) * (c->tries ? c->tries : TRIES);
    list_init(&b->asked);
    *out = b;
    return ERR_OK;
}

void dns_backend_close(struct dns_backend **pb)
{
    struct dns_backend *b = *pb;
    *pb = NULL;
    for (struct list *n; (n = list_first(&b->asked));)
        exchange_free(list_entry(n, struct exchange, link));
    mem_free(b);
}
