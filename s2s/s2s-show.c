/* DOC: what the operator sees and does about one remote domain: its record, what waits for it, and
 * the three things to do: close its streams, try again now, give up what waits. */
#include "s2s/s2s-disk-int.h"

#include "lib/base/clock.h"
#include "lib/base/encode.h"

static uint64_t seconds_since(const struct s2s *s, uint64_t us)
{
    uint64_t now = loop_now_us(s->loop);
    return us < now ? (now - us) / 1000000 : 0;
}

/* ---- what waits */

/* The oldest of both lists; 0: nothing in memory. */
static uint64_t oldest_us(const struct s2s_outbox *b)
{
    const struct list *lists[] = {&b->flying, &b->waiting};
    uint64_t oldest = 0;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (lists[i]->next == lists[i])
            continue;
        const struct s2s_item *it = container_of(lists[i]->next, struct s2s_item, link);
        if (!oldest || it->at_us < oldest)
            oldest = it->at_us;
    }
    return oldest;
}

static size_t length(const struct list *l)
{
    size_t n = 0;
    for (const struct list *i = l->next; i != l; i = i->next)
        n++;
    return n;
}

static const char *box_state(const struct s2s_outbox *b)
{
    if (b->carrier)
        return "carried";
    return b->domain->failures ? "waits for the next attempt" : "waits for a stream";
}

static struct json *box_row(const struct s2s_outbox *b)
{
    const struct s2s *s = b->s2s;
    uint64_t now = loop_now_us(s->loop), tail = 0, stored = 0, oldest = oldest_us(b);
    uint64_t next = b->domain->next_try_us;
    struct json *j = json_new_object();
    s2s_disk_count(b, &tail, &stored);
    json_set_str(j, "local", str_of(b->local));
    json_set_str(j, "remote", str_of(b->remote));
    json_set_str(j, "state", str_of(box_state(b)));
    json_set_num(j, "waiting", (int64_t)(length(&b->waiting) + tail));
    json_set_num(j, "unacknowledged", (int64_t)length(&b->flying));
    json_set_num(j, "bytes", (int64_t)b->bytes);
    json_set_num(j, "stored_bytes", (int64_t)stored);
    json_set_num(j, "oldest_s", oldest ? (int64_t)seconds_since(s, oldest) : 0);
    json_set_num(j, "next_try_s", next > now ? (int64_t)((next - now + 999999) / 1000000) : 0);
    json_set_str(j, "cause", str_of(s2s_cause_name(b->domain->cause)));
    return j;
}

static bool has_something(const struct s2s_outbox *b)
{
    uint64_t tail = 0, stored = 0;
    s2s_disk_count(b, &tail, &stored);
    return b->n + tail > 0;
}

void s2s_outbox_list(const struct s2s *s, struct json *array)
{
    size_t it = 0;
    for (const struct s2s_outbox *b; (b = s2s_outbox_any(s, &it));) {
        if (!has_something(b))
            continue;
        struct json *row = box_row(b);
        json_push(array, &row);
    }
}

/* What no stream has. */
static size_t waiting_of(const struct s2s_domain *d)
{
    size_t n = 0;
    for (const struct list *i = d->boxes.next; i != &d->boxes; i = i->next) {
        const struct s2s_outbox *b = container_of(i, struct s2s_outbox, of_domain);
        uint64_t tail = 0, stored = 0;
        s2s_disk_count(b, &tail, &stored);
        n += length(&b->waiting) + (b->carrier ? 0 : length(&b->flying)) + (size_t)tail;
    }
    return n;
}

static void top_insert(struct s2s_top top[S2S_TOP], const char *domain, uint64_t waiting)
{
    size_t at = S2S_TOP;
    while (at > 0 && top[at - 1].waiting < waiting)
        at--;
    if (at == S2S_TOP)
        return;
    memmove(&top[at + 1], &top[at], (S2S_TOP - 1 - at) * sizeof *top);
    top[at].waiting = waiting;
    str_put(top[at].domain, sizeof top[at].domain, domain);
}

void s2s_top(const struct s2s *s, struct s2s_top top[S2S_TOP])
{
    size_t it = 0;
    for (const struct s2s_domain *d; (d = s2s_domain_any(s, &it));) {
        size_t n = waiting_of(d);
        if (n)
            top_insert(top, d->remote, n);
    }
}

/* ---- the record */

