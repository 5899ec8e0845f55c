#ifndef BENCH_LOAD_OPTS_H
#define BENCH_LOAD_OPTS_H
/* What the command line says. load_opts_read fills it; nothing changes it later. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    LOAD_PIDS_MAX = 16,
    LOAD_THREADS_MAX = 64,
    LOAD_CLIENTS_MAX = 200000,
    LOAD_SIZE_MIN = 48,
    LOAD_SIZE_MAX = 200000,
    LOAD_WINDOW_MAX = 10000,
    LOAD_DOMAINS_MAX = 10000
};

enum load_mode { LOAD_PLAIN, LOAD_STARTTLS, LOAD_DIRECT };
enum load_mech { LOAD_MECH_ANY, LOAD_MECH_PLAIN, LOAD_MECH_SHA1, LOAD_MECH_SHA256 };
enum load_schedule_kind { LOAD_EXPONENTIAL, LOAD_EVEN };
enum load_direction { LOAD_IN = 1, LOAD_OUT = 2, LOAD_BOTH = 3 };

/* About the server and the logins. */
struct load_target {
    struct sockaddr_in server, server_b;
    bool has_b;
    const char *domain;
    enum load_mode mode;
    bool is_insecure, is_tls12;
    const char *ca;
    unsigned accounts;
    const char *prefix, *password;
    enum load_mech mech;
    bool has_presence, has_sm;
    unsigned connect_parallel;
};

/* About the foreign servers that s2s plays. */
struct load_peers {
    struct sockaddr_in listen, server;
    unsigned domains;
    const char *pattern;
    const char *cert, *key;
    enum load_direction direction;
    bool has_dialback; /* instead of certificates */
    bool has_acks;     /* XEP-0198, both ways */
};

struct load_opts {
    const char *scenario;
    struct load_target target;
    struct load_peers peers;
    pid_t pids[LOAD_PIDS_MAX];
    unsigned pid_count;
    bool has_tree;
    unsigned threads;
    double seconds, warmup, timeout, hold, keepalive, settle, rate;
    enum load_schedule_kind schedule;
    bool is_resumed;
    unsigned size, pairs, window, sessions, traffic, concurrency, count, roster, users;
    uint64_t messages;
};

/* Read the arguments. False, after a line on stderr, if they are wrong. --help prints all and ends
 * the program. */
bool load_opts_read(struct load_opts *o, int argc, char **argv);
#endif
