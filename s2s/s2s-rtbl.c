/* DOC: block lists as sets of SHA-256 digests. Ids come as domains or as hashes; domains are hashed
 * too, so that one question answers for both and what a list costs does not depend on its form. A
 * list is an open-addressing table under the keyed hash of the process, because a list's owner
 * chooses the digests. The digest of all zeroes marks a free place: no domain has it. The
 * convention is that of Prosody's mod_muc_rtbl and of xmppbl.org; there is no XEP. */
#include "s2s/s2s-rtbl.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/crypto.h"
#include "lib/base/encode.h"
#include "lib/base/mem.h"
#include "lib/base/refs.h"
#include "lib/base/siphash.h"
#include "lib/xmpp/jid.h"
#include "s2s/s2s-policy.h"

struct s2s_rtbl {
    struct refs refs;
    char *service, *node;
    struct s2s_rtbl_key *places;
    size_t mask; /* a power of two less one */
};
struct s2s_rtbl_set {
    struct refs refs;
    struct s2s_rtbl *list[S2S_RTBL_LISTS_MAX];
    size_t n;
};

/* ---- ids */
void s2s_rtbl_key_of(struct str domain, struct s2s_rtbl_key *out)
{
    crypto_hash(DIGEST_SHA256, domain, out->b);
}

static bool read_hash(struct str id, struct s2s_rtbl_key *out)
{
    struct buf b;
    if (id.n != 2 * sizeof out->b)
        return false;
    buf_init(&b, sizeof out->b);
    bool ok = hex_decode(&b, id) == ERR_OK;
    if (ok)
        memcpy(out->b, b.p, sizeof out->b);
    buf_fini(&b);
    return ok;
}

enum s2s_rtbl_id s2s_rtbl_read(struct str id, struct s2s_rtbl_key *out)
{
    if (read_hash(id, out))
        return S2S_RTBL_DOMAIN;
    if (!id.n || id.n > S2S_RTBL_ID_MAX || str_find(id, '*') >= 0)
        return S2S_RTBL_MALFORMED;
    struct arena *a = arena_new(0);
    struct jid j;
    enum s2s_rtbl_id what = S2S_RTBL_MALFORMED;
    if (jid_parse(a, id, &j, NULL) == ERR_OK)
        what = str_eq(j.full, j.domain) ? S2S_RTBL_DOMAIN : S2S_RTBL_ADDRESS;
    if (what == S2S_RTBL_DOMAIN)
        s2s_rtbl_key_of(j.domain, out);
    arena_free(&a);
    return what;
}

/* ---- one list */
struct s2s_rtbl *s2s_rtbl_new(struct str service, struct str node, size_t max)
{
    struct s2s_rtbl *l = mem_calloc(1, sizeof *l);
    size_t places = 8;
    while (places < 2 * max)
        places *= 2;
    refs_init(&l->refs);
    l->service = str_dup(service);
    l->node = str_dup(node);
    l->places = mem_calloc(places, sizeof *l->places);
    l->mask = places - 1;
    return l;
}

struct s2s_rtbl *s2s_rtbl_ref(struct s2s_rtbl *l)
{
    if (l)
        refs_get(&l->refs);
    return l;
}

void s2s_rtbl_unref(struct s2s_rtbl **pl)
{
    struct s2s_rtbl *l = *pl;
    *pl = NULL;
    if (!l || !refs_put(&l->refs))
        return;
    mem_free(l->service);
    mem_free(l->node);
    mem_free(l->places);
    mem_free(l);
}

static bool is_free(const struct s2s_rtbl_key *k)
{
    static const struct s2s_rtbl_key none;
    return memcmp(k, &none, sizeof none) == 0;
}

/* Where k is, or else the free place for it. */
static size_t place_of(const struct s2s_rtbl *l, const struct s2s_rtbl_key *k)
{
    size_t at = (size_t)siphash(siphash_secret(), k, sizeof *k) & l->mask;
    while (!is_free(&l->places[at]) && memcmp(&l->places[at], k, sizeof *k) != 0)
        at = (at + 1) & l->mask;
    return at;
}

void s2s_rtbl_add(struct s2s_rtbl *l, const struct s2s_rtbl_key *k)
{
    l->places[place_of(l, k)] = *k;
}

/* Those behind it in its run are put in anew, or they would not be found across the gap. */
void s2s_rtbl_spare(struct s2s_rtbl *l, struct str domain)
{
    struct s2s_rtbl_key k;
    s2s_rtbl_key_of(domain, &k);
    size_t at = place_of(l, &k);
    if (is_free(&l->places[at]))
        return;
    memset(&l->places[at], 0, sizeof l->places[at]);
    while (!is_free(&l->places[at = (at + 1) & l->mask])) {
        k = l->places[at];
        memset(&l->places[at], 0, sizeof l->places[at]);
        s2s_rtbl_add(l, &k);
    }
}

struct str s2s_rtbl_service(const struct s2s_rtbl *l)
{
    return str_of(l->service);
}

/* ---- all lists */
struct s2s_rtbl_set *s2s_rtbl_set_new(void)
{
    struct s2s_rtbl_set *s = mem_calloc(1, sizeof *s);
    refs_init(&s->refs);
    return s;
}

void s2s_rtbl_set_add(struct s2s_rtbl_set *s, struct s2s_rtbl **take)
{
    must(s->n < S2S_RTBL_LISTS_MAX);
    s->list[s->n++] = *take;
    *take = NULL;
}

struct s2s_rtbl_set *s2s_rtbl_set_ref(struct s2s_rtbl_set *s)
{
    if (s)
        refs_get(&s->refs);
    return s;
}

void s2s_rtbl_set_unref(struct s2s_rtbl_set **ps)
{
    struct s2s_rtbl_set *s = *ps;
    *ps = NULL;
    if (!s || !refs_put(&s->refs))
        return;
    for (size_t i = 0; i < s->n; i++)
        s2s_rtbl_unref(&s->list[i]);
    mem_free(s);
}

const struct s2s_rtbl *s2s_rtbl_at(const struct s2s_rtbl_set *s, size_t i)
{
    return s && i < s->n ? s->list[i] : NULL;
}

void s2s_rtbl_apply(const struct s2s_rtbl_set *s, struct str remote, struct s2s_terms *t)
{
    struct s2s_rtbl_key k;
    if (!s || !s->n || t->is_named || t->is_denied)
        return;
    s2s_rtbl_key_of(remote, &k);
    for (size_t i = 0; i < s->n; i++) {
        const struct s2s_rtbl *l = s->list[i];
        if (is_free(&l->places[place_of(l, &k)]))
            continue;
        t->is_denied = t->is_listed = true;
        snprintf(t->why, sizeof t->why, "the list '%.60s' of %.60s names it", l->node, l->service);
        return;
    }
}
