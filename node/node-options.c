/* Every option of the configuration file: its table, its place in struct options, the rules across
 * options. */
#include "node/node-options.h"

#include "global-registry/registry.h"
#include "lib/base/crypto.h"
#include "lib/base/log.h"
#include "lib/xmpp/jid.h"
#include "node/node-options-int.h"
#include "s2s/s2s.h"

enum listen_tls { LISTEN_STARTTLS, LISTEN_DIRECT };
#define SHAPER_DEFAULT "default"
enum { SHAPER_BYTES = 10 << 20, SHAPER_STANZAS = 20000, SHAPER_BYTES_MIN = 1000 };
enum policy { POLICY_ALLOW, POLICY_DENY };
static const char *const policy_names[] = {"allow", "deny", NULL};
static const char *const proof_names[] = {"any", "certificate", NULL};
static const char *const listen_tls_names[] = {"starttls", "direct", NULL};
static const char *const log_level_names[] = {"trace", "debug", "info", "warn", "error", NULL};
static const char *const log_format_names[] = {"text", "json", NULL};

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
static const char *const component_tls_names[] = {"none", "direct", NULL};
static const char *const conflict_names[] = {"refuse", "kick-old", NULL};
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

static const struct conf_option general_options[] = {
    CONF_LIST(struct opt_general, domains, "domains", .flags = CONF_REQUIRED | CONF_NONEMPTY,
              .doc = "Domains this node serves; the first is the default"),
    CONF_INT(struct opt_general, shards, "shards", .def = "1", .min = 1, .max = 64,
             .unit = "threads",
             .doc = "Event loops, each with its own thread; about the number of cores"),
    CONF_ENUM(struct opt_general, log_level, "log_level", log_level_names, .def = "info",
              .apply = CONF_RELOAD, .doc = "Least level that is logged"),
    CONF_ENUM(struct opt_general, log_format, "log_format", log_format_names, .def = "text",
              .apply = CONF_RELOAD, .doc = "How a line is written on standard error"),
};
static const struct conf_option tls_options[] = {
    CONF_STRING(struct opt_tls, cert, "cert", .flags = CONF_REQUIRED, .apply = CONF_RELOAD,
                .doc = "Certificate chain of the domains, PEM"),
    CONF_STRING(struct opt_tls, key, "key", .flags = CONF_REQUIRED, .apply = CONF_RELOAD,
                .doc = "Its private key, PEM"),
    CONF_STRING(struct opt_tls, ca, "ca", .apply = CONF_RELOAD,
                .doc = "CAs trusted for other servers, PEM; absent: the system's"),
};
static const struct conf_option cert_options[] = {
    CONF_STRING(struct opt_cert, domain, "domain", .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .apply = CONF_RELOAD, .doc = "A domain of ours, or of a component, in A-labels"),
    CONF_STRING(struct opt_cert, cert, "cert", .flags = CONF_REQUIRED, .apply = CONF_RELOAD,
                .doc = "Its certificate chain, PEM"),
    CONF_STRING(struct opt_cert, key, "key", .flags = CONF_REQUIRED, .apply = CONF_RELOAD,
                .doc = "Its private key, PEM"),
};
static const struct conf_option listen_options[] = {
    CONF_STRING(struct opt_listen, at, "at", .flags = CONF_REQUIRED,
                .doc = "Address and port: \"0.0.0.0:5222\", \"[::]:5222\""),
    CONF_ENUM(struct opt_listen, tls, "tls", listen_tls_names, .def = "starttls",
              .doc = "starttls, or direct: TLS from the first byte (XEP-0368)"),
    CONF_BOOL(struct opt_listen, proxy_protocol, "proxy_protocol",
              .doc = "Connections come through a load balancer that speaks the PROXY protocol, "
                     "version 1 or 2; all others are refused. Whoever reaches this port can claim "
                     "any address: let only the load balancer"),
    CONF_STRING(struct opt_listen, shaper, "shaper", .def = SHAPER_DEFAULT,
                .doc =
                    "How fast each peer may send: a name of [shaper.NAME]; \"default\" need not be "
                    "there and is 10 MiB and 20,000 stanzas a second"),
};
static const struct conf_option shaper_options[] = {
    CONF_SIZE(struct opt_shaper, max_rate, "max_rate", .def = "10MiB", .max = 1ll << 32,
              .doc = "Bytes a second, and as many at once; past it the peer is read more slowly, "
                     "nothing is lost; 0: no limit"),
    CONF_INT(struct opt_shaper, max_stanzas, "max_stanzas", .def = "20000", .max = 1000000,
             .unit = "stanzas a second", .doc = "The same in stanzas"),
};
static const struct conf_option auth_options[] = {
    CONF_INT(struct opt_auth, scram_iterations, "scram_iterations", .def = "10000", .min = 4096,
             .max = 1000000, .unit = "rounds", .apply = CONF_RELOAD,
             .doc = "PBKDF2 rounds of newly stored passwords"),
    CONF_LIST(struct opt_auth, scram_hashes, "scram_hashes", .def = "sha-512, sha-256, sha-1",
              .flags = CONF_NONEMPTY,
              .doc = "Hashes a password is stored for, and SCRAM mechanisms offered: sha-512, "
                     "sha-256, sha-1. An account that lacks one gets it at its next login with "
                     "PLAIN"),
    CONF_BOOL(struct opt_auth, channel_binding, "channel_binding", .def = "true",
              .doc = "Offer SCRAM with channel binding (the -PLUS mechanisms). Some clients choose "
                     "it without being able to, and take another when refused: slixmpp 1.8.3 over "
                     "TLS 1.3"),
    CONF_STRING(struct opt_auth, client_ca, "client_ca",
                .doc = "CAs whose certificates log clients in by their xmppAddr (EXTERNAL), PEM; "
                       "absent: clients are not asked for certificates"),
    CONF_INT(struct opt_auth, tries_per_address, "tries_per_address", .def = "50", .max = 1000000,
             .unit = "tries",
             .doc = "Failed logins from one address (IPv6: one /64) in tries_window; 0: no limit"),
    CONF_INT(struct opt_auth, tries_per_account, "tries_per_account", .def = "50", .max = 1000000,
             .unit = "tries",
             .doc = "Logins to one account that have not succeeded in tries_window; 0: no limit"),
    CONF_DURATION(struct opt_auth, tries_window, "tries_window", .def = "10m", .min = 1000,
                  .max = 86400000, .doc = "Time over which tries are forgotten, evenly"),
};
static const struct conf_option store_options[] = {
    CONF_STRING(struct opt_store, uri, "uri", .flags = CONF_REQUIRED,
                .doc =
                    "Where data is kept: \"sqlite:/path/file.db\", \"rdbms:default\" (the pool of "
                    "that name), or \"mem:\" (nothing survives the process)"),
};
static const struct conf_option route_options[] = {
    CONF_LIST(struct opt_route, tables, "tables", .flags = CONF_REQUIRED | CONF_NONEMPTY,
              .doc = "Names of tables: \"accounts\", \"roster\", \"offline\""),
    CONF_STRING(struct opt_route, uri, "uri", .flags = CONF_REQUIRED,
                .doc = "Where they are kept, as in [store]"),
};
static const struct conf_option pool_options[] = {
    CONF_STRING(struct opt_pool, uri, "uri", .flags = CONF_REQUIRED,
                .doc = "\"postgresql://user@host,host/database\" with all that libpq takes there, "
                       "but no password"),
    CONF_STRING(struct opt_pool, password, "password", .flags = CONF_SECRET,
                .doc = "The user's password; absent: as libpq finds it, or none"),
    CONF_DURATION(struct opt_pool, timeout, "timeout", .def = "4s", .min = 100, .max = 60000,
                  .doc = "How long a call waits for a connection, and then for its answer"),
    CONF_DURATION(struct opt_pool, connect_timeout, "connect_timeout", .def = "3s", .min = 100,
                  .max = 60000, .doc = "How long connecting may take, all hosts together"),
};
static const struct conf_option dns_options[] = {
    CONF_LIST(struct opt_dns, servers, "servers",
              .doc = "Resolvers, \"address:port\"; absent: the system's"),
    CONF_BOOL(struct opt_dns, trust_ad, "trust_ad", .def = "false",
              .doc =
                  "Believe the resolvers that an answer is signed (AD bit), and use TLSA records: "
                  "for validating resolvers on this host or a trusted network only"),
};
static const struct conf_option c2s_options[] = {
    CONF_BOOL(struct opt_c2s, tls_required, "tls_required", .def = "true",
              .doc = "Clients must use TLS before they log in"),
    CONF_INT(struct opt_c2s, sessions_max, "sessions_max", .def = "50", .min = 1, .max = 10000,
             .unit = "sessions", .apply = CONF_RELOAD,
             .doc = "Resources an account may bind at once"),
    CONF_SIZE(struct opt_c2s, output_bytes, "output_bytes", .def = "4MiB", .min = 262144,
              .max = 1 << 30,
              .doc = "Queued to a client that reads too slowly; past it it is closed"),
    CONF_INT(struct opt_c2s, sm_queue, "sm_queue", .def = "1000", .min = 10, .max = 100000,
             .unit = "stanzas",
             .doc = "May wait for a client that was cut off (XEP-0198); a connected one may owe "
                    "acknowledgements for 10 times as many"),
    CONF_SIZE(struct opt_c2s, sm_queue_bytes, "sm_queue_bytes", .def = "1MiB", .min = 65536,
              .max = 1 << 30, .doc = "The same in bytes"),
    CONF_DURATION(struct opt_c2s, sm_resume, "sm_resume", .def = "10m", .max = 86400000,
                  .doc = "How long a session waits to be resumed; 0s: not at all"),
    CONF_INT(struct opt_c2s, sm_ask_every, "sm_ask_every", .def = "5", .min = 1, .max = 1000,
             .unit = "stanzas",
             .doc = "Ask a client for an acknowledgement after so many, at most once a turn"),
};
static const struct conf_option s2s_options[] = {
    CONF_BOOL(struct opt_s2s, enabled, "enabled", .def = "true",
              .doc = "Federate with other servers"),
    CONF_BOOL(struct opt_s2s, tls_required, "tls_required", .def = "true",
              .doc = "No stream without TLS"),
    CONF_BOOL(struct opt_s2s, dialback, "dialback", .def = "true",
              .doc = "Accept and offer dialback (XEP-0220)"),
    CONF_BOOL(struct opt_s2s, external, "external", .def = "true",
              .doc = "Accept and offer SASL EXTERNAL by certificate (XEP-0178)"),
    CONF_STRING(struct opt_s2s, dialback_secret, "dialback_secret", .flags = CONF_SECRET,
                .doc = "Secret of dialback keys and of the salts shown for accounts that do not "
                       "exist, the same on all nodes of the world; absent: drawn at each start"),
    CONF_BOOL(struct opt_s2s, bidi, "bidi", .def = "true",
              .doc = "One stream for both directions, with peers that can (XEP-0288)"),
    CONF_BOOL(struct opt_s2s, acks, "acks", .def = "true",
              .doc = "Acknowledgements and resumption, with peers that can (XEP-0198)"),
    CONF_SIZE(struct opt_s2s, tune.pending_bytes, "pending_bytes", .def = "1MiB", .min = 4096,
              .max = 1 << 30, .apply = CONF_RELOAD,
              .doc = "Waiting for one remote domain, in memory"),
    CONF_INT(struct opt_s2s, pending_stanzas, "pending_stanzas", .def = "1000", .min = 1,
             .max = 1000000, .unit = "stanzas", .apply = CONF_RELOAD,
             .doc = "Waiting for one remote domain, in memory"),
    CONF_SIZE(struct opt_s2s, tune.stored_bytes, "stored_bytes", .def = "64MiB",
              .max = (uint64_t)1 << 40, .apply = CONF_RELOAD,
              .doc = "Waiting for one remote domain, in the store"),
    CONF_DURATION(struct opt_s2s, tune.connect_timeout_ms, "connect_timeout", .def = "30s",
                  .min = 1000, .max = 600000, .apply = CONF_RELOAD,
                  .doc = "DNS, TCP, TLS and authentication together"),
    CONF_DURATION(struct opt_s2s, tune.idle_timeout_ms, "idle_timeout", .def = "10m", .min = 10000,
                  .max = 86400000, .apply = CONF_RELOAD,
                  .doc = "Close a silent stream after this long"),
    CONF_DURATION(struct opt_s2s, tune.ping_ms, "ping_interval", .def = "1m", .min = 1000,
                  .max = 86400000, .apply = CONF_RELOAD,
                  .doc = "Ask a quiet peer for a sign of life after this long"),
    CONF_DURATION(struct opt_s2s, tune.ack_timeout_ms, "ack_timeout", .def = "1m", .min = 1000,
                  .max = 86400000, .apply = CONF_RELOAD,
                  .doc = "A stream whose peer acknowledges nothing for this long is dead"),
    CONF_DURATION(struct opt_s2s, tune.resume_ms, "resume_timeout", .def = "5m", .min = 1000,
                  .max = 86400000, .apply = CONF_RELOAD,
                  .doc = "How long a stream that was cut can be resumed"),
    CONF_DURATION(struct opt_s2s, tune.retry_min_ms, "retry_min", .def = "1s", .min = 100,
                  .max = 600000, .apply = CONF_RELOAD,
                  .doc = "First step between attempts to reach a domain; it doubles"),
    CONF_DURATION(
        struct opt_s2s, tune.retry_max_ms, "retry_max", .def = "5m", .min = 1000, .max = 86400000,
        .apply = CONF_RELOAD,
        .doc = "Largest step between attempts; a server that is merely down is tried more often"),
    CONF_DURATION(struct opt_s2s, tune.expire_iq_ms, "expire_iq", .def = "30s", .min = 1000,
                  .max = 600000, .apply = CONF_RELOAD,
                  .doc = "How long requests wait for a domain"),
    CONF_DURATION(struct opt_s2s, tune.expire_presence_ms, "expire_presence", .def = "10m",
                  .min = 1000, .max = 86400000, .apply = CONF_RELOAD,
                  .doc = "How long presence waits for a domain"),
    CONF_DURATION(struct opt_s2s, tune.expire_message_ms, "expire_message", .def = "24h",
                  .min = 1000, .max = (uint64_t)2592000000, .apply = CONF_RELOAD,
                  .doc = "How long messages and subscription requests wait for a domain"),
    CONF_DURATION(
        struct opt_s2s, tune.notice_ms, "notice_after", .def = "5m", .min = 1000,
        .max = (uint64_t)2592000000, .apply = CONF_RELOAD,
        .doc = "Tell the sender of a message that waits for a domain, and why, after this long"),
    CONF_DURATION(struct opt_s2s, tune.disk_ms, "store_after", .def = "200ms", .min = 1,
                  .max = 60000, .apply = CONF_RELOAD,
                  .doc = "Store what a peer has not acknowledged after this long"),
    CONF_ENUM(struct opt_s2s, default_policy, "default_policy", policy_names, .def = "allow",
              .apply = CONF_RELOAD,
              .doc =
                  "allow or deny: domains that no [[s2s.host_policy]] names, in both directions"),
    CONF_STRING(struct opt_s2s, blocklist_file, "blocklist_file", .apply = CONF_RELOAD,
                .doc = "Denied domains, one a line, \"*.domain\" for all below one, # begins a "
                       "comment; read at start and by a reload; absent: none"),
    CONF_INT(struct opt_s2s, new_domains, "new_domains", .def = "1000", .max = 1000000,
             .unit = "domains a minute",
             .doc = "Domains not seen in the last day that may open streams to this node; further "
                    "ones are told to wait (resource-constraint); 0: no limit"),
    CONF_STRING(struct opt_s2s, crl_file, "crl_file", .apply = CONF_RELOAD,
                .doc =
                    "Revoked certificates of other servers: lists of their issuers, PEM; read at "
                    "start and by a reload; absent: revocation is not looked at"),
};
static const struct conf_option host_policy_options[] = {
    CONF_STRING(struct opt_host_policy, host, "host", .flags = CONF_REQUIRED, .apply = CONF_RELOAD,
                .doc = "Remote domain, or \"*.domain\" for all below one"),
    CONF_ENUM(struct opt_host_policy, policy, "policy", policy_names, .def = "allow",
              .apply = CONF_RELOAD,
              .doc = "allow or deny, in both directions, whatever would prove it"),
    CONF_ENUM(struct opt_host_policy, auth, "auth", proof_names, .def = "any", .apply = CONF_RELOAD,
              .doc = "How it proves itself: any way that [s2s] allows, or by certificate only"),
    CONF_BOOL(struct opt_host_policy, tls_required, "tls_required", .def = "true",
              .apply = CONF_RELOAD,
              .doc = "false: with this domain also without TLS; auth = \"certificate\" needs TLS "
                     "all the same"),
};
static const struct conf_option override_options[] = {
    CONF_STRING(struct opt_override, domain, "domain", .flags = CONF_REQUIRED,
                .doc = "Remote domain"),
    CONF_STRING(struct opt_override, address, "address", .flags = CONF_REQUIRED,
                .doc = "\"address:port\" to connect to instead of asking DNS"),
    CONF_ENUM(struct opt_override, tls, "tls", listen_tls_names, .def = "starttls",
              .doc = "How that port speaks TLS"),
};
static const struct conf_option region_options[] = {
    CONF_STRING(struct opt_region, name, "name", .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .doc = "This region: \"eu\""),
    CONF_STRING(struct opt_region, node, "node", .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .doc = "This node, unique in its region: \"eu1\""),
    CONF_STRING(struct opt_region, domain, "domain", .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .doc =
                    "Name of this node in its region certificate: \"eu1.eu.regions.example.org\""),
    CONF_STRING(struct opt_region, domain_suffix, "domain_suffix",
                .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .doc = "What all nodes' names end with: \".regions.example.org\""),
    CONF_STRING(struct opt_region, listen, "listen", .flags = CONF_REQUIRED,
                .doc = "Address and port for links of other nodes"),
    CONF_STRING(struct opt_region, endpoint, "endpoint",
                .doc = "How other nodes reach it, if not by `listen`"),
    CONF_STRING(struct opt_region, cert, "cert", .flags = CONF_REQUIRED, .apply = CONF_RELOAD,
                .doc = "Region certificate, PEM"),
    CONF_STRING(struct opt_region, key, "key", .flags = CONF_REQUIRED, .apply = CONF_RELOAD,
                .doc = "Its private key, PEM"),
    CONF_STRING(struct opt_region, ca, "ca", .flags = CONF_REQUIRED, .apply = CONF_RELOAD,
                .doc = "The CA of region certificates; no other is trusted"),
    CONF_DURATION(struct opt_region, wait, "wait", .def = "5m", .min = 1000, .max = 86400000,
                  .doc = "How long stanzas wait for a region that cannot be reached"),
    CONF_SIZE(struct opt_region, queue_bytes, "queue_bytes", .def = "64MiB", .min = 65536,
              .max = 1ll << 34, .doc = "Waiting or unacknowledged towards one node"),
};
static const struct conf_option registry_options[] = {
    CONF_STRING(struct opt_registry, host, "host", .def = "127.0.0.1",
                .doc = "Redis: name or address"),
    CONF_INT(struct opt_registry, port, "port", .def = "6379", .min = 1, .max = 65535,
             .doc = "Redis port"),
    CONF_STRING(struct opt_registry, username, "username", .doc = "For AUTH, with a password"),
    CONF_STRING(struct opt_registry, password, "password", .flags = CONF_SECRET, .doc = "For AUTH"),
    CONF_BOOL(struct opt_registry, tls, "tls", .doc = "Speak TLS to Redis"),
    CONF_STRING(struct opt_registry, ca, "ca",
                .doc = "CA of the Redis certificate, PEM; absent: the system's"),
    CONF_INT(struct opt_registry, db, "db", .max = 1000, .doc = "Redis database number"),
    CONF_STRING(struct opt_registry, prefix, "prefix",
                .def = "meridian:", .doc = "Start of all our keys"),
    CONF_DURATION(struct opt_registry, beat, "beat", .def = "5s", .min = 100, .max = 60000,
                  .doc = "Heartbeat of the node's lease"),
    CONF_DURATION(struct opt_registry, lease, "lease", .def = "15s", .min = 300, .max = 600000,
                  .doc = "A node silent for this long is dead"),
};
static const struct conf_option control_options[] = {
    CONF_STRING(struct opt_control, path, "path", .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .doc = "Unix socket meridianctl talks to"),
};
static const struct conf_option metrics_options[] = {
    CONF_STRING(struct opt_metrics, listen, "listen", .flags = CONF_REQUIRED,
                .doc = "Private address and port of /metrics, /healthz, /readyz: "
                       "\"127.0.0.1:9205\""),
};
static const struct conf_option offline_options[] = {
    CONF_INT(struct opt_offline, max, "max", .def = "1000", .max = 1000000, .unit = "messages",
             .apply = CONF_RELOAD, .doc = "Messages kept for an account that is not online"),
};
static const struct conf_option roster_options[] = {
    CONF_INT(struct opt_roster, max, "max", .def = "1000", .min = 1, .max = 100000, .unit = "items",
             .apply = CONF_RELOAD, .doc = "Contacts of an account"),
    CONF_BOOL(struct opt_roster, guard_resources, "guard_resources", .def = "true",
              .doc = "Requests (IQ) reach a resource only from who may see its presence (RFC 6121 "
                     "section 8.5.3.1)"),
};
static const struct conf_option ping_options[] = {
    CONF_DURATION(struct opt_ping, interval, "interval", .def = "0s", .max = 86400000,
                  .doc = "Ask a client that was silent for this long whether it is there; 0s: do "
                         "not ask"),
    CONF_DURATION(struct opt_ping, timeout, "timeout", .def = "60s", .min = 1000, .max = 3600000,
                  .doc = "Close it when it does not answer for this long"),
};
static const struct conf_option version_options[] = {
    CONF_BOOL(struct opt_version, show_os, "show_os", .doc = "Tell the operating system too"),
};
static const struct conf_option contact_options[] = {
    CONF_LIST(struct opt_contact, abuse, "abuse",
              .doc = "URIs for reports of abuse: \"mailto:abuse@example.org\""),
    CONF_LIST(struct opt_contact, admin, "admin", .doc = "URIs of the administrators"),
    CONF_LIST(struct opt_contact, feedback, "feedback", .doc = "URIs for opinions"),
    CONF_LIST(struct opt_contact, sales, "sales", .doc = "URIs for offers"),
    CONF_LIST(struct opt_contact, security, "security", .doc = "URIs for security matters"),
    CONF_LIST(struct opt_contact, status, "status", .doc = "URIs of pages on the service's state"),
    CONF_LIST(struct opt_contact, support, "support", .doc = "URIs for help"),
};
static const struct conf_option component_listen_options[] = {
    CONF_STRING(struct opt_component_listen, at, "at", .flags = CONF_REQUIRED,
                .doc = "Address and port: \"127.0.0.1:5347\""),
    CONF_ENUM(struct opt_component_listen, tls, "tls", component_tls_names, .def = "none",
              .doc = "direct: TLS from the first byte; none: for components on this machine"),
};
static const struct conf_option component_options[] = {
    CONF_STRING(struct opt_component, domain, "domain", .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .doc = "Its domain, none of general.domains"),
    CONF_STRING(struct opt_component, secret, "secret",
                .flags = CONF_REQUIRED | CONF_NONEMPTY | CONF_SECRET, .doc = "What it must know"),
    CONF_ENUM(struct opt_component, conflict, "conflict", conflict_names, .def = "refuse",
              .doc = "A second connection to one node: refuse it, or let it take over"),
};
static const struct conf_option private_options[] = {
    CONF_INT(struct opt_private, max, "max", .def = "100", .min = 1, .max = 1000,
             .unit = "elements", .doc = "Kept for an account"),
    CONF_SIZE(struct opt_private, bytes, "bytes", .def = "64KiB", .min = 1024, .max = 512 << 10,
              .doc = "Largest element"),
};
static const struct conf_option vcard_options[] = {
    CONF_SIZE(struct opt_vcard, bytes, "bytes", .def = "64KiB", .min = 1024, .max = 512 << 10,
              .doc = "Largest vCard"),
};
static const struct conf_option register_options[] = {
    CONF_BOOL(struct opt_register, accounts, "accounts", .doc = "Strangers may make accounts"),
    CONF_BOOL(struct opt_register, passwords, "passwords",
              .doc = "Users may change their passwords"),
    CONF_BOOL(struct opt_register, removal, "removal", .doc = "Users may remove their accounts"),
    CONF_INT(struct opt_register, password_min, "password_min", .def = "8", .min = 1, .max = 128,
             .unit = "characters", .doc = "Shortest new password"),
    CONF_INT(struct opt_register, password_max, "password_max", .def = "256", .min = 8, .max = 1000,
             .unit = "bytes", .doc = "Longest new password"),
    CONF_INT(struct opt_register, max, "max", .def = "5", .min = 1, .max = 10000,
             .unit = "attempts",
             .doc = "From one address (IPv6: one /64), or of one account, "
                    "within `window`, on one node"),
    CONF_DURATION(struct opt_register, window, "window", .def = "1h", .min = 1000, .max = 86400000,
                  .doc = "See `max`"),
};
static const struct conf_option blocklist_options[] = {
    CONF_INT(struct opt_blocklist, max, "max", .def = "1000", .min = 1, .max = 1000,
             .unit = "addresses", .doc = "What an account may block"),
};
static const struct conf_option anonymous_options[] = {
    CONF_BOOL(struct opt_anonymous, enabled, "enabled",
              .doc = "Anybody may log in with ANONYMOUS, as somebody new"),
    CONF_BOOL(struct opt_anonymous, federation, "federation",
              .doc = "Who did may talk with other servers"),
    CONF_INT(struct opt_anonymous, max, "max", .def = "1000", .min = 1, .max = 1000000,
             .unit = "sessions", .doc = "At once on this node, an equal part on each shard"),
};
static const struct conf_option fast_options[] = {
    CONF_DURATION(struct opt_fast, validity_period, "validity_period", .def = "14d",
                  .max = UINT64_C(365) * 86400000,
                  .doc = "How long a token is good; 0: there are none"),
    CONF_DURATION(struct opt_fast, rotate_before_expire, "rotate_before_expire", .def = "7d",
                  .max = UINT64_C(365) * 86400000,
                  .doc = "A token with less left than this is replaced when it is used"),
};
static const struct conf_option limits_options[] = {
    CONF_SIZE(struct opt_limits, stanza_bytes, "stanza_bytes", .def = "256KiB", .min = 10000,
              .max = 1 << 20, .doc = "Largest stanza taken"),
    CONF_INT(struct opt_limits, depth, "depth", .def = "64", .min = 16, .max = 1000,
             .unit = "levels", .doc = "Elements within elements, of a stanza"),
    CONF_INT(struct opt_limits, attributes, "attributes", .def = "64", .min = 32, .max = 1000,
             .unit = "attributes", .doc = "Of one element, namespace declarations included"),
    CONF_INT(struct opt_limits, elements, "elements", .def = "10000", .min = 500, .max = 100000,
             .unit = "elements", .doc = "Of one stanza"),
    CONF_SIZE(struct opt_limits, tag_bytes, "tag_bytes", .def = "16KiB", .min = 8192,
              .max = 1 << 20, .doc = "One start tag: its name, attributes and their values"),
    CONF_DURATION(struct opt_limits, auth_timeout, "auth_timeout", .def = "60s", .min = 1000,
                  .max = 600000, .doc = "A connection must be authenticated after this long"),
    CONF_SIZE(struct opt_limits, auth_bytes, "auth_bytes", .def = "64KiB", .min = 16384,
              .max = 1 << 20, .doc = "What a connection may send before it is authenticated"),
    CONF_INT(struct opt_limits, auth_failures, "auth_failures", .def = "3", .min = 1, .max = 100,
             .unit = "attempts", .doc = "Failed logins of a connection; then it is closed"),
    CONF_INT(struct opt_limits, connections_per_address, "connections_per_address", .def = "1000",
             .max = 1000000, .unit = "connections",
             .doc =
                 "Of clients, servers and components from one address (IPv6: one /64) at a time; "
                 "0: no limit"),
    CONF_INT(
        struct opt_limits, unauthenticated_connections, "unauthenticated_connections",
        .def = "10000", .min = 1, .max = 1000000, .unit = "connections",
        .doc =
            "Of clients that are not logged in yet, on each shard; and of servers that have proved "
            "nothing yet, of which the oldest make room (at most a quarter of the open files)"),
};

