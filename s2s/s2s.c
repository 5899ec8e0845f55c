/* DOC: federation, the instance: life, sending, bouncing.
 * Design: everything hangs on struct s2s and lives on its loop. Bounces are handed to the host from
 * a deferred call, so that s2s_send never calls back. A domain with a fresh failure is answered
 * from memory (s2s-retry.c). Standards: RFC 6120 sections 8.3.3, 10.4; XEP-0220. */
#include "s2s/s2s-disk-int.h"

enum { UNPROVED_MAX = 10000, HELD_STANZAS = 4096, HELD_BYTES = 4194304 };

struct bounce {
    struct list link;
    struct stanza *st;
    void *token;
    enum stanza_cond cond;
    char text[S2S_TEXT_MAX];
};

/* ---- bounces ---- */

static void taken(struct s2s *s, void *token)
{
    if (token)
        s->host->taken(s->ctx, token);
}

static void bounces_run(struct s2s *s, bool tell)
{
    for (struct list *n = list_shift(&s->bounces); n; n = list_shift(&s->bounces)) {
        struct bounce *b = list_entry(n, struct bounce, link);
        if (tell) {
            s->host->bounce(s->ctx, b->st, b->cond, b->text, b->token);
        } else {
            stanza_unref(&b->st);
            taken(s, b->token);
        }
        mem_free(b);
    }
}

static void on_bounce(void *ctx)
{
    bounces_run(ctx, true);
}

void s2s_bounce(struct s2s *s, struct stanza *st, enum s2s_cause c, const char *text, void *token)
{
    char why[S2S_TEXT_MAX];
    (void)s2s_cause_say(why, sizeof why, c, text);
    s->stats.bounced[c]++;
    if (stanza_is_error(st) || (st->kind == STANZA_IQ && !stanza_iq_request(st))) {
        log_info(NULL, "s2s.dropped", "remote", LOG_STR(st->to.domain), "cause", s2s_cause_name(c),
                 "why", why);
        stanza_unref(&st);
        taken(s, token);
        return;
    }
    struct bounce *b = mem_alloc(sizeof *b);
    b->st = st;
    b->token = token;
    b->cond = s2s_cause_cond(c);
    str_put(b->text, sizeof b->text, why);
    list_push(&s->bounces, &b->link);
    loop_defer(s->loop, &s->bounce);
}

/* ---- finding ---- */

const struct s2s_override *s2s_override_find(const struct s2s *s, const char *remote)
{
    const struct s2s_override *o = s->conf.overrides;
    while (o && o->domain && !str_ieq(str_of(o->domain), str_of(remote)))
        o++;
    return o && o->domain ? o : NULL;
}

enum err s2s_source(struct s2s *s, const char *remote, struct dial_source *out)
{
    char ascii[256];
    const struct s2s_override *o = s2s_override_find(s, remote);
    if (o) {
        *out = dial_source_fixed(s->loop, &o->target, 1);
        return ERR_OK;
    }
    if (jid_domain_ascii(str_of(remote), ascii) != ERR_OK)
        return ERR_INVALID;
    *out = dns_xmpp_source(s->dns, str_of(ascii), DNS_XMPP_SERVER);
    return ERR_OK;
}

/* ---- sending ---- */

/* It cannot be delivered in time, and why is known. */
static bool is_hopeless(const struct s2s *s, const struct s2s_domain *d, const struct stanza *st)
{
    uint64_t now = loop_now_us(s->loop);
    if (!d->failures || d->next_try_us <= now)
        return false;
    return s2s_cause_is_final(d->cause) ||
           (st->kind == STANZA_IQ && d->next_try_us - now > s->conf.tune.expire_iq_ms * 1000);
}

void s2s_send(struct s2s *s, struct stanza *st, void *token)
{
    if (!jid_is_set(&st->from) || !jid_is_set(&st->to)) {
        log_warn(NULL, "s2s.dropped", "why", "a stanza without from or to");
        stanza_unref(&st);
        taken(s, token);
        return;
    }
    struct s2s_terms terms;
    if (s2s_denies(s, st->to.domain, false, &terms)) {
        s2s_bounce(s, st, s2s_terms_cause(&terms), terms.why, token);
        return;
    }
    struct s2s_outbox *b = s2s_outbox_get(s, st->from.domain, st->to.domain);
    if (!b->carrier && is_hopeless(s, b->domain, st))
        s2s_bounce(s, st, b->domain->cause, b->domain->text, token);
    else if (s->is_stopping && !s->store)
        s2s_bounce(s, st, S2S_CAUSE_LOCAL_STOPPING, NULL, token);
    else if (s2s_outbox_put(b, st, token))
        s->is_stopping ? s2s_outbox_stop(b) : s2s_outbox_go(b);
    else
        s2s_bounce(s, st, S2S_CAUSE_LIMIT_OUTBOX, NULL, token);
    if (!s->is_stopping)
        s2s_outbox_check_idle(b);
}

/* ---- life ---- */

#define DEFAULT(field, value)                                                                      \
    if (!t->field)                                                                                 \
    t->field = (value)

