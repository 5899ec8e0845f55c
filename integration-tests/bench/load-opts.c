/* The command line: one table of options with where each is kept, its bounds and its help. What a
 * scenario cannot do without is in a second table. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-opts.h"

enum kind { TEXT, COUNT, LONG, REAL, FLAG, ADDRESS, PIDS, WORD };

struct option_row {
    const char *name;
    enum kind kind;
    size_t at; /* in struct load_opts */
    double min, max;
    const char *words; /* WORD: what it may be, separated by |; kept as its place, from 0 */
    const char *help;
};

#define AT(member) offsetof(struct load_opts, member)

static const struct option_row rows[] = {
    {"server", ADDRESS, AT(target.server), 0, 0, NULL, "IP:PORT where clients connect"},
    {"server-b", ADDRESS, AT(target.server_b), 0, 0, NULL,
     "IP:PORT where the odd one of each pair connects"},
    {"domain", TEXT, AT(target.domain), 0, 0, NULL, "the domain of the accounts"},
    {"mode", WORD, AT(target.mode), 0, 0, "plain|starttls|direct",
     "plain, starttls (default) or direct TLS"},
    {"insecure", FLAG, AT(target.is_insecure), 0, 0, NULL, "do not check certificates"},
    {"ca", TEXT, AT(target.ca), 0, 0, NULL, "file of the CA that signed the server's certificate"},
    {"tls12", FLAG, AT(target.is_tls12), 0, 0, NULL, "TLS 1.2 instead of 1.3"},
    {"accounts", COUNT, AT(target.accounts), 1, LOAD_CLIENTS_MAX, NULL,
     "how many accounts there are: PREFIX0, PREFIX1, ..."},
    {"prefix", TEXT, AT(target.prefix), 0, 0, NULL, "of the accounts' names (default u)"},
    {"password", TEXT, AT(target.password), 0, 0, NULL, "of all accounts (default secret)"},
    {"mech", WORD, AT(target.mech), 0, 0, "any|plain|scram-sha-1|scram-sha-256",
     "any (default: the best SCRAM offered, else PLAIN), plain, scram-sha-1, scram-sha-256"},
    {"no-presence", FLAG, AT(target.has_presence), 0, 0, NULL, "send no initial presence"},
    {"sm", FLAG, AT(target.has_sm), 0, 0, NULL,
     "stream management (XEP-0198): enable, answer and ask"},
    {"connect-parallel", COUNT, AT(target.connect_parallel), 1, 10000, NULL,
     "logins at once (default 16)"},
    {"pid", PIDS, AT(pids), 0, 0, NULL, "PID[,PID...] of the server's processes"},
    {"pid-tree", FLAG, AT(has_tree), 0, 0, NULL, "count their children too"},
    {"threads", COUNT, AT(threads), 1, LOAD_THREADS_MAX, NULL, "pairs, rate: threads (default 1)"},
    {"seconds", REAL, AT(seconds), 0.1, 86400, NULL, "how long to measure (default 10)"},
    {"warmup", REAL, AT(warmup), 0, 3600, NULL, "seconds under load before that (default 2)"},
    {"timeout", REAL, AT(timeout), 0.1, 3600, NULL,
     "give up when nothing moves for so many seconds (default 30)"},
    {"size", COUNT, AT(size), LOAD_SIZE_MIN, LOAD_SIZE_MAX, NULL,
     "bytes of each message's body (default 100)"},
    {"pairs", COUNT, AT(pairs), 1, LOAD_CLIENTS_MAX / 2, NULL, "pairs of clients"},
    {"window", COUNT, AT(window), 1, LOAD_WINDOW_MAX, NULL,
     "messages under way in each direction (default 1)"},
    {"messages", LONG, AT(messages), 1, 1e15, NULL,
     "pairs: stop after so many in all; offline: for each user"},
    {"rate", REAL, AT(rate), 0.01, 1e7, NULL, "messages a second in all; s2s: instead of windows"},
    {"schedule", WORD, AT(schedule), 0, 0, "exponential|even",
     "gaps between messages: exponential (default) or even"},
    {"count", COUNT, AT(count), 1, 1e9, NULL, "logins; presence changes"},
    {"concurrency", COUNT, AT(concurrency), 1, LOAD_CLIENTS_MAX, NULL,
     "logins at once (default 1)"},
    {"resume", FLAG, AT(is_resumed), 0, 0, NULL, "resume TLS sessions with earlier tickets"},
    {"sessions", COUNT, AT(sessions), 1, LOAD_CLIENTS_MAX, NULL,
     "idle sessions, an even number (else one more)"},
    {"hold", REAL, AT(hold), 0, 86400, NULL, "seconds to stay idle and read CPU time (default 10)"},
    {"keepalive", REAL, AT(keepalive), 0, 3600, NULL,
     "seconds between white space of each idle session (default 0: none)"},
    {"traffic", COUNT, AT(traffic), 0, 1e6, NULL, "messages each idle session sends (default 10)"},
    {"settle", REAL, AT(settle), 0, 3600, NULL, "seconds before memory is read (default 3)"},
    {"roster", COUNT, AT(roster), 1, 10000, NULL, "contacts of the one user"},
    {"users", COUNT, AT(users), 1, LOAD_CLIENTS_MAX, NULL, "offline users"},
    {"listen", ADDRESS, AT(peers.listen), 0, 0, NULL, "IP:PORT of the foreign servers"},
    {"s2s-server", ADDRESS, AT(peers.server), 0, 0, NULL, "IP:PORT where servers connect"},
    {"peer-domains", COUNT, AT(peers.domains), 1, LOAD_DOMAINS_MAX, NULL, "foreign domains"},
    {"peer-domain-pattern", TEXT, AT(peers.pattern), 0, 0, NULL,
     "their names, with one %d (default p%d.peer.test)"},
    {"cert", TEXT, AT(peers.cert), 0, 0, NULL, "certificate chain of the foreign servers"},
    {"key", TEXT, AT(peers.key), 0, 0, NULL, "its key"},
    {"dialback", FLAG, AT(peers.has_dialback), 0, 0, NULL,
     "foreign servers offer and use dialback, not certificates"},
    {"peer-acks", FLAG, AT(peers.has_acks), 0, 0, NULL,
     "foreign servers offer and use stream management"},
    {"direction", WORD, AT(peers.direction), 0, 0, "none|in|out|both",
     "s2s: in (foreign to local), out or both (default)"},
};

