#ifndef NODE_NODE_OPTIONS_STRUCTS_INT_H
#define NODE_NODE_OPTIONS_STRUCTS_INT_H
/* What the configuration file is read into, section by section, and what the files of node-options
 * share. */
#include "lib/base/log.h"
#include "node/node-options-int.h"
#include "node/node-options.h"

enum listen_tls { LISTEN_STARTTLS, LISTEN_DIRECT };
#define SHAPER_DEFAULT "default"
enum { SHAPER_BYTES = 10 << 20, SHAPER_STANZAS = 20000, SHAPER_BYTES_MIN = 1000 };
enum policy { POLICY_ALLOW, POLICY_DENY };

struct opt_general {
    struct conf_list domains;
    int64_t shards;
    enum log_level log_level;
    enum log_format log_format;
};
struct opt_tls {
    const char *cert, *key, *ca;
};
struct opt_listen {
    const char *at;
    enum listen_tls tls;
    bool proxy_protocol;
    const char *shaper;
};
struct opt_shaper {
    const char *name;
    uint64_t max_rate;
    int64_t max_stanzas;
};
enum component_tls { COMPONENT_PLAIN, COMPONENT_DIRECT };
enum component_conflict { CONFLICT_REFUSE, CONFLICT_KICK_OLD };
struct opt_component_listen {
    const char *at;
    enum component_tls tls;
};
struct opt_component {
    const char *domain, *secret;
    enum component_conflict conflict;
};
struct opt_metrics {
    const char *listen;
};
struct opt_auth {
    int64_t scram_iterations;
    struct conf_list scram_hashes;
    bool channel_binding;
    const char *client_ca;
    int64_t tries_per_address, tries_per_account;
    uint64_t tries_window;
};
struct opt_anonymous {
    bool enabled, federation;
    int64_t max;
};
struct opt_fast {
    uint64_t validity_period, rotate_before_expire;
};
struct opt_dns {
    struct conf_list servers;
    bool trust_ad;
};
struct opt_c2s {
    bool tls_required;
    int64_t sessions_max, sm_queue, sm_ask_every;
    uint64_t output_bytes, sm_queue_bytes, sm_resume;
};
struct opt_s2s {
    bool enabled, tls_required, dialback, external, bidi, acks;
    const char *dialback_secret, *blocklist_file, *crl_file;
    enum policy default_policy;
    int64_t new_domains;
    struct s2s_tune tune;
    int64_t pending_stanzas;
};
struct opt_override {
    const char *domain, *address;
    enum listen_tls tls;
};
struct opt_host_policy {
    const char *host;
    enum policy policy;
    enum s2s_proof auth;
    bool tls_required;
};
struct opt_rtbl {
    const char *service, *node;
    int64_t max_items;
    uint64_t refresh;
};
struct opt_region {
    const char *name, *node, *domain, *domain_suffix, *listen, *endpoint, *cert, *key, *ca;
    uint64_t wait, queue_bytes;
};
struct opt_registry {
    const char *host, *username, *password, *ca, *prefix;
    int64_t port, db;
    bool tls;
    uint64_t beat, lease;
};
struct opt_control {
    const char *path;
};
struct opt_offline {
    int64_t max;
};
struct opt_roster {
    int64_t max;
    bool guard_resources;
};
struct opt_ping {
    uint64_t interval, timeout;
};
struct opt_version {
    bool show_os;
};
struct opt_contact {
    struct conf_list abuse, admin, feedback, sales, security, status, support;
};
struct opt_private {
    int64_t max;
    uint64_t bytes;
};
struct opt_vcard {
    uint64_t bytes;
};
struct opt_register {
    bool accounts, passwords, removal;
    int64_t password_min, password_max, max;
    uint64_t window;
};
struct opt_blocklist {
    int64_t max;
};
struct opt_limits {
    uint64_t stanza_bytes, tag_bytes, auth_timeout, auth_bytes;
    int64_t depth, attributes, elements, auth_failures;
    int64_t connections_per_address, unauthenticated_connections;
};
struct opt_cert {
    const char *domain, *cert, *key;
};
struct options {
    struct opt_general general;
    struct opt_tls tls;
    struct opt_cert *certs;
    size_t certs_n;
    struct opt_listen *listen_c2s, *listen_s2s;
    size_t listen_c2s_n, listen_s2s_n;
    struct opt_shaper *shapers;
    size_t shapers_n;
    struct opt_component_listen *listen_component;
    struct opt_component *components;
    size_t listen_component_n, components_n;
    struct opt_auth auth;
    struct opt_store store;
    struct opt_route *routes;
    size_t routes_n;
    struct opt_pool pool;
    struct opt_dns dns;
    struct opt_c2s c2s;
    struct opt_s2s s2s;
    struct opt_override *overrides;
    size_t overrides_n;
    struct opt_host_policy *host_policies;
    size_t host_policies_n;
    struct opt_rtbl *rtbls;
    size_t rtbls_n;
    struct opt_region region;
    struct opt_registry registry;
    struct opt_metrics metrics;
    struct opt_control control;
    struct opt_offline offline;
    struct opt_roster roster;
    struct opt_ping ping;
    struct opt_version version;
    struct opt_contact contact;
    struct opt_private private_storage;
    struct opt_vcard vcard;
    struct opt_register registration;
    struct opt_blocklist blocklist;
    struct opt_fast fast;
    struct opt_anonymous anonymous;
    struct opt_limits limits;
};

/* node-options-verify.c: the rules across options. */
void node_options_verify(const struct conf *c, const void *root, struct conf_errors *errs);
/* Bit set of the named hash (1 << enum digest), 0: there is none. */
unsigned node_options_hash_bit(const char *name);
/* NULL: none of this name. */
const struct opt_shaper *node_options_shaper(const struct options *o, const char *name);
struct store_options node_options_store(const struct options *o);
#endif
