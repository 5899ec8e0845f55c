/* DOC: bench-sessions: one node with very many sessions, server and clients in one process on the
 * simulated platform. Prints one line of JSON: heap of the server for each session, idle and after
 * traffic, and processor time of the server for each message with few and with many sessions. */
#include <getopt.h>

#include "dns/sim-dns.h"
#include "integration-tests/bench/crowd.h"
#include "integration-tests/bench/meter.h"
#include "lib/base/log.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/sim-net.h"
#include "lib/net/tests-certs.h"
#include "node/auth/auth-int.h"
#include "node/node.h"

#define DOMAIN "im.test"
#define PASSWORD "secret"
enum {
    SESSIONS_MAX = 1000000,
    FEW = 1000,
    ACTIVE = 20000,
    ITERATIONS = 4096,
    ACCOUNTS_AT_ONCE = 1000,
    IDLE_US = 10000000, /* long enough for everything that is given back when idle */
    ACCOUNTS_US = 60000000,
    LATENCY_MIN_US = 20, /* some 10,000 messages in a second of the simulation */
    LATENCY_MAX_US = 60,
};

struct bench {
    unsigned sessions, few, active;
    uint64_t messages, seed;
    bool is_plain;
    struct node_conf conf;
    struct node_conf_listen listen;
    struct shards *shards;
    struct node *node;
    struct op_owner ops;
    struct tls_ctx *tls;
    struct crowd *crowd;
    unsigned accounts_open; /* being written */
    struct scram_key key;
    uint8_t salted[DIGEST_MAX];
    unsigned *order; /* whom to write to: all members, shuffled */
};
/* ---- the node */
static const char *const domains[] = {DOMAIN, NULL};

static void node_begin(struct bench *b, const char *dir)
{
    static char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], ca[TEST_PATH_MAX];
    char why[256] = "";
    node_conf_init(&b->conf);
    b->conf.domains = domains;
    b->conf.shards = 1;
    b->conf.cert_file = test_path(crt, dir, DOMAIN, "crt");
    b->conf.key_file = test_path(key, dir, DOMAIN, "key");
    b->conf.ca_file = test_path(ca, dir, "ca", "crt");
    b->conf.s2s_enabled = false;
    b->conf.connections_per_address = 1000000; /* all come from one, and are counted */
    b->conf.c2s_tls_required = !b->is_plain;
    b->conf.scram_iterations = ITERATIONS;
    must(addr_parse(STR("192.0.2.1"), 5222, &b->listen.at) == ERR_OK);
    b->conf.c2s = &b->listen;
    b->conf.c2s_n = 1;
    b->shards = shards_new("server", 1);
    if (node_new(&b->conf, b->shards, NULL, NULL, &b->node, why, sizeof why) != ERR_OK) {
        fprintf(stderr, "bench-sessions: %s\n", why);
        exit(1);
    }
    struct tls_ctx_conf client = {.ca_file = ca, .no_system_ca = true};
    if (!b->is_plain)
        must(tls_ctx_new(false, &client, &b->tls, why, sizeof why) == ERR_OK);
}

/* ---- accounts: all with one salt, so that the password is salted once */
static void account_written(void *ctx, enum err e)
{
    struct bench *b = ctx;
    must(e == ERR_OK);
    b->accounts_open--;
}

static bool accounts_written(void *ctx)
{
    return ((const struct bench *)ctx)->accounts_open == 0;
}

static void accounts_make(struct bench *b)
{
    char bare[64], user[16];
    scram_key_derive(&b->key, DIGEST_SHA1, STR(PASSWORD), ITERATIONS);
    crypto_pbkdf2(DIGEST_SHA1, STR(PASSWORD), str_make((const char *)b->key.salt, b->key.salt_len),
                  ITERATIONS, b->salted);
    for (unsigned i = 0; i < b->sessions; i++) {
        snprintf(bare, sizeof bare, "%s@" DOMAIN, crowd_user(user, i));
        b->accounts_open++;
        account_store_put(&b->node->shard[0], &b->ops, str_of(bare), &b->key, 1, account_written,
                          b);
        if (b->accounts_open == ACCOUNTS_AT_ONCE || i + 1 == b->sessions)
            must(sim_run(ACCOUNTS_US, accounts_written, b));
    }
}

/* ---- messages */
static void shuffle(unsigned *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = i;
    for (unsigned i = n; i > 1; i--) {
        unsigned k = (unsigned)sim_rand(i), t = p[i - 1];
        p[i - 1] = p[k];
        p[k] = t;
    }
}

