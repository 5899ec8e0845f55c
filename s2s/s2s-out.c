/* DOC: one outgoing stream of a domain pair, from the first stanza to the last.
 * Design: a state x event table; every cell is filled. One deadline covers DNS, TCP, TLS and
 * authentication: whatever stalls, the senders have their answer in connect_timeout_ms. EXTERNAL is
 * tried if the peer offers it; refused, dialback goes on over the same stream. An established
 * stream that dies with output in user space is followed by one more attempt with the rest, in
 * order. Invariants: while it exists, it is in the pool; o->stream is set in all states but DIAL;
 * an event may free o. Standards: RFC 6120, XEP-0178, XEP-0220, XEP-0368. */
#include "s2s/s2s-int.h"

typedef void out_cell(struct s2s_out *o);
static void dial(struct s2s_out *o);

static const struct s2s_carrier_ops carrier_ops;

static const char *const state_names[S2S_OUT_STATES] = {
    [S2S_OUT_DIAL] = "connecting", [S2S_OUT_OPEN] = "negotiating", [S2S_OUT_DIALBACK] = "dialback",
    [S2S_OUT_READY] = "ready",     [S2S_OUT_CLOSING] = "closing",
};
const char *s2s_out_state_name(enum s2s_out_state st)
{
    return state_names[st];
}

static void set_state(struct s2s_out *o, enum s2s_out_state st)
{
    static const unsigned next[S2S_OUT_STATES] = {
        [S2S_OUT_DIAL] = 1U << S2S_OUT_OPEN,
        [S2S_OUT_OPEN] = 1U << S2S_OUT_DIALBACK | 1U << S2S_OUT_READY,
        [S2S_OUT_DIALBACK] = 1U << S2S_OUT_READY,
        [S2S_OUT_READY] = 1U << S2S_OUT_CLOSING | 1U << S2S_OUT_DIAL,
        [S2S_OUT_CLOSING] = 1U << S2S_OUT_DIAL,
    };
    must(next[o->state] & 1U << st);
    log_debug(&o->log, "s2s.out.state", "from", state_names[o->state], "to", state_names[st]);
    o->state = st;
}

/* ---- ends ---- */

static void stop_timers(struct s2s_out *o)
{
    timer_stop(&o->deadline);
    timer_stop(&o->idle);
    timer_stop(&o->leave);
}

/* What it carried waits for another. */
static void give_up(struct s2s_out *o, bool is_blamed)
{
    list_each (&o->carrier.boxes, n) {
        struct s2s_outbox *b = list_entry(n, struct s2s_outbox, of_carrier);
        s2s_outbox_detach(b, is_blamed);
        s2s_outbox_check_idle(b);
    }
}

void s2s_out_free(struct s2s_out *o)
{
    struct s2s *s = o->s2s;
    op_owner_cancel_all(&o->ops);
    stop_timers(o);
    stream_out_free(&o->stream);
    give_up(o, false);
    list_del(&o->link);
    mem_free(o->local);
    mem_free(o->remote);
    mem_free(o);
    s2s_check_stopped(s);
}

/* It did not work: the domain's record decides what that means for what waits. */
static void fail(struct s2s_out *o, enum s2s_cause c, const char *text, bool is_about_us)
{
    struct s2s_domain *d = o->domain;
    char *local = is_about_us ? o->local : NULL;
    o->local = is_about_us ? NULL : o->local;
    log_debug(&o->log, "s2s.out.failed", "state", state_names[o->state], "cause", s2s_cause_name(c),
              "why", text);
    s2s_out_free(o);
    s2s_domain_failed(d, local, c, text);
    mem_free(local);
}

static void set_reason(struct s2s_out *o, enum s2s_cause c, const char *what, const char *text)
{
    o->cause = c;
    snprintf(o->last_error, sizeof o->last_error, "%s%s%s", what, text && *text ? ": " : "",
             text ? text : "");
}

/* For the reason that was noted with the event. */
static void fail_noted(struct s2s_out *o)
{
    char text[S2S_TEXT_MAX];
    str_put(text, sizeof text, o->last_error);
    fail(o, o->cause, text, o->state != S2S_OUT_DIAL);
}

static void fail_deadline(struct s2s_out *o)
{
    char text[S2S_TEXT_MAX];
    snprintf(text, sizeof text, "no answer in time from %.150s (%s)", o->remote,
             state_names[o->state]);
    fail(o, o->state == S2S_OUT_DIAL ? S2S_CAUSE_ADDRESS_TIMEOUT : S2S_CAUSE_PEER_SILENT, text,
         false);
}

