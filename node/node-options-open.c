/* From what was read to struct node_conf. */
#include "lib/base/crypto.h"
#include "node/node-options-structs-int.h"
#include "s2s/s2s.h"

static struct stream_rate rate_of(const struct options *o, const char *name)
{
    const struct opt_shaper *s = node_options_shaper(o, name);
    if (!s)
        return (struct stream_rate){SHAPER_BYTES, SHAPER_STANZAS};
    return (struct stream_rate){s->max_rate, (uint64_t)s->max_stanzas};
}

static struct node_conf_listen *listeners(const struct options *o, const struct opt_listen *in,
                                          size_t n)
{
    struct node_conf_listen *out = mem_calloc(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        must(addr_parse_hostport(str_of(in[i].at), &out[i].at) == ERR_OK);
        out[i].direct_tls = in[i].tls == LISTEN_DIRECT;
        out[i].has_proxy_header = in[i].proxy_protocol;
        out[i].rate = rate_of(o, in[i].shaper);
    }
    return out;
}

static const struct tls_site_conf *certs(const struct opt_cert *in, size_t n)
{
    struct tls_site_conf *out = mem_calloc(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct tls_site_conf){in[i].domain, in[i].cert, in[i].key};
    return out;
}

static void open_components(const struct options *o, struct node_conf *c)
{
    struct node_conf_listen *at = mem_calloc(o->listen_component_n + 1, sizeof *at);
    for (size_t i = 0; i < o->listen_component_n; i++) {
        must(addr_parse_hostport(str_of(o->listen_component[i].at), &at[i].at) == ERR_OK);
        at[i].direct_tls = o->listen_component[i].tls == COMPONENT_DIRECT;
    }
    struct node_conf_component *all = mem_calloc(o->components_n + 1, sizeof *all);
    for (size_t i = 0; i < o->components_n; i++) {
        all[i].domain = o->components[i].domain;
        all[i].secret = o->components[i].secret;
        all[i].kicks_old = o->components[i].conflict == CONFLICT_KICK_OLD;
    }
    c->component_listen = at;
    c->component_listen_n = o->listen_component_n;
    c->components = all;
    c->components_n = o->components_n;
}

static struct s2s_override *overrides(const struct opt_override *in, size_t n)
{
    struct s2s_override *out = mem_calloc(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i].domain = in[i].domain;
        must(addr_parse_hostport(str_of(in[i].address), &out[i].target.addr) == ERR_OK);
        out[i].target.direct_tls = in[i].tls == LISTEN_DIRECT;
        str_put(out[i].target.name, sizeof out[i].target.name, in[i].domain);
    }
    return out;
}

static struct s2s_policy_conf policy_of(const struct options *o)
{
    struct s2s_rule *rules = mem_calloc(o->host_policies_n + 1, sizeof *rules);
    for (size_t i = 0; i < o->host_policies_n; i++) {
        const struct opt_host_policy *p = &o->host_policies[i];
        rules[i] = (struct s2s_rule){.host = p->host,
                                     .is_denied = p->policy == POLICY_DENY,
                                     .auth = p->auth,
                                     .is_plain = !p->tls_required};
    }
    return (struct s2s_policy_conf){.is_denied = o->s2s.default_policy == POLICY_DENY,
                                    .rules = rules,
                                    .n_rules = o->host_policies_n,
                                    .blocklist_file = o->s2s.blocklist_file};
}

static const struct node_conf_rtbl *rtbls(const struct opt_rtbl *in, size_t n)
{
    struct node_conf_rtbl *out = mem_calloc(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct node_conf_rtbl){in[i].service, in[i].node, (size_t)in[i].max_items,
                                         in[i].refresh};
    return out;
}

