/* meridiand: arguments, configuration, run, exit code. 0 stopped in order; 1 failed while running
 * or could not start; 2 wrong arguments; 78 (EX_CONFIG) wrong configuration; 3 fenced: another
 * process has this node's name. */
#include <getopt.h>
#include <sysexits.h>

#include "conf/conf-print.h"
#include "node/admin/metrics.h"
#include "node/daemon.h"
#include "node/node-init.h"
#include "node/node-options.h"

static const char usage[] =
    "usage: meridiand [-c FILE] [--check | --print-config]\n"
    "       meridiand --init DIR --domain DOMAIN [--listen ADDRESS] [--system]\n"
    "       meridiand --config-docs | --metrics-docs | --version | --help\n"
    "\n"
    "Runs a Meridian node in the foreground; logs go to standard error; SIGTERM and SIGINT\n"
    "close all streams in order, SIGHUP takes over the configuration and the certificates anew.\n"
    "\n"
    "  -c, --config FILE  configuration (TOML); else " NODE_CONFIG_PATH "\n"
    "      --check        read and check the configuration, say all that is wrong, exit\n"
    "      --print-config print the configuration in force, defaults included, exit\n"
    "      --config-docs  print all options with their defaults and bounds, exit\n"
    "      --metrics-docs print all metrics with type, labels and meaning, exit\n"
    "      --init DIR     make a folder with a configuration and a self-signed certificate\n"
    "      --domain NAME  for --init: what comes after the @\n"
    "      --system       for --init: as the Debian package runs it, /var/lib and /run\n"
    "      --listen ADDR  for --init: listen there instead of on all addresses\n"
    "      --version      print the version, exit\n"
    "  -h, --help         print this, exit\n";

static struct conf *load(const char *path)
{
    struct conf_errors errs;
    struct conf *c = NULL;
    conf_errors_init(&errs);
    if (conf_load(path, &node_schema, &c, &errs) != ERR_OK) {
        for (size_t i = 0; i < errs.n; i++)
            fprintf(stderr, "%s\n", errs.lines[i]);
        if (errs.truncated)
            fprintf(stderr, "... and more\n");
    }
    conf_errors_fini(&errs);
    return c;
}

static void print_conf(struct buf *out, const struct conf *c)
{
    if (c)
        conf_print(c, out);
    else
        conf_print_reference(&node_schema, out);
}

static void print_metrics(struct buf *out, const struct conf *c)
{
    (void)c;
    metrics_docs(out);
}

static int print(void (*fill)(struct buf *out, const struct conf *c), const struct conf *c)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    fill(&text, c);
    fwrite(text.p, 1, text.n, stdout);
    buf_fini(&text);
    return 0;
}

static int init(const struct node_init *in)
{
    struct buf said;
    char why[512] = "";
    buf_init(&said, 1 << 16);
    enum err e = node_init(in, &said, why, sizeof why);
    if (e == ERR_OK)
        fwrite(said.p, 1, said.n, stdout);
    else
        fprintf(stderr, "meridiand: %s\n", why);
    buf_fini(&said);
    return e == ERR_OK ? 0 : 1;
}

enum mode { MODE_RUN, MODE_CHECK, MODE_PRINT };

static int with_config(const char *path, enum mode mode)
{
    struct conf *c = load(path);
    if (!c)
        return EX_CONFIG;
    int code = 0;
    if (mode == MODE_PRINT) {
        code = print(print_conf, c);
    } else if (mode == MODE_RUN) {
        code = daemon_run(path, c);
    }
    conf_unref(&c);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"print-config", no_argument, NULL, 'p'}, {"config-docs", no_argument, NULL, 'd'},
        {"metrics-docs", no_argument, NULL, 'm'}, {"init", required_argument, NULL, 'i'},
        {"domain", required_argument, NULL, 'D'}, {"system", no_argument, NULL, 'S'},
        {"listen", required_argument, NULL, 'L'}, {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    const char *path = NODE_CONFIG_PATH;
    struct node_init fresh = {0};
    enum mode mode = MODE_RUN;
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            path = optarg;
            break;
        case 'k':
            mode = MODE_CHECK;
            break;
        case 'p':
            mode = MODE_PRINT;
            break;
        case 'd':
            return print(print_conf, NULL);
        case 'm':
            return print(print_metrics, NULL);
        case 'i':
            fresh.dir = optarg;
            break;
        case 'D':
            fresh.domain = optarg;
            break;
        case 'S':
            fresh.is_system = true;
            break;
        case 'L':
            fresh.address = optarg;
            break;
        case 'V':
            puts("meridiand " MERIDIAN_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind != argc || !fresh.dir != !fresh.domain ||
        ((fresh.address || fresh.is_system) && !fresh.dir)) {
        fputs(usage, stderr);
        return 2;
    }
    return fresh.dir ? init(&fresh) : with_config(path, mode);
}