static const struct conf_section sections[] = {
    CONF_SECTION(struct options, general, "general", general_options, .min_count = 1,
                 .doc = "The node"),
    CONF_SECTION(struct options, tls, "tls", tls_options, .min_count = 1,
                 .doc = "Certificate towards clients and servers"),
    CONF_ARRAY(struct options, certs, certs_n, "tls.domain", cert_options,
               .doc = "A certificate of its own for one domain: for who asks for it (SNI), and "
                      "where we speak for it to other servers"),
    CONF_ARRAY(struct options, listen_c2s, listen_c2s_n, "listen.c2s", listen_options,
               .doc = "A port for clients"),
    CONF_ARRAY(struct options, listen_s2s, listen_s2s_n, "listen.s2s", listen_options,
               .doc = "A port for servers"),
    CONF_NAMED(struct options, shapers, shapers_n, name, "shaper", shaper_options,
               .doc = "How fast a peer may send, for listeners that name it"),
    CONF_ARRAY(struct options, listen_component, listen_component_n, "listen.component",
               component_listen_options, .doc = "A port for components"),
    CONF_ARRAY(struct options, components, components_n, "component", component_options,
               .doc = "An external component (XEP-0114); the same on all nodes of the world"),
    CONF_SECTION(struct options, auth, "auth", auth_options, .doc = "Accounts and login"),
    CONF_SECTION(struct options, anonymous, "auth.anonymous", anonymous_options,
                 .doc = "Users without an account (XEP-0175)"),
    CONF_SECTION(struct options, store, "store", store_options, .min_count = 1,
                 .doc = "Durable data"),
    CONF_ARRAY(struct options, routes, routes_n, "store.route", route_options,
               .doc = "Tables kept in another place than the rest"),
    CONF_SECTION(struct options, pool, "outgoing_pools.rdbms.default", pool_options,
                 .doc = "Connections to a PostgreSQL server, one for each shard"),
    CONF_SECTION(struct options, dns, "dns", dns_options, .doc = "Name look-up"),
    CONF_SECTION(struct options, c2s, "c2s", c2s_options, .doc = "Client connections"),
    CONF_SECTION(struct options, s2s, "s2s", s2s_options, .doc = "Federation"),
    CONF_ARRAY(struct options, overrides, overrides_n, "s2s.override", override_options,
               .doc = "Fixed place of a remote domain"),
    CONF_ARRAY(struct options, host_policies, host_policies_n, "s2s.host_policy",
               host_policy_options, .doc = "Whether and how to federate with one remote domain"),
    CONF_SECTION(struct options, region, "region", region_options,
                 .doc = "This node's place in a world of several regions; absent: it is alone"),
    CONF_SECTION(struct options, registry, "registry", registry_options,
                 .doc = "The global registry in Redis"),
    CONF_SECTION(struct options, control, "control", control_options, .doc = "The operator's door"),
    CONF_SECTION(struct options, metrics, "metrics", metrics_options,
                 .doc = "Numbers for Prometheus, health and readiness over HTTP; absent: none"),
    CONF_SECTION(struct options, offline, "modules.offline", offline_options,
                 .doc = "Offline messages (XEP-0160)"),
    CONF_SECTION(struct options, roster, "modules.roster", roster_options,
                 .doc = "Rosters (RFC 6121)"),
    CONF_SECTION(struct options, ping, "modules.ping", ping_options,
                 .doc = "Pings to silent clients (XEP-0199)"),
    CONF_SECTION(struct options, version, "modules.version", version_options,
                 .doc = "Software version (XEP-0092)"),
    CONF_SECTION(struct options, contact, "modules.contact", contact_options,
                 .doc = "Whom to write to about this service (XEP-0157)"),
    CONF_SECTION(struct options, private_storage, "modules.private", private_options,
                 .doc = "Private storage of clients (XEP-0049)"),
    CONF_SECTION(struct options, vcard, "modules.vcard", vcard_options, .doc = "vCards (XEP-0054)"),
    CONF_SECTION(struct options, registration, "modules.register", register_options,
                 .doc = "Registration in the stream (XEP-0077); all off unless said otherwise"),
    CONF_SECTION(struct options, blocklist, "modules.blocklist", blocklist_options,
                 .doc = "Blocked addresses (XEP-0191)"),
    CONF_SECTION(struct options, fast, "modules.fast_auth_token", fast_options,
                 .doc = "Tokens for quick logins (XEP-0484)"),
    CONF_SECTION(struct options, limits, "limits", limits_options,
                 .doc = "What a peer may ask of us"),
};

