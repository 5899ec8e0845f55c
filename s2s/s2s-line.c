/* DOC: the sending half of a stream: outboxes in turn, and their end.
 * Design: deficit round-robin over the outboxes, one quantum each, until output is past its high
 * mark; as long as it is not, nothing waits, so a single stanza is written at once. With
 * acknowledgements a stanza is done when the peer says so; without, when its bytes have left user
 * space: the stream's queue shrank below the position of its end (or, where the peer answers pings,
 * when it answered one sent later). The queue of TLS counts sealed
 * bytes, so a stanza may be thought to be here a little longer than it is: after a broken stream it
 * may go out twice, never not at all. Invariant: boxes of the carrier have their flying items in
 * the session, in the order of the session. Standards: XEP-0198, XEP-0478 section 4. */
#include "s2s/s2s-int.h"

enum {
    TEXT_KEEP_MAX = 64 << 10,
    PING_SOON_MS = 20,
    PONG_LOOK_MS = 200,
    PONG_FIRST_MS = 2000, /* for the first answer on a stream, when others wait behind it */
};

/* ---- the connection, whichever it is ---- */

bool s2s_line_text(struct s2s_line *l, struct str text)
{
    if (l->out)
        return stream_out_send_text(l->out, text);
    return !l->in || stream_in_send_text(l->in, text);
}

bool s2s_line_el(struct s2s_line *l, const struct xml *el)
{
    if (l->out)
        return stream_out_send(l->out, el);
    return !l->in || stream_in_send(l->in, el);
}

static size_t queued(const struct s2s_line *l)
{
    return l->out ? stream_out_queued(l->out) : l->in ? stream_in_queued(l->in) : 0;
}

static bool is_shut(const struct s2s_line *l)
{
    return l->out ? stream_out_is_closing(l->out) : !l->in || stream_in_is_closing(l->in);
}

struct str s2s_line_stream_id(const struct s2s_line *l)
{
    return l->out ? stream_out_header(l->out)->id : str_of(stream_in_id(l->in));
}

struct transport *s2s_line_transport(const struct s2s_line *l)
{
    return l->out ? stream_out_transport(l->out) : l->in ? stream_in_transport(l->in) : NULL;
}

/* ---- writing ---- */

static void too_large(struct s2s_line *l, struct s2s_item *it, size_t size)
{
    char text[S2S_TEXT_MAX];
    snprintf(text, sizeof text, "the stanza has %zu bytes, %.100s accepts %zu", size,
             it->box->remote, l->max_bytes);
    s2s_item_fail(it, S2S_CAUSE_LIMIT_SIZE, text);
}

/* Without acks: the peer's answers to pings say what it has. */
static bool trusts_pings(const struct s2s_line *l)
{
    return !l->sm && l->trusts_pings;
}

static void write_unacked(struct s2s_line *l, struct s2s_item *it, struct str text)
{
    size_t before = queued(l);
    l->is_blocked = !s2s_line_text(l, text);
    size_t grown = queued(l) - before;
    l->written +=
        grown ? grown : 1; /* what a broken connection swallows is behind every ping, too */
    it->end = l->written;
    l->leave_ms = 1;
    if (!timer_running(&l->leave))
        timer_start(&l->leave, trusts_pings(l) ? PING_SOON_MS : 0);
}

static void write_item(struct s2s_line *l, struct s2s_item *it)
{
    struct buf *text = &l->s2s->text;
    buf_clear(text);
    stanza_write(text, it->sm.st, NS_SERVER);
    if (l->max_bytes && text->n > l->max_bytes) {
        too_large(l, it, text->n);
        return;
    }
    if (!s2s_is_pong(it->sm.st)) { /* or two sides would keep each other awake */
        l->active_us = loop_now_us(l->s2s->loop);
        l->sent++;
    }
    s2s_item_fly(it);
    if (l->sm) {
        it->end = SIZE_MAX; /* the peer says when */
        l->fresh = it;
        l->is_blocked = !sm_send_entry(l->sm, &it->sm);
        l->fresh = NULL;
    } else {
        write_unacked(l, it, buf_view(text));
    }
    if (text->cap > TEXT_KEEP_MAX)
        buf_release(text);
}

static bool may_write(const struct s2s_line *l)
{
    return l->state == S2S_LINE_OPEN && !l->is_blocked && !l->is_closing && !l->settle_us &&
           !is_shut(l);
}

static void serve(struct s2s_line *l, struct s2s_outbox *b)
{
    struct s2s_item *it;
    b->deficit += S2S_QUANTUM;
    while (may_write(l) && (it = s2s_outbox_peek(b)) && it->bytes <= b->deficit) {
        b->deficit -= it->bytes;
        write_item(l, it);
    }
    if (!s2s_outbox_has_waiting(b))
        b->deficit = 0;
}

