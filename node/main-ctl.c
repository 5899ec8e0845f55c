/* meridianctl: an operator's questions to a running node over its control socket, the answer as
 * text or JSON. Exit codes: enum ctl_exit (node/admin/ctl.h). */
#include <getopt.h>
#include <termios.h>
#include <unistd.h>

#include "node/admin/control.h"
#include "node/admin/ctl.h"
#include "node/node-options.h"

enum { PASSWORD_MAX = 1024 };

static void print_usage(FILE *to)
{
    fputs("usage: meridianctl [-c FILE] [--json] COMMAND [ARGUMENT...]\n\ncommands:\n", to);
    for (size_t i = 0; i < control_commands_n; i++) {
        const struct control_command *k = &control_commands[i];
        char left[64];
        if (!k->help)
            continue;
        snprintf(left, sizeof left, "%s %s", k->name, k->args);
        fprintf(to, "  %-26s %s\n", left, k->help);
    }
    fputs("\noptions:\n  -c, --config FILE  the node's configuration (else $MERIDIAN_CONFIG, else\n"
          "                     " NODE_CONFIG_PATH ")\n      --json         "
          "print the answer as JSON\n"
          "  -h, --help         print this\n",
          to);
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

/* The arguments as they are, and what the command lacks and people should not type into a command
 * line. False: nothing was given. */
static bool make_args(int argc, char **argv, struct json **out)
{
    struct json *args = json_new_array();
    for (int i = 1; i < argc; i++)
        json_push_str(args, str_of(argv[i]));
    *out = args;
    if (strcmp(argv[0], "adduser") != 0 || argc != 2)
        return true;
    char *password = read_password();
    if (!password)
        return false;
    json_push_str(args, str_of(password));
    mem_wipe(password, strlen(password));
    mem_free(password);
    return true;
}

static enum ctl_exit ask_node(const char *path, bool as_json, int argc, char **argv)
{
    struct json *args, *answer;
    char why[512] = "";
    if (!make_args(argc, argv, &args)) {
        json_free(&args);
        fprintf(stderr, "meridianctl: no password was given\n");
        return CTL_USAGE;
    }
    answer = ctl_ask(path, argv[0], &args, why, sizeof why);
    if (!answer) {
        fprintf(stderr, "meridianctl: %s\n", why);
        return CTL_UNAVAILABLE;
    }
    bool ok = json_get_bool(answer, "ok", false);
    if (ok || as_json)
        ctl_print(ok ? json_get(answer, "result") : answer, as_json);
    else
        fprintf(stderr, "meridianctl: %s\n", json_get_str(answer, "error"));
    json_free(&answer);
    return ok ? CTL_OK : CTL_REFUSED;
}

/* The command, or NULL when there is none of that name for so many arguments. */
static const struct control_command *find_command(int argc, char **argv)
{
    size_t n = (size_t)argc - 1;
    for (size_t i = 0; i < control_commands_n; i++) {
        const struct control_command *k = &control_commands[i];
        bool is_asked = strcmp(k->name, "adduser") == 0; /* for the last argument */
        if (k->help && strcmp(argv[0], k->name) == 0 && n >= k->min_args - is_asked &&
            n <= k->max_args)
            return k;
    }
    return NULL;
}

static enum ctl_exit with_config(const char *config, bool as_json, int argc, char **argv)
{
    struct conf_errors errs;
    struct conf *conf = NULL;
    conf_errors_init(&errs);
    enum err e = conf_load(config, &node_schema, &conf, &errs);
    for (size_t i = 0; i < errs.n; i++)
        fprintf(stderr, "%s\n", errs.lines[i]);
    conf_errors_fini(&errs);
    if (e != ERR_OK)
        return CTL_CONFIG;
    struct node_settings s;
    node_settings_open(conf, &s);
    const char *path = s.conf.control_path;
    enum ctl_exit code = CTL_CONFIG;
    if (!path)
        fprintf(stderr, "meridianctl: %s has no [control] section\n", config);
    else if (strcmp(argv[0], "import-users") == 0)
        code = ctl_import(path, argv[1], as_json);
    else
        code = ask_node(path, as_json, argc, argv);
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
    const char *config = getenv("MERIDIAN_CONFIG");
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
            return CTL_OK;
        default:
            print_usage(stderr);
            return CTL_USAGE;
        }
    }
    if (optind >= argc || !find_command(argc - optind, argv + optind)) {
        print_usage(stderr);
        return CTL_USAGE;
    }
    return with_config(config ? config : NODE_CONFIG_PATH, as_json, argc - optind, argv + optind);
}