static void stop_early(struct s2s_out *o)
{
    s2s_out_free(o);
}

/* ---- connecting ---- */

static void on_dialed(void *ctx, enum err e, struct transport *t, const struct dial_result *r);

static void on_deadline(void *ctx)
{
    struct s2s_out *o = ctx;
    s2s_out_event(o, o->cause == S2S_CAUSE_NONE ? S2S_EV_DEADLINE : S2S_EV_FAILED);
}

static void dial(struct s2s_out *o)
{
    struct dial_source src;
    uint64_t limit = o->s2s->conf.tune.connect_timeout_ms;
    o->auth = "";
    o->cause = S2S_CAUSE_NONE;
    timer_start(&o->deadline, limit);
    if (s2s_source(o->s2s, o->remote, &src) == ERR_OK) {
        dial_open(o->s2s->loop, &o->ops, src, limit > 1 ? limit - 1 : 1, on_dialed, o);
        return;
    }
    set_reason(o, S2S_CAUSE_DNS_NAME, s2s_cause_text(S2S_CAUSE_DNS_NAME), NULL);
    timer_start(&o->deadline, 0);
}

/* ---- negotiating: callbacks of the stream ---- */

static bool on_secured(void *ctx)
{
    struct s2s_out *o = ctx;
    o->is_secure = true;
    s2s_evidence_take(&o->evidence, stream_out_transport(o->stream), str_of(o->remote));
    switch (s2s_auth_outgoing(&o->s2s->conf, &o->evidence)) {
    case S2S_TRUST_CERT:
        return true;
    case S2S_TRUST_DIALBACK:
        log_info(&o->log, "s2s.out.cert.unproved", "why", o->evidence.why, "decides", "dialback");
        return true;
    case S2S_TRUST_NONE:
        log_info(&o->log, "s2s.out.cert.refused", "why", o->evidence.why);
        return false;
    }
    return false;
}

/* Dialback, unless policy or the peer has none. Peers from before the stream feature declare the
 * namespace only. */
static enum stream_out_next by_dialback(struct s2s_out *o, const struct xml *features)
{
    bool offered = dialback_is_offered(features) || stream_out_header(o->stream)->dialback;
    if (o->s2s->conf.dialback && offered)
        return STREAM_OUT_READY;
    log_info(&o->log, "s2s.out.auth.none", "why",
             offered ? "dialback is switched off here" : "the peer offers no dialback");
    return STREAM_OUT_FAIL;
}

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    struct s2s_out *o = ctx;
    if (!s2s_ext_offered(&o->s2s->conf, features, o->is_secure))
        return by_dialback(o, features);
    *client = s2s_ext_client(o->local);
    *m = SASL_EXTERNAL;
    return STREAM_OUT_SASL;
}

static enum stream_out_next on_refused(void *ctx, enum sasl_failure f, const struct xml *features,
                                       struct sasl_client **client, enum sasl_mech *m)
{
    struct s2s_out *o = ctx;
    (void)client;
    (void)m;
    log_info(&o->log, "s2s.out.external.refused", "condition", sasl_failure_name(f));
    return by_dialback(o, features);
}

static void on_ready(void *ctx, const struct xml *features, bool sasl_done)
{
    (void)features;
    s2s_out_event(ctx, sasl_done ? S2S_EV_PROVED : S2S_EV_PLAIN);
}

/* The answer to our key. Only what we asked on this very stream counts: one question is out, while
 * in DIALBACK. */
static void on_result(struct s2s_out *o, const struct dialback_msg *m)
{
    bool is_ours = o->state == S2S_OUT_DIALBACK && !m->is_verify && m->type != DIALBACK_REQUEST &&
                   str_eqc(m->from, o->remote) && str_eqc(m->to, o->local);
    if (!is_ours) {
        log_warn(&o->log, "s2s.dialback.unasked", "from", LOG_STR(m->from), "to", LOG_STR(m->to));
        return;
    }
    if (m->type == DIALBACK_VALID) {
        s2s_out_event(o, S2S_EV_VALID);
        return;
    }
    /* XEP-0220 section 2.1.1: invalid is an error of ours, all else may pass. */
    enum s2s_cause c = m->type == DIALBACK_INVALID ? S2S_CAUSE_AUTH_DIALBACK_INVALID
                                                   : S2S_CAUSE_AUTH_DIALBACK_ERROR;
    set_reason(o, c, s2s_cause_text(c), m->condition);
    s2s_out_event(o, S2S_EV_REFUSED);
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct s2s_out *o = ctx;
    struct dialback_msg m;
    o->active_us = loop_now_us(o->s2s->loop);
    if (dialback_read(doc->arena, doc->root, &m) == ERR_OK)
        on_result(o, &m);
    else
        log_info(&o->log, "s2s.out.element.ignored", "name", doc->root->name);
    xml_doc_free(&doc);
}

