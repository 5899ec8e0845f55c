/* meridianctl: one question to a running node over its control socket, the answer as text or JSON;
 * and `store copy`, which works on databases that no node uses.
 * Exit codes: 0 done; 1 the node said no; 2 wrong arguments; 69 (EX_UNAVAILABLE) no node answers;
 * 78 (EX_CONFIG) wrong configuration. */
#include <getopt.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/op.h"
#include "lib/loop/timer.h"
#include "lib/net/dial.h"
#include "node/admin/control.h"
#include "node/admin/render.h"
#include "node/node-options.h"

enum { ANSWER_MAX = 64 << 20, ANSWER_MS = 60000, PASSWORD_MAX = 1024, COPY_SAY_US = 1000000 };

struct client {
    struct loop *loop;
    struct op_owner ops;
    struct timer deadline;
    struct transport *transport;
    struct buf question, answer;
    const char *path;
    char failure[256];
};

static void print_usage(FILE *to)
{
    fputs("usage: meridianctl -c FILE [--json] COMMAND [ARGUMENT...]\n\nFILE is the node's "
          "configuration.\n\ncommands:\n",
          to);
    for (size_t i = 0; i < control_commands_n; i++) {
        const struct control_command *k = &control_commands[i];
        char left[64];
        snprintf(left, sizeof left, "%s %s", k->name, k->args);
        fprintf(to, "  %-26s %s\n", left, k->help);
    }
    fputs("\nwithout a node:\n"
          "  store copy FROM TO         copy all data: sqlite:/path, or rdbms:default for the pool "
          "of "
          "FILE\n",
          to);
    fputs("\noptions:\n  -c, --config FILE  the node's configuration file\n      --json         "
          "print the answer as JSON\n"
          "  -h, --help         print this\n",
          to);
}

/* ---- talking to the node */
static void give_up(struct client *c, const char *why)
{
    snprintf(c->failure, sizeof c->failure, "%s: %s", c->path, why);
    loop_stop(c->loop);
}

static void on_nothing(void *ctx)
{
    (void)ctx;
}
static void on_data(void *ctx, struct str bytes)
{
    struct client *c = ctx;
    buf_str(&c->answer, bytes);
    if (bytes.n && bytes.p[bytes.n - 1] == '\n')
        loop_stop(c->loop);
}
static void on_end(void *ctx, enum err why)
{
    struct client *c = ctx;
    if (!c->answer.n)
        give_up(c, why == ERR_EOF ? "the node closed without an answer" : err_text(why));
    loop_stop(c->loop);
}
static void on_deadline(void *ctx)
{
    give_up(ctx, "no answer within a minute");
}
static const struct transport_events events = {on_nothing, on_data, on_nothing, on_end};

static void on_connected(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    (void)r;
    struct client *c = ctx;
    if (e != ERR_OK) {
        give_up(c, e == ERR_NOTFOUND || e == ERR_REFUSED ? "no node is listening" : err_text(e));
        return;
    }
    c->transport = t;
    transport_set_events(t, &events, c);
    transport_send(t, buf_view(&c->question));
}

static void talk(struct client *c)
{
    op_owner_init(&c->ops);
    buf_init(&c->answer, ANSWER_MAX);
    c->loop = loop_new("meridianctl/0", 0);
    timer_init(&c->deadline, c->loop, on_deadline, c);
    timer_start(&c->deadline, ANSWER_MS);
    dial_unix(c->loop, &c->ops, c->path, on_connected, c);
    loop_run(c->loop);
    timer_stop(&c->deadline);
    op_owner_cancel_all(&c->ops);
    if (c->transport)
        transport_abort(&c->transport);
    loop_free(&c->loop);
}

/* ---- the question */
static char *read_password(void)
{
    struct termios old, quiet;
    bool tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &old) == 0;
    if (tty) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        fputs("Password: ", stderr);
        tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    char line[PASSWORD_MAX];
    char *got = fgets(line, sizeof line, stdin);
    if (tty) {
        tcsetattr(STDIN_FILENO, TCSANOW, &old);
        fputc('\n', stderr);
    }
    if (!got)
        return NULL;
    line[strcspn(line, "\r\n")] = 0;
    char *out = mem_strdup(line);
    mem_wipe(line, sizeof line);
    return out;
}

static bool build_question(struct client *c, int argc, char **argv)
{
    struct json *q = json_new_object(), *args = json_new_array();
    json_set_str(q, "command", str_of(argv[0]));
    for (int i = 1; i < argc; i++)
        json_push_str(args, str_of(argv[i]));
    char *password = NULL;
    bool ok = true;
    if (strcmp(argv[0], "adduser") == 0 && argc == 2) {
        password = read_password();
        ok = password != NULL;
        json_push_str(args, ok ? str_of(password) : STR(""));
        if (password)
            mem_wipe(password, strlen(password));
        mem_free(password);
    }
    json_set(q, "args", &args);
    buf_init(&c->question, 1 << 16);
    json_write(&c->question, q, false);
    buf_char(&c->question, '\n');
    json_free(&q);
    return ok && buf_ok(&c->question);
}