/* One turn of all; true: something still waits. */
static bool serve_all(struct s2s_line *l)
{
    bool is_more = false;
    size_t n = 0;
    list_each (&l->carrier.boxes, node)
        n++;
    for (; n && may_write(l); n--) {
        struct list *first = list_shift(&l->carrier.boxes);
        struct s2s_outbox *b = list_entry(first, struct s2s_outbox, of_carrier);
        list_push(&l->carrier.boxes, first);
        serve(l, b);
        is_more = is_more || s2s_outbox_has_waiting(b);
    }
    return is_more;
}

void s2s_line_pump(struct s2s_line *l)
{
    while (may_write(l) && serve_all(l))
        ;
}

static void on_wake(struct s2s_carrier *c, struct s2s_outbox *b)
{
    struct s2s_line *l = container_of(c, struct s2s_line, carrier);
    if (l->state == S2S_LINE_CUT)
        l->ops->wanted(l->ctx);
    while (may_write(l) && s2s_outbox_has_waiting(b))
        serve(l, b);
}

static const struct s2s_carrier_ops carrier_ops = {.wake = on_wake};

/* ---- leaving user space, without acks ---- */

bool s2s_line_has_flying(const struct s2s_line *l)
{
    for (const struct list *n = l->carrier.boxes.next; n != &l->carrier.boxes; n = n->next)
        if (!list_empty(&container_of(n, struct s2s_outbox, of_carrier)->flying))
            return true;
    return false;
}

static bool look_at(struct s2s_line *l, struct s2s_outbox *b, size_t left)
{
    bool any = false;
    for (struct list *n = list_first(&b->flying); n; n = list_first(&b->flying)) {
        struct s2s_item *it = list_entry(n, struct s2s_item, link);
        if (it->end > left)
            break;
        s2s_item_done(it);
        l->done++;
        any = true;
    }
    return any;
}

/* A stream without transport is over: its queue says nothing any more. */
void s2s_line_look(struct s2s_line *l)
{
    bool any = false;
    if (!l->written || !s2s_line_transport(l))
        return;
    size_t in_queue = queued(l);
    size_t left = in_queue < l->written ? l->written - in_queue : in_queue ? 0 : l->written;
    left = trusts_pings(l) ? l->ponged : left;
    list_each (&l->carrier.boxes, n)
        any = look_at(l, list_entry(n, struct s2s_outbox, of_carrier), left) || any;
    if (!any)
        return;
    l->leave_progress_us = loop_now_us(l->s2s->loop);
    l->leave_ms = 1;
}

static bool holds_up(const struct s2s_line *l)
{
    for (const struct list *n = l->carrier.boxes.next; n != &l->carrier.boxes; n = n->next)
        if (s2s_outbox_is_full(container_of(n, struct s2s_outbox, of_carrier)))
            return true;
    return false;
}

/* One that answered over other streams may have lost its way to us: then nobody waits for it behind
 * a full outbox, and what has left counts as done. */
static void wait_pong(struct s2s_line *l, uint64_t now)
{
    bool is_late = !l->ponged && l->ping_us && now - l->ping_us >= PONG_FIRST_MS * 1000;
    if (!s2s_line_has_flying(l))
        return;
    if (!is_late || !holds_up(l)) {
        timer_start(&l->leave, PONG_LOOK_MS);
        return;
    }
    s2s_line_pinged(l)->pings = S2S_PINGS_NEVER;
    l->trusts_pings = false;
    l->ping_us = 0;
    timer_start(&l->leave, 0);
}

/* When nothing leaves for long, the connection is dead. */
static void on_leave(void *ctx)
{
    struct s2s_line *l = ctx;
    uint64_t now = loop_now_us(l->s2s->loop);
    s2s_line_look(l);
    if (l->state == S2S_LINE_OPEN && !l->sm &&
        (trusts_pings(l) ? s2s_line_has_flying(l) : !l->pinged))
        s2s_line_ping(l); /* also once, to learn whether it answers */
    if (trusts_pings(l)) {
        wait_pong(l, now);
        return;
    }
    if (l->state != S2S_LINE_OPEN || !s2s_line_has_flying(l)) {
        l->leave_progress_us = 0;
        return;
    }
    if (!l->leave_progress_us)
        l->leave_progress_us = now;
    if (now - l->leave_progress_us >= l->s2s->conf.tune.connect_timeout_ms * 1000) {
        l->ops->dead(l->ctx, S2S_CAUSE_PEER_STALLED, NULL);
        return;
    }
    timer_start(&l->leave, l->leave_ms);
    if (l->leave_ms < S2S_LEAVE_MAX_MS)
        l->leave_ms *= 2;
}

/* ---- life ---- */

static void on_adopt(void *ctx)
{
    struct s2s_line *l = ctx;
    l->ops->adopt(l->ctx);
}

