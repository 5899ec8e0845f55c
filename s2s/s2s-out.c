/* DOC: one outgoing stream, from the first stanza to the last.
 * Design: a state x event table; every cell is filled. One deadline covers DNS, TCP, TLS and
 * authentication: whatever stalls is a failed attempt after connect_timeout_ms. The negotiation is
 * in s2s-out-stream.c; what goes over it in s2s-line.c. A stream that is cut with a session both
 * sides agreed to resume keeps its outboxes and is dialled again, at once and then with the
 * back-off of its domain, until resume_ms; then, or when the peer has lost the session, what it did
 * not acknowledge waits again. Other streams end when they are cut. Invariants: while it exists,
 * its pair is in s2s.ways; o->stream is set in OPEN to READY and CLOSING; an event may free o.
 * Standards: RFC 6120, XEP-0178, XEP-0198 section 5, XEP-0220. */
#include "lib/base/rand.h"
#include "s2s/s2s-int.h"

enum { STOP_ACK_MS = 1000, AGAIN_MIN_MS = 1000 };

typedef void out_cell(struct s2s_out *o);

static const char *const state_names[S2S_OUT_STATES] = {
    [S2S_OUT_DIAL] = "connecting", [S2S_OUT_OPEN] = "negotiating", [S2S_OUT_DIALBACK] = "dialback",
    [S2S_OUT_ACKS] = "resuming",   [S2S_OUT_READY] = "ready",      [S2S_OUT_CUT] = "cut",
    [S2S_OUT_CLOSING] = "closing",
};
const char *s2s_out_state_name(enum s2s_out_state st)
{
    return state_names[st];
}

#define TO(state) (1U << (S2S_OUT_##state))
static void set_state(struct s2s_out *o, enum s2s_out_state st)
{
    static const unsigned next[S2S_OUT_STATES] = {
        [S2S_OUT_DIAL] = TO(OPEN) | TO(CUT),
        [S2S_OUT_OPEN] = TO(DIALBACK) | TO(ACKS) | TO(READY) | TO(CUT) | TO(DIAL),
        [S2S_OUT_DIALBACK] = TO(ACKS) | TO(READY) | TO(CUT),
        [S2S_OUT_ACKS] = TO(READY) | TO(CUT),
        [S2S_OUT_READY] = TO(CLOSING) | TO(CUT),
        [S2S_OUT_CUT] = TO(DIAL),
        [S2S_OUT_CLOSING] = 0,
    };
    must(next[o->state] & 1U << st);
    log_debug(&o->log, "s2s.out.state", "from", state_names[o->state], "to", state_names[st]);
    o->state = st;
}

static uint64_t now_us(const struct s2s_out *o)
{
    return loop_now_us(o->s2s->loop);
}

static struct s2s_domain *domain(const struct s2s_out *o)
{
    return s2s_domain_get(o->s2s, str_of(o->remote));
}

/* ---- ends ---- */

/* The domains whose stanzas wait for an answer to our key. */
static void drop_ways(struct s2s_out *o, bool keeps_proved)
{
    list_each (&o->ways, n) {
        struct s2s_way *w = list_entry(n, struct s2s_way, link);
        if (keeps_proved && w->is_proved)
            continue;
        if (!o->s2s->is_stopping)
            s2s_domain_retry(s2s_domain_get(o->s2s, str_of(w->remote)));
        s2s_way_free(w);
    }
}

static void disconnect(struct s2s_out *o)
{
    s2s_road_close(o);
    timer_stop(&o->deadline);
    timer_stop(&o->again);
    op_owner_cancel_all(&o->ops);
    stream_out_free(&o->stream);
    o->line.out = NULL;
}

static void finish(struct s2s_out *o, enum s2s_cause c, const char *text)
{
    struct s2s *s = o->s2s;
    disconnect(o);
    s2s_line_give_up(&o->line, o->is_blamed, c, text);
    s2s_line_fini(&o->line);
    list_del(&o->link);
    drop_ways(o, false);
    mem_free(o->local);
    mem_free(o->remote);
    mem_free(o->vouched);
    mem_free(o->tls_key);
    mem_free(o);
    s2s_check_stopped(s);
}

void s2s_out_free(struct s2s_out *o)
{
    finish(o, S2S_CAUSE_NONE, NULL);
}

