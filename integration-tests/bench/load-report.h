#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H
/* Errors, counted, and the one line of JSON a run ends with. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "integration-tests/bench/load-hist.h"

enum { LOAD_REPORT_MAX = 8192, LOAD_ERROR_MAX = 300 };

struct load_tally {
    uint64_t errors;
    uint64_t left_over; /* messages of earlier runs that came; no errors of this one */
    char first[LOAD_ERROR_MAX];
};

/* Count an error; the text of the first one is kept. */
__attribute__((format(printf, 2, 3))) void load_tally_add(struct load_tally *t, const char *format,
                                                          ...);
/* Add all of another one. */
void load_tally_merge(struct load_tally *t, const struct load_tally *other);

struct load_report {
    char text[LOAD_REPORT_MAX];
    size_t len;
};

void load_report_text(struct load_report *r, const char *key, const char *value);
/* NaN and infinities become null. */
void load_report_real(struct load_report *r, const char *key, double value);
void load_report_whole(struct load_report *r, const char *key, uint64_t value);
/* p50, p90, p99, p999, max and mean-free count of nanoseconds, as NAME_p50_us ... */
void load_report_times(struct load_report *r, const char *name, const struct load_hist *h);
/* Print the line: scenario, server, ok, errors, error, then what was added. */
void load_report_print(const struct load_report *r, const char *scenario, const char *server,
                       const struct load_tally *t);
#endif