static void on_drain(void *ctx)
{
    s2s_out_event(ctx, S2S_EV_DRAIN);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct s2s_out *o = ctx;
    enum s2s_cause c = e->err == ERR_CERT && o->evidence.why[0]
                           ? o->evidence.cause
                           : s2s_cause_of_end(e, o->is_tls, o->is_secure);
    if (e->err == ERR_CERT && o->evidence.why[0])
        set_reason(o, c, "certificate not acceptable", o->evidence.why);
    else if (e->received != STREAM_OK)
        set_reason(o, c, stream_cond_name(e->received), e->text);
    else
        set_reason(o, c, e->text[0] ? e->text : err_text(e->err), NULL);
    o->is_blamed = e->received != STREAM_OK && e->received != STREAM_SYSTEM_SHUTDOWN &&
                   e->received != STREAM_RESET;
    s2s_out_event(o, S2S_EV_END);
}

static const struct stream_out_events stream_up = {
    .secured = on_secured,
    .features = on_features,
    .refused = on_refused,
    .ready = on_ready,
    .element = on_element,
    .drain = on_drain,
    .end = on_end,
};

static void on_dialed(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct s2s_out *o = ctx;
    char sni[256];
    if (e != ERR_OK) {
        o->cause = s2s_cause_of_dial(e);
        snprintf(o->last_error, sizeof o->last_error, "%.70s cannot be reached: %s", o->remote,
                 r->why[0] ? r->why : err_text(e));
        s2s_out_event(o, S2S_EV_FAILED);
        return;
    }
    bool has_sni = jid_domain_ascii(str_of(o->remote), sni) == ERR_OK;
    struct stream_out_conf c = {.content_ns = NS_SERVER,
                                .from = o->local,
                                .to = o->remote,
                                .tls = o->s2s->conf.tls_client,
                                .tls_required = o->s2s->conf.tls_required,
                                .direct_tls = r->target.direct_tls,
                                .sni = has_sni ? sni : NULL,
                                .dialback = true,
                                .limits = o->s2s->conf.limits};
    o->is_secure = false;
    o->is_tls = r->target.direct_tls;
    o->stream = stream_out_new(&t, &c, &stream_up, o);
    s2s_out_event(o, S2S_EV_CONNECTED);
}

/* ---- ready: writing, leaving, idling ---- */

static void on_idle(void *ctx)
{
    struct s2s_out *o = ctx;
    uint64_t quiet_ms = (loop_now_us(o->s2s->loop) - o->active_us) / 1000;
    uint64_t limit_ms = o->s2s->conf.tune.idle_timeout_ms;
    if (quiet_ms < limit_ms)
        timer_start(&o->idle, limit_ms - quiet_ms);
    else
        s2s_out_event(o, S2S_EV_IDLE);
}

/* Of one box, what has left user space. */
static bool left(struct s2s_out *o, struct s2s_outbox *b, size_t queued)
{
    bool any = false;
    for (struct list *l = list_first(&b->flying); l; l = list_first(&b->flying)) {
        struct s2s_item *it = list_entry(l, struct s2s_item, link);
        if (queued > 0 && it->end + queued > o->written)
            break;
        s2s_item_done(it);
        any = true;
    }
    return any;
}

/* Look what has left user space. A stream without transport is over: its queue says nothing any
 * more. True: something still flies. */
static bool look(struct s2s_out *o)
{
    bool any = false, flies = false;
    if (!o->stream || !stream_out_transport(o->stream))
        return false;
    size_t queued = stream_out_queued(o->stream);
    list_each (&o->carrier.boxes, n) {
        struct s2s_outbox *b = list_entry(n, struct s2s_outbox, of_carrier);
        any |= left(o, b, queued);
        flies |= !list_empty(&b->flying);
    }
    if (any) {
        o->leave_progress_us = loop_now_us(o->s2s->loop);
        o->leave_ms = 1;
    }
    return flies;
}

/* When nothing leaves for long, the connection is dead. */
static void on_leave(void *ctx)
{
    struct s2s_out *o = ctx;
    uint64_t now = loop_now_us(o->s2s->loop);
    if (!look(o))
        return;
    if (now - o->leave_progress_us >= o->s2s->conf.tune.connect_timeout_ms * 1000) {
        s2s_out_event(o, S2S_EV_STALL);
        return;
    }
    timer_start(&o->leave, o->leave_ms);
    if (o->leave_ms < S2S_LEAVE_MAX_MS)
        o->leave_ms *= 2;
}