/* Resuming goes on a while; else the session is given up with the attempt. */
static bool may_go_on(const struct s2s_out *o, enum s2s_cause c)
{
    return o->line.state == S2S_LINE_CUT && !o->s2s->is_stopping && !s2s_cause_is_final(c) &&
           now_us(o) - o->cut_us < o->s2s->conf.tune.resume_ms * 1000;
}

static void wait_again(struct s2s_out *o)
{
    uint64_t next = domain(o)->next_try_us, now = now_us(o);
    uint64_t left = o->cut_us + o->s2s->conf.tune.resume_ms * 1000 - now;
    uint64_t wait = next > now ? next - now : AGAIN_MIN_MS * UINT64_C(1000);
    disconnect(o);
    s2s_line_cut(&o->line);
    set_state(o, S2S_OUT_CUT);
    timer_start(&o->again, (wait < left ? wait : left) / 1000 + 1);
}

/* An attempt did not work: the domain's record decides what that means for what waits. */
static void fail(struct s2s_out *o, enum s2s_cause c, const char *text, bool is_about_us)
{
    struct s2s *s = o->s2s;
    char *local = is_about_us ? mem_strdup(o->local) : NULL, *remote = mem_strdup(o->remote);
    log_debug(&o->log, "s2s.out.failed", "state", state_names[o->state], "cause", s2s_cause_name(c),
              "why", text);
    if (may_go_on(o, c)) {
        s2s_domain_failed(domain(o), NULL, c, text);
        wait_again(o);
    } else {
        finish(o, S2S_CAUSE_NONE, NULL);
        if (!s->is_stopping)
            s2s_domain_failed(s2s_domain_get(s, str_of(remote)), local, c, text);
    }
    mem_free(local);
    mem_free(remote);
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
    if (o->is_early && o->state == S2S_OUT_OPEN)
        domain(o)->early = -1;
    fail(o,
         o->state == S2S_OUT_DIAL       ? S2S_CAUSE_ADDRESS_TIMEOUT
         : o->state == S2S_OUT_DIALBACK ? S2S_CAUSE_AUTH_DIALBACK_ERROR
                                        : S2S_CAUSE_PEER_SILENT,
         text, false);
}

/* ---- connecting ---- */

static void on_deadline(void *ctx)
{
    struct s2s_out *o = ctx;
    s2s_out_event(o, o->cause == S2S_CAUSE_NONE ? S2S_EV_DEADLINE : S2S_EV_FAILED);
}

static void on_again(void *ctx)
{
    s2s_out_event(ctx, S2S_EV_TRY);
}

static void dial(struct s2s_out *o)
{
    o->auth = "";
    o->cause = S2S_CAUSE_NONE;
    o->is_blamed = o->is_early = o->is_resumed = o->is_orderly = o->is_cut = false;
    o->is_ahead = false;
    if (!timer_running(&o->deadline))
        timer_start(&o->deadline, o->s2s->conf.tune.connect_timeout_ms);
    s2s_out_dial(o);
}

static void dial_again(struct s2s_out *o)
{
    if (now_us(o) - o->cut_us >= o->s2s->conf.tune.resume_ms * 1000) {
        finish(o, o->cause ? o->cause : S2S_CAUSE_PEER_RESET, o->last_error);
        return;
    }
    set_state(o, S2S_OUT_DIAL);
    dial(o);
}

/* A peer that does not like us ahead of its answers: once more, step by step. */
static bool is_too_early(const struct s2s_out *o)
{
    return o->is_early && s2s_cause_class(o->cause) != S2S_CLASS_TLS &&
           s2s_cause_class(o->cause) != S2S_CLASS_CERT;
}

static void once_more(struct s2s_out *o)
{
    stream_out_free(&o->stream);
    o->line.out = NULL;
    set_state(o, S2S_OUT_DIAL);
    dial(o);
}

/* Once: the session is used up, and no other is kept. */
static void without_session(struct s2s_out *o)
{
    log_info(&o->log, "s2s.out.tls.not-resumed", "why", o->last_error);
    s2s_tls_avoid(&o->s2s->tls, o->tls_key, now_us(o));
    once_more(o);
}

static void ended_early(struct s2s_out *o)
{
    char text[S2S_TEXT_MAX];
    if (o->state == S2S_OUT_OPEN && o->is_offered && !o->is_secure &&
        s2s_cause_class(o->cause) == S2S_CLASS_TLS) {
        without_session(o);
        return;
    }
    if (o->state == S2S_OUT_OPEN && is_too_early(o)) {
        log_info(&o->log, "s2s.out.not-ahead", "why", o->last_error);
        domain(o)->early = -1;
        once_more(o);
        return;
    }
    snprintf(text, sizeof text, "no stream to %.80s: %.150s", o->remote, o->last_error);
    fail(o, o->cause, text, true);
}