struct talk {
    struct meter meter;
    uint64_t messages;
};
enum { AWAKE, ASLEEP };
struct figures {
    struct meter_memory empty, accounts; /* before and after the accounts */
    struct meter_memory before, idle;    /* before and after the silent sessions */
    struct meter_memory quiet, busy;     /* all are there: before and after traffic */
    struct talk logins;                  /* of the silent ones; each counts as a message */
    struct talk few[2], many[2];
};

/* One message under way at a time: nothing is coalesced. Everybody is written to in turn, in drawn
 * order. After each round of speakers nobody says anything for silence_us. */
static void rounds(struct bench *b, uint64_t messages, unsigned speakers, uint64_t silence_us)
{
    unsigned n = crowd_count(b->crowd);
    shuffle(b->order, n);
    for (uint64_t i = 0; i < messages; i++) {
        crowd_say(b->crowd, (unsigned)(i % speakers), b->order[i % n]);
        if (silence_us && (i + 1) % speakers == 0)
            sim_run(silence_us, NULL, NULL);
    }
}

static struct talk talk(struct bench *b, uint64_t messages, unsigned speakers, uint64_t silence_us)
{
    const struct node_stats *stats = &b->node->shard[0].stats;
    uint64_t before = node_flow_sum(stats, FLOW_to_clients);
    meter_start();
    rounds(b, messages, speakers, silence_us);
    struct meter m = meter_stop();
    must(node_flow_sum(stats, FLOW_to_clients) - before == messages);
    return (struct talk){m, messages};
}

/* Speakers who have just spoken, as many as a small node has. */
static struct talk talk_awake(struct bench *b, uint64_t messages)
{
    crowd_shuffle(b->crowd);
    rounds(b, b->few, b->few, 0);
    return talk(b, messages, b->few, 0);
}

/* Speakers who were silent for long: their sessions have given back what they need to speak. */
static struct talk talk_asleep(struct bench *b, uint64_t messages)
{
    crowd_shuffle(b->crowd);
    sim_run(IDLE_US, NULL, NULL);
    return talk(b, messages, crowd_active(b->crowd), IDLE_US);
}

static struct meter_memory settled(void)
{
    sim_run(IDLE_US, NULL, NULL);
    return meter_memory();
}

static void progress(const char *what, unsigned n)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "bench-sessions: %s: %u\n", what, n);
}

/* First a few members, all active, and the figures of a small node; then the many, silent until
 * they are counted; then the rest of the active ones, spread over nobody's cache. */
static void measure(struct bench *b, struct figures *f)
{
    unsigned silent = b->sessions - (b->active - b->few);
    crowd_grow(b->crowd, b->few, true);
    f->few[AWAKE] = talk_awake(b, b->messages);
    f->few[ASLEEP] = talk_asleep(b, b->messages);
    progress("messages among", b->few);
    f->before = settled();
    meter_start();
    crowd_grow(b->crowd, silent, false);
    f->logins = (struct talk){meter_stop(), silent - b->few};
    f->idle = settled();
    progress("sessions", silent);
    crowd_grow(b->crowd, b->sessions, true);
    f->quiet = settled();
    f->many[AWAKE] = talk_awake(b, b->messages > b->sessions ? b->messages : b->sessions);
    f->many[ASLEEP] = talk_asleep(b, b->messages);
    f->busy = settled();
    progress("messages among", b->sessions);
}

static double each(size_t before, size_t after, unsigned n)
{
    return ((double)after - (double)before) / n;
}

static double us_each(const struct talk *t)
{
    return (double)t->meter.cpu_ns / 1000 / (double)t->messages;
}

static void report_talk(const char *suffix, const struct talk *few, const struct talk *many)
{
    printf(", \"cpu_us_per_message_few%s\": %.2f, \"cpu_us_per_message%s\": %.2f, "
           "\"ratio%s\": %.3f, \"turns_per_message%s\": %.2f, \"messages%s\": %" PRIu64,
           suffix, us_each(few), suffix, us_each(many), suffix, us_each(many) / us_each(few),
           suffix, (double)many->meter.turns / (double)many->messages, suffix, many->messages);
}

static void report(const struct bench *b, const struct figures *f)
{
    unsigned silent = b->sessions - b->active;
    double member = (double)crowd_member_bytes();
    double idle = each(f->before.heap_bytes, f->idle.heap_bytes, silent) - member;
    double rss = each(f->before.rss_bytes, f->idle.rss_bytes, silent) - member;
    double grown = each(f->quiet.heap_bytes, f->busy.heap_bytes, b->sessions);
    printf("{\"sessions\": %u, \"mode\": \"%s\", \"bytes_per_session\": %.0f, "
           "\"bytes_per_session_after_traffic\": %.0f, \"rss_per_session\": %.0f, "
           "\"simulator_bytes_per_session\": %.0f, \"bytes_per_account\": %.0f, "
           "\"active\": %u, \"few_sessions\": %u",
           b->sessions, b->is_plain ? "plain" : "tls", idle, idle + grown, rss, member,
           each(f->empty.heap_bytes, f->accounts.heap_bytes, b->sessions), b->active, b->few);
    printf(", \"logins\": %" PRIu64 ", \"cpu_us_per_login\": %.1f", f->logins.messages,
           us_each(&f->logins));
    report_talk("", &f->few[AWAKE], &f->many[AWAKE]);
    report_talk("_after_idle", &f->few[ASLEEP], &f->many[ASLEEP]);
    printf("}\n");
}