void s2s_line_init(struct s2s_line *l, struct s2s *s, const struct s2s_line_ops *ops, void *ctx,
                   const struct log_scope *log)
{
    l->s2s = s;
    l->ops = ops;
    l->ctx = ctx;
    l->log = log;
    l->heard_us = l->active_us = loop_now_us(s->loop);
    s2s_carrier_init(&l->carrier, &carrier_ops);
    list_init(&l->verifies);
    list_init(&l->questions);
    defer_init(&l->adopt, on_adopt, l);
    timer_init(&l->leave, s->loop, on_leave, l);
    s2s_line_time_init(l);
}

void s2s_line_connect(struct s2s_line *l, struct stream_in *in, struct stream_out *out)
{
    l->in = in;
    l->out = out;
    l->is_blocked = l->is_closing = l->is_paused = false;
    l->written = l->max_bytes = 0;
    l->settle_us = 0;
    l->is_unheard = false;
    l->ping_us = 0;
    l->pinged = l->ping_at = l->ponged = 0;
    l->trusts_pings = false;
    l->peer_idle_ms = 0;
    l->leave_progress_us = 0;
    l->heard_us = loop_now_us(l->s2s->loop);
    if (l->state != S2S_LINE_CUT)
        l->state = S2S_LINE_SHUT;
}

static void stop_asking(struct s2s_line *l)
{
    list_each (&l->verifies, n)
        s2s_verify_free(list_entry(n, struct s2s_verify, link));
    l->n_verifies = 0;
    s2s_verify_lost(&l->questions);
}

void s2s_line_cut(struct s2s_line *l)
{
    stop_asking(l);
    l->in = NULL;
    l->out = NULL;
    l->state = S2S_LINE_CUT;
    timer_stop(&l->leave);
    timer_stop(&l->quiet);
    defer_cancel(&l->adopt);
    sm_detach(l->sm);
}

void s2s_line_open(struct s2s_line *l)
{
    l->state = S2S_LINE_OPEN;
    l->active_us = l->heard_us = loop_now_us(l->s2s->loop);
    timer_start(&l->quiet, 0);
    loop_defer(l->s2s->loop, &l->adopt);
    s2s_line_pump(l);
}

void s2s_line_resumed(struct s2s_line *l)
{
    l->state = S2S_LINE_SHUT;
    l->active_us = l->heard_us = loop_now_us(l->s2s->loop);
    timer_start(&l->quiet, 0);
}

void s2s_line_carry(struct s2s_line *l, struct s2s_outbox *b)
{
    s2s_outbox_attach(b, &l->carrier);
    l->trusts_pings = l->trusts_pings || b->domain->pings == S2S_PINGS_ANSWERED;
    s2s_domain_up(b->domain);
    on_wake(&l->carrier, b);
}

size_t s2s_line_waiting(const struct s2s_line *l)
{
    size_t n = 0;
    for (const struct list *m = l->carrier.boxes.next; m != &l->carrier.boxes; m = m->next)
        n += container_of(m, struct s2s_outbox, of_carrier)->n;
    return n;
}

/* Each domain once. */
static void tell_domains(struct s2s *s, char **remotes, size_t n, enum s2s_cause c,
                         const char *text)
{
    for (size_t i = 0; i < n; i++) {
        bool is_told = false;
        for (size_t j = 0; j < i && !is_told; j++)
            is_told = strcmp(remotes[j], remotes[i]) == 0;
        if (is_told || s->is_stopping)
            continue;
        struct s2s_domain *d = s2s_domain_get(s, str_of(remotes[i]));
        if (c == S2S_CAUSE_NONE)
            s2s_domain_retry(d);
        else
            s2s_domain_failed(d, NULL, c, text);
    }
}

void s2s_line_give_up(struct s2s_line *l, bool is_blamed, enum s2s_cause c, const char *text)
{
    VEC(char *) remotes = {0};
    s2s_line_sm_drop(l);
    l->state = S2S_LINE_SHUT;
    for (struct list *n = list_first(&l->carrier.boxes); n; n = list_first(&l->carrier.boxes)) {
        struct s2s_outbox *b = list_entry(n, struct s2s_outbox, of_carrier);
        vec_push(&remotes, mem_strdup(b->remote));
        s2s_outbox_detach(b, is_blamed);
        s2s_outbox_check_idle(b);
    }
    tell_domains(l->s2s, remotes.p, remotes.n, c, text);
    for (size_t i = 0; i < remotes.n; i++)
        mem_free(remotes.p[i]);
    vec_fini(&remotes);
}

void s2s_line_fini(struct s2s_line *l)
{
    must(list_empty(&l->carrier.boxes));
    stop_asking(l);
    for (size_t i = 0; i < l->pairs.n; i++) {
        mem_free(l->pairs.p[i].local);
        mem_free(l->pairs.p[i].remote);
        mem_free(l->pairs.p[i].key);
    }
    vec_fini(&l->pairs);
    s2s_line_sm_drop(l);
    s2s_line_drop_id(l);
    timer_stop(&l->leave);
    timer_stop(&l->quiet);
    defer_cancel(&l->adopt);
}
