/* dns-answer: reads raw DNS messages. Everything a message says about lengths and offsets is
 * checked before it is used; a compression pointer must point before the name it stands in and all
 * jumps go backwards, so loops cannot be written. Names are compared and given out in lower case; a
 * name with bytes that are not printable, or with a dot inside of a label, makes its record
 * unusable (skipped), not the message. RFC 1035 section 4; negative TTL: RFC 2308 section 5. */
#include "dns/dns-answer.h"

enum {
    HEADER_SIZE = 12,
    LABEL_MAX = 63,
    WIRE_NAME_MAX = 255,
    CLASS_IN = 1,
    TYPE_SOA = 6,
    TTL_MAX = 0x7fffffff
};
enum { RCODE_NXDOMAIN = 3, FLAG_QR = 0x8000, FLAG_TC = 0x0200, FLAG_AD = 0x0020 };

struct cursor {
    const uint8_t *p;
    size_t n, at;
    bool bad; /* sticky: something did not fit */
};

struct name {
    char text[DNS_NAME_MAX + 1]; /* lower case, "" for the root */
    bool odd;                    /* cannot be written as text */
};

struct rr {
    struct name owner;
    unsigned type, class;
    uint32_t ttl;
    size_t data_at, data_n; /* in the message */
};

/* ---- bytes */

static unsigned u8(struct cursor *c)
{
    if (c->at >= c->n) {
        c->bad = true;
        return 0;
    }
    return c->p[c->at++];
}

static unsigned u16(struct cursor *c)
{
    unsigned high = u8(c);
    return high << 8 | u8(c);
}

static uint32_t u32(struct cursor *c)
{
    uint32_t high = u16(c);
    return high << 16 | u16(c);
}

static void skip(struct cursor *c, size_t n)
{
    if (n > c->n - c->at)
        c->bad = true;
    else
        c->at += n;
}

/* ---- names */

static void name_add(struct name *name, size_t *len, unsigned byte)
{
    if (byte >= 'A' && byte <= 'Z')
        byte += 'a' - 'A';
    if (byte <= ' ' || byte > '~' || byte == '.')
        name->odd = true;
    if (*len < DNS_NAME_MAX)
        name->text[(*len)++] = (char)byte;
    else
        name->odd = true;
}

static void read_label(struct cursor *c, size_t label_n, struct name *name, size_t *len)
{
    if (*len > 0 && *len < DNS_NAME_MAX)
        name->text[(*len)++] = '.';
    for (size_t i = 0; i < label_n; i++)
        name_add(name, len, u8(c));
}

/* Read the name at c->at, leave c->at behind it. */
static void read_name(struct cursor *c, struct name *name)
{
    struct cursor in = *c;
    size_t len = 0, wire = 0, lowest = c->at;
    bool jumped = false;
    memset(name, 0, sizeof *name);
    for (;;) {
        unsigned first = u8(&in);
        if (in.bad || (wire += first + 1) > WIRE_NAME_MAX + LABEL_MAX * 4)
            break;
        if (first == 0)
            break;
        if (first <= LABEL_MAX) {
            read_label(&in, first, name, &len);
            continue;
        }
        size_t to = (size_t)(first & 0x3f) << 8 | u8(&in);
        wire -= first + 1;
        if (!jumped)
            c->at = in.at;
        jumped = true;
        if ((first & 0xc0) != 0xc0 || to >= lowest) {
            in.bad = true;
            break;
        }
        lowest = in.at = to;
    }
    if (len + 2 > WIRE_NAME_MAX || wire > WIRE_NAME_MAX)
        in.bad = true;
    if (!jumped)
        c->at = in.at;
    c->bad = c->bad || in.bad;
}

enum err dns_name_normalise(const char *name, char out[DNS_NAME_MAX + 1])
{
    size_t n = strlen(name), label = 0;
    if (n > 0 && name[n - 1] == '.')
        n--;
    if (n == 0 || n > DNS_NAME_MAX)
        return ERR_INVALID;
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)name[i];
        label = b == '.' ? 0 : label + 1;
        bool is_empty = b == '.' && (i == 0 || name[i - 1] == '.');
        if (is_empty || label > LABEL_MAX || b <= ' ' || b > '~')
            return ERR_INVALID;
        out[i] = (char)(b >= 'A' && b <= 'Z' ? b + 'a' - 'A' : b);
    }
    out[n] = '\0';
    return n > 0 && name[n - 1] == '.' ? ERR_INVALID : ERR_OK;
}