static void open_region(const struct options *o, struct node_conf *c)
{
    c->region_name = o->region.name;
    if (!c->region_name)
        return;
    c->node_name = o->region.node;
    c->region_domain = o->region.domain;
    c->region_domain_suffix = o->region.domain_suffix;
    must(addr_parse_hostport(str_of(o->region.listen), &c->region_listen) == ERR_OK);
    c->region_endpoint = o->region.endpoint;
    c->region_cert_file = o->region.cert;
    c->region_key_file = o->region.key;
    c->region_ca_file = o->region.ca;
    c->region_wait_ms = o->region.wait;
    c->region_queue_bytes = o->region.queue_bytes;
    c->redis_host = o->registry.host;
    c->redis_port = (uint16_t)o->registry.port;
    c->redis_username = o->registry.username;
    c->redis_password = o->registry.password;
    c->redis_ca_file = o->registry.ca;
    c->redis_prefix = o->registry.prefix;
    c->redis_tls = o->registry.tls;
    c->redis_db = (unsigned)o->registry.db;
    c->registry_beat_ms = o->registry.beat;
    c->registry_lease_ms = o->registry.lease;
}

static void open_s2s(const struct options *o, struct node_conf *c)
{
    c->s2s_enabled = o->s2s.enabled;
    c->s2s_tls_required = o->s2s.tls_required;
    c->s2s_dialback = o->s2s.dialback;
    c->s2s_external = o->s2s.external;
    if (o->s2s.dialback_secret)
        c->dialback_secret = o->s2s.dialback_secret;
    c->s2s_bidi = o->s2s.bidi;
    c->s2s_acks = o->s2s.acks;
    c->s2s_tune = o->s2s.tune;
    c->s2s_tune.pending_stanzas = (size_t)o->s2s.pending_stanzas;
    c->s2s_overrides = overrides(o->overrides, o->overrides_n);
    c->s2s_policy = policy_of(o);
    c->rtbls = rtbls(o->rtbls, o->rtbls_n);
    c->rtbls_n = o->rtbls_n;
    c->s2s_crl_file = o->s2s.crl_file;
    c->s2s_new_domains = (unsigned)o->s2s.new_domains;
}

static const char *const *addresses(const struct conf_list *l)
{
    return l->n ? l->items : NULL;
}

static void open_modules(const struct options *o, struct node_conf *c)
{
    c->offline_max = (size_t)o->offline.max;
    c->roster_max = (size_t)o->roster.max;
    c->guard_resources = o->roster.guard_resources;
    c->ping_interval_ms = o->ping.interval;
    c->ping_timeout_ms = o->ping.timeout;
    c->version_os = o->version.show_os;
    c->contacts[CONTACT_ABUSE] = addresses(&o->contact.abuse);
    c->contacts[CONTACT_ADMIN] = addresses(&o->contact.admin);
    c->contacts[CONTACT_FEEDBACK] = addresses(&o->contact.feedback);
    c->contacts[CONTACT_SALES] = addresses(&o->contact.sales);
    c->contacts[CONTACT_SECURITY] = addresses(&o->contact.security);
    c->contacts[CONTACT_STATUS] = addresses(&o->contact.status);
    c->contacts[CONTACT_SUPPORT] = addresses(&o->contact.support);
    c->private_max = (size_t)o->private_storage.max;
    c->private_bytes = o->private_storage.bytes;
    c->register_new = o->registration.accounts;
    c->register_password = o->registration.passwords;
    c->register_remove = o->registration.removal;
    c->password_min = (size_t)o->registration.password_min;
    c->password_max = (size_t)o->registration.password_max;
    c->register_max = (unsigned)o->registration.max;
    c->register_window_ms = o->registration.window;
    c->blocklist_max = (size_t)o->blocklist.max;
    c->anonymous = o->anonymous.enabled;
    c->anonymous_federation = o->anonymous.federation;
    c->anonymous_max = (size_t)o->anonymous.max;
    c->fast_validity_ms = o->fast.validity_period;
    c->fast_rotate_ms = o->fast.rotate_before_expire;
    c->vcard_bytes = o->vcard.bytes;
}

