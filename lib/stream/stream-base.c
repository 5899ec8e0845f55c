/* DOC: the plumbing under both engines: transport events to parser to state table, stops,
 * deadlines, restarts, the end. Invariants: the user's end callback comes exactly once and from the
 * loop; nothing is delivered after it; an element is delivered only while no stop is set; what a
 * call of the user sets off happens in the deferred kick (law 4); memory goes when the last of our
 * frames has left, so the user may free the stream in any callback. */
#include "lib/stream/stream-int.h"

static void on_ready(void *ctx);
static void on_data(void *ctx, struct str bytes);
static void on_drain(void *ctx);
static void on_end(void *ctx, enum err why);
static const struct transport_events transport_up = {on_ready, on_data, on_drain, on_end};

static bool is_ended(const struct stream_base *b)
{
    return b->state == b->machine->ended;
}

bool stream_is_shut(const struct stream_base *b)
{
    return b->is_freed || is_ended(b) || b->state == b->machine->closing;
}

void stream_set_state(struct stream_base *b, unsigned state)
{
    must(state < b->machine->states);
    must(b->machine->next[b->state] & 1U << state);
    if ((state == b->machine->closing || state == b->machine->ended) &&
        b->state != b->machine->closing)
        stream_end_of(b)->step = b->machine->steps[b->state];
    log_debug(&b->log, "stream.state", "engine", b->machine->name, "from",
              b->machine->names[b->state], "to", b->machine->names[state]);
    b->state = state;
}

void stream_dispatch(struct stream_base *b, enum stream_event ev, struct stream_input *in)
{
    struct stream_input none = {0};
    stream_enter(b);
    b->machine->cells[b->state][ev](b, in ? in : &none);
    stream_leave(b);
}

/* ---- parser ---- */

static enum stream_cond on_open(void *ctx, const struct xml *root, const char *content_ns)
{
    struct stream_base *b = ctx;
    if (b->is_freed || is_ended(b))
        return STREAM_OK;
    const char *why;
    struct stream_input in = {.root = root};
    in.cond = stream_header_read(b, root, content_ns, &why);
    in.text = why;
    stream_dispatch(b, SEV_HEADER, &in);
    return STREAM_OK;
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct stream_base *b = ctx;
    struct stream_input in = {.doc = &doc, .el = doc->root};
    if (!b->is_freed && !is_ended(b)) {
        stream_dispatch(b, stream_classify(doc->root), &in);
        stream_shape_charge(b, 0, 1);
    }
    if (doc)
        xml_doc_free(&doc);
}

static void on_close(void *ctx)
{
    struct stream_base *b = ctx;
    if (!b->is_freed && !is_ended(b))
        stream_dispatch(b, SEV_PEER_CLOSE, NULL);
}

static const struct xml_parser_events parser_up = {on_open, on_element, on_close};

static void halt_parser(struct stream_base *b)
{
    if (!b->is_feeding || b->is_parser_paused)
        return;
    b->is_parser_paused = true;
    xml_parser_pause(b->parser);
}

/* See to it that the parser is parked when nothing more comes. */
static void awake(struct stream_base *b)
{
    if (xml_parser_is_parked(b->parser))
        return;
    b->is_busy = true;
    if (!timer_running(&b->idle))
        timer_start(&b->idle, STREAM_IDLE_MS);
}

/* The parser's frame has left: act on what it found and on what could not be done beneath it. */
static void fed(struct stream_base *b, enum stream_cond c, const char *why)
{
    b->is_feeding = false;
    if (b->is_freed || is_ended(b))
        return;
    awake(b);
    if (c != STREAM_OK) {
        struct stream_input in = {.cond = c, .text = why};
        b->is_deaf = true;
        stream_dispatch(b, SEV_FAULT, &in);
        return;
    }
    if (b->is_wrap_due) {
        b->is_wrap_due = false;
        buf_clear(&b->held);
        b->machine->wrap(b);
        transport_set_events(b->t, &transport_up, b);
    }
}

static void feed(struct stream_base *b, struct str bytes)
{
    const char *why = NULL;
    b->is_feeding = true;
    enum stream_cond c = xml_parser_feed(b->parser, bytes, &why);
    fed(b, c, why);
}

static bool may_feed(const struct stream_base *b)
{
    return !b->stops && !b->is_deaf && !b->is_freed && !is_ended(b);
}

static void feed_held(struct stream_base *b)
{
    struct buf held = b->held;
    buf_init(&b->held, STREAM_HELD_MAX);
    feed(b, buf_view(&held));
    buf_fini(&held);
}

