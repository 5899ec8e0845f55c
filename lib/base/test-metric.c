/* DOC: Metrics as text: labels escaped, buckets cumulative, sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/metric.h"

static void assert_text(struct buf *b, const char *want)
{
    buf_char(b, 0);
    assert_string_equal(b->p, want);
    buf_fini(b);
}

static void test_metric_samples(void **state)
{
    static const struct metric_def plain = {METRIC_GAUGE, "m_users", "", "Users"};
    static const struct metric_def two = {METRIC_COUNTER, "m_total", "flow,kind", "Stanzas"};
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    metric_head(&b, &plain);
    metric_sample(&b, &plain, NULL, 7);
    metric_sample(&b, &plain, NULL, 0.25);
    metric_head(&b, &two);
    metric_sample(&b, &two, (const char *const[]){"in", "a\"b\\c\nd"}, 9007199254740993.0);
    assert_text(&b, "# HELP m_users Users\n# TYPE m_users gauge\nm_users 7\nm_users 0.25\n"
                    "# HELP m_total Stanzas\n# TYPE m_total counter\n"
                    "m_total{flow=\"in\",kind=\"a\\\"b\\\\c\\nd\"} 9.00719925e+15\n");
}

static void test_metric_histogram(void **state)
{
    static const struct metric_def hist = {METRIC_HISTOGRAM, "h", "shard", "Turns"};
    static const struct metric_def bare = {METRIC_HISTOGRAM, "h", "", "Turns"};
    struct metric_hist h = {0}, sum = {0};
    struct buf b;
    (void)state;
    metric_observe(&h, 100);
    metric_observe(&h, 101);
    metric_observe(&h, 1000);
    metric_observe(&h, 600000000);
    metric_hist_add(&sum, &h);
    metric_hist_add(&sum, &h);
    buf_init(&b, 4096);
    metric_sample_hist(&b, &hist, (const char *const[]){"0"}, &h);
    buf_char(&b, 0);
    assert_non_null(strstr(b.p, "h_bucket{shard=\"0\",le=\"0.0001\"} 1\n"
                                "h_bucket{shard=\"0\",le=\"0.001\"} 3\n"));
    assert_non_null(strstr(b.p, "h_bucket{shard=\"0\",le=\"10\"} 3\n"
                                "h_bucket{shard=\"0\",le=\"+Inf\"} 4\n"
                                "h_sum{shard=\"0\"} 600.001201\nh_count{shard=\"0\"} 4\n"));
    buf_clear(&b);
    metric_sample_hist(&b, &bare, NULL, &sum);
    buf_char(&b, 0);
    assert_non_null(strstr(b.p, "h_bucket{le=\"0.0001\"} 2\n"));
    assert_non_null(strstr(b.p, "h_count 8\n"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_metric_samples),
                                       cmocka_unit_test(test_metric_histogram)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
