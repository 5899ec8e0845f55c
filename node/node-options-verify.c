/* Rules across options, which the tables cannot say. */
#include "global-registry/registry.h"
#include "lib/base/crypto.h"
#include "lib/xmpp/jid.h"
#include "node/node-options-structs-int.h"
#include "s2s/s2s-rtbl.h"

static void check_address(const struct conf *c, struct conf_errors *errs, const char *section,
                          size_t i, const char *option, const char *text)
{
    struct addr a;
    if (text && addr_parse_hostport(str_of(text), &a) != ERR_OK)
        conf_error_at(errs, c, section, i, option,
                      "\"%s\" is not an address and port like \"127.0.0.1:5222\"", text);
}

/* Addresses are compared in normal form: another form would match nothing. */
static void check_domain(const struct conf *c, struct conf_errors *errs, const char *section,
                         size_t i, const char *option, const char *text)
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (!text)
        ;
    else if (jid_make(a, STR_NONE, str_of(text), STR_NONE, &j) != ERR_OK)
        conf_error_at(errs, c, section, i, option, "\"%s\" is not a domain", text);
    else if (!str_eqc(j.full, text))
        conf_error_at(errs, c, section, i, option, "\"%s\" must be written \"%s\"", text, j.full.p);
    arena_free(&a);
}

static const struct {
    const char *name;
    enum digest digest;
} hash_names[] = {{"sha-512", DIGEST_SHA512}, {"sha-256", DIGEST_SHA256}, {"sha-1", DIGEST_SHA1}};

unsigned node_options_hash_bit(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(hash_names); i++)
        if (strcmp(name, hash_names[i].name) == 0)
            return 1U << hash_names[i].digest;
    return 0;
}

static void check_hashes(const struct conf *c, struct conf_errors *errs,
                         const struct conf_list *names)
{
    for (size_t i = 0; i < names->n; i++)
        if (!node_options_hash_bit(names->items[i]))
            conf_error_at(errs, c, "auth", 0, "scram_hashes",
                          "\"%s\" is not one of sha-512, sha-256, sha-1", names->items[i]);
}

static void check_member(const struct conf *c, struct conf_errors *errs, const char *option,
                         const char *text)
{
    if (!text)
        return;
    if (strchr(text, '/'))
        conf_error_at(errs, c, "region", 0, option, "region and node names have no '/'");
    if (strlen(text) >= REG_NAME_MAX)
        conf_error_at(errs, c, "region", 0, option, "is longer than %d bytes", REG_NAME_MAX - 1);
}

static bool is_served(const struct options *o, const char *domain)
{
    for (size_t i = 0; i < o->general.domains.n; i++)
        if (strcmp(domain, o->general.domains.items[i]) == 0)
            return true;
    return false;
}

static void check_components(const struct conf *c, struct conf_errors *errs,
                             const struct options *o)
{
    for (size_t i = 0; i < o->listen_component_n; i++)
        check_address(c, errs, "listen.component", i, "at", o->listen_component[i].at);
    for (size_t i = 0; i < o->components_n; i++) {
        const char *domain = o->components[i].domain;
        check_domain(c, errs, "component", i, "domain", domain);
        if (domain && is_served(o, domain))
            conf_error_at(errs, c, "component", i, "domain", "is served by the node itself");
        for (size_t k = 0; k < i; k++)
            if (domain && o->components[k].domain && strcmp(domain, o->components[k].domain) == 0)
                conf_error_at(errs, c, "component", i, "domain", "stands twice");
    }
}

const struct opt_shaper *node_options_shaper(const struct options *o, const char *name)
{
    for (size_t i = 0; i < o->shapers_n; i++)
        if (strcmp(o->shapers[i].name, name) == 0)
            return &o->shapers[i];
    return NULL;
}

static void check_shaper(const struct conf *c, struct conf_errors *errs, const struct options *o,
                         const char *section, size_t i, const char *name)
{
    if (strcmp(name, SHAPER_DEFAULT) == 0 || node_options_shaper(o, name))
        return;
    const char **names = mem_calloc(o->shapers_n + 1, sizeof *names);
    for (size_t k = 0; k < o->shapers_n; k++)
        names[k] = o->shapers[k].name;
    names[o->shapers_n] = SHAPER_DEFAULT;
    const char *near = conf_nearest(name, names, o->shapers_n + 1);
    conf_error_at(errs, c, section, i, "shaper", "there is no [shaper.%s]%s%s%s", name,
                  near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    mem_free(names);
}

static void check_listeners(const struct conf *c, struct conf_errors *errs, const struct options *o,
                            const char *section, const struct opt_listen *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_address(c, errs, section, i, "at", l[i].at);
        check_shaper(c, errs, o, section, i, l[i].shaper);
    }
}

static void check_shapers(const struct conf *c, struct conf_errors *errs, const struct options *o)
{
    for (size_t i = 0; i < o->shapers_n; i++)
        if (o->shapers[i].max_rate && o->shapers[i].max_rate < SHAPER_BYTES_MIN)
            conf_error_at(errs, c, "shaper", i, "max_rate",
                          "must be at least %d, or 0 for no limit", SHAPER_BYTES_MIN);
}