static void resume(struct stream_base *b)
{
    while (may_feed(b) && (b->is_parser_paused || b->held.n)) {
        if (!b->is_parser_paused) {
            feed_held(b);
            continue;
        }
        const char *why = NULL;
        b->is_parser_paused = false;
        b->is_feeding = true;
        enum stream_cond c = xml_parser_resume(b->parser, &why);
        fed(b, c, why);
    }
    if (!b->stops && !b->is_freed && !is_ended(b))
        transport_pause(b->t, false);
}

void stream_stop(struct stream_base *b, unsigned why)
{
    b->stops |= why;
    halt_parser(b);
    if (b->t)
        transport_pause(b->t, true);
}

void stream_go(struct stream_base *b, unsigned why)
{
    b->stops &= ~why;
    if (!b->stops)
        loop_defer(b->loop, &b->kick);
}

void stream_restart(struct stream_base *b, bool drop_rest)
{
    if (drop_rest) {
        buf_clear(&b->held);
        b->is_parser_paused = false;
    }
    xml_parser_reset(b->parser, drop_rest);
    b->is_header_sent = false;
}

void stream_authenticated(struct stream_base *b)
{
    b->is_authenticated = true;
    xml_parser_set_limits(b->parser, &b->limits->after_auth);
}

/* ---- transport ---- */

static void on_ready(void *ctx)
{
    struct stream_base *b = ctx;
    if (!b->is_freed && !is_ended(b))
        stream_dispatch(b, SEV_SECURED, NULL);
}

static bool hold(struct stream_base *b, struct str bytes)
{
    if (!b->stops && !b->is_parser_paused && !b->held.n)
        return false;
    buf_str(&b->held, bytes);
    if (!buf_ok(&b->held)) {
        struct stream_input in = {.cond = STREAM_RESOURCE_CONSTRAINT, .text = "too much unread"};
        b->is_deaf = true;
        stream_dispatch(b, SEV_FAULT, &in);
    }
    return true;
}

static bool within_budget(struct stream_base *b, size_t n)
{
    if (b->is_authenticated)
        return true;
    b->unauthenticated_bytes += n;
    if (b->unauthenticated_bytes <= b->limits->auth_bytes)
        return true;
    struct stream_input in = {.cond = STREAM_POLICY_VIOLATION,
                              .text = "too many bytes before authentication"};
    b->is_deaf = true;
    stream_dispatch(b, SEV_FAULT, &in);
    return false;
}

static void on_data(void *ctx, struct str bytes)
{
    struct stream_base *b = ctx;
    stream_enter(b);
    if (!b->is_freed && !is_ended(b) && !b->is_deaf && within_budget(b, bytes.n)) {
        if (!hold(b, bytes))
            feed(b, bytes);
        stream_shape_charge(b, bytes.n, 0);
    }
    stream_leave(b);
}

static void on_drain(void *ctx)
{
    struct stream_base *b = ctx;
    stream_enter(b);
    if (!stream_is_shut(b))
        b->machine->drained(b);
    stream_leave(b);
}

static void on_end(void *ctx, enum err why)
{
    struct stream_base *b = ctx;
    struct stream_input in = {.err = why};
    if (!b->is_freed && !is_ended(b))
        stream_dispatch(b, SEV_LOST, &in);
}

/* ---- time ---- */

static void on_deadline(void *ctx)
{
    struct stream_base *b = ctx;
    if (!b->is_freed && !is_ended(b))
        stream_dispatch(b, SEV_DEADLINE, NULL);
}

static void on_idle(void *ctx)
{
    struct stream_base *b = ctx;
    if (b->is_busy) {
        b->is_busy = false;
        timer_start(&b->idle, STREAM_IDLE_MS);
    } else if (!b->is_parser_paused && !is_ended(b)) {
        xml_parser_park(b->parser);
        buf_release(&b->out);
    }
}

static void on_kick(void *ctx)
{
    struct stream_base *b = ctx;
    stream_enter(b);
    if (!is_ended(b)) {
        stream_dispatch(b, SEV_ANSWER, NULL);
        resume(b);
    }
    if (is_ended(b) && !b->is_freed && !b->is_over) {
        b->is_over = true;
        b->machine->over(b, stream_end_of(b));
    }
    stream_leave(b);
}

/* ---- the end ---- */

struct stream_end *stream_end_of(struct stream_base *b)
{
    if (!b->end)
        b->end = mem_alloc(sizeof *b->end);
    return b->end;
}

