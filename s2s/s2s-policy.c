/* DOC: the rules about remote domains as one map: "a.example" and "*.a.example" are keys of their
 * own. A look-up walks up the labels, so that its cost does not depend on the length of the lists.
 * Names are compared in the normal form of JIDs: the operator may write A-labels or U-labels, in
 * any case. Source: DESIGN.md section 11. */
#include "s2s/s2s-policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/hmap.h"
#include "lib/base/mem.h"
#include "lib/base/refs.h"
#include "lib/xmpp/jid.h"

enum { HOST_MAX = 256 };

struct entry {
    char *host;
    bool has_rule; /* of the operator; else of the block list alone */
    bool is_denied, is_plain, is_blocked;
    enum s2s_proof auth;
    unsigned line; /* of the block list */
};
struct s2s_policy {
    struct refs refs;
    bool is_denied;
    struct hmap entries;
    size_t n_blocked, n_wild;
    char *file; /* where the block list came from, for reasons */
};

/* ---- names ---- */

/* host in normal form, "*." kept. False: it is none. */
static bool normalise(struct str host, char out[HOST_MAX])
{
    bool is_wild = str_starts(host, STR("*."));
    struct str name = is_wild ? str_make(host.p + 2, host.n - 2) : host;
    struct arena *a = arena_new(0);
    struct jid j;
    bool ok = name.n && name.n < HOST_MAX && jid_parse(a, name, &j, NULL) == ERR_OK &&
              str_eq(j.full, j.domain) && j.domain.n + 2 < HOST_MAX && str_find(name, '*') < 0;
    if (ok)
        snprintf(out, HOST_MAX, "%s" STR_FMT, is_wild ? "*." : "", STR_ARG(j.domain));
    arena_free(&a);
    return ok;
}

bool s2s_policy_host_ok(struct str host)
{
    char out[HOST_MAX];
    return normalise(host, out);
}

static struct entry *entry_get(struct s2s_policy *p, const char *host)
{
    struct entry *e = hmap_get(&p->entries, str_of(host));
    if (e)
        return e;
    p->n_wild += str_starts(str_of(host), STR("*."));
    e = mem_calloc(1, sizeof *e);
    e->host = mem_strdup(host);
    (void)hmap_put(&p->entries, str_of(e->host), e);
    return e;
}

/* ---- the block list ---- */

static enum err block_line(struct s2s_policy *p, unsigned line, struct str text, const char *name,
                           char *why, size_t why_size)
{
    char host[HOST_MAX];
    struct str rest = text;
    struct str domain = str_trim(str_cut(&rest, '#'));
    if (!domain.n)
        return ERR_OK;
    if (!normalise(domain, host)) {
        snprintf(why, why_size, "%s:%u: '" STR_FMT "' is not a domain", name, line,
                 (int)(domain.n < 80 ? domain.n : 80), domain.p);
        return ERR_INVALID;
    }
    struct entry *e = entry_get(p, host);
    if (e->is_blocked)
        return ERR_OK;
    if (p->n_blocked == S2S_BLOCKLIST_MAX) {
        snprintf(why, why_size, "%s:%u: more than %d domains", name, line, S2S_BLOCKLIST_MAX);
        return ERR_LIMIT;
    }
    p->n_blocked++;
    e->is_blocked = true;
    e->line = line;
    return ERR_OK;
}

enum err s2s_policy_block(struct s2s_policy *p, const char *name, struct str text, char *why,
                          size_t why_size)
{
    unsigned line = 1;
    enum err e = ERR_OK;
    if (text.n > S2S_BLOCKLIST_BYTES) {
        snprintf(why, why_size, "%s: larger than %d bytes", name, S2S_BLOCKLIST_BYTES);
        return ERR_LIMIT;
    }
    for (struct str rest = text; rest.p && e == ERR_OK; line++)
        e = block_line(p, line, str_cut(&rest, '\n'), name, why, why_size);
    return e;
}

static enum err block_file(struct s2s_policy *p, const char *name, char *why, size_t why_size)
{
    FILE *f = fopen(name, "re");
    if (!f) {
        snprintf(why, why_size, "%s: %s", name, strerror(errno));
        return ERR_IO;
    }
    char *text = mem_alloc(S2S_BLOCKLIST_BYTES + 1);
    size_t n = fread(text, 1, S2S_BLOCKLIST_BYTES + 1, f);
    enum err e = ferror(f) ? ERR_IO : ERR_OK;
    if (e == ERR_IO)
        snprintf(why, why_size, "%s: %s", name, strerror(errno));
    else
        e = s2s_policy_block(p, name, str_make(text, n), why, why_size);
    mem_free(text);
    fclose(f);
    p->file = mem_strdup(name);
    return e;
}

