/* JSON by hand: one flat object, keys are ours, values numbers and texts. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "integration-tests/bench/load-report.h"

void load_tally_add(struct load_tally *t, const char *format, ...)
{
    va_list args;
    if (t->errors++)
        return;
    va_start(args, format);
    vsnprintf(t->first, sizeof t->first, format, args);
    va_end(args);
}

void load_tally_merge(struct load_tally *t, const struct load_tally *other)
{
    if (!t->errors)
        memcpy(t->first, other->first, sizeof t->first);
    t->errors += other->errors;
    t->left_over += other->left_over;
}

__attribute__((format(printf, 2, 3))) static void add(struct load_report *r, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(r->text + r->len, sizeof r->text - r->len, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof r->text - r->len)
        r->len += (size_t)n;
    r->text[r->len] = 0;
}

/* Printable ASCII stays; quotes, backslashes and all else become escapes. */
static void quote(const char *text, char *out, size_t max)
{
    size_t n = 0;
    for (; *text && n + 7 < max; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e)
            n += (size_t)snprintf(out + n, max - n, "\\u%04x", (unsigned)c);
        else
            out[n++] = (char)c;
    }
    out[n] = 0;
}

void load_report_text(struct load_report *r, const char *key, const char *value)
{
    char quoted[6 * LOAD_ERROR_MAX + 8];
    quote(value, quoted, sizeof quoted);
    add(r, ", \"%s\": \"%s\"", key, quoted);
}

void load_report_real(struct load_report *r, const char *key, double value)
{
    if (isfinite(value))
        add(r, ", \"%s\": %.3f", key, value);
    else
        add(r, ", \"%s\": null", key);
}

void load_report_whole(struct load_report *r, const char *key, uint64_t value)
{
    add(r, ", \"%s\": %llu", key, (unsigned long long)value);
}

void load_report_times(struct load_report *r, const char *name, const struct load_hist *h)
{
    static const struct {
        const char *key;
        double share;
    } marks[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}, {"max", 1}};
    for (unsigned i = 0; i < sizeof marks / sizeof marks[0]; i++)
        add(r, ", \"%s%s\": %.1f", name, marks[i].key,
            (double)load_hist_at(h, marks[i].share) / 1000);
}

void load_report_print(const struct load_report *r, const char *scenario, const char *server,
                       const struct load_tally *t)
{
    struct load_report head = {.len = 0};
    load_report_text(&head, "error", t->first);
    load_report_whole(&head, "left_over", t->left_over);
    load_report_text(&head, "server", server);
    printf("{\"scenario\": \"%s\", \"ok\": %s, \"errors\": %llu%s%s}\n", scenario,
           t->errors ? "false" : "true", (unsigned long long)t->errors, head.text, r->text);
    fflush(stdout);
}
