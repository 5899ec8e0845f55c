/* bench: a simple client loop over TLS. Opens sessions and reads how much larger the server's
 * process became for each; then pairs of sessions send to each other, one message under way per
 * pair, and the server's CPU time is read from /proc. Prints figures, judges nothing. */
#include <getopt.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/net/dial.h"
#include "lib/stream/stream-out.h"

enum { SESSIONS_MAX = 20000, AT_ONCE = 8, SETTLE_MS = 3000 };

struct session {
    struct bench *bench;
    unsigned i;
    struct stream_out *stream;
    struct stream_out_conf conf;
    char jid[256];
    bool is_bound;
};
struct bench {
    struct loop *loop;
    struct op_owner ops;
    struct tls_ctx *tls;
    struct addr server;
    const char *domain;
    long pid;
    unsigned n, accounts, pairs, started, bound;
    uint64_t messages, received;
    struct timer settle;
    uint64_t rss_before, cpu_before, wall_before;
    struct session *sessions;
};

/* ---- the server's process */
static uint64_t read_rss(long pid)
{
    char path[64];
    unsigned long total = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%ld/statm", pid);
    FILE *f = fopen(path, "r");
    must(f && fscanf(f, "%lu %lu", &total, &resident) == 2);
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t read_cpu_us(long pid)
{
    char path[64];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    must(f && fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                     &system) == 2);
    fclose(f);
    return (user + system) * 1000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void give_up(const struct session *s, const char *why)
{
    fprintf(stderr, "bench: session %u: %s\n", s->i, why);
    exit(1);
}

/* ---- messages */
static void send_message(struct session *from)
{
    struct bench *b = from->bench;
    const struct session *to = &b->sessions[from->i ^ 1];
    char text[600];
    int n = snprintf(
        text, sizeof text,
        "<message to='%s' type='chat' id='b%u'><body>The quick brown fox jumps over the lazy dog, "
        "and does so once more for good measure.</body></message>",
        to->jid, from->i);
    (void)stream_out_send_text(from->stream, str_make(text, (size_t)n));
}

static void messages_over(struct bench *b)
{
    double cpu = (double)(read_cpu_us(b->pid) - b->cpu_before),
           wall = (double)(clock_mono_us() - b->wall_before);
    printf("messages            %10" PRIu64 " over %u pairs, one under way each\n", b->received,
           b->pairs);
    printf("server CPU          %10.2f us a message\n", cpu / (double)b->received);
    printf("rate                %10.0f messages/s (client and server share the machine)\n",
           (double)b->received * 1e6 / wall);
    loop_stop(b->loop);
}

static void got_message(struct session *s)
{
    struct bench *b = s->bench;
    if (++b->received == b->messages)
        messages_over(b);
    else if (b->received < b->messages)
        send_message(s);
}

static void settled(void *ctx)
{
    struct bench *b = ctx;
    uint64_t grown = read_rss(b->pid) - b->rss_before;
    printf("idle TLS sessions   %10u\n", b->n);
    printf("RSS                 %10.1f KiB a session\n", (double)grown / 1024 / b->n);
    fflush(stdout);
    b->cpu_before = read_cpu_us(b->pid);
    b->wall_before = clock_mono_us();
    for (unsigned i = 0; i < b->pairs; i++)
        send_message(&b->sessions[2 * i]);
}

/* ---- login */
static void start_next(struct bench *b);

static bool secured(void *ctx)
{
    struct session *s = ctx;
    return transport_tls(stream_out_transport(s->stream))->chain_ok;
}

static enum stream_out_next features(void *ctx, const struct xml *f, struct sasl_client **client,
                                     enum sasl_mech *m)
{
    struct session *s = ctx;
    char user[32];
    if (!xml_child(f, NS_SASL, "mechanisms"))
        return STREAM_OUT_READY;
    snprintf(user, sizeof user, "u%u", s->i / 2 % s->bench->accounts);
    *client = sasl_client_new(SASL_PLAIN, str_of(user), STR("secret"), STR_NONE);
    *m = SASL_PLAIN;
    return STREAM_OUT_SASL;
}

static void ready(void *ctx, const struct xml *f, bool sasl_done)
{
    struct session *s = ctx;
    char text[200];
    (void)f;
    (void)sasl_done;
    int n =
        snprintf(text, sizeof text,
                 "<iq type='set' id='bind'><bind xmlns='%s'><resource>r%u</resource></bind></iq>",
                 NS_BIND, s->i);
    (void)stream_out_send_text(s->stream, str_make(text, (size_t)n));
}

static void bound(struct session *s, const struct xml *iq)
{
    struct bench *b = s->bench;
    const struct xml *jid = xml_child(xml_child(iq, NS_BIND, "bind"), NS_BIND, "jid");
    struct arena *a = arena_new(0);
    if (!jid)
        give_up(s, "it was not bound");
    snprintf(s->jid, sizeof s->jid, STR_FMT, STR_ARG(xml_text(a, jid)));
    arena_free(&a);
    s->is_bound = true;
    if (++b->bound == b->n)
        timer_start(&b->settle, SETTLE_MS);
    start_next(b);
}

static void element(void *ctx, struct xml_doc *doc)
{
    struct session *s = ctx;
    if (!s->is_bound)
        bound(s, doc->root);
    else if (strcmp(doc->root->name, "message") == 0)
        got_message(s);
    xml_doc_free(&doc);
}

static void ended(void *ctx, const struct stream_end *e)
{
    give_up(ctx, e->text[0] ? e->text : err_text(e->err));
}

static const struct stream_out_events events = {
    .secured = secured, .features = features, .ready = ready, .element = element, .end = ended};

static void connected(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct session *s = ctx;
    if (e != ERR_OK)
        give_up(s, r->why);
    s->conf = (struct stream_out_conf){.content_ns = NS_CLIENT,
                                       .to = s->bench->domain,
                                       .tls = s->bench->tls,
                                       .tls_required = true};
    s->stream = stream_out_new(&t, &s->conf, &events, s);
}

static void start_next(struct bench *b)
{
    if (b->started == b->n)
        return;
    struct session *s = &b->sessions[b->started];
    *s = (struct session){.bench = b, .i = b->started++};
    struct dial_target target = {.addr = b->server};
    dial_open(b->loop, &b->ops, dial_source_fixed(b->loop, &target, 1), 20000, connected, s);
}

static void run(struct bench *b)
{
    b->loop = loop_new("bench/0", 0);
    op_owner_init(&b->ops);
    timer_init(&b->settle, b->loop, settled, b);
    b->sessions = mem_calloc(b->n, sizeof *b->sessions);
    b->rss_before = read_rss(b->pid);
    for (unsigned i = 0; i < AT_ONCE; i++)
        start_next(b);
    loop_run(b->loop);
    for (unsigned i = 0; i < b->n; i++)
        stream_out_free(&b->sessions[i].stream);
    mem_free(b->sessions);
    loop_free(&b->loop);
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    return str_to_u64(str_of(text), max, out);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: bench --server IP:PORT --domain D --ca FILE --pid SERVER --sessions N --accounts N "
        "--pairs N --messages N\n\nAccounts u0, u1, ... with the password \"secret\" exist.\n";
    static const struct option options[] = {
        {"server", 1, NULL, 's'}, {"domain", 1, NULL, 'd'},   {"ca", 1, NULL, 'c'},
        {"pid", 1, NULL, 'p'},    {"sessions", 1, NULL, 'n'}, {"accounts", 1, NULL, 'a'},
        {"pairs", 1, NULL, 'P'},  {"messages", 1, NULL, 'm'}, {NULL, 0, NULL, 0}};
    struct bench b = {0};
    struct tls_ctx_conf tls = {.no_system_ca = true};
    uint64_t n = 0, accounts = 0, pairs = 0, pid = 0;
    bool ok = true;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        ok &= o == 's'   ? addr_parse_hostport(str_of(optarg), &b.server) == ERR_OK
              : o == 'd' ? (b.domain = optarg) != NULL
              : o == 'c' ? (tls.ca_file = optarg) != NULL
              : o == 'p' ? number(optarg, INT32_MAX, &pid)
              : o == 'n' ? number(optarg, SESSIONS_MAX, &n)
              : o == 'a' ? number(optarg, SESSIONS_MAX, &accounts)
              : o == 'P' ? number(optarg, SESSIONS_MAX / 2, &pairs)
              : o == 'm' ? number(optarg, UINT32_MAX, &b.messages)
                         : false;
    }
    char why[256];
    if (!ok || !b.domain || !tls.ca_file || !pid || !accounts || !pairs || n < 2 * pairs ||
        !b.messages) {
        fputs(usage, stderr);
        return 2;
    }
    if (tls_ctx_new(false, &tls, &b.tls, why, sizeof why) != ERR_OK) {
        fprintf(stderr, "bench: %s\n", why);
        return 1;
    }
    log_set_level(LOG_ERROR);
    b.n = (unsigned)n;
    b.accounts = (unsigned)accounts;
    b.pairs = (unsigned)pairs;
    b.pid = (long)pid;
    run(&b);
    tls_ctx_unref(&b.tls);
    return 0;
}
