/* DOC: stream management wired to a stream. Numbers and queues are lib/xmpp/sm-queue; here is when
 * to write what, once it is on; how it comes on, again or anew, is f-sm-negotiate.c. Invariants: a
 * stanza leaves the queue only by the peer's h; h given to the peer counts only stanzas with
 * custody; after a resumption the peer repeats all after that h, of which we skip those that had
 * already arrived (repeats), so each stanza goes up once. Acks and requests are coalesced by a
 * deferred flush at the end of the turn. Standards: XEP-0198 1.6 (section 4). */
#include "lib/stream/f-sm-int.h"

enum { R_EVERY = 16 };

static void on_flush(void *ctx)
{
    sm_flush(ctx);
}

static void on_idle(void *ctx)
{
    struct sm_session *s = ctx;
    s->is_ask_due = true;
    sm_flush(s);
}

static void on_silent(void *ctx)
{
    struct sm_session *s = ctx;
    s->ev->silent(s->ctx);
}

struct sm_session *sm_session_new(struct loop *l, const struct sm_events *ev, void *ctx,
                                  const char *content_ns)
{
    struct sm_session *s = mem_alloc(sizeof *s);
    s->loop = l;
    s->ev = ev;
    s->ctx = ctx;
    s->content_ns = content_ns;
    sm_out_init(&s->out);
    sm_in_init(&s->in);
    defer_init(&s->flush, on_flush, s);
    timer_init(&s->idle, l, on_idle, s);
    timer_init(&s->silent, l, on_silent, s);
    buf_init(&s->text, SIZE_MAX);
    return s;
}

void sm_set_policy(struct sm_session *s, const struct sm_policy *p)
{
    s->policy = *p;
}

/* Out of its list; an entry of ours is freed. */
static struct stanza *entry_take(struct list *node)
{
    struct sm_entry *e = sm_entry_of(node);
    struct stanza *st = e->st;
    list_del(node);
    mem_free(e);
    return st;
}

static void drop_list(struct list *items)
{
    for (struct list *n = list_first(items); n; n = list_first(items)) {
        struct stanza *st = entry_take(n);
        stanza_unref(&st);
    }
}

static void release(struct sm_session *s)
{
    if (!s->ev->acked_entry)
        drop_list(&s->out.items);
    sm_in_fini(&s->in);
    buf_fini(&s->text);
    mem_free(s->id);
    mem_free(s);
}

void sm_session_free(struct sm_session **ps)
{
    struct sm_session *s = *ps;
    *ps = NULL;
    if (!s)
        return;
    defer_cancel(&s->flush);
    timer_stop(&s->idle);
    timer_stop(&s->silent);
    s->is_freed = true;
    if (!s->depth)
        release(s);
}

void sm_leave(struct sm_session *s)
{
    if (!--s->depth && s->is_freed)
        release(s);
}

/* ---- writing ---- */

bool sm_write_text(struct sm_session *s)
{
    bool ok = s->ev->send_text(s->ctx, buf_view(&s->text));
    buf_clear(&s->text);
    return ok;
}

static void add_r(struct sm_session *s)
{
    buf_printf(&s->text, "<r xmlns='%s'/>", NS_SM);
    s->unrequested = 0;
    s->is_ask_due = false;
    timer_stop(&s->idle);
    if (s->policy.silent_ms && !timer_running(&s->silent))
        timer_start(&s->silent, s->policy.silent_ms);
}

static void add_a(struct sm_session *s)
{
    s->acked_h = s->in.h;
    s->has_peer_asked = false;
    s->patience = 0;
    buf_printf(&s->text, "<a xmlns='%s' h='%" PRIu32 "'/>", NS_SM, s->in.h);
}

/* Of what had arrived when the peer asked, something has got custody since the last answer. */
static bool is_late_answer_due(const struct sm_session *s)
{
    return s->in.h != s->acked_h && s->asked_h - s->acked_h <= s->in.received - s->acked_h &&
           s->asked_h != s->acked_h;
}

/* Custody that comes with the next turns goes into the same answer. */
static bool may_wait(struct sm_session *s)
{
    if (s->in.h == s->in.received || s->patience >= s->policy.answer_turns)
        return false;
    s->patience++;
    loop_defer(s->loop, &s->flush);
    return true;
}

static bool is_answer_due(struct sm_session *s)
{
    if (s->has_peer_asked)
        return !may_wait(s);
    return s->policy.answers_only ? is_late_answer_due(s) : s->in.h != s->acked_h;
}

static bool is_request_due(struct sm_session *s)
{
    if (!s->unrequested || s->unrequested >= s->policy.ask_every || s->is_ask_due)
        return s->unrequested != 0;
    if (!timer_running(&s->idle))
        timer_start(&s->idle, s->policy.ask_idle_ms);
    return false;
}

void sm_ask(struct sm_session *s)
{
    if (s->state != SM_ON)
        return;
    add_r(s);
    (void)sm_write_text(s);
}

void sm_flush(struct sm_session *s)
{
    if (s->state != SM_ON)
        return;
    if (is_answer_due(s))
        add_a(s);
    if (is_request_due(s))
        add_r(s);
    if (s->text.n)
        (void)sm_write_text(s);
}

static bool write_entry(struct sm_session *s, struct sm_entry *e)
{
    s->unrequested++;
    loop_defer(s->loop, &s->flush);
    if (s->ev->send_entry)
        return s->ev->send_entry(s->ctx, e);
    stanza_write(&s->text, e->st, s->content_ns);
    if (s->unrequested >= R_EVERY)
        add_r(s);
    return sm_write_text(s);
}

