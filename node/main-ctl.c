/* meridianctl: an operator's questions to a running node over its control socket, the answer as
 * text or JSON. Exit codes: enum ctl_exit (node/admin/ctl.h). */
#include <getopt.h>
#include <termios.h>
#include <unistd.h>

#include "node/admin/control.h"
#include "node/admin/ctl.h"
#include "node/node-options.h"

enum { PASSWORD_MAX = 1024, TEXT_MAX = 65536 };

struct invocation {
    const char *config;
    bool as_json;
    struct json *options; /* of the command */
    int argc;
    char **argv; /* the command and its arguments */
};

/* ---- what is read from standard input */
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

static char *read_text(void)
{
    char *text = mem_alloc(TEXT_MAX);
    size_t n = fread(text, 1, TEXT_MAX - 1, stdin);
    while (n && text[n - 1] == '\n')
        n--;
    text[n] = 0;
    return text;
}

/* Commands whose last argument people should not type into a command line. */
static bool asks_password(const char *command)
{
    return strcmp(command, "adduser") == 0 || strcmp(command, "passwd") == 0;
}

/* The arguments, and what is to be read. False: no password was given. */
static bool make_args(int argc, char **argv, struct json **out)
{
    struct json *args = json_new_array();
    char *more = NULL;
    bool from_stdin = strcmp(argv[0], "send") == 0 && argc == 3 && strcmp(argv[2], "-") == 0;
    int n = from_stdin ? argc - 1 : argc;
    for (int i = 1; i < n; i++)
        json_push_str(args, str_of(argv[i]));
    *out = args;
    if (from_stdin)
        more = read_text();
    else if (asks_password(argv[0]) && argc == 2)
        more = read_password();
    else
        return true;
    if (!more)
        return false;
    json_push_str(args, str_of(more));
    mem_wipe(more, strlen(more));
    mem_free(more);
    return true;
}

/* ---- commands */
static enum ctl_exit ask_node(const char *path, struct invocation *v)
{
    struct json *args;
    char why[512] = "";
    if (!make_args(v->argc, v->argv, &args)) {
        json_free(&args);
        fprintf(stderr, "meridianctl: no password was given\n");
        return CTL_USAGE;
    }
    struct json *question = ctl_question(v->argv[0], &args);
    json_set(question, "options", &v->options);
    if (strcmp(v->argv[0], "log") == 0)
        return ctl_log(path, &question, v->as_json);
    if (strcmp(v->argv[0], "s2s") == 0)
        return ctl_s2s(path, &question, v->as_json);
    struct json *answer = ctl_ask(path, &question, why, sizeof why);
    if (!answer) {
        fprintf(stderr, "meridianctl: %s\n", why);
        return CTL_UNAVAILABLE;
    }
    bool ok = json_get_bool(answer, "ok", false);
    if (ok || v->as_json)
        ctl_print(ok ? json_get(answer, "result") : answer, v->as_json);
    else
        fprintf(stderr, "meridianctl: %s\n", json_get_str(answer, "error"));
    json_free(&answer);
    return ok ? CTL_OK : CTL_REFUSED;
}

static enum ctl_exit run_at(const char *path, struct invocation *v)
{
    const char *name = v->argv[0], *first = v->argc > 1 ? v->argv[1] : NULL;
    if (strcmp(name, "import-users") == 0)
        return ctl_import(path, first, v->as_json);
    if (strcmp(name, "users") == 0)
        return ctl_users(path, first, v->as_json);
    return ask_node(path, v);
}

static enum ctl_exit with_config(struct invocation *v)
{
    struct conf_errors errs;
    struct conf *conf = NULL;
    conf_errors_init(&errs);
    enum err e = conf_load(v->config, &node_schema, &conf, &errs);
    for (size_t i = 0; i < errs.n; i++)
        fprintf(stderr, "%s\n", errs.lines[i]);
    conf_errors_fini(&errs);
    if (e != ERR_OK)
        return CTL_CONFIG;
    struct node_settings s;
    node_settings_open(conf, &s);
    enum ctl_exit code = CTL_CONFIG;
    if (strcmp(v->argv[0], "check") == 0)
        code = ctl_check(&s.conf, v->as_json);
    else if (strcmp(v->argv[0], "store") == 0)
        code = ctl_store(&s.conf, v->argv + 1);
    else if (s.conf.control_path)
        code = run_at(s.conf.control_path, v);
    else
        fprintf(stderr, "meridianctl: %s has no [control] section\n", v->config);
    node_settings_close(&s);
    conf_unref(&conf);
    return code;
}

static bool counts_fit(const struct control_command *k, size_t n)
{
    return n + asks_password(k->name) >= k->min_args && n <= k->max_args;
}

static enum ctl_exit run(struct invocation *v)
{
    const struct control_command *k = ctl_command_find(v->argv[0]);
    const char *first = v->argc > 1 ? v->argv[1] : NULL;
    if (!k) {
        fprintf(stderr, "meridianctl: there is no command \"%s\"; meridianctl --help lists them\n",
                v->argv[0]);
        return CTL_USAGE;
    }
    if (!counts_fit(k, (size_t)v->argc - 1)) {
        fprintf(stderr, "usage: meridianctl %s %s\n", k->name, k->args);
        return CTL_USAGE;
    }
    if (strcmp(k->name, "s2s") == 0 && !ctl_s2s_fits((size_t)v->argc - 1, v->argv + 1))
        return CTL_USAGE;
    if (strcmp(k->name, "completion") == 0)
        return ctl_completion(first);
    if (strcmp(k->name, "help") != 0)
        return with_config(v);
    const struct control_command *about = first ? ctl_command_find(first) : NULL;
    if (about)
        ctl_print_help(about);
    else
        ctl_print_usage(stdout);
    return !first || about ? CTL_OK : CTL_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"category", required_argument, NULL, 'o'},
                                            {"jid", required_argument, NULL, 'o'},
                                            {"peer", required_argument, NULL, 'o'},
                                            {"level", required_argument, NULL, 'o'},
                                            {"from", required_argument, NULL, 'o'},
                                            {"over", required_argument, NULL, 'o'},
                                            {"yes", no_argument, NULL, 'y'},
                                            {NULL, 0, NULL, 0}};
    const char *config = getenv("MERIDIAN_CONFIG");
    struct invocation v = {.config = config ? config : NODE_CONFIG_PATH,
                           .options = json_new_object()};
    enum ctl_exit code = CTL_OK;
    bool is_over = false;
    for (int o, at = 0; !is_over && (o = getopt_long(argc, argv, "c:h", options, &at)) != -1;) {
        if (o == 'c')
            v.config = optarg;
        else if (o == 'j')
            v.as_json = true;
        else if (o == 'o')
            json_set_str(v.options, options[at].name, str_of(optarg));
        else if (o == 'y')
            json_set_str(v.options, "yes", STR("yes"));
        else
            is_over = true;
        if (is_over)
            code = o == 'h' ? CTL_OK : CTL_USAGE;
    }
    v.argc = argc - optind;
    v.argv = argv + optind;
    if (!is_over && v.argc > 0)
        code = run(&v);
    else
        ctl_print_usage(code == CTL_OK && is_over ? stdout : stderr);
    json_free(&v.options);
    return is_over || v.argc > 0 ? (int)code : CTL_USAGE;
}