/* ---- ready ---- */

static const char *tls_word(const struct s2s_out *o)
{
    if (!o->is_secure)
        return "no";
    return transport_tls(stream_out_transport(o->stream))->resumed ? "resumed" : "yes";
}

static void be_ready(struct s2s_out *o)
{
    const struct s2s_line *l = &o->line;
    o->s2s->stats.out_ready++;
    o->last_error[0] = '\0';
    o->ready_us = now_us(o);
    o->ready_done = l->done;
    timer_stop(&o->deadline);
    set_state(o, S2S_OUT_READY);
    s2s_tls_keep(&o->s2s->tls, o->tls_key, tls_session_of(stream_out_transport(o->stream)),
                 now_us(o));
    log_info(&o->log, "s2s.out.ready", "auth", o->auth, "tls", tls_word(o), "cert",
             s2s_evidence_proves(&o->evidence) ? "proved" : o->evidence.why, "acks",
             !l->sm          ? "no"
             : o->is_resumed ? "resumed"
                             : "yes",
             "bidi", l->is_bidi ? "yes" : "no");
    list_entry(list_first(&o->ways), struct s2s_way, link)->is_proved = true;
    if (l->is_bidi)
        (void)s2s_line_add_pair(&o->line, str_of(o->local), str_of(o->remote),
                                s2s_evidence_proves(&o->evidence) ? "certificate" : "dns");
    s2s_road_open(o);
    s2s_domain_up(domain(o));
    s2s_line_open(&o->line);
}

static bool offers_acks(const struct s2s_out *o, const struct xml *features)
{
    return !o->s2s->conf.no_acks && features && xml_child(features, NS_SM, "sm");
}

/* It understands what is sent ahead of its features, and takes our name for the session. */
static bool offers_eager(const struct s2s_out *o, const struct xml *features)
{
    return offers_acks(o, features) && xml_child(features, NS_PIPELINING, "pipelining") &&
           xml_child(xml_child(features, NS_SM, "sm"), NS_MERIDIAN_SM, "id");
}

/* The peer lost the session, or does not do that any more: what it did not acknowledge waits again,
 * and all but the pair of the stream is asked for anew. */
static void lose_session(struct s2s_out *o)
{
    log_info(&o->log, "s2s.out.session.lost", "unacknowledged",
             LOG_NUM(s2s_line_waiting(&o->line)));
    list_entry(list_first(&o->ways), struct s2s_way, link)->is_proved = true;
    s2s_line_give_up(&o->line, false, S2S_CAUSE_NONE, NULL);
    list_each (&o->ways, n)
        if (n != o->ways.next)
            s2s_way_free(list_entry(n, struct s2s_way, link));
}

static void no_acks(struct s2s_out *o)
{
    bool is_lost = o->line.state == S2S_LINE_CUT;
    if (is_lost)
        lose_session(o);
    s2s_line_sm_drop(&o->line);
    if (is_lost && offers_acks(o, stream_out_features(o->stream))) {
        s2s_line_sm_new(&o->line);
        sm_start(o->line.sm);
    } else {
        be_ready(o);
    }
}

/* Authenticated: acknowledgements are next, if the peer has them. */
static void authenticated(struct s2s_out *o, const char *auth)
{
    const struct xml *features = stream_out_features(o->stream);
    o->auth = auth;
    s2s_limits_read(&o->line, features);
    if (o->line.state == S2S_LINE_CUT && !offers_acks(o, features))
        lose_session(o);
    if (!offers_acks(o, features)) {
        be_ready(o);
        return;
    }
    if (!o->line.sm)
        s2s_line_sm_new(&o->line);
    set_state(o, S2S_OUT_ACKS);
    sm_start(o->line.sm);
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
    authenticated(o, "external");
}

static void valid(struct s2s_out *o)
{
    authenticated(o, "dialback");
}

static void acks(struct s2s_out *o)
{
    be_ready(o);
}

