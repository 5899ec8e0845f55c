#ifndef BENCH_LOAD_SCENARIO_H
#define BENCH_LOAD_SCENARIO_H
/* The scenarios. Each runs from its first login to its last, adds its figures to the report and
 * its errors to the tally. */
#include "integration-tests/bench/load-opts.h"
#include "integration-tests/bench/load-report.h"

void load_run_pairs(const struct load_opts *o, struct load_report *r, struct load_tally *t);
void load_run_rate(const struct load_opts *o, struct load_report *r, struct load_tally *t);
void load_run_login(const struct load_opts *o, struct load_report *r, struct load_tally *t);
void load_run_idle(const struct load_opts *o, struct load_report *r, struct load_tally *t);
void load_run_presence(const struct load_opts *o, struct load_report *r, struct load_tally *t);
void load_run_offline(const struct load_opts *o, struct load_report *r, struct load_tally *t);
void load_run_s2s(const struct load_opts *o, struct load_report *r, struct load_tally *t);
void load_run_s2s_cold(const struct load_opts *o, struct load_report *r, struct load_tally *t);
void load_run_s2s_idle(const struct load_opts *o, struct load_report *r, struct load_tally *t);
#endif
