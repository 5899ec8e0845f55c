/* The clocks of the server and of this program, read twice. */
#include <stdio.h>

#include "integration-tests/bench/load-meter.h"

static void read_clocks(struct load_usage *u, struct load_loop *l)
{
    if (!load_proc_usage(l->opts, u) && !l->is_over)
        load_fatal(l, "a process of --pid is gone");
}

void load_meter_start(struct load_meter *m, struct load_loop *l)
{
    read_clocks(&m->from, l);
}

void load_meter_stop(struct load_meter *m, struct load_loop *l)
{
    read_clocks(&m->until, l);
}

double load_meter_seconds(const struct load_meter *m)
{
    return (double)(m->until.wall_ns - m->from.wall_ns) / 1e9;
}

/* A process that has gone since takes its clock with it. */
double load_meter_cpu_us(const struct load_meter *m)
{
    return ((double)m->until.cpu_ns - (double)m->from.cpu_ns) / 1000;
}

void load_meter_report(const struct load_meter *m, struct load_report *r, const char *what,
                       double n)
{
    char key[64];
    double wall = load_meter_seconds(m),
           own = ((double)m->until.own_cpu_ns - (double)m->from.own_cpu_ns) / 1e9;
    load_report_real(r, "seconds", wall);
    load_report_real(r, "rate", n / wall);
    snprintf(key, sizeof key, "cpu_us_per_%s", what);
    load_report_real(r, key, load_meter_cpu_us(m) / n);
    load_report_real(r, "cpu_percent", load_meter_cpu_us(m) / wall / 1e4);
    load_report_real(r, "generator_cpu_percent", 100 * own / wall);
}