static const struct {
    const char *scenario, *needs, *help;
} scenarios[] = {
    {"pairs", "pairs", "pairs keep a window of messages under way in each direction"},
    {"rate", "pairs rate", "messages at a rate; latency from when each was due"},
    {"login", "count", "whole logins: connect, TLS, SASL, bind, roster, presence, close"},
    {"idle", "sessions", "memory of idle sessions, before and after traffic"},
    {"presence", "roster count", "one user changes presence before N contacts"},
    {"offline", "users messages", "store messages for offline users, then log them in"},
    {"s2s", "peer-domains listen s2s-server cert key", "federation with N foreign domains"},
    {"s2s-cold", "peer-domains listen cert key", "first message to each of N domains"},
    {"s2s-idle", "peer-domains listen s2s-server cert key", "memory of idle server streams"},
};

enum { ROWS = sizeof rows / sizeof rows[0], SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static void help(void)
{
    printf("usage: loadgen SCENARIO --server IP:PORT --domain D --mode M --accounts N --pid PID "
           "[options]\n\nPrints one line of JSON. Exit code: 0 all well, 1 errors (counted in the "
           "line), 2 wrong use.\n\nScenarios, with what each needs:\n");
    for (unsigned i = 0; i < SCENARIOS; i++)
        printf("  %-10s %s [%s]\n", scenarios[i].scenario, scenarios[i].help, scenarios[i].needs);
    printf("\nOptions:\n");
    for (unsigned i = 0; i < ROWS; i++)
        printf("  --%-20s %s\n", rows[i].name, rows[i].help);
}

static bool read_number(const struct option_row *r, const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    bool is_whole = r->kind == REAL || *out == (double)(uint64_t)*out;
    return end != text && !*end && *out >= r->min && *out <= r->max && is_whole;
}

static bool read_address(const char *text, struct sockaddr_in *out)
{
    char ip[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof ip)
        return false;
    snprintf(ip, sizeof ip, "%.*s", (int)(colon - text), text);
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return port > 0 && port <= 65535 && !*end && inet_pton(AF_INET, ip, &out->sin_addr) == 1;
}

static bool read_pids(struct load_opts *o, const char *text)
{
    for (const char *p = text;; p++) {
        char *end;
        long pid = strtol(p, &end, 10);
        if (end == p || pid <= 0 || o->pid_count == LOAD_PIDS_MAX)
            return false;
        o->pids[o->pid_count++] = (pid_t)pid;
        p = end;
        if (*p != ',')
            return !*p;
    }
}

static bool read_word(const char *words, const char *text, int *out)
{
    size_t n = strlen(text);
    int place = 0;
    for (const char *w = words; w; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL, place++) {
        if (strncmp(w, text, n) == 0 && (w[n] == '|' || !w[n])) {
            *out = place;
            return true;
        }
    }
    return false;
}

static bool store(struct load_opts *o, const struct option_row *r, const char *text)
{
    void *to = (char *)o + r->at;
    double number = 0;
    int place;
    switch (r->kind) {
    case TEXT:
        *(const char **)to = text;
        return *text != 0;
    case COUNT:
        if (!read_number(r, text, &number))
            return false;
        *(unsigned *)to = (unsigned)number;
        return true;
    case LONG:
        if (!read_number(r, text, &number))
            return false;
        *(uint64_t *)to = (uint64_t)number;
        return true;
    case REAL:
        return read_number(r, text, to);
    case FLAG:
        *(bool *)to = !*(bool *)to;
        return true;
    case ADDRESS:
        return read_address(text, to);
    case PIDS:
        return read_pids(o, text);
    case WORD:
        if (!read_word(r->words, text, &place))
            return false;
        memcpy(to, &place, sizeof place);
        return true;
    }
    return false;
}

static const struct option_row *row_of(const char *name)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* Remember in `given` which rows the command line has. */
static bool read_all(struct load_opts *o, int argc, char **argv, bool *given)
{
    for (int i = 2; i < argc; i++) {
        const struct option_row *r = strncmp(argv[i], "--", 2) == 0 ? row_of(argv[i] + 2) : NULL;
        if (!r) {
            fprintf(stderr, "loadgen: no option %s (see --help)\n", argv[i]);
            return false;
        }
        const char *text = r->kind == FLAG ? NULL : i + 1 < argc ? argv[++i] : "";
        if (!store(o, r, text)) {
            fprintf(stderr, "loadgen: --%s '%s' is not what it needs: %s\n", r->name, text,
                    r->help);
            return false;
        }
        given[r - rows] = true;
    }
    return true;
}

static bool is_given(const bool *given, const char *name, size_t len)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
            return given[i];
    return false;
}