static void tune_defaults(struct s2s_tune *t)
{
    DEFAULT(pending_bytes, (size_t)1 << 20);
    DEFAULT(pending_stanzas, 1000);
    DEFAULT(stored_bytes, (size_t)64 << 20);
    DEFAULT(connect_timeout_ms, 30000);
    DEFAULT(idle_timeout_ms, 600000);
    DEFAULT(ping_ms, 60000);
    DEFAULT(ack_timeout_ms, 60000);
    DEFAULT(resume_ms, 300000);
    DEFAULT(retry_min_ms, 1000);
    DEFAULT(retry_max_ms, 300000);
    DEFAULT(expire_iq_ms, 30000);
    DEFAULT(expire_presence_ms, 600000);
    DEFAULT(expire_message_ms, 24 * 3600000);
    DEFAULT(notice_ms, 300000);
    DEFAULT(disk_ms, 200);
}
#undef DEFAULT

static void drop_streams(struct s2s *s)
{
    list_each (&s->outs, n)
        s2s_out_free(list_entry(n, struct s2s_out, link));
    list_each (&s->ins, n)
        s2s_in_free(list_entry(n, struct s2s_in, link));
}

static void drop_boxes(struct s2s *s)
{
    size_t it = 0;
    for (struct s2s_outbox *b; (b = s2s_outbox_any(s, &it));)
        s2s_outbox_free(b);
}

static void on_stop_limit(void *ctx)
{
    struct s2s *s = ctx;
    log_warn(NULL, "s2s.stop.late", "why", "some streams did not close in time");
    drop_streams(s);
    drop_boxes(s);
    s2s_check_stopped(s);
}

static void on_stop_done(void *ctx)
{
    struct s2s *s = ctx;
    void (*stopped)(void *ctx) = s->stopped;
    timer_stop(&s->stop_limit);
    defer_cancel(&s->bounce);
    bounces_run(s, true);
    s->stopped = NULL;
    if (stopped)
        stopped(s->stopped_ctx);
}

static void conf_defaults(struct s2s_conf *c)
{
    if (!c->unproved_max)
        c->unproved_max = UNPROVED_MAX;
    if (!c->held_stanzas)
        c->held_stanzas = HELD_STANZAS;
    if (!c->held_bytes)
        c->held_bytes = HELD_BYTES;
}

struct s2s *s2s_new(struct loop *l, const struct s2s_conf *c, struct store_port *store,
                    struct dns *dns, const struct s2s_host_ops *host, void *ctx)
{
    struct s2s *s = mem_alloc(sizeof *s);
    s->loop = l;
    s->conf = *c;
    tune_defaults(&s->conf.tune);
    if (!s->conf.limits)
        s->conf.limits = &stream_limits_default;
    conf_defaults(&s->conf);
    s->store = store;
    s->dns = dns;
    s->host = host;
    s->ctx = ctx;
    s->in_conf = (struct stream_in_conf){.content_ns = NS_SERVER,
                                         .tls = c->tls_server,
                                         .tls_required = c->tls_required,
                                         .limits = s->conf.limits};
    s->in_conf_plain = s->in_conf;
    s->in_conf_plain.tls_required = false;
    s->policy = s2s_policy_ref(c->policy);
    dialback_secret_init(&s->secret, c->dialback_secret ? c->dialback_secret : "");
    hmap_init(&s->boxes);
    hmap_init(&s->domains);
    list_init(&s->domain_lru);
    buf_init(&s->text, SIZE_MAX);
    list_init(&s->outs);
    list_init(&s->ins);
    list_init(&s->unproved);
    list_init(&s->cut);
    list_init(&s->bounces);
    defer_init(&s->bounce, on_bounce, s);
    defer_init(&s->stop_done, on_stop_done, s);
    timer_init(&s->stop_limit, l, on_stop_limit, s);
    s2s_disk_load(s);
    return s;
}

void s2s_tune(struct s2s *s, const struct s2s_tune *t)
{
    s->conf.tune = *t;
    tune_defaults(&s->conf.tune);
}

void s2s_check_stopped(struct s2s *s)
{
    if (s->is_stopping && s->stopped && !hmap_count(&s->boxes) && list_empty(&s->outs) &&
        list_empty(&s->ins))
        loop_defer(s->loop, &s->stop_done);
}

void s2s_stop(struct s2s *s, void (*done)(void *ctx), void *ctx)
{
    s->is_stopping = true;
    s->stopped = done;
    s->stopped_ctx = ctx;
    timer_start(&s->stop_limit, S2S_STOP_MS);
    size_t it = 0;
    for (struct s2s_outbox *b; (b = s2s_outbox_any(s, &it));)
        s2s_outbox_stop(b);
    list_each (&s->outs, n)
        s2s_out_event(list_entry(n, struct s2s_out, link), S2S_EV_STOP);
    list_each (&s->ins, n)
        s2s_in_close(list_entry(n, struct s2s_in, link), STREAM_OK, NULL);
    s2s_check_stopped(s);
}

void s2s_free(struct s2s **ps)
{
    struct s2s *s = *ps;
    *ps = NULL;
    if (!s)
        return;
    s->stopped = NULL;
    s2s_disk_load_stop(s);
    drop_streams(s);
    drop_boxes(s);
    s2s_domains_fini(s);
    bounces_run(s, false);
    defer_cancel(&s->bounce);
    defer_cancel(&s->stop_done);
    timer_stop(&s->stop_limit);
    hmap_fini(&s->boxes);
    s2s_ways_fini(s);
    s2s_policy_unref(&s->policy);
    s2s_rtbl_set_unref(&s->rtbl);
    mem_wipe(&s->secret, sizeof s->secret);
    mem_free(s);
}

void s2s_accept(struct s2s *s, struct transport *t, bool direct, const struct stream_rate *rate)
{
    if (s->is_stopping || (direct && !s->conf.tls_server))
        transport_close(&t);
    else
        s2s_in_new(s, t, direct, rate);
}