void stream_set_reason(struct stream_base *b, enum err e, const char *text)
{
    struct stream_end *end = stream_end_of(b);
    if (b->has_reason)
        return;
    b->has_reason = e != ERR_OK;
    end->err = e;
    if (text && !end->text[0])
        str_put(end->text, sizeof end->text, text);
}

void stream_finish(struct stream_base *b, enum err e, const char *text)
{
    if (is_ended(b))
        return;
    stream_set_reason(b, e, text ? text : err_text(e));
    stream_set_state(b, b->machine->ended);
    halt_parser(b);
    timer_stop(&b->deadline);
    timer_stop(&b->idle);
    stream_shape_end(b);
    transport_close(&b->t);
    loop_defer(b->loop, &b->kick);
}

void stream_shut_down(struct stream_base *b, enum stream_cond c, enum err reason, const char *text)
{
    stream_shut_down_app(b, c, reason, text, NULL);
}

void stream_shut_down_app(struct stream_base *b, enum stream_cond c, enum err reason,
                          const char *text, const char *app_or_null)
{
    if (stream_is_shut(b))
        return;
    if (reason != ERR_OK)
        stream_set_reason(b, reason, text);
    stream_end_of(b)->sent = c;
    b->is_draining = c == STREAM_OK && b->is_authenticated;
    if (!b->is_header_sent)
        b->machine->write_header(b);
    if (c != STREAM_OK) {
        stream_error_write(&b->out, c, text, app_or_null);
        struct stream_end *end = stream_end_of(b);
        if (!end->text[0])
            snprintf(end->text, STREAM_END_TEXT, "we sent %s%s%s", stream_cond_name(c),
                     text ? ": " : "", text ? text : "");
        log_debug(&b->log, "stream.error.sent", "condition", stream_cond_name(c), "text", text);
    }
    buf_cstr(&b->out, "</stream:stream>");
    stream_flush_out(b);
    stream_set_state(b, b->machine->closing);
    timer_start(&b->deadline, b->limits->close_timeout_ms);
    if (!b->is_draining)
        stream_go(b, STREAM_STOP_USER | STREAM_STOP_SASL | STREAM_STOP_RATE | STREAM_STOP_HOLD);
    if (b->is_deaf)
        transport_shut(b->t);
}

/* ---- life ---- */

void stream_enter(struct stream_base *b)
{
    b->depth++;
}

void stream_leave(struct stream_base *b)
{
    must(b->depth > 0);
    if (--b->depth || !b->is_freed)
        return;
    timer_stop(&b->deadline);
    timer_stop(&b->idle);
    stream_shape_end(b);
    defer_cancel(&b->kick);
    if (b->t)
        transport_close(&b->t);
    xml_parser_free(&b->parser);
    buf_fini(&b->held);
    buf_fini(&b->out);
    mem_free(b->header_text);
    mem_free(b->end);
    b->machine->fini(b);
}

void stream_base_free(struct stream_base *b)
{
    stream_enter(b);
    b->is_freed = true;
    halt_parser(b);
    stream_leave(b);
}

static void join_loop(struct stream_base *b, struct transport *t)
{
    b->t = t;
    b->loop = t->loop;
    timer_init(&b->deadline, b->loop, on_deadline, b);
    timer_init(&b->idle, b->loop, on_idle, b);
    defer_init(&b->kick, on_kick, b);
    transport_set_events(t, &transport_up, b);
}

void stream_base_init(struct stream_base *b, const struct stream_machine *m, struct transport **t,
                      const char *content_ns, const struct stream_limits *limits)
{
    b->machine = m;
    b->content_ns = content_ns;
    b->limits = limits ? limits : &stream_limits_default;
    b->log = (struct log_scope){.key1 = "stream", .value1 = b->id};
    b->parser = xml_parser_new(&b->limits->before_auth, &parser_up, b);
    buf_init(&b->held, STREAM_HELD_MAX);
    buf_init(&b->out, SIZE_MAX);
    struct transport *taken = *t;
    *t = NULL;
    join_loop(b, taken);
    timer_start(&b->deadline, b->limits->auth_timeout_ms);
}

struct parcel *stream_base_detach(struct stream_base *b)
{
    must(b->depth == 0);
    timer_stop(&b->deadline);
    timer_stop(&b->idle);
    stream_shape_end(b);
    defer_cancel(&b->kick);
    return transport_detach(&b->t);
}

void stream_base_attach(struct stream_base *b, struct transport *t)
{
    join_loop(b, t);
    b->stops = 0;
    b->is_busy = true;
    timer_start(&b->idle, STREAM_IDLE_MS);
    loop_defer(b->loop, &b->kick);
}