/* What is known of the peer by its first features is enough to begin. */
static void ahead(struct s2s_out *o)
{
    char id[RAND_ID_LEN + 1];
    const struct xml *features = stream_out_features(o->stream);
    if (o->is_early || (features && xml_child(features, NS_PIPELINING, "pipelining")))
        domain(o)->early = 1;
    if (!offers_eager(o, features))
        return;
    o->auth = "external";
    o->is_ahead = true;
    s2s_limits_read(&o->line, features);
    if (o->line.state == S2S_LINE_CUT) {
        set_state(o, S2S_OUT_ACKS);
        sm_start(o->line.sm);
        return;
    }
    s2s_line_sm_new(&o->line);
    sm_start_eager(o->line.sm, rand_id(id));
    be_ready(o);
}

/* Features, after we went ahead of them. */
static void late_features(struct s2s_out *o)
{
    o->is_ahead = false;
    list_each (&o->ways, n) {
        struct s2s_way *w = list_entry(n, struct s2s_way, link);
        if (!w->is_proved)
            s2s_way_key(w);
    }
    s2s_limits_read(&o->line, stream_out_features(o->stream));
}

static void send_key(struct s2s_out *o)
{
    set_state(o, S2S_OUT_DIALBACK);
    s2s_way_key(list_entry(list_first(&o->ways), struct s2s_way, link));
}

/* It was cut: what is in flight waits for the session to go on. */
static void cut(struct s2s_out *o)
{
    log_info(&o->log, "s2s.out.cut", "why", o->last_error, "unacknowledged",
             LOG_NUM(sm_pending(o->line.sm)));
    disconnect(o);
    s2s_line_cut(&o->line);
    drop_ways(o, true);
    o->cut_us = now_us(o);
    set_state(o, S2S_OUT_CUT);
    timer_start(&o->again, 0);
}

/* The peer ended it in order, and it was of use. */
static bool is_harmless(const struct s2s_out *o)
{
    return o->is_orderly && (o->line.done != o->ready_done || !s2s_line_waiting(&o->line));
}

static void ended(struct s2s_out *o)
{
    char text[S2S_TEXT_MAX];
    str_put(text, sizeof text, o->last_error);
    if (o->is_cut && s2s_line_may_resume(&o->line)) {
        cut(o);
        return;
    }
    log_info(&o->log, "s2s.out.closed", "why", text);
    bool is_empty = list_empty(&o->line.carrier.boxes);
    enum s2s_cause c = is_harmless(o) ? S2S_CAUSE_NONE : o->cause;
    struct s2s_domain *d = domain(o);
    finish(o, c, text);
    if (is_empty && c != S2S_CAUSE_NONE && !d->s2s->is_stopping)
        s2s_domain_failed(d, NULL, c, text);
}

static void over(struct s2s_out *o)
{
    log_info(&o->log, "s2s.out.closed", "why", o->last_error);
    finish(o, S2S_CAUSE_NONE, NULL);
}

static void close_now(struct s2s_out *o)
{
    if (o->line.sm)
        sm_flush(o->line.sm);
    o->line.is_closing = true;
    timer_stop(&o->again);
    set_state(o, S2S_OUT_CLOSING);
    stream_out_close(o->stream, STREAM_OK, NULL);
}

/* What is on its way may be acknowledged yet. */
static void stop_ready(struct s2s_out *o)
{
    if (!o->line.sm || !sm_pending(o->line.sm)) {
        close_now(o);
    } else if (!timer_running(&o->again)) {
        sm_ask(o->line.sm);
        timer_start(&o->again, STOP_ACK_MS);
    }
}

static void stop_early(struct s2s_out *o)
{
    finish(o, S2S_CAUSE_NONE, NULL);
}

#define NO_STREAM(cell)                                                                            \
    [S2S_EV_AHEAD] = (cell), [S2S_EV_PROVED] = (cell), [S2S_EV_PLAIN] = (cell),                    \
    [S2S_EV_VALID] = (cell), [S2S_EV_REFUSED] = (cell), [S2S_EV_ACKS] = (cell),                    \
    [S2S_EV_NO_ACKS] = (cell)
#define NOT_CONNECTING(cell) [S2S_EV_CONNECTED] = (cell), [S2S_EV_FAILED] = (cell)
#define NOT_READY(cell) [S2S_EV_IDLE] = (cell), [S2S_EV_DEAD] = (cell)

