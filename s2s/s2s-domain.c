/* DOC: what is known about a remote domain, and when it is tried again.
 * Design: back-off grows by the cause. Where somebody must change something (certificates, DNS
 * records, policy) it doubles up to retry_max_ms. Where a server is merely down, a connection
 * attempt costs next to nothing and its return shall be seen at once: the step stays at a second or
 * two, stretched when many domains are down together, so that attempts are bounded. A sign of life
 * (something from that domain) ends it. One log line when a domain goes down, changes its cause or
 * comes back; none per attempt. */
#include "lib/base/clock.h"
#include "lib/base/rand.h"
#include "s2s/s2s-int.h"

enum {
    RETURN_MAX_MS = 1500, /* between attempts at a server that is down */
    DNS_MAX_MS = 10000,   /* at name servers that fail */
    PER_DOWN_MS = 20,     /* that step at least, times the domains that are down */
    FAILURES_SHIFT_MAX = 16,
    AGAIN_US = 50000, /* about this long after a stream that worked */
};

/* ---- records ---- */

struct s2s_domain *s2s_domain_find(const struct s2s *s, struct str remote)
{
    return hmap_get(&s->domains, remote);
}

struct s2s_domain *s2s_domain_any(const struct s2s *s, size_t *it)
{
    return hmap_next(&s->domains, it, NULL);
}

static void set_down(struct s2s_domain *d, bool is_down)
{
    if (is_down != (d->failures > 0))
        d->s2s->stats.domains_down += is_down ? 1 : (size_t)-1;
    if (!is_down)
        d->failures = 0;
}

static void domain_free(struct s2s_domain *d)
{
    set_down(d, false);
    timer_stop(&d->retry);
    list_del(&d->lru);
    (void)hmap_del(&d->s2s->domains, str_of(d->remote));
    for (size_t i = 0; i < S2S_OUTCOMES_MAX; i++)
        mem_free(d->outcomes[i]);
    mem_free(d->remote);
    mem_free(d);
}

static void make_room(struct s2s *s)
{
    if (hmap_count(&s->domains) < S2S_DOMAINS_MAX)
        return;
    list_each (&s->domain_lru, n) {
        struct s2s_domain *d = list_entry(n, struct s2s_domain, lru);
        if (!list_empty(&d->boxes))
            continue;
        domain_free(d);
        return;
    }
}

static void on_retry(void *ctx)
{
    struct s2s_domain *d = ctx;
    d->next_try_us = 0;
    list_each (&d->boxes, n)
        s2s_outbox_go(list_entry(n, struct s2s_outbox, of_domain));
}

struct s2s_domain *s2s_domain_get(struct s2s *s, struct str remote)
{
    struct s2s_domain *d = s2s_domain_find(s, remote);
    if (d) {
        list_del(&d->lru);
    } else {
        make_room(s);
        d = mem_calloc(1, sizeof *d);
        d->s2s = s;
        d->remote = str_dup(remote);
        list_init(&d->boxes);
        timer_init(&d->retry, s->loop, on_retry, d);
        hmap_put(&s->domains, str_of(d->remote), d);
    }
    list_push(&s->domain_lru, &d->lru);
    return d;
}

void s2s_domains_fini(struct s2s *s)
{
    size_t it = 0;
    for (struct s2s_domain *d; (d = s2s_domain_any(s, &it));)
        domain_free(d);
    hmap_fini(&s->domains);
}

/* ---- outcomes ---- */

static struct s2s_outcome *outcome_of(struct s2s_domain *d, bool is_inbound, enum s2s_cause c)
{
    size_t place = 0;
    for (size_t i = 0; i < S2S_OUTCOMES_MAX; i++) {
        const struct s2s_outcome *o = d->outcomes[i];
        if (!o || (o->cause == c && o->is_inbound == is_inbound)) {
            place = i;
            break;
        }
        if (o->last_wall_us < d->outcomes[place]->last_wall_us)
            place = i; /* the oldest goes */
    }
    struct s2s_outcome *o = d->outcomes[place];
    if (!o)
        o = d->outcomes[place] = mem_calloc(1, sizeof *o);
    if (!o->count || o->cause != c || o->is_inbound != is_inbound)
        *o = (struct s2s_outcome){.cause = c, .is_inbound = is_inbound};
    return o;
}

static void note(struct s2s_domain *d, bool is_inbound, enum s2s_cause c, const char *text)
{
    struct s2s_outcome *o = outcome_of(d, is_inbound, c);
    o->count++;
    o->last_wall_us = clock_wall_us();
    str_put(o->text, sizeof o->text, text ? text : s2s_cause_text(c));
    d->s2s->stats.outcomes[is_inbound][c]++;
}

enum s2s_cause s2s_domain_last_wrong(const struct s2s_domain *d)
{
    const struct s2s_outcome *last = NULL;
    for (size_t i = 0; i < S2S_OUTCOMES_MAX && d->outcomes[i]; i++) {
        const struct s2s_outcome *o = d->outcomes[i];
        if (o->cause && !o->is_inbound && (!last || o->last_wall_us > last->last_wall_us))
            last = o;
    }
    return last ? last->cause : S2S_CAUSE_NONE;
}

void s2s_domain_note(struct s2s *s, struct str remote, bool is_inbound, enum s2s_cause c,
                     const char *text)
{
    note(s2s_domain_get(s, remote), is_inbound, c, text);
}

/* ---- back-off ---- */

/* A server that is merely away. */
static bool is_away(enum s2s_cause c)
{
    return c == S2S_CAUSE_PEER_CLOSED || c == S2S_CAUSE_PEER_RESET || c == S2S_CAUSE_PEER_SILENT ||
           c == S2S_CAUSE_PEER_STALLED || c == S2S_CAUSE_TLS_LOST ||
           s2s_cause_class(c) == S2S_CLASS_ADDRESS;
}

