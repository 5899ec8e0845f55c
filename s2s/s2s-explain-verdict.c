/* DOC: explain, the sentence: what is wrong, on whose side, what to do; what works and what waits
 * all the same. From the report alone, so that it says what the rows say. */
#include "s2s/s2s-explain-int.h"

enum { VERDICT_MAX = 4096 };

static const char *where(const char *side)
{
    return strcmp(side, "ours") == 0     ? "on our side"
           : strcmp(side, "theirs") == 0 ? "on their side"
                                         : "on either side, or between";
}

static void put_reason(struct buf *out, const char *cause, const char *text)
{
    char reason[2 * S2S_TEXT_MAX];
    buf_cstr(out, s2s_cause_say(reason, sizeof reason, s2s_cause_find(cause), text));
}

static void put_works(struct buf *out, const struct json *r)
{
    const char *tls = json_get_str(r, "tls"),
               *cert = json_get_str(json_get(r, "certificate"), "cause");
    buf_printf(out, "%s is reached at %s with %s and accepts %s by %s", json_get_str(r, "domain"),
               json_get_str(r, "reached_at"), *tls ? tls : "plain text", json_get_str(r, "local"),
               json_get_str(r, "auth"));
    if (cert && strcmp(cert, "none") != 0)
        buf_printf(out, ", though its certificate proves nothing: %s",
                   s2s_cause_text(s2s_cause_find(cert)));
    buf_char(out, '.');
}

static void put_wrong(struct buf *out, const struct json *r)
{
    buf_printf(out, "%s is not reached: ", json_get_str(r, "domain"));
    put_reason(out, json_get_str(r, "cause"), json_get_str(r, "text"));
    buf_printf(out, ". The fault is %s. What to do: %s.", where(json_get_str(r, "side")),
               json_get_str(r, "advice"));
}

static int64_t waiting_in(const struct json *record)
{
    const struct json *rows = json_get(record, "outbox");
    int64_t n = 0;
    for (size_t i = 0; i < json_len(rows); i++)
        n += json_get_num(json_at(rows, i), "waiting", 0) +
             json_get_num(json_at(rows, i), "unacknowledged", 0);
    return n;
}

/* It can be reached, and still what was sent lately came to nothing. */
static void put_record(struct buf *out, const struct json *r, const struct json *record)
{
    const char *cause = json_get_str(record, "cause");
    int64_t n = waiting_in(record), next = json_get_num(record, "next_try_s", 0);
    if (json_get_bool(r, "works", false) && cause && strcmp(cause, "none") != 0) {
        buf_cstr(out, " But its last stream failed: ");
        put_reason(out, cause, json_get_str(record, "text"));
        buf_printf(out, ". The fault is %s. What to do: %s.", where(json_get_str(record, "side")),
                   json_get_str(record, "advice"));
    }
    if (n)
        buf_printf(out, " %" PRId64 " stanza%s for it, tried again in %" PRId64 " s.", n,
                   n == 1 ? " waits" : "s wait", next);
}

void s2s_explain_verdict(struct json *report)
{
    struct buf line;
    const struct json *record = json_get(report, "record");
    buf_init(&line, VERDICT_MAX);
    if (json_get_bool(report, "works", false))
        put_works(&line, report);
    else
        put_wrong(&line, report);
    if (record)
        put_record(&line, report, record);
    json_set_str(report, "verdict", buf_view(&line));
    buf_fini(&line);
}
