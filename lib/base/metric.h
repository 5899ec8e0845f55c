#ifndef LIB_BASE_METRIC_H
#define LIB_BASE_METRIC_H
/* Numbers for a monitoring system. A counter is a plain uint64_t that its shard adds to; a
 * histogram is one add to a bucket. Shards are read and summed when somebody asks; this is the
 * text that is then written. Source: the text format of Prometheus, version 0.0.4. */
#include "lib/base/buf.h"

/* Durations, in microseconds; bounds in metric.c: 100 us to 10 s. */
enum { METRIC_BUCKETS = 9 };
struct metric_hist {
    uint64_t bucket[METRIC_BUCKETS]; /* the last one: longer than all bounds */
    uint64_t sum_us;
};
void metric_observe(struct metric_hist *h, uint64_t us);
void metric_hist_add(struct metric_hist *to, const struct metric_hist *h);

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
struct metric_def {
    enum metric_type type;
    const char *name, *labels, *help; /* labels: their names, separated by commas; "" = none */
};
const char *metric_type_name(enum metric_type t);
/* # HELP and # TYPE; the samples of a metric stand together behind it. */
void metric_head(struct buf *out, const struct metric_def *m);
/* values: one for each label of m, any bytes. */
void metric_sample(struct buf *out, const struct metric_def *m, const char *const *values,
                   double value);
void metric_sample_hist(struct buf *out, const struct metric_def *m, const char *const *values,
                        const struct metric_hist *h);
#endif