static out_cell *const cells[S2S_OUT_STATES][S2S_EV_COUNT] = {
    [S2S_OUT_DIAL] =
        {NO_STREAM(never), NOT_READY(never), [S2S_EV_CONNECTED] = connected,
         [S2S_EV_FAILED] = fail_noted, [S2S_EV_END] = never, [S2S_EV_DEADLINE] = fail_deadline,
         [S2S_EV_TRY] = nothing, [S2S_EV_STOP] = stop_early},
    [S2S_OUT_OPEN] =
        {NOT_CONNECTING(never), NOT_READY(never), [S2S_EV_AHEAD] = ahead, [S2S_EV_PROVED] = proved,
         [S2S_EV_PLAIN] = send_key, [S2S_EV_VALID] = never, [S2S_EV_REFUSED] = never,
         [S2S_EV_ACKS] = never, [S2S_EV_NO_ACKS] = never, [S2S_EV_END] = ended_early,
         [S2S_EV_DEADLINE] = fail_deadline, [S2S_EV_TRY] = nothing, [S2S_EV_STOP] = stop_early},
    [S2S_OUT_DIALBACK] =
        {NOT_CONNECTING(never), NOT_READY(never), [S2S_EV_AHEAD] = never, [S2S_EV_PROVED] = never,
         [S2S_EV_PLAIN] = never, [S2S_EV_VALID] = valid, [S2S_EV_REFUSED] = fail_noted,
         [S2S_EV_ACKS] = never, [S2S_EV_NO_ACKS] = never, [S2S_EV_END] = ended_early,
         [S2S_EV_DEADLINE] = fail_deadline, [S2S_EV_TRY] = nothing, [S2S_EV_STOP] = stop_early},
    [S2S_OUT_ACKS] =
        {
            NOT_CONNECTING(never),
            NOT_READY(never), [S2S_EV_AHEAD] = never, [S2S_EV_PROVED] = late_features,
            [S2S_EV_PLAIN] = never, [S2S_EV_VALID] = never, [S2S_EV_REFUSED] = never,
            [S2S_EV_ACKS] = acks, [S2S_EV_NO_ACKS] = no_acks, [S2S_EV_END] = ended_early,
            [S2S_EV_DEADLINE] = fail_deadline, [S2S_EV_TRY] = nothing, [S2S_EV_STOP] = stop_early},
    [S2S_OUT_READY] =
        {NOT_CONNECTING(never), [S2S_EV_AHEAD] = never, [S2S_EV_PROVED] = late_features,
         [S2S_EV_PLAIN] = never, [S2S_EV_VALID] = never, [S2S_EV_REFUSED] = never,
         [S2S_EV_ACKS] = nothing, [S2S_EV_NO_ACKS] = nothing, [S2S_EV_END] = ended,
         [S2S_EV_DEADLINE] = never, [S2S_EV_TRY] = close_now, [S2S_EV_IDLE] = close_now,
         [S2S_EV_DEAD] = ended, [S2S_EV_STOP] = stop_ready},
    [S2S_OUT_CUT] = {NO_STREAM(never), NOT_CONNECTING(never),
                     NOT_READY(never), [S2S_EV_END] = never, [S2S_EV_DEADLINE] = never,
                     [S2S_EV_TRY] = dial_again, [S2S_EV_STOP] = stop_early},
    [S2S_OUT_CLOSING] = {NO_STREAM(nothing), NOT_CONNECTING(never),
                         NOT_READY(nothing), [S2S_EV_END] = over, [S2S_EV_DEADLINE] = never,
                         [S2S_EV_TRY] = nothing, [S2S_EV_STOP] = nothing},
};

void s2s_out_event(struct s2s_out *o, enum s2s_out_event ev)
{
    s2s_line_look(&o->line);
    cells[o->state][ev](o);
}

struct s2s_out *s2s_out_new(struct s2s *s, struct str local, struct str remote)
{
    struct s2s_out *o = mem_alloc(sizeof *o);
    o->s2s = s;
    o->local = str_dup(local);
    o->remote = str_dup(remote);
    o->state = S2S_OUT_DIAL;
    o->since_us = now_us(o);
    o->log = (struct log_scope){
        .key1 = "local", .value1 = o->local, .key2 = "remote", .value2 = o->remote};
    op_owner_init(&o->ops);
    list_init(&o->ways);
    s2s_line_init(&o->line, s, &s2s_out_line_ops, o, &o->log);
    timer_init(&o->deadline, s->loop, on_deadline, o);
    timer_init(&o->again, s->loop, on_again, o);
    list_push(&s->outs, &o->link);
    (void)s2s_way_new(o, local, remote);
    dial(o);
    return o;
}
