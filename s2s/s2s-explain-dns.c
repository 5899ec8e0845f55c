/* DOC: explain, the records: both SRV names of the domain, the addresses and the TLSA records of
 * each host they name (of the domain itself where there is no SRV record), as the resolver of this
 * shard has them: what streams go by. Standards: RFC 2782, RFC 6698, XEP-0368. */
#include "s2s/s2s-explain-int.h"

#include <stdarg.h>

#include "lib/base/encode.h"

enum { HOSTS_MAX = 8, QUESTIONS_MAX = 40, TLSA_SHOWN = 24, RECORDS_SHOWN = 16 };

struct question {
    struct explain *x;
    char name[300];
    enum dns_type type;
    uint64_t began_us;
};

static void ask(struct explain *x, enum dns_type type, const char *fmt, ...) PRINTF_LIKE(3, 4);

static const char *type_name(enum dns_type t)
{
    switch (t) {
    case DNS_A:
        return "A";
    case DNS_CNAME:
        return "CNAME";
    case DNS_TXT:
        return "TXT";
    case DNS_AAAA:
        return "AAAA";
    case DNS_SRV:
        return "SRV";
    case DNS_TLSA:
        return "TLSA";
    }
    return "?";
}

static void put_tlsa(struct buf *out, struct str rdata)
{
    const uint8_t *p = (const uint8_t *)rdata.p;
    if (rdata.n < 4)
        return;
    buf_printf(out, "%u %u %u ", p[0], p[1], p[2]);
    hex_encode(out, p + 3, rdata.n - 3 < TLSA_SHOWN ? rdata.n - 3 : TLSA_SHOWN);
}

static void put_record(struct buf *out, const struct dns_record *r)
{
    char address[ADDR_TEXT_MAX];
    switch (r->type) {
    case DNS_A:
    case DNS_AAAA: { /* without the port, which is 0 */
        struct str text = str_of(addr_format(address, &r->addr));
        ptrdiff_t colon = (ptrdiff_t)text.n - 2;
        buf_str(out, colon > 0 ? str_make(text.p, (size_t)colon) : text);
        break;
    }
    case DNS_SRV:
        buf_printf(out, "%u %u %u %s.", r->priority, r->weight, r->port, r->target);
        break;
    case DNS_CNAME:
        buf_printf(out, "is %s.", r->target);
        break;
    case DNS_TLSA:
        put_tlsa(out, r->data);
        break;
    case DNS_TXT:
        buf_str(out, r->data);
        break;
    }
}

/* All records in one row: "0 5 5269 a.example., 10 5 5269 b.example. (300 s, signed)". */
static void tell(const struct question *q, const struct dns_answer *a)
{
    struct buf text;
    char about[320];
    snprintf(about, sizeof about, "%s %s", type_name(q->type), q->name);
    if (a->status != ERR_OK) {
        explain_step(q->x, q->began_us, "dns", about, "%s", err_text(a->status));
        return;
    }
    buf_init(&text, 4096);
    for (size_t i = 0; i < a->n && i < RECORDS_SHOWN; i++) {
        if (i)
            buf_cstr(&text, ", ");
        put_record(&text, &a->records[i]);
    }
    buf_printf(&text, " (%u s%s)", a->ttl, a->authenticated ? ", signed" : "");
    explain_step(q->x, q->began_us, "dns", about, STR_FMT, STR_ARG(buf_view(&text)));
    buf_fini(&text);
}

static void ask_host(struct explain *x, const char *host, uint16_t port)
{
    ask(x, DNS_AAAA, "%s", host);
    ask(x, DNS_A, "%s", host);
    ask(x, DNS_TLSA, "_%u._tcp.%s", port, host);
}

static void on_answer(void *ctx, const struct dns_answer *a)
{
    struct question *q = ctx;
    struct explain *x = q->x;
    tell(q, a);
    x->questions--;
    bool is_plain = q->type == DNS_SRV && str_starts(str_of(q->name), STR("_xmpp-server."));
    for (size_t i = 0; q->type == DNS_SRV && a->status == ERR_OK && i < a->n && i < HOSTS_MAX; i++)
        if (a->records[i].target[0])
            ask_host(x, a->records[i].target, a->records[i].port);
    if (is_plain && (a->status == ERR_DNS_NXDOMAIN || a->status == ERR_DNS_NODATA))
        ask_host(x, x->ascii, 5269);
    explain_check_over(x);
}

static void ask(struct explain *x, enum dns_type type, const char *fmt, ...)
{
    if (x->asked == QUESTIONS_MAX)
        return;
    struct question *q = arena_alloc(x->arena, sizeof *q);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(q->name, sizeof q->name, fmt, ap);
    va_end(ap);
    q->x = x;
    q->type = type;
    q->began_us = loop_now_us(x->s2s->loop);
    x->questions++;
    x->asked++;
    dns_query(x->s2s->dns, &x->ops, q->name, type, on_answer, q);
}

void explain_ask(struct explain *x)
{
    const struct s2s_override *o = s2s_override_find(x->s2s, x->remote);
    char address[ADDR_TEXT_MAX];
    if (o) {
        explain_step(x, x->began_us, "override", x->remote,
                     "%s, by [[s2s.override]]; DNS is not asked",
                     addr_format(address, &o->target.addr));
        return;
    }
    ask(x, DNS_SRV, "_xmpps-server._tcp.%s", x->ascii);
    ask(x, DNS_SRV, "_xmpp-server._tcp.%s", x->ascii);
}