/* Write until the high mark, or until the stream takes no more. A stream that is closing swallows
 * what it is given; that shows as a queue that did not grow. */
static size_t flush_box(struct s2s_out *o, struct s2s_outbox *b, bool *more)
{
    size_t n = 0;
    struct s2s_item *it;
    for (; *more && (it = s2s_outbox_peek(b)); n++) {
        size_t before = stream_out_queued(o->stream);
        *more = stream_out_send_stanza(o->stream, it->sm.st);
        size_t after = stream_out_queued(o->stream);
        if (after <= before)
            break;
        o->written += after - before;
        it->end = o->written;
        s2s_item_fly(it);
    }
    return n;
}

static void flush(struct s2s_out *o)
{
    uint64_t now = loop_now_us(o->s2s->loop);
    bool more = true;
    size_t n = 0;
    if (!look(o))
        o->leave_progress_us = now;
    list_each (&o->carrier.boxes, l)
        n += flush_box(o, list_entry(l, struct s2s_outbox, of_carrier), &more);
    o->stanzas += n;
    if (!n)
        return;
    o->active_us = now;
    o->leave_ms = 1;
    timer_start(&o->leave, 0);
}

static void be_ready(struct s2s_out *o, const char *auth)
{
    o->auth = auth;
    o->s2s->stats.out_ready++;
    o->last_error[0] = '\0';
    timer_stop(&o->deadline);
    set_state(o, S2S_OUT_READY);
    log_info(&o->log, "s2s.out.ready", "auth", auth, "tls", o->is_secure ? "yes" : "no", "cert",
             s2s_evidence_proves(&o->evidence) ? "proved" : o->evidence.why);
    o->active_us = loop_now_us(o->s2s->loop);
    timer_start(&o->idle, o->s2s->conf.tune.idle_timeout_ms);
    s2s_outbox_attach(s2s_outbox_get(o->s2s, str_of(o->local), str_of(o->remote)), &o->carrier);
    s2s_domain_up(o->domain);
    flush(o);
}

/* ---- cells ---- */

static void nothing(struct s2s_out *o)
{
    (void)o;
}

static void never(struct s2s_out *o)
{
    (void)expect(!"an event that cannot happen in this state");
    log_error(&o->log, "s2s.out.never", "state", state_names[o->state]);
}

static void connected(struct s2s_out *o)
{
    set_state(o, S2S_OUT_OPEN);
}

static void proved(struct s2s_out *o)
{
    be_ready(o, "external");
}

static void valid(struct s2s_out *o)
{
    be_ready(o, "dialback");
}

static void send_key(struct s2s_out *o)
{
    char key[DIALBACK_KEY_LEN + 1];
    const struct stream_header *h = stream_out_header(o->stream);
    struct arena *a = arena_new(0);
    dialback_key(&o->s2s->secret, str_of(o->remote), str_of(o->local), h->id, key);
    struct dialback_msg m = {.from = str_of(o->local), .to = str_of(o->remote), .key = str_of(key)};
    set_state(o, S2S_OUT_DIALBACK);
    (void)stream_out_send(o->stream, dialback_build(a, &m));
    arena_free(&a);
}

static void ended_early(struct s2s_out *o)
{
    char text[S2S_TEXT_MAX];
    snprintf(text, sizeof text, "no stream to %.80s: %.150s", o->remote, o->last_error);
    fail(o, o->cause, text, true);
}

/* The stream is over. In order and empty it is forgotten; what it leaves goes to the next. */
static void ended(struct s2s_out *o)
{
    struct s2s_domain *d = o->domain;
    char text[S2S_TEXT_MAX];
    enum s2s_cause c = o->cause;
    bool is_over = o->state == S2S_OUT_CLOSING;
    str_put(text, sizeof text, o->last_error);
    log_info(&o->log, "s2s.out.closed", "why", text);
    give_up(o, o->is_blamed);
    s2s_out_free(o);
    if (is_over)
        s2s_domain_retry(d);
    else
        s2s_domain_failed(d, NULL, c, text);
}

static void stalled(struct s2s_out *o)
{
    set_reason(o, S2S_CAUSE_PEER_STALLED, s2s_cause_text(S2S_CAUSE_PEER_STALLED), NULL);
    ended(o);
}

static void close_idle(struct s2s_out *o)
{
    timer_stop(&o->idle);
    set_state(o, S2S_OUT_CLOSING);
    stream_out_close(o->stream, STREAM_OK, NULL);
}