static struct json *outcome_row(const struct s2s_outcome *o)
{
    char when[DATEFMT_LEN + 1];
    struct json *j = json_new_object();
    json_set_str(j, "direction", o->is_inbound ? STR("in") : STR("out"));
    json_set_str(j, "cause", str_of(s2s_cause_name(o->cause)));
    json_set_num(j, "count", (int64_t)o->count);
    json_set_str(j, "last", str_of(datefmt_utc(when, o->last_wall_us)));
    json_set_str(j, "text", str_of(o->text));
    return j;
}

static void put_state(const struct s2s_domain *d, struct json *out)
{
    const struct s2s *s = d->s2s;
    uint64_t now = loop_now_us(s->loop);
    json_set_str(out, "cause", str_of(s2s_cause_name(d->cause)));
    json_set_str(out, "side", str_of(s2s_side_name(s2s_cause_side(d->cause))));
    json_set_str(out, "text", str_of(d->text));
    json_set_str(out, "advice", str_of(s2s_cause_advice(d->cause)));
    json_set_num(out, "attempts_failed", d->failures);
    json_set_num(out, "down_s", d->failures ? (int64_t)seconds_since(s, d->down_since_us) : 0);
    json_set_num(out, "next_try_s",
                 d->next_try_us > now ? (int64_t)((d->next_try_us - now + 999999) / 1000000) : 0);
}

bool s2s_show(const struct s2s *s, struct str remote, struct json *out)
{
    const struct s2s_domain *d = s2s_domain_find(s, remote);
    struct json *outcomes = json_new_array(), *boxes = json_new_array();
    json_set_bool(out, "known", d != NULL);
    if (d)
        put_state(d, out);
    for (size_t i = 0; d && i < S2S_OUTCOMES_MAX && d->outcomes[i]; i++) {
        struct json *row = outcome_row(d->outcomes[i]);
        json_push(outcomes, &row);
    }
    for (const struct list *n = d ? d->boxes.next : NULL; n && n != &d->boxes; n = n->next) {
        struct json *row = box_row(container_of(n, struct s2s_outbox, of_domain));
        json_push(boxes, &row);
    }
    json_set(out, "outcomes", &outcomes);
    json_set(out, "outbox", &boxes);
    return d != NULL;
}

/* ---- what to do */

size_t s2s_retry(struct s2s *s, struct str remote)
{
    struct s2s_domain *d = s2s_domain_find(s, remote);
    size_t n = 0;
    if (!d || s->is_stopping)
        return 0;
    d->next_try_us = 0;
    list_each (&d->boxes, node) {
        struct s2s_outbox *b = list_entry(node, struct s2s_outbox, of_domain);
        n += has_something(b);
        s2s_outbox_go(b);
    }
    return n;
}

size_t s2s_waiting(const struct s2s *s, struct str remote)
{
    const struct s2s_domain *d = s2s_domain_find(s, remote);
    return d ? waiting_of(d) : 0;
}

size_t s2s_outbox_drop(struct s2s *s, struct str remote)
{
    struct s2s_domain *d = s2s_domain_find(s, remote);
    size_t n = s2s_waiting(s, remote);
    if (!d)
        return 0;
    log_info(NULL, "s2s.outbox.dropped", "remote", d->remote, "stanzas", LOG_NUM(n));
    list_each (&d->boxes, node)
        s2s_outbox_fail(list_entry(node, struct s2s_outbox, of_domain), S2S_CAUSE_LOCAL_DROPPED,
                        NULL);
    return n;
}

static bool kick_out(struct s2s_out *o)
{
    if (o->state == S2S_OUT_READY)
        s2s_line_settle(&o->line);
    return o->state == S2S_OUT_READY || o->state == S2S_OUT_CLOSING;
}

static void kick_in(struct s2s_in *in)
{
    if (in->stream && !in->line.is_closing)
        s2s_line_settle(&in->line);
    else
        s2s_in_close(in, STREAM_OK, NULL);
}

static bool speaks_for(const struct s2s_in *in, struct str remote)
{
    for (size_t i = 0; i < in->line.pairs.n; i++)
        if (str_eqc(remote, in->line.pairs.p[i].remote))
            return true;
    return false;
}

size_t s2s_kick(struct s2s *s, struct str remote)
{
    size_t n = 0;
    list_each (&s->outs, node) {
        struct s2s_out *o = list_entry(node, struct s2s_out, link);
        if (str_eqc(remote, o->remote))
            n += kick_out(o);
    }
    list_each (&s->ins, node) {
        struct s2s_in *in = list_entry(node, struct s2s_in, link);
        if (!speaks_for(in, remote))
            continue;
        kick_in(in);
        n++;
    }
    return n;
}
