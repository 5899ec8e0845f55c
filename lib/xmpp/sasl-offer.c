/* What a server offers a client: mechanisms and channel bindings, and the digest over both that
 * goes into the first message of SCRAM, where the password signs it. Who took something out of the
 * offer on its way is found out by it. Standards: XEP-0474 section 6.1 (0.5.0), XEP-0440. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"
#include "lib/xmpp/xep.h"

XEP("0440", "1.0.0", COMPLETE);
XEP("0474", "0.5.0", COMPLETE);

enum { LIST_MAX = 1024, BETWEEN = 0x1e, BEFORE_BINDINGS = 0x1f };

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_sorted(struct buf *out, const char **names, size_t n)
{
    qsort(names, n, sizeof *names, compare); /* i;octet */
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_char(out, BETWEEN);
        buf_cstr(out, names[i]);
    }
}

void sasl_offer_hash(const struct sasl_offer *o, enum digest d, struct buf *out)
{
    const char *names[SASL_MECH_COUNT], *types[SASL_BINDINGS_MAX];
    size_t n = 0;
    struct buf list;
    uint8_t sum[DIGEST_MAX];
    buf_init(&list, LIST_MAX);
    for (unsigned m = 0; m < SASL_MECH_COUNT; m++)
        if (o->mechs & ~(unsigned)SASL_MECHS_HT & 1U << m)
            names[n++] = sasl_mech_name((enum sasl_mech)m);
    add_sorted(&list, names, n);
    for (size_t i = 0; i < o->n; i++)
        types[i] = o->bindings[i].type;
    if (o->n > 0)
        buf_char(&list, BEFORE_BINDINGS);
    add_sorted(&list, types, o->n);
    must(buf_ok(&list));
    crypto_hash(d, buf_view(&list), sum);
    base64_encode(out, sum, digest_size(d));
    buf_fini(&list);
}

const struct sasl_binding *sasl_offer_binding(const struct sasl_offer *o, struct str type)
{
    for (size_t i = 0; i < o->n; i++)
        if (str_eqc(type, o->bindings[i].type))
            return &o->bindings[i];
    return NULL;
}