#define NO_STREAM(cell)                                                                            \
    [S2S_EV_PROVED] = (cell), [S2S_EV_PLAIN] = (cell), [S2S_EV_VALID] = (cell),                    \
    [S2S_EV_REFUSED] = (cell)
#define NO_OUTPUT(cell) [S2S_EV_IDLE] = (cell), [S2S_EV_STALL] = (cell)

static out_cell *const cells[S2S_OUT_STATES][S2S_EV_COUNT] = {
    [S2S_OUT_DIAL] = {NO_STREAM(never),
                      NO_OUTPUT(never), [S2S_EV_SEND] = nothing, [S2S_EV_CONNECTED] = connected,
                      [S2S_EV_FAILED] = fail_noted, [S2S_EV_DRAIN] = never, [S2S_EV_END] = never,
                      [S2S_EV_DEADLINE] = fail_deadline, [S2S_EV_STOP] = stop_early},
    [S2S_OUT_OPEN] =
        {NO_OUTPUT(never), [S2S_EV_SEND] = nothing, [S2S_EV_CONNECTED] = never,
         [S2S_EV_FAILED] = never, [S2S_EV_PROVED] = proved, [S2S_EV_PLAIN] = send_key,
         [S2S_EV_VALID] = never, [S2S_EV_REFUSED] = never, [S2S_EV_DRAIN] = nothing,
         [S2S_EV_END] = ended_early, [S2S_EV_DEADLINE] = fail_deadline, [S2S_EV_STOP] = stop_early},
    [S2S_OUT_DIALBACK] =
        {NO_OUTPUT(never), [S2S_EV_SEND] = nothing, [S2S_EV_CONNECTED] = never,
         [S2S_EV_FAILED] = never, [S2S_EV_PROVED] = never, [S2S_EV_PLAIN] = never,
         [S2S_EV_VALID] = valid, [S2S_EV_REFUSED] = fail_noted, [S2S_EV_DRAIN] = nothing,
         [S2S_EV_END] = ended_early, [S2S_EV_DEADLINE] = fail_deadline, [S2S_EV_STOP] = stop_early},
    [S2S_OUT_READY] = {NO_STREAM(never), [S2S_EV_SEND] = flush, [S2S_EV_CONNECTED] = never,
                       [S2S_EV_FAILED] = never, [S2S_EV_DRAIN] = flush, [S2S_EV_END] = ended,
                       [S2S_EV_DEADLINE] = never, [S2S_EV_IDLE] = close_idle,
                       [S2S_EV_STALL] = stalled, [S2S_EV_STOP] = close_idle},
    [S2S_OUT_CLOSING] = {NO_STREAM(nothing),
                         NO_OUTPUT(nothing), [S2S_EV_SEND] = nothing, [S2S_EV_CONNECTED] = never,
                         [S2S_EV_FAILED] = never, [S2S_EV_DRAIN] = nothing, [S2S_EV_END] = ended,
                         [S2S_EV_DEADLINE] = never, [S2S_EV_STOP] = nothing},
};

void s2s_out_event(struct s2s_out *o, enum s2s_out_event ev)
{
    look(o);
    cells[o->state][ev](o);
}

static void on_wake(struct s2s_carrier *c, struct s2s_outbox *b)
{
    (void)b;
    s2s_out_event(container_of(c, struct s2s_out, carrier), S2S_EV_SEND);
}
static const struct s2s_carrier_ops carrier_ops = {on_wake};

void s2s_carry(struct s2s_outbox *b)
{
    struct s2s *s = b->s2s;
    list_each (&s->outs, n) {
        const struct s2s_out *o = list_entry(n, struct s2s_out, link);
        if (strcmp(o->local, b->local) == 0 && strcmp(o->remote, b->remote) == 0)
            return;
    }
    struct s2s_out *o = mem_calloc(1, sizeof *o);
    o->s2s = s;
    o->local = str_dup(str_of(b->local));
    o->remote = str_dup(str_of(b->remote));
    o->domain = b->domain;
    o->state = S2S_OUT_DIAL;
    o->since_us = loop_now_us(s->loop);
    o->log = (struct log_scope){
        .key1 = "local", .value1 = o->local, .key2 = "remote", .value2 = o->remote};
    op_owner_init(&o->ops);
    s2s_carrier_init(&o->carrier, &carrier_ops);
    timer_init(&o->deadline, s->loop, on_deadline, o);
    timer_init(&o->idle, s->loop, on_idle, o);
    timer_init(&o->leave, s->loop, on_leave, o);
    list_push(&s->outs, &o->link);
    dial(o);
}
