/* CPU time comes from each process's own clock (clock_getcpuclockid): nanoseconds, user and system,
 * of all threads, those that have ended included; /proc/PID/stat counts in ticks of 10 ms. Resident
 * memory comes from /proc/PID/statm. Children are found by the parent in /proc/PID/stat, anew at
 * each reading. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "integration-tests/bench/load-proc.h"

enum { FAMILY_MAX = 1024 };

uint64_t load_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static pid_t parent_of(const char *pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = 0;
    int parent = 0;
    const char *behind_name = strrchr(line, ')');
    if (!behind_name || sscanf(behind_name + 1, " %*c %d", &parent) != 1)
        return 0;
    return parent;
}

static bool is_in(const pid_t *family, unsigned n, pid_t pid)
{
    for (unsigned i = 0; i < n; i++)
        if (family[i] == pid)
            return true;
    return false;
}

/* Add the children of those in the family that are not in it yet. Returns how many it has. */
static unsigned adopt(pid_t *family, unsigned n)
{
    DIR *d = opendir("/proc");
    if (!d)
        return n;
    for (struct dirent *e; n < FAMILY_MAX && (e = readdir(d));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (!is_in(family, n, pid) && is_in(family, n, parent_of(e->d_name)))
            family[n++] = pid;
    }
    closedir(d);
    return n;
}

static unsigned family_of(const struct load_opts *o, pid_t *family)
{
    memcpy(family, o->pids, o->pid_count * sizeof *family);
    unsigned n = o->pid_count, before = 0;
    while (o->has_tree && n != before) {
        before = n;
        n = adopt(family, n);
    }
    return n;
}

static bool add_clock(clockid_t clock, uint64_t *ns)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return false;
    *ns += (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return true;
}

bool load_proc_usage(const struct load_opts *o, struct load_usage *u)
{
    pid_t family[FAMILY_MAX];
    unsigned n = family_of(o, family);
    bool is_whole = true;
    *u = (struct load_usage){.wall_ns = load_now_ns()};
    add_clock(CLOCK_PROCESS_CPUTIME_ID, &u->own_cpu_ns);
    for (unsigned i = 0; i < n; i++) {
        clockid_t clock;
        bool has_it = clock_getcpuclockid(family[i], &clock) == 0 && add_clock(clock, &u->cpu_ns);
        if (i < o->pid_count)
            is_whole &= has_it;
    }
    return is_whole;
}

static uint64_t rss_of(pid_t pid)
{
    char path[64];
    unsigned long resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%*u %lu", &resident) != 1)
        resident = 0;
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t load_proc_rss(const struct load_opts *o)
{
    pid_t family[FAMILY_MAX];
    unsigned n = family_of(o, family);
    uint64_t total = 0;
    for (unsigned i = 0; i < n; i++)
        total += rss_of(family[i]);
    return total;
}