/* ---- the whole */
static void run(struct bench *b, const char *dir)
{
    struct figures f = {0};
    sim_begin(b->seed);
    sim_net_begin();
    sim_net_whole();
    sim_net_latency("server", "clients", LATENCY_MIN_US, LATENCY_MAX_US);
    sim_dns_begin();
    op_owner_init(&b->ops);
    meter_begin("server");
    node_begin(b, dir);
    b->order = mem_calloc(b->sessions, sizeof *b->order);
    f.empty = meter_memory();
    accounts_make(b);
    f.accounts = meter_memory();
    progress("accounts", b->sessions);
    const struct crowd_conf crowd = {.server = b->listen.at,
                                     .domain = DOMAIN,
                                     .tls = b->tls,
                                     .salted = b->salted,
                                     .size = b->sessions};
    b->crowd = crowd_new(&crowd);
    measure(b, &f);
    report(b, &f);
}

static void end(struct bench *b)
{
    crowd_free(&b->crowd);
    op_owner_cancel_all(&b->ops);
    node_free(&b->node);
    (void)sim_run(IDLE_US, NULL, NULL); /* what is flushed in the background */
    shards_free(&b->shards);
    sim_dns_end();
    sim_net_end();
    sim_end();
    tls_ctx_unref(&b->tls);
    mem_free(b->order);
}

static const char usage[] =
    "usage: bench-sessions [--sessions N] [--plain|--tls] [--messages M] [--active A] [--few N]\n"
    "                      [--seed N] [--no-end]\n\n"
    "  --sessions  sessions of distinct accounts (default 10000)\n"
    "  --messages  measured among the few, and at least one to each of the many (default 20000)\n"
    "  --active    sessions whose clients stay and write (default a quarter, at most 20000)\n"
    "  --few       sessions of the small node that is compared (default 1000, at most half)\n"
    "  --no-end    leave the memory to the system, for tools that list what is in use at exit\n";

static bool options_read(struct bench *b, int argc, char **argv, bool *no_end)
{
    static const struct option options[] = {
        {"sessions", 1, NULL, 'n'}, {"plain", 0, NULL, 'p'},  {"tls", 0, NULL, 't'},
        {"messages", 1, NULL, 'm'}, {"active", 1, NULL, 'a'}, {"few", 1, NULL, 'f'},
        {"seed", 1, NULL, 's'},     {"no-end", 0, NULL, 'e'}, {NULL, 0, NULL, 0}};
    uint64_t n = 10000, active = 0, few = 0;
    bool ok = true;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        struct str text = optarg ? str_of(optarg) : STR_NONE;
        ok &= o == 'n'   ? str_to_u64(text, SESSIONS_MAX, &n)
              : o == 'm' ? str_to_u64(text, UINT32_MAX, &b->messages)
              : o == 'a' ? str_to_u64(text, SESSIONS_MAX, &active)
              : o == 'f' ? str_to_u64(text, SESSIONS_MAX, &few)
              : o == 's' ? str_to_u64(text, UINT64_MAX, &b->seed)
              : o == 'e' ? (*no_end = true)
                         : o == 'p' || o == 't';
        b->is_plain = o == 'p' || (b->is_plain && o != 't');
    }
    few = few ? few : n / 2 < FEW ? n / 2 : FEW;
    active = active ? active : n / 4 < ACTIVE ? n / 4 : ACTIVE;
    b->sessions = (unsigned)n;
    b->few = (unsigned)few;
    b->active = (unsigned)(active < few ? few : active);
    return ok && optind == argc && few > 0 && b->active < n && b->messages > 0;
}

int main(int argc, char **argv)
{
    struct bench b = {.messages = 20000, .seed = 1};
    char dir[TEST_PATH_MAX];
    bool no_end = false;
    if (!options_read(&b, argc, argv, &no_end)) {
        fputs(usage, stderr);
        return 2;
    }
    log_set_level(LOG_WARN);
    test_certs_begin(dir);
    test_cert_domain(dir, DOMAIN);
    run(&b, dir);
    test_certs_end(dir);
    if (!no_end)
        end(&b);
    return 0;
}
