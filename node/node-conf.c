/* Defaults of a node that was told nothing; tests and the simulator start from here, node-options.c
 * from its tables. */
#include "node/node-conf.h"

#include "lib/base/rand.h"
#include "lib/xmpp/scram-key.h"

void node_conf_init(struct node_conf *c)
{
    *c = (struct node_conf){
        .shards = 1,
        .log_level = LOG_INFO,
        .c2s_tls_required = true,
        .scram_iterations = SCRAM_ITERATIONS_DEFAULT,
        .store_uri = "mem:",
        .s2s_enabled = true,
        .s2s_tls_required = true,
        .s2s_dialback = true,
        .s2s_external = true,
        .s2s_pending_bytes = 1 << 20,
        .s2s_pending_stanzas = 1000,
        .s2s_connect_timeout_ms = 30000,
        .s2s_idle_timeout_ms = 600000,
        .s2s_fail_memory_ms = 5000,
        .region_wait_ms = 300000,
        .region_queue_bytes = 64 << 20,
        .redis_host = "127.0.0.1",
        .redis_port = 6379,
        .redis_prefix = "meridian:",
        .registry_beat_ms = 5000,
        .registry_lease_ms = 15000,
        .offline_max = 1000,
        .limits = stream_limits_default,
        .roster_max = 1000,
        .sessions_max = 50,
    };
    rand_id(c->dialback_drawn);
    c->dialback_secret = c->dialback_drawn;
}