static void check_policies(const struct conf *c, struct conf_errors *errs, const struct options *o)
{
    for (size_t i = 0; i < o->host_policies_n; i++)
        if (!s2s_policy_host_ok(str_of(o->host_policies[i].host)))
            conf_error_at(errs, c, "s2s.host_policy", i, "host",
                          "\"%s\" is neither a domain nor \"*.\" and a domain",
                          o->host_policies[i].host);
}

static void check_rtbl(const struct conf *c, struct conf_errors *errs, const struct options *o,
                       size_t i)
{
    const struct opt_rtbl *l = &o->rtbls[i];
    struct arena *a = arena_new(0);
    struct jid j;
    const char *why = "";
    if (l->service && jid_parse(a, str_of(l->service), &j, &why) != ERR_OK)
        conf_error_at(errs, c, "s2s.rtbl", i, "service", "\"%s\" is no address: %s", l->service,
                      why);
    if (l->service && strlen(l->service) > S2S_RTBL_NAME_MAX)
        conf_error_at(errs, c, "s2s.rtbl", i, "service", "is longer than %d bytes",
                      S2S_RTBL_NAME_MAX);
    if (l->node && strlen(l->node) > S2S_RTBL_NAME_MAX)
        conf_error_at(errs, c, "s2s.rtbl", i, "node", "is longer than %d bytes", S2S_RTBL_NAME_MAX);
    for (size_t k = 0; k < i; k++)
        if (l->service && l->node && o->rtbls[k].service && o->rtbls[k].node &&
            str_ieq(str_of(l->service), str_of(o->rtbls[k].service)) &&
            strcmp(l->node, o->rtbls[k].node) == 0)
            conf_error_at(errs, c, "s2s.rtbl", i, "node", "stands twice");
    arena_free(&a);
}

static void check_rtbls(const struct conf *c, struct conf_errors *errs, const struct options *o)
{
    if (o->rtbls_n > S2S_RTBL_LISTS_MAX)
        conf_error_at(errs, c, "s2s.rtbl", S2S_RTBL_LISTS_MAX, "service", "is the %dth; %d may be",
                      S2S_RTBL_LISTS_MAX + 1, S2S_RTBL_LISTS_MAX);
    for (size_t i = 0; i < o->rtbls_n; i++)
        check_rtbl(c, errs, o, i);
}

struct store_options node_options_store(const struct options *o)
{
    return (struct store_options){&o->store, o->routes, o->routes_n, &o->pool};
}

void node_options_verify(const struct conf *c, const void *root, struct conf_errors *errs)
{
    const struct options *o = root;
    const struct store_options store = node_options_store(o);
    node_options_store_check(c, &store, errs);
    for (size_t i = 0; i < o->general.domains.n; i++)
        check_domain(c, errs, "general", 0, "domains", o->general.domains.items[i]);
    check_hashes(c, errs, &o->auth.scram_hashes);
    for (size_t i = 0; i < o->overrides_n; i++)
        check_domain(c, errs, "s2s.override", i, "domain", o->overrides[i].domain);
    check_policies(c, errs, o);
    check_rtbls(c, errs, o);
    for (size_t i = 0; i < o->certs_n; i++)
        check_domain(c, errs, "tls.domain", i, "domain", o->certs[i].domain);
    check_listeners(c, errs, o, "listen.c2s", o->listen_c2s, o->listen_c2s_n);
    check_listeners(c, errs, o, "listen.s2s", o->listen_s2s, o->listen_s2s_n);
    check_shapers(c, errs, o);
    for (size_t i = 0; i < o->overrides_n; i++)
        check_address(c, errs, "s2s.override", i, "address", o->overrides[i].address);
    for (size_t i = 0; i < o->dns.servers.n; i++)
        check_address(c, errs, "dns", 0, "servers", o->dns.servers.items[i]);
    check_components(c, errs, o);
    check_address(c, errs, "metrics", 0, "listen", o->metrics.listen);
    check_address(c, errs, "region", 0, "listen", o->region.listen);
    check_address(c, errs, "region", 0, "endpoint", o->region.endpoint);
    if (o->registry.lease < 2 * o->registry.beat)
        conf_error_at(errs, c, "registry", 0, "lease", "must be at least twice the beat");
    if (o->registry.username && !o->registry.password)
        conf_error_at(errs, c, "registry", 0, "username", "needs a password too");
    if (o->registration.password_max < o->registration.password_min)
        conf_error_at(errs, c, "modules.register", 0, "password_max", "is below password_min");
    if (o->region.domain && o->region.domain_suffix &&
        !str_ends(str_of(o->region.domain), str_of(o->region.domain_suffix)))
        conf_error_at(errs, c, "region", 0, "domain", "does not end with domain_suffix \"%s\"",
                      o->region.domain_suffix);
    check_member(c, errs, "name", o->region.name);
    check_member(c, errs, "node", o->region.node);
}
