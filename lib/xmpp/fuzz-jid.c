/* DOC: addresses against arbitrary bytes. A normal form must be valid, within the limits, its own
 * normal form, and the same when made of its parts. */
#include "lib/base/encode.h"
#include "lib/xmpp/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct str s)
{
    must(!s.p || (s.n >= 1 && s.n <= JID_PART_MAX && utf8_valid(s)));
}

static void check_jid(struct arena *a, const struct jid *j)
{
    struct jid again, made;
    char ascii[256];
    check_part(j->local);
    check_part(j->domain);
    check_part(j->resource);
    must(j->full.p[j->full.n] == '\0' && strlen(j->full.p) == j->full.n);
    must(jid_parse(a, j->full, &again, NULL) == ERR_OK && jid_eq(&again, j) &&
         jid_bare_eq(&again, j));
    must(jid_make(a, j->local, j->domain, j->resource, &made) == ERR_OK && jid_eq(&made, j));
    const enum err e = jid_domain_ascii(j->domain, ascii);
    must(e == ERR_OK || e == ERR_LIMIT);
    must(e != ERR_OK || strlen(ascii) >= 1);
}

static void check_prep(struct arena *a, struct str in)
{
    struct str once, twice;
    if (jid_prep_username(a, in, &once) == ERR_OK && jid_prep_username(a, once, &twice) == ERR_OK)
        must(str_eq(once, twice));
    if (jid_prep_password(a, in, &once) == ERR_OK && jid_prep_password(a, once, &twice) == ERR_OK)
        must(str_eq(once, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str in = str_make((const char *)data, size);
    struct arena *a = arena_new(0);
    struct jid j;
    if (jid_parse(a, in, &j, NULL) == ERR_OK)
        check_jid(a, &j);
    check_prep(a, in);
    arena_free(&a);
    return 0;
}