/* ---- records */

/* Read a record's head, step over its data. */
static void read_rr(struct cursor *c, struct rr *r)
{
    read_name(c, &r->owner);
    r->type = u16(c);
    r->class = u16(c);
    r->ttl = u32(c);
    if (r->ttl > TTL_MAX) /* RFC 2181 section 8 */
        r->ttl = 0;
    r->data_n = u16(c);
    r->data_at = c->at;
    skip(c, r->data_n);
}

/* A cursor over the record's data, which sees the message before it for compression. */
static struct cursor data_of(const struct cursor *c, const struct rr *r)
{
    return (struct cursor){c->p, r->data_at + r->data_n, r->data_at, false};
}

/* False: the data is not what the type says. */
static bool read_target(struct cursor *d, struct dns_record *out, bool *odd)
{
    struct name name;
    read_name(d, &name);
    memcpy(out->target, name.text, sizeof name.text);
    *odd = name.odd;
    return !d->bad && d->at == d->n;
}

static bool read_addr(const struct cursor *d, enum addr_family family, struct dns_record *out)
{
    size_t n = family == ADDR_V4 ? 4 : 16;
    out->addr.family = family;
    if (d->n - d->at != n)
        return false;
    memcpy(out->addr.ip, d->p + d->at, n);
    return true;
}

static bool read_data(struct arena *arena, struct cursor *d, struct dns_record *out)
{
    out->data = arena_dup(arena, str_make((const char *)d->p + d->at, d->n - d->at));
    return out->type == DNS_TXT ? out->data.n >= 1 : out->data.n >= 3;
}

/* False: malformed. *odd: well formed, of no use. */
static bool read_record(struct arena *arena, const struct cursor *c, const struct rr *r,
                        struct dns_record *out, bool *odd)
{
    struct cursor d = data_of(c, r);
    *odd = false;
    out->type = (enum dns_type)r->type;
    out->ttl = r->ttl;
    switch (out->type) {
    case DNS_A:
        return read_addr(&d, ADDR_V4, out);
    case DNS_AAAA:
        return read_addr(&d, ADDR_V6, out);
    case DNS_SRV:
        out->priority = (uint16_t)u16(&d);
        out->weight = (uint16_t)u16(&d);
        out->port = (uint16_t)u16(&d);
        return read_target(&d, out, odd);
    case DNS_CNAME:
        return read_target(&d, out, odd);
    case DNS_TXT:
    case DNS_TLSA:
        return read_data(arena, &d, out);
    }
    return false;
}

/* ---- message */

struct message {
    struct cursor c; /* at the first record */
    unsigned flags, answers, authorities;
};

static bool read_header(struct str raw, struct message *m)
{
    memset(m, 0, sizeof *m);
    m->c = (struct cursor){(const uint8_t *)raw.p, raw.n, 0, false};
    if (raw.n < HEADER_SIZE || raw.n > DNS_RAW_MAX)
        return false;
    u16(&m->c); /* id: whoever asked has compared it */
    m->flags = u16(&m->c);
    unsigned questions = u16(&m->c);
    m->answers = u16(&m->c);
    m->authorities = u16(&m->c);
    u16(&m->c);
    if (!(m->flags & FLAG_QR) || questions > 1)
        return false;
    struct name name;
    if (questions) {
        read_name(&m->c, &name);
        u32(&m->c);
    }
    return !m->c.bad;
}

/* The CNAME of name among the answers, if there is one: becomes name. False: malformed. */
static bool follow(const struct message *m, char name[DNS_NAME_MAX + 1], uint32_t *ttl,
                   bool *followed)
{
    struct cursor c = m->c;
    *followed = false;
    for (unsigned i = 0; i < m->answers; i++) {
        struct rr r;
        struct dns_record cname = {0};
        bool odd;
        read_rr(&c, &r);
        if (c.bad)
            return false;
        if (r.type != DNS_CNAME || r.class != CLASS_IN || r.owner.odd ||
            strcmp(r.owner.text, name) != 0)
            continue;
        if (!read_record(NULL, &c, &r, &cname, &odd) || odd || !cname.target[0])
            return false;
        snprintf(name, DNS_NAME_MAX + 1, "%.253s", cname.target);
        *ttl = r.ttl < *ttl ? r.ttl : *ttl;
        *followed = true;
        return true;
    }
    return true;
}