static bool has_needs(const bool *given, const char *needs)
{
    while (*needs) {
        size_t n = strcspn(needs, " ");
        if (!is_given(given, needs, n)) {
            fprintf(stderr, "loadgen: --%.*s is missing\n", (int)n, needs);
            return false;
        }
        needs += n + (needs[n] == ' ');
    }
    return true;
}

static bool is_sound(const struct load_opts *o)
{
    const char *percent = strchr(o->peers.pattern, '%');
    if (!percent || percent[1] != 'd' || strchr(percent + 1, '%'))
        fprintf(stderr, "loadgen: --peer-domain-pattern needs one %%d and no other %%\n");
    else if (o->threads > 1 && strcmp(o->scenario, "pairs") != 0 &&
             strcmp(o->scenario, "rate") != 0)
        fprintf(stderr, "loadgen: --threads is for pairs and rate\n");
    else if (o->threads > 1 && o->pairs < o->threads)
        fprintf(stderr, "loadgen: fewer pairs than threads\n");
    else if (!o->peers.direction)
        fprintf(stderr, "loadgen: --direction is in, out or both\n");
    else if (strcmp(o->scenario, "presence") == 0 && o->roster >= o->target.accounts)
        fprintf(stderr, "loadgen: a roster of %u needs %u accounts\n", o->roster, o->roster + 1);
    else if (strcmp(o->scenario, "offline") == 0 && o->users >= o->target.accounts)
        fprintf(stderr, "loadgen: %u users and a sender need %u accounts\n", o->users,
                o->users + 1);
    else
        return true;
    return false;
}

static bool check(const struct load_opts *o, const bool *given)
{
    for (unsigned i = 0; i < SCENARIOS; i++)
        if (strcmp(scenarios[i].scenario, o->scenario) == 0)
            return has_needs(given, "server domain accounts pid") &&
                   has_needs(given, scenarios[i].needs) && is_sound(o);
    fprintf(stderr, "loadgen: no scenario '%s' (see --help)\n", o->scenario);
    return false;
}

bool load_opts_read(struct load_opts *o, int argc, char **argv)
{
    bool given[ROWS] = {false};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help();
            exit(0);
        }
    }
    *o = (struct load_opts){.scenario = argc > 1 ? argv[1] : "",
                            .target = {.mode = LOAD_STARTTLS,
                                       .prefix = "u",
                                       .password = "secret",
                                       .has_presence = true,
                                       .connect_parallel = 16},
                            .peers = {.pattern = "p%d.peer.test", .direction = LOAD_BOTH},
                            .threads = 1,
                            .seconds = 10,
                            .warmup = 2,
                            .timeout = 30,
                            .hold = 10,
                            .settle = 3,
                            .size = 100,
                            .window = 1,
                            .traffic = 10,
                            .concurrency = 1};
    if (!read_all(o, argc, argv, given) || !check(o, given))
        return false;
    o->target.has_b = is_given(given, "server-b", strlen("server-b"));
    return true;
}