static void open_limits(const struct opt_limits *o, struct node_conf *c)
{
    c->limits.after_auth = (struct xml_limits){.max_stanza_bytes = o->stanza_bytes,
                                               .max_depth = (unsigned)o->depth,
                                               .max_attrs = (unsigned)o->attributes,
                                               .max_elements = (unsigned)o->elements,
                                               .max_tag_bytes = o->tag_bytes};
    c->limits.auth_timeout_ms = o->auth_timeout;
    c->limits.auth_bytes = o->auth_bytes;
    c->limits.auth_failures = (unsigned)o->auth_failures;
    c->connections_per_address = (unsigned)o->connections_per_address;
    c->unauthenticated_connections = (size_t)o->unauthenticated_connections;
}

void node_settings_open(const struct conf *snapshot, struct node_settings *out)
{
    const struct options *o = conf_root(snapshot);
    struct node_conf *c = &out->conf;
    node_conf_init(c);
    c->log_level = o->general.log_level;
    c->log_format = o->general.log_format;
    c->domains = o->general.domains.items;
    c->shards = (unsigned)o->general.shards;
    c->cert_file = o->tls.cert;
    c->key_file = o->tls.key;
    c->ca_file = o->tls.ca;
    c->certs = certs(o->certs, o->certs_n);
    c->c2s = listeners(o, o->listen_c2s, o->listen_c2s_n);
    c->c2s_n = o->listen_c2s_n;
    c->s2s = listeners(o, o->listen_s2s, o->listen_s2s_n);
    c->s2s_n = o->listen_s2s_n;
    c->c2s_tls_required = o->c2s.tls_required;
    c->sessions_max = (size_t)o->c2s.sessions_max;
    c->c2s_output_bytes = o->c2s.output_bytes;
    c->sm_queue = (size_t)o->c2s.sm_queue;
    c->sm_queue_bytes = o->c2s.sm_queue_bytes;
    c->sm_resume_ms = o->c2s.sm_resume;
    c->sm_ask_every = (unsigned)o->c2s.sm_ask_every;
    c->scram_iterations = (unsigned)o->auth.scram_iterations;
    c->channel_binding = o->auth.channel_binding;
    c->client_ca_file = o->auth.client_ca;
    c->tries_per_address = (unsigned)o->auth.tries_per_address;
    c->tries_per_account = (unsigned)o->auth.tries_per_account;
    c->tries_window_ms = o->auth.tries_window;
    c->scram_digests = 0;
    for (size_t i = 0; i < o->auth.scram_hashes.n; i++)
        c->scram_digests |= node_options_hash_bit(o->auth.scram_hashes.items[i]);
    const struct store_options store = node_options_store(o);
    node_options_store_open(&store, c);
    c->dns_servers = o->dns.servers.n ? o->dns.servers.items : NULL;
    c->dns_trust_ad = o->dns.trust_ad;
    c->control_path = o->control.path;
    open_modules(o, c);
    open_components(o, c);
    c->has_metrics = o->metrics.listen != NULL;
    if (c->has_metrics)
        must(addr_parse_hostport(str_of(o->metrics.listen), &c->metrics_listen) == ERR_OK);
    open_limits(&o->limits, c);
    open_s2s(o, c);
    open_region(o, c);
}

void node_settings_close(struct node_settings *s)
{
    mem_free((void *)(uintptr_t)s->conf.c2s);
    mem_free((void *)(uintptr_t)s->conf.s2s);
    mem_free((void *)(uintptr_t)s->conf.component_listen);
    mem_free((void *)(uintptr_t)s->conf.components);
    mem_free((void *)(uintptr_t)s->conf.s2s_overrides);
    mem_free((void *)(uintptr_t)s->conf.s2s_policy.rules);
    mem_free((void *)(uintptr_t)s->conf.rtbls);
    mem_free((void *)(uintptr_t)s->conf.certs);
    node_options_store_close(&s->conf);
}
