/* Defaults of a node that was told nothing; tests and the simulator start from here, node-options.c
 * from its tables. */
#include "node/node-conf.h"

#include "lib/base/rand.h"
#include "lib/xmpp/scram-key.h"

void node_tune_fill(struct node_tune *t, const struct node_conf *c)
{
    *t = (struct node_tune){
        .sessions_max = c->sessions_max,
        .offline_max = c->offline_max,
        .roster_max = c->roster_max,
        .scram_iterations = c->scram_iterations,
        .log_level = c->log_level,
        .s2s = c->s2s_tune,
    };
}

void node_conf_init(struct node_conf *c)
{
    *c = (struct node_conf){
        .shards = 1,
        .log_level = LOG_INFO,
        .c2s_tls_required = true,
        .c2s_output_bytes = 4 << 20,
        .sm_queue = 1000,
        .sm_queue_bytes = 1 << 20,
        .sm_resume_ms = 600000,
        .sm_ask_every = 5,
        .scram_iterations = SCRAM_ITERATIONS_DEFAULT,
        .tries_per_address = 50,
        .tries_per_account = 50,
        .tries_window_ms = 600000,
        .channel_binding = true,
        .scram_digests = 1U << DIGEST_SHA1 | 1U << DIGEST_SHA256 | 1U << DIGEST_SHA512,
        .store = {.uri = "mem:"},
        .s2s_enabled = true,
        .s2s_tls_required = true,
        .s2s_dialback = true,
        .s2s_external = true,
        .s2s_bidi = true,
        .s2s_acks = true,
        .s2s_new_domains = 1000,
        .region_wait_ms = 300000,
        .region_queue_bytes = 64 << 20,
        .redis_host = "127.0.0.1",
        .redis_port = 6379,
        .redis_prefix = "meridian:",
        .registry_beat_ms = 5000,
        .registry_lease_ms = 15000,
        .offline_max = 1000,
        .limits = stream_limits_default,
        .connections_per_address = 1000,
        .unauthenticated_connections = 10000,
        .guard_resources = true,
        .roster_max = 1000,
        .ping_timeout_ms = 60000,
        .private_max = 100,
        .private_bytes = 64 << 10,
        .password_min = 8,
        .password_max = 256,
        .register_max = 5,
        .register_window_ms = 3600000,
        .blocklist_max = 1000,
        .anonymous_max = 1000,
        .fast_validity_ms = UINT64_C(14) * 86400000,
        .fast_rotate_ms = UINT64_C(7) * 86400000,
        .vcard_bytes = 64 << 10,
        .sessions_max = 50,
    };
    rand_id(c->dialback_drawn);
    c->dialback_secret = c->dialback_drawn;
}