void sm_write_queue(struct sm_session *s)
{
    list_each (&s->out.items, n)
        (void)write_entry(s, sm_entry_of(n));
}

static bool may_write(const struct sm_session *s)
{
    return s->state == SM_ON || (s->state == SM_ASKED && s->is_eager);
}

bool sm_send_entry(struct sm_session *s, struct sm_entry *e)
{
    sm_out_push(&s->out, &e->item);
    return !may_write(s) || write_entry(s, e);
}

bool sm_send(struct sm_session *s, struct stanza *st)
{
    struct sm_entry *e = mem_alloc(sizeof *e);
    e->st = stanza_ref(st);
    e->item.bytes = st->bytes + sizeof *e;
    return sm_send_entry(s, e);
}

struct sm_entry *sm_take_entry(struct sm_session *s)
{
    struct list done;
    list_init(&done);
    if (!sm_pending(s) || sm_out_ack(&s->out, s->out.acked + 1, &done) != ERR_OK)
        return NULL;
    return sm_entry_of(list_shift(&done));
}

uint32_t sm_pending(const struct sm_session *s)
{
    return sm_out_pending(&s->out);
}

size_t sm_pending_bytes(const struct sm_session *s)
{
    return s->out.bytes;
}

void sm_unacked(struct sm_session *s, void (*each)(void *ctx, struct stanza *st), void *ctx)
{
    struct list all;
    list_init(&all);
    list_splice(&all, &s->out.items);
    s->out.acked = s->out.sent;
    s->out.bytes = 0;
    for (struct list *n = list_first(&all); n; n = list_first(&all))
        each(ctx, entry_take(n));
}

/* ---- receiving ---- */

bool sm_receive(struct sm_session *s, uint64_t *token)
{
    timer_stop(&s->silent);
    if (s->repeats) {
        s->repeats--;
        return false;
    }
    *token = (uint64_t)s->epoch << 32 | sm_in_receive(&s->in);
    return true;
}

void sm_complete(struct sm_session *s, uint64_t token)
{
    if (token >> 32 == s->epoch && sm_in_complete(&s->in, (uint32_t)token))
        loop_defer(s->loop, &s->flush);
}

uint32_t sm_received(const struct sm_session *s)
{
    return s->in.received;
}

bool sm_receive_full(const struct sm_session *s)
{
    return sm_in_full(&s->in);
}

/* ---- the peer's h ---- */

static void entry_done(struct sm_session *s, struct list *node)
{
    if (s->ev->acked_entry) {
        s->ev->acked_entry(s->ctx, sm_entry_of(node));
        return;
    }
    struct stanza *st = entry_take(node);
    if (s->ev->acked && !s->is_freed)
        s->ev->acked(s->ctx, st);
    stanza_unref(&st);
}

bool sm_acknowledge(struct sm_session *s, uint32_t h)
{
    struct list done;
    list_init(&done);
    s->depth++;
    bool ok = sm_out_ack(&s->out, h, &done) == ERR_OK;
    if (!ok) {
        s->refused_h = h;
        s->has_refused = true;
        s->ev->broken(s->ctx, "handled-count-too-high");
    }
    for (struct list *n = list_first(&done); n; n = list_first(&done)) {
        list_del(n);
        entry_done(s, n);
    }
    ok = ok && !s->is_freed;
    sm_leave(s);
    return ok;
}

bool sm_read_h(const struct xml *el, uint32_t *h)
{
    uint64_t value;
    if (!str_to_u64(xml_get(el, "h"), UINT32_MAX, &value))
        return false;
    *h = (uint32_t)value;
    return true;
}

bool sm_element(struct sm_session *s, const struct xml *el)
{
    uint32_t h;
    if (s->state != SM_ON)
        return false;
    timer_stop(&s->silent);
    if (xml_is(el, NS_SM, "r")) {
        s->has_peer_asked = true;
        s->asked_h = s->in.received;
        loop_defer(s->loop, &s->flush);
        return true;
    }
    if (!xml_is(el, NS_SM, "a"))
        return false;
    if (sm_read_h(el, &h))
        (void)sm_acknowledge(s, h);
    else
        s->ev->broken(s->ctx, "<a/> without h");
    return true;
}

bool sm_may_ack(const struct sm_session *s, uint32_t h)
{
    return h - s->out.acked <= sm_out_pending(&s->out);
}

uint32_t sm_sent(const struct sm_session *s)
{
    return s->out.sent;
}

bool sm_refused(const struct sm_session *s, uint32_t *h)
{
    *h = s->refused_h;
    return s->has_refused;
}

/* ---- what it is ---- */

void sm_detach(struct sm_session *s)
{
    s->state = SM_OFF;
    s->is_resuming = s->is_eager = false;
    s->unrequested = 0;
    s->has_peer_asked = s->is_ask_due = false;
    timer_stop(&s->idle);
    timer_stop(&s->silent);
    defer_cancel(&s->flush);
    buf_clear(&s->text);
}

enum sm_state sm_state(const struct sm_session *s)
{
    return s->state;
}

uint32_t sm_h(const struct sm_session *s)
{
    return s->in.h;
}

const char *sm_id(const struct sm_session *s)
{
    return s->id ? s->id : "";
}
