/* DOC: federation, the instance: life, sending, bouncing.
 * Design: everything hangs on struct s2s and lives on its loop. Bounces are handed to the host from
 * a deferred call, so that s2s_send never calls back. A domain with a fresh failure is answered
 * from memory (s2s-retry.c). Standards: RFC 6120 sections 8.3.3, 10.4; XEP-0220. */
#include "s2s/s2s-int.h"

#include "lib/xmpp/stanza-error.h"

struct bounce {
    struct list link;
    struct stanza *st;
    enum stanza_cond cond;
    char text[S2S_TEXT_MAX];
};

/* ---- bounces ---- */

static void bounces_run(struct s2s *s, bool tell)
{
    for (struct list *n = list_shift(&s->bounces); n; n = list_shift(&s->bounces)) {
        struct bounce *b = list_entry(n, struct bounce, link);
        if (tell)
            s->host->bounce(s->ctx, b->st, b->cond, b->text);
        else
            stanza_unref(&b->st);
        mem_free(b);
    }
}

static void on_bounce(void *ctx)
{
    bounces_run(ctx, true);
}

void s2s_bounce(struct s2s *s, struct stanza *st, enum stanza_cond c, const char *text)
{
    if (stanza_is_error(st) || (st->kind == STANZA_IQ && !stanza_iq_request(st))) {
        log_info(NULL, "s2s.dropped", "remote", LOG_STR(st->to.domain), "condition",
                 stanza_cond_name(c), "why", text);
        stanza_unref(&st);
        return;
    }
    struct bounce *b = mem_alloc(sizeof *b);
    b->st = st;
    b->cond = c;
    str_put(b->text, sizeof b->text, text);
    list_push(&s->bounces, &b->link);
    loop_defer(s->loop, &s->bounce);
}

void s2s_bounce_list(struct s2s *s, struct list *items, enum stanza_cond c, const char *text)
{
    for (struct list *n = list_first(items); n; n = list_first(items))
        s2s_bounce(s, s2s_item_take(n), c, text);
}

/* What may pass is a timeout; what DNS denies does not exist. */
enum stanza_cond s2s_cond_of(enum err e)
{
    return e == ERR_DNS_NXDOMAIN || e == ERR_DNS_NODATA || e == ERR_DNS_REFUSED_SERVICE
               ? STANZA_REMOTE_SERVER_NOT_FOUND
               : STANZA_REMOTE_SERVER_TIMEOUT;
}

/* ---- finding ---- */

enum err s2s_source(struct s2s *s, const char *remote, struct dial_source *out)
{
    char ascii[256];
    for (const struct s2s_override *o = s->conf.overrides; o && o->domain; o++) {
        if (!str_ieq(str_of(o->domain), str_of(remote)))
            continue;
        *out = dial_source_fixed(s->loop, &o->target, 1);
        return ERR_OK;
    }
    if (jid_domain_ascii(str_of(remote), ascii) != ERR_OK)
        return ERR_INVALID;
    *out = dns_xmpp_source(s->dns, str_of(ascii), DNS_XMPP_SERVER);
    return ERR_OK;
}

/* ---- sending ---- */

static struct s2s_out *out_for(struct s2s *s, const struct stanza *st)
{
    struct s2s_out *o = s2s_pool_get(s, st->from.domain, st->to.domain);
    return o ? o : s2s_out_new(s, st->from.domain, st->to.domain);
}

void s2s_send(struct s2s *s, struct stanza *st)
{
    const struct s2s_failure *f;
    if (!jid_is_set(&st->from) || !jid_is_set(&st->to)) {
        log_warn(NULL, "s2s.dropped", "why", "a stanza without from or to");
        stanza_unref(&st);
        return;
    }
    if (s->is_stopping) {
        s2s_bounce(s, st, STANZA_REMOTE_SERVER_TIMEOUT, "this server is shutting down");
        return;
    }
    f = s2s_failure_get(s, st->from.domain, st->to.domain);
    if (f) {
        s2s_bounce(s, st, f->cond, f->text);
        return;
    }
    struct s2s_out *o = out_for(s, st);
    if (s2s_outbox_put(&o->box, st))
        s2s_out_event(o, S2S_EV_SEND);
    else
        s2s_bounce(s, st, STANZA_RESOURCE_CONSTRAINT, "too much waits for this server already");
}