/* ---- life ---- */

static enum err add_rule(struct s2s_policy *p, const struct s2s_rule *r, char *why, size_t why_size)
{
    char host[HOST_MAX];
    if (!normalise(str_of(r->host), host)) {
        snprintf(why, why_size, "host_policy '%.80s' is not a domain", r->host);
        return ERR_INVALID;
    }
    struct entry *e = entry_get(p, host);
    if (e->has_rule) {
        snprintf(why, why_size, "host_policy '%.80s' is there twice", r->host);
        return ERR_INVALID;
    }
    e->has_rule = true;
    e->is_denied = r->is_denied;
    e->is_plain = r->is_plain;
    e->auth = r->auth;
    return ERR_OK;
}

enum err s2s_policy_new(const struct s2s_policy_conf *c, struct s2s_policy **out, char *why,
                        size_t why_size)
{
    struct s2s_policy *p = mem_calloc(1, sizeof *p);
    enum err e = ERR_OK;
    refs_init(&p->refs);
    p->is_denied = c->is_denied;
    for (size_t i = 0; i < c->n_rules && e == ERR_OK; i++)
        e = add_rule(p, &c->rules[i], why, why_size);
    if (e == ERR_OK && c->blocklist_file)
        e = block_file(p, c->blocklist_file, why, why_size);
    if (e == ERR_OK)
        *out = p;
    else
        s2s_policy_unref(&p);
    return e;
}

struct s2s_policy *s2s_policy_ref(struct s2s_policy *p)
{
    if (p)
        refs_get(&p->refs);
    return p;
}

void s2s_policy_unref(struct s2s_policy **pp)
{
    struct s2s_policy *p = *pp;
    size_t it = 0;
    *pp = NULL;
    if (!p || !refs_put(&p->refs))
        return;
    for (struct entry *e; (e = hmap_next(&p->entries, &it, NULL));) {
        mem_free(e->host);
        mem_free(e);
    }
    hmap_fini(&p->entries);
    mem_free(p->file);
    mem_free(p);
}

size_t s2s_policy_blocked(const struct s2s_policy *p)
{
    return p->n_blocked;
}

/* ---- looking up ---- */

struct found {
    const struct entry *own, *wild; /* rules */
    const struct entry *blocked;
};

/* "*.parent" for each domain above remote, the nearest first. */
static void find_above(const struct s2s_policy *p, struct str remote, struct found *f)
{
    char key[HOST_MAX];
    struct str rest = remote;
    while (str_cut(&rest, '.').p && rest.p) {
        snprintf(key, sizeof key, "*." STR_FMT, STR_ARG(rest));
        const struct entry *e = hmap_get(&p->entries, str_of(key));
        if (e && e->has_rule && !f->wild)
            f->wild = e;
        if (e && e->is_blocked && !f->blocked)
            f->blocked = e;
    }
}

static void find(const struct s2s_policy *p, struct str remote, struct found *f)
{
    const struct entry *e = hmap_get(&p->entries, remote);
    *f = (struct found){0};
    if (e && e->has_rule)
        f->own = e;
    if (e && e->is_blocked)
        f->blocked = e;
    if (!f->own && p->n_wild)
        find_above(p, remote, f);
}

/* The proof that the rule asks for. */
static void apply_proof(const struct entry *rule, struct s2s_terms *t)
{
    if (rule->is_plain)
        t->tls_required = false;
    if (rule->auth != S2S_PROOF_CERTIFICATE)
        return;
    t->needs_cert = true;
    t->tls_required = true;
    snprintf(t->why, sizeof t->why, "host_policy of '%.90s' wants a certificate", rule->host);
}

void s2s_policy_apply(const struct s2s_policy *p, struct str remote, struct s2s_terms *t)
{
    struct found f;
    if (!p)
        return;
    find(p, remote, &f);
    const struct entry *rule = f.own ? f.own : f.wild;
    t->is_named = f.own != NULL;
    if (!f.own && f.blocked) {
        t->is_denied = true;
        snprintf(t->why, sizeof t->why, "the block list has '%.90s' in line %u", f.blocked->host,
                 f.blocked->line);
    } else if (rule && rule->is_denied) {
        t->is_denied = true;
        snprintf(t->why, sizeof t->why, "host_policy denies '%.90s'", rule->host);
    } else if (rule) {
        apply_proof(rule, t);
    } else if (p->is_denied) {
        t->is_denied = true;
        snprintf(t->why, sizeof t->why, "no host_policy allows it, and default_policy is deny");
    }
}
