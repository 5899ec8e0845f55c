/* Every option of the configuration file: its table, its place in struct options. The rules across
 * options are in node-options-verify.c, the way into struct node_conf in node-options-open.c. */
#include "global-registry/registry.h"
#include "node/node-options-structs-int.h"
#include "s2s/s2s.h"

static const char *const policy_names[] = {"allow", "deny", NULL};
static const char *const proof_names[] = {"any", "certificate", NULL};
static const char *const listen_tls_names[] = {"starttls", "direct", NULL};
static const char *const log_level_names[] = {"trace", "debug", "info", "warn", "error", NULL};
static const char *const log_format_names[] = {"text", "json", NULL};
static const char *const component_tls_names[] = {"none", "direct", NULL};
static const char *const conflict_names[] = {"refuse", "kick-old", NULL};

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
static const struct conf_option rtbl_options[] = {
    CONF_STRING(struct opt_rtbl, service, "service", .flags = CONF_REQUIRED | CONF_NONEMPTY,
                .apply = CONF_RELOAD, .doc = "Address of the pubsub service, as \"xmppbl.org\""),
    CONF_STRING(
        struct opt_rtbl, node, "node", .flags = CONF_REQUIRED | CONF_NONEMPTY, .apply = CONF_RELOAD,
        .doc = "Its node, as \"spam_source_domains\": item ids are domains, or SHA-256 hashes "
               "of them; other ids are ignored"),
    CONF_INT(struct opt_rtbl, max_items, "max_items", .def = "50000", .min = 1,
             .max = S2S_RTBL_ITEMS_MAX, .unit = "items", .apply = CONF_RELOAD,
             .doc = "A list with more is not taken; the last one that was stays in force"),
    CONF_DURATION(struct opt_rtbl, refresh, "refresh", .def = "1h", .min = 5000, .max = 86400000,
                  .apply = CONF_RELOAD,
                  .doc = "The whole list is fetched anew after this time, whatever events came"),
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
    CONF_ARRAY(struct options, rtbls, rtbls_n, "s2s.rtbl", rtbl_options,
               .doc = "A block list of domains that a pubsub service publishes in real time; at "
                      "most 16"),
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

const struct conf_schema node_schema = {.sections = sections,
                                        .section_count = ARRAY_LEN(sections),
                                        .root_size = sizeof(struct options),
                                        .verify = node_options_verify,
                                        .known = node_known};