/* All records of (name, type). False: malformed. */
static bool collect(struct arena *arena, const struct message *m, const char *name,
                    enum dns_type type, struct dns_answer *out)
{
    struct cursor c = m->c;
    struct dns_record *records = NULL;
    for (unsigned i = 0; i < m->answers && out->n < DNS_RECORDS_MAX; i++) {
        struct rr r;
        struct dns_record one = {0};
        bool odd;
        read_rr(&c, &r);
        if (c.bad)
            return false;
        if (r.type != (unsigned)type || r.class != CLASS_IN || r.owner.odd ||
            strcmp(r.owner.text, name) != 0)
            continue;
        if (!read_record(arena, &c, &r, &one, &odd))
            return false;
        if (odd)
            continue;
        if (!records) {
            unsigned left = m->answers - i; /* kept in the cache: no more than there may be */
            unsigned room = left < DNS_RECORDS_MAX ? left : DNS_RECORDS_MAX;
            records = arena_alloc(arena, room * sizeof *records);
        }
        records[out->n++] = one;
        out->ttl = r.ttl < out->ttl ? r.ttl : out->ttl;
    }
    out->records = records;
    return true;
}

/* RFC 2308 section 5: the smaller of the SOA's TTL and its MINIMUM; 0 without SOA. False:
 * malformed. */
static bool negative_ttl(const struct message *m, uint32_t *ttl)
{
    struct cursor c = m->c;
    struct rr r;
    uint32_t soa_ttl = 0;
    for (unsigned i = 0; i < m->answers + m->authorities; i++) {
        struct name name;
        read_rr(&c, &r);
        if (c.bad)
            return false;
        if (i < m->answers || r.type != TYPE_SOA || r.class != CLASS_IN)
            continue;
        struct cursor d = data_of(&c, &r);
        read_name(&d, &name);
        read_name(&d, &name);
        skip(&d, 16); /* serial, refresh, retry, expire */
        uint32_t minimum = u32(&d);
        if (d.bad || d.at != d.n)
            return false;
        soa_ttl = minimum < r.ttl ? minimum : r.ttl;
        break;
    }
    *ttl = soa_ttl < *ttl ? soa_ttl : *ttl;
    return true;
}

static bool read_answer(struct arena *arena, const struct message *m, const char *name,
                        enum dns_type type, struct dns_raw_answer *out)
{
    char at[DNS_NAME_MAX + 1];
    bool followed = true;
    str_put(at, sizeof at, name);
    while (followed) {
        if (!collect(arena, m, at, type, &out->a))
            return false;
        if (out->a.n)
            return true;
        followed = false;
        if (type != DNS_CNAME && !follow(m, at, &out->a.ttl, &followed))
            return false;
        if (followed && ++out->links > DNS_CNAME_MAX)
            return false;
    }
    bool is_final = (m->flags & 0xf) == RCODE_NXDOMAIN || out->links == 0;
    if (is_final)
        return negative_ttl(m, &out->a.ttl);
    str_put(out->next_name, sizeof out->next_name, at);
    return true;
}

void dns_answer_read(struct arena *arena, struct str raw, const char *name, enum dns_type type,
                     struct dns_raw_answer *out)
{
    struct message m;
    memset(out, 0, sizeof *out);
    out->a.ttl = TTL_MAX;
    out->a.status = ERR_PROTOCOL;
    if (!read_header(raw, &m)) {
        out->a.ttl = 0;
        return;
    }
    out->truncated = m.flags & FLAG_TC;
    unsigned rcode = m.flags & 0xf;
    if (rcode != 0 && rcode != RCODE_NXDOMAIN) {
        out->a.status = ERR_DNS_SERVFAIL;
        out->a.ttl = 0;
        return;
    }
    if (!read_answer(arena, &m, name, type, out)) {
        memset(out, 0, sizeof *out);
        out->a.status = ERR_PROTOCOL;
        return;
    }
    out->a.authenticated = m.flags & FLAG_AD;
    out->a.status = out->a.n ? ERR_OK : rcode == RCODE_NXDOMAIN ? ERR_DNS_NXDOMAIN : ERR_DNS_NODATA;
}