static int show(struct client *c, bool as_json)
{
    struct json *a;
    char why[128];
    if (c->failure[0]) {
        fprintf(stderr, "meridianctl: %s\n", c->failure);
        return EX_UNAVAILABLE;
    }
    if (json_parse(buf_view(&c->answer), ANSWER_MAX, &a, why, sizeof why) != ERR_OK) {
        fprintf(stderr, "meridianctl: the answer is no JSON: %s\n", why);
        return EX_UNAVAILABLE;
    }
    bool ok = json_get_bool(a, "ok", false);
    struct buf text;
    buf_init(&text, ANSWER_MAX);
    if (as_json) {
        json_write(&text, ok ? json_get(a, "result") : a, true);
        buf_char(&text, '\n');
    } else if (ok) {
        render(&text, json_get(a, "result"));
    } else {
        fprintf(stderr, "meridianctl: %s\n", json_get_str(a, "error"));
    }
    fwrite(text.p ? text.p : "", 1, text.n, stdout);
    buf_fini(&text);
    json_free(&a);
    return ok ? 0 : 1;
}

/* ---- copying a store */
struct copying {
    struct store_copied last;
    uint64_t said_us;
    bool is_tty;
};

static void say_copied(FILE *to, const struct store_copied *c, char end)
{
    fprintf(to,
            "kv %" PRIu64 ", map %" PRIu64 ", map versions %" PRIu64 ", log %" PRIu64
            " rows; %" PRIu64 " KiB%c",
            c->rows[STORE_KV], c->rows[STORE_MAP], c->rows[STORE_MAP_VERSION], c->rows[STORE_LOG],
            c->bytes / 1024, end);
}

static void on_copied(void *ctx, const struct store_copied *c)
{
    struct copying *y = ctx;
    uint64_t now_us = clock_mono_us();
    y->last = *c;
    if (now_us - y->said_us < COPY_SAY_US)
        return;
    y->said_us = now_us;
    say_copied(stderr, c, y->is_tty ? '\r' : '\n');
}

static bool place_named(const struct node_conf *c, const char *name, struct store_place *out)
{
    bool is_pool = strcmp(name, "rdbms:default") == 0;
    *out = is_pool ? c->store_pool : (struct store_place){.uri = name};
    if (!out->uri)
        fprintf(stderr, "meridianctl: no [outgoing_pools.rdbms.default] in the configuration\n");
    return out->uri != NULL;
}

static int copy(const struct node_conf *c, int argc, char **argv)
{
    struct store_place from, to;
    struct copying y = {.is_tty = isatty(STDERR_FILENO)};
    char why[512] = "";
    if (argc != 4) {
        print_usage(stderr);
        return 2;
    }
    if (!place_named(c, argv[2], &from) || !place_named(c, argv[3], &to))
        return EX_CONFIG;
    log_set_level(LOG_WARN);
    enum err e = store_copy_all(&from, &to, on_copied, &y, why, sizeof why);
    if (e)
        fprintf(stderr, "meridianctl: %s\n", why);
    else
        say_copied(stdout, &y.last, '\n');
    return e ? 1 : 0;
}

static int ask(const char *config, bool as_json, int argc, char **argv)
{
    struct conf_errors errs;
    struct conf *conf = NULL;
    conf_errors_init(&errs);
    enum err e = conf_load(config, &node_schema, &conf, &errs);
    for (size_t i = 0; i < errs.n; i++)
        fprintf(stderr, "%s\n", errs.lines[i]);
    conf_errors_fini(&errs);
    if (e != ERR_OK)
        return EX_CONFIG;
    struct node_settings s;
    node_settings_open(conf, &s);
    struct client c = {.path = s.conf.control_path};
    int code = EX_CONFIG;
    if (argc > 1 && strcmp(argv[0], "store") == 0 && strcmp(argv[1], "copy") == 0) {
        code = copy(&s.conf, argc, argv);
    } else if (!c.path) {
        fprintf(stderr, "meridianctl: %s has no [control] section\n", config);
    } else if (!build_question(&c, argc, argv)) {
        fprintf(stderr, "meridianctl: no password was given\n");
        code = 2;
    } else {
        talk(&c);
        code = show(&c, as_json);
    }
    buf_fini(&c.question);
    buf_fini(&c.answer);
    node_settings_close(&s);
    conf_unref(&conf);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *config = NULL;
    bool as_json = false;
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            config = optarg;
            break;
        case 'j':
            as_json = true;
            break;
        case 'h':
            print_usage(stdout);
            return 0;
        default:
            print_usage(stderr);
            return 2;
        }
    }
    if (!config || optind >= argc) {
        print_usage(stderr);
        return 2;
    }
    return ask(config, as_json, argc - optind, argv + optind);
}