/* ---- rules across options */
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

/* Bit set of the named hash, 0: there is none. */
static unsigned hash_bit(const char *name)
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
        if (!hash_bit(names->items[i]))
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

static const struct opt_shaper *find_shaper(const struct options *o, const char *name)
{
    for (size_t i = 0; i < o->shapers_n; i++)
        if (strcmp(o->shapers[i].name, name) == 0)
            return &o->shapers[i];
    return NULL;
}

static void check_shaper(const struct conf *c, struct conf_errors *errs, const struct options *o,
                         const char *section, size_t i, const char *name)
{
    if (strcmp(name, SHAPER_DEFAULT) == 0 || find_shaper(o, name))
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

static struct store_options of_store(const struct options *o)
{
    return (struct store_options){&o->store, o->routes, o->routes_n, &o->pool};
}

static void verify(const struct conf *c, const void *root, struct conf_errors *errs)
{
    const struct options *o = root;
    const struct store_options store = of_store(o);
    node_options_store_check(c, &store, errs);
    for (size_t i = 0; i < o->general.domains.n; i++)
        check_domain(c, errs, "general", 0, "domains", o->general.domains.items[i]);
    check_hashes(c, errs, &o->auth.scram_hashes);
    for (size_t i = 0; i < o->overrides_n; i++)
        check_domain(c, errs, "s2s.override", i, "domain", o->overrides[i].domain);
    check_policies(c, errs, o);
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

const struct conf_schema node_schema = {.sections = sections,
                                        .section_count = ARRAY_LEN(sections),
                                        .root_size = sizeof(struct options),
                                        .verify = verify,
                                        .known = node_known};

/* ---- into struct node_conf */
static struct stream_rate rate_of(const struct options *o, const char *name)
{
    const struct opt_shaper *s = find_shaper(o, name);
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
        c->scram_digests |= hash_bit(o->auth.scram_hashes.items[i]);
    const struct store_options store = of_store(o);
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
    mem_free((void *)(uintptr_t)s->conf.certs);
    node_options_store_close(&s->conf);
}
