/* loadgen: the load generator of the benchmarks. Logs in with many clients, sends, checks what
 * comes, and prints one line of JSON with what that cost the server. See README.md. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "integration-tests/bench/load-scenario.h"

static const struct {
    const char *name;
    void (*run)(const struct load_opts *o, struct load_report *r, struct load_tally *t);
} scenarios[] = {
    {"pairs", load_run_pairs}, {"rate", load_run_rate},         {"login", load_run_login},
    {"idle", load_run_idle},   {"presence", load_run_presence}, {"offline", load_run_offline},
    {"s2s", load_run_s2s},     {"s2s-cold", load_run_s2s_cold}, {"s2s-idle", load_run_s2s_idle},
};

/* As many descriptors as this process may have. */
static void raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static const char *server_name(const struct sockaddr_in *a, char *out, size_t max)
{
    char ip[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &a->sin_addr, ip, sizeof ip);
    snprintf(out, max, "%s:%u", ip, ntohs(a->sin_port));
    return out;
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"plain", "starttls", "direct"};
    struct load_opts o;
    struct load_report report = {.len = 0};
    struct load_tally tally = {0};
    if (!load_opts_read(&o, argc, argv))
        return 2;
    raise_files();
    signal(SIGPIPE, SIG_IGN);
    load_report_text(&report, "mode", modes[o.target.mode]);
    for (unsigned i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        if (strcmp(scenarios[i].name, o.scenario) == 0)
            scenarios[i].run(&o, &report, &tally);
    char server[64];
    load_report_print(&report, o.scenario, server_name(&o.target.server, server, sizeof server),
                      &tally);
    return tally.errors ? 1 : 0;
}
