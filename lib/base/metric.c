/* DOC: the text format of Prometheus: label values escaped (backslash, quote, newline), numbers
 * whole where they are, buckets cumulative with le in seconds. */
#include "lib/base/metric.h"

static const uint64_t bounds_us[METRIC_BUCKETS - 1] = {100,    1000,   5000,    20000,
                                                       100000, 500000, 2000000, 10000000};

void metric_observe(struct metric_hist *h, uint64_t us)
{
    size_t i = 0;
    while (i < METRIC_BUCKETS - 1 && us > bounds_us[i])
        i++;
    h->bucket[i]++;
    h->sum_us += us;
}

void metric_hist_add(struct metric_hist *to, const struct metric_hist *h)
{
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        to->bucket[i] += h->bucket[i];
    to->sum_us += h->sum_us;
}

const char *metric_type_name(enum metric_type t)
{
    static const char *const names[] = {"counter", "gauge", "histogram"};
    return names[t];
}

void metric_head(struct buf *out, const struct metric_def *m)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
               metric_type_name(m->type));
}

static void put_value(struct buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' || *s == '"')
            buf_printf(out, "\\%c", *s);
        else if (*s == '\n')
            buf_cstr(out, "\\n");
        else
            buf_char(out, *s);
    }
}

static void put_number(struct buf *out, double v)
{
    if (v > -1e15 && v < 1e15 && v == (double)(int64_t)v)
        buf_printf(out, " %.0f\n", v);
    else
        buf_printf(out, " %.9g\n", v);
}

/* name + suffix, labels, and le when it is not NULL. */
static void put_series(struct buf *out, const struct metric_def *m, const char *suffix,
                       const char *const *values, const char *le)
{
    struct str rest = str_of(m->labels);
    const char *sep = "{";
    buf_printf(out, "%s%s", m->name, suffix);
    for (size_t i = 0; rest.n; i++, sep = ",") {
        struct str key = str_cut(&rest, ',');
        buf_printf(out, "%s%.*s=\"", sep, STR_ARG(key));
        put_value(out, values[i]);
        buf_char(out, '"');
    }
    if (le) {
        buf_printf(out, "%sle=\"%s\"", sep, le);
        sep = ",";
    }
    if (*sep == ',')
        buf_char(out, '}');
}

void metric_sample(struct buf *out, const struct metric_def *m, const char *const *values,
                   double value)
{
    put_series(out, m, "", values, NULL);
    put_number(out, value);
}

void metric_sample_hist(struct buf *out, const struct metric_def *m, const char *const *values,
                        const struct metric_hist *h)
{
    uint64_t total = 0;
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        char le[32] = "+Inf";
        if (i < METRIC_BUCKETS - 1)
            snprintf(le, sizeof le, "%g", (double)bounds_us[i] / 1e6);
        total += h->bucket[i];
        put_series(out, m, "_bucket", values, le);
        put_number(out, (double)total);
    }
    put_series(out, m, "_sum", values, NULL);
    put_number(out, (double)h->sum_us / 1e6);
    put_series(out, m, "_count", values, NULL);
    put_number(out, (double)total);
}
