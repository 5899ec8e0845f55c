#ifndef NODE_NODE_CONF_H
#define NODE_NODE_CONF_H
/* Everything a node is told: filled from TOML by node-options.c, or directly by the simulator.
 * Immutable while the node runs; strings belong to the snapshot it came from. */
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/net/addr.h"
#include "lib/net/dial.h"
#include "lib/store/store.h"
#include "lib/stream/stream.h"
#include "s2s/s2s.h"

struct node_conf_listen {
    struct addr at;
    bool direct_tls;
    struct stream_rate rate; /* how fast each peer may send; default: no limit */
    bool has_proxy_header;   /* connections come through a load balancer that speaks PROXY */
};
enum contact {
    CONTACT_ABUSE,
    CONTACT_ADMIN,
    CONTACT_FEEDBACK,
    CONTACT_SALES,
    CONTACT_SECURITY,
    CONTACT_STATUS,
    CONTACT_SUPPORT,
    CONTACT_COUNT
};
struct node_conf_component { /* a domain that an external component serves */
    const char *domain, *secret;
    bool kicks_old; /* a second connection takes over, else it is refused */
};
struct node_conf_rtbl { /* a block list at a pubsub service */
    const char *service, *node;
    size_t max_items;
    uint64_t refresh_ms;
};
struct node_conf {
    /* [general] */
    const char *const *domains; /* served domains, NULL-terminated; the first is the default */
    unsigned shards;            /* 1..64 */
    enum log_level log_level;
    enum log_format log_format;
    /* [tls] */
    const char *cert_file, *key_file, *ca_file; /* ca_file NULL = the system's */
    const struct tls_site_conf *certs; /* of single domains, ended by domain NULL, or NULL */
    /* [[listen.c2s]], [[listen.s2s]] */
    const struct node_conf_listen *c2s, *s2s;
    size_t c2s_n, s2s_n;
    /* [[listen.component]], [[component]] */
    const struct node_conf_listen *component_listen;
    const struct node_conf_component *components;
    size_t component_listen_n, components_n;
    bool c2s_tls_required; /* default true */
    /* [c2s] */
    size_t c2s_output_bytes; /* queued to one client; past it it is closed; default 4 MiB */
    /* XEP-0198 */
    size_t sm_queue, sm_queue_bytes; /* what may wait for a client to come back */
    uint64_t sm_resume_ms;           /* how long; 0 = never */
    unsigned sm_ask_every;           /* stanzas written between two <r/> */
    /* [auth] */
    unsigned scram_iterations;
    unsigned tries_per_address, tries_per_account; /* in tries_window_ms; 0: no limit */
    uint64_t tries_window_ms;
    const char *client_ca_file; /* NULL: clients are not asked for certificates */
    bool channel_binding;       /* default true: -PLUS mechanisms */
    unsigned scram_digests; /* bit set (1 << enum digest): stored for new passwords, and offered */
    /* [auth.anonymous]: XEP-0175 */
    bool anonymous, anonymous_federation;
    size_t anonymous_max; /* of the node; each shard has its part */
    /* [modules.fast_auth_token]: XEP-0484 */
    uint64_t fast_validity_ms, fast_rotate_ms; /* validity 0: no tokens */
    /* [store] */
    struct store_place store;
    const struct store_route *store_routes; /* [[store.route]] */
    size_t store_routes_n;
    struct store_place store_pool; /* [outgoing_pools.rdbms.default]; uri NULL = none */
    /* [dns] */
    const char *const *dns_servers; /* NULL = the system's */
    bool dns_trust_ad;
    /* [s2s] */
    bool s2s_enabled, s2s_tls_required, s2s_dialback, s2s_external;
    const char *dialback_secret; /* points to dialback_drawn unless configured */
    char dialback_drawn[RAND_ID_LEN + 1];
    bool s2s_bidi, s2s_acks; /* XEP-0288, XEP-0198 */
    struct s2s_tune s2s_tune;
    const struct s2s_override *s2s_overrides; /* ended by domain NULL, or NULL */
    struct s2s_policy_conf s2s_policy;
    const struct node_conf_rtbl *rtbls; /* [[s2s.rtbl]] */
    size_t rtbls_n;
    const char *s2s_crl_file; /* NULL: none */
    unsigned s2s_new_domains; /* a minute; 0: no limit */
    /* [region]; region_name NULL = a world of one region, no registry, no links */
    const char *region_name, *node_name;
    const char *region_domain; /* "eu1.eu.regions.world.test": our name in the region certificate */
    const char *region_domain_suffix; /* ".regions.world.test" */
    struct addr region_listen;
    const char *region_endpoint; /* how others reach it; default: region_listen */
    const char *region_cert_file, *region_key_file, *region_ca_file;
    uint64_t region_wait_ms;
    size_t region_queue_bytes;
    /* [registry] */
    const char *redis_host;
    uint16_t redis_port;
    const char *redis_username, *redis_password, *redis_ca_file, *redis_prefix;
    bool redis_tls;
    unsigned redis_db;
    uint64_t registry_beat_ms, registry_lease_ms;
    /* [control] */
    const char *control_path; /* unix socket; NULL = none */
    /* [metrics] */
    bool has_metrics;
    struct addr metrics_listen;
    /* [modules.offline] */
    size_t offline_max; /* messages per account; default 1,000 */
    /* [modules.ping] */
    uint64_t ping_interval_ms, ping_timeout_ms; /* interval 0 = off */
    /* [modules.version] */
    bool version_os; /* tell the operating system too */
    /* [modules.contact]: each NULL-terminated, or NULL */
    const char *const *contacts[CONTACT_COUNT];
    /* [modules.private], [modules.vcard] */
    size_t private_max, private_bytes; /* elements of an account, bytes of one */
    size_t vcard_bytes;
    /* [modules.register]: new accounts, other passwords, removal by the user */
    bool register_new, register_password, register_remove;
    size_t password_min, password_max; /* characters, bytes */
    unsigned register_max;             /* of an address or account within the window */
    uint64_t register_window_ms;
    /* [modules.blocklist] */
    size_t blocklist_max; /* addresses of an account */
    /* [limits] */
    struct stream_limits limits;
    size_t unauthenticated_connections; /* of clients, of servers, on each shard; default 10,000 */
    unsigned connections_per_address;   /* on ports for clients, servers, components; 0: no limit */
    bool guard_resources; /* requests reach a resource only from who may see its presence */
    size_t roster_max;    /* items per account; default 1,000 */
    size_t sessions_max;  /* resources per account; default 50 */
};
/* What a reload may change on each shard; a copy of its own. */
struct node_tune {
    size_t sessions_max, offline_max, roster_max;
    unsigned scram_iterations;
    enum log_level log_level;
    struct s2s_tune s2s;
};
void node_tune_fill(struct node_tune *t, const struct node_conf *c);

/* Defaults in all fields; then overwrite. The struct must not be copied afterwards
 * (dialback_drawn). */
void node_conf_init(struct node_conf *c);
#endif