static uint64_t step_max_ms(const struct s2s_domain *d)
{
    const struct s2s *s = d->s2s;
    uint64_t crowd = s->stats.domains_down * PER_DOWN_MS, max = s->conf.tune.retry_max_ms;
    if (is_away(d->cause))
        max = RETURN_MAX_MS > crowd ? RETURN_MAX_MS : crowd;
    else if (s2s_cause_class(d->cause) == S2S_CLASS_DNS && !s2s_cause_is_final(d->cause))
        max = DNS_MAX_MS > crowd ? DNS_MAX_MS : crowd;
    return max < s->conf.tune.retry_max_ms ? max : s->conf.tune.retry_max_ms;
}

static uint64_t step_us(const struct s2s_domain *d)
{
    unsigned shift = d->failures > 0 ? d->failures - 1 : 0;
    uint64_t ms = d->s2s->conf.tune.retry_min_ms
                  << (shift < FAILURES_SHIFT_MAX ? shift : FAILURES_SHIFT_MAX);
    uint64_t max = step_max_ms(d);
    uint64_t us = 1000 * (ms < max ? ms : max);
    return us - us / 4 + rand_below(us / 2 + 1);
}

/* After a stream that worked: the peer may have closed it for reasons of its own. */
static uint64_t again_us(void)
{
    return AGAIN_US / 2 + rand_below(AGAIN_US);
}

static bool has_waiting(const struct s2s_domain *d)
{
    for (const struct list *n = d->boxes.next; n != &d->boxes; n = n->next) {
        const struct s2s_outbox *b = container_of(n, struct s2s_outbox, of_domain);
        if (!b->carrier && s2s_outbox_has_waiting(b))
            return true;
    }
    return false;
}

static void schedule(struct s2s_domain *d)
{
    uint64_t now = loop_now_us(d->s2s->loop);
    uint64_t wait_us = d->next_try_us > now ? d->next_try_us - now : 0;
    if (has_waiting(d))
        timer_start(&d->retry, (wait_us + 999) / 1000);
}

bool s2s_domain_may_try(const struct s2s_domain *d)
{
    return !d->s2s->is_stopping && !d->s2s->load.is_on &&
           d->next_try_us <= loop_now_us(d->s2s->loop);
}

static void give_back(struct s2s_domain *d, const char *local_or_null)
{
    bool is_final = s2s_cause_is_final(d->cause);
    list_each (&d->boxes, n) {
        struct s2s_outbox *b = list_entry(n, struct s2s_outbox, of_domain);
        if (is_final && (!local_or_null || strcmp(local_or_null, b->local) == 0))
            s2s_outbox_fail(b, d->cause, d->text);
        else if (!b->carrier)
            s2s_outbox_fail_requests(b, d->cause, d->text, d->next_try_us);
    }
}

void s2s_domain_failed(struct s2s_domain *d, const char *local_or_null, enum s2s_cause c,
                       const char *text)
{
    uint64_t now = loop_now_us(d->s2s->loop);
    bool is_news = !d->failures || d->cause != c;
    note(d, false, c, text);
    if (!d->failures)
        d->down_since_us = now;
    set_down(d, true);
    d->failures++;
    d->cause = c;
    str_put(d->text, sizeof d->text, text && *text ? text : s2s_cause_text(c));
    d->failed_us = now;
    d->next_try_us = now + (d->was_up && is_away(c) ? again_us() : step_us(d));
    d->was_up = false;
    if (is_news)
        log_info(NULL, "s2s.domain.down", "remote", d->remote, "cause", s2s_cause_name(c), "side",
                 s2s_side_name(s2s_cause_side(c)), "why", d->text);
    give_back(d, local_or_null);
    schedule(d);
}

void s2s_domain_up(struct s2s_domain *d)
{
    uint64_t down_us = loop_now_us(d->s2s->loop) - d->down_since_us;
    if (d->failures)
        log_info(NULL, "s2s.domain.up", "remote", d->remote, "attempts", LOG_NUM(d->failures + 1),
                 "seconds", LOG_NUM(down_us / 1000000));
    note(d, false, S2S_CAUSE_NONE, NULL);
    s2s_newcomers_know(d->s2s->conf.newcomers, str_of(d->remote));
    set_down(d, false);
    d->was_up = true;
    d->cause = S2S_CAUSE_NONE;
    d->text[0] = '\0';
    d->next_try_us = 0;
    if (has_waiting(d))
        timer_start(&d->retry, 0);
}

void s2s_domain_wait(struct s2s_domain *d)
{
    if (!d->s2s->is_stopping && !timer_running(&d->retry) &&
        d->next_try_us > loop_now_us(d->s2s->loop))
        schedule(d);
}

void s2s_domain_retry(struct s2s_domain *d)
{
    if (has_waiting(d) && !timer_running(&d->retry))
        timer_start(&d->retry, 0);
}

void s2s_domain_alive(struct s2s *s, struct str remote)
{
    struct s2s_domain *d = s2s_domain_find(s, remote);
    if (d && d->pings == S2S_PINGS_NEVER)
        d->pings = S2S_PINGS_UNKNOWN; /* it reaches us, so its answers may */
    if (!d || !d->failures || s->is_stopping)
        return;
    uint64_t soonest = d->failed_us + s->conf.tune.retry_min_ms * 1000;
    if (d->next_try_us <= soonest)
        return;
    d->failures = 1; /* back-off begins anew */
    d->next_try_us = soonest;
    schedule(d);
}