/* ---- life ---- */

static struct s2s_conf defaults(const struct s2s_conf *c)
{
    struct s2s_conf d = *c;
    if (!d.pending_bytes)
        d.pending_bytes = (size_t)1 << 20;
    if (!d.pending_stanzas)
        d.pending_stanzas = 1000;
    if (!d.connect_timeout_ms)
        d.connect_timeout_ms = 30000;
    if (!d.idle_timeout_ms)
        d.idle_timeout_ms = 600000;
    if (!d.fail_memory_ms)
        d.fail_memory_ms = 5000;
    if (!d.limits)
        d.limits = &stream_limits_default;
    return d;
}

static void on_stop_limit(void *ctx)
{
    struct s2s *s = ctx;
    log_warn(NULL, "s2s.stop.late", "why", "some streams did not close in time");
    size_t it = 0;
    for (struct s2s_out *o; (o = s2s_pool_any(s, &it));)
        s2s_out_free(o);
    list_each (&s->ins, n)
        s2s_in_free(list_entry(n, struct s2s_in, link));
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

struct s2s *s2s_new(struct loop *l, const struct s2s_conf *c, struct dns *dns,
                    const struct s2s_host_ops *host, void *ctx)
{
    struct s2s *s = mem_alloc(sizeof *s);
    s->loop = l;
    s->conf = defaults(c);
    s->dns = dns;
    s->host = host;
    s->ctx = ctx;
    s->in_conf = (struct stream_in_conf){.content_ns = NS_SERVER,
                                         .tls = c->tls_server,
                                         .tls_required = c->tls_required,
                                         .limits = s->conf.limits};
    dialback_secret_init(&s->secret, c->dialback_secret ? c->dialback_secret : "");
    hmap_init(&s->pool);
    hmap_init(&s->failures);
    list_init(&s->ins);
    list_init(&s->bounces);
    defer_init(&s->bounce, on_bounce, s);
    defer_init(&s->stop_done, on_stop_done, s);
    timer_init(&s->stop_limit, l, on_stop_limit, s);
    return s;
}

void s2s_tune(struct s2s *s, const struct s2s_tune *t)
{
    s->conf.pending_bytes = t->pending_bytes;
    s->conf.pending_stanzas = t->pending_stanzas;
    s->conf.connect_timeout_ms = t->connect_timeout_ms;
    s->conf.idle_timeout_ms = t->idle_timeout_ms;
    s->conf.fail_memory_ms = t->fail_memory_ms;
}

void s2s_check_stopped(struct s2s *s)
{
    if (s->is_stopping && s->stopped && !hmap_count(&s->pool) && list_empty(&s->ins))
        loop_defer(s->loop, &s->stop_done);
}

void s2s_stop(struct s2s *s, void (*done)(void *ctx), void *ctx)
{
    s->is_stopping = true;
    s->stopped = done;
    s->stopped_ctx = ctx;
    timer_start(&s->stop_limit, S2S_STOP_MS);
    size_t it = 0;
    for (struct s2s_out *o; (o = s2s_pool_any(s, &it));)
        s2s_out_event(o, S2S_EV_STOP);
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
    size_t it = 0;
    for (struct s2s_out *o; (o = s2s_pool_any(s, &it));)
        s2s_out_free(o);
    list_each (&s->ins, n)
        s2s_in_free(list_entry(n, struct s2s_in, link));
    s2s_failures_fini(s);
    bounces_run(s, false);
    defer_cancel(&s->bounce);
    defer_cancel(&s->stop_done);
    timer_stop(&s->stop_limit);
    hmap_fini(&s->pool);
    mem_wipe(&s->secret, sizeof s->secret);
    mem_free(s);
}

void s2s_accept(struct s2s *s, struct transport *t, bool direct)
{
    if (s->is_stopping || (direct && !s->conf.tls_server))
        transport_close(&t);
    else
        s2s_in_new(s, t, direct);
}
