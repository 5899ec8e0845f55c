/* DOC: stream management wired to a stream. Numbers and queues are lib/xmpp/sm-queue; here is when
 * to write what. Invariants: a stanza leaves the queue only by the peer's h; h given to the peer
 * counts only stanzas with custody; after a resumption the peer repeats all after that h, of which
 * we skip those that had already arrived (repeats), so each stanza goes up once. Acks and requests
 * are coalesced by a deferred flush at the end of the turn. Standards: XEP-0198 1.6 (sections 3, 4,
 * 5). */
#include "lib/stream/f-sm.h"

enum { R_EVERY = 16, ID_MIN = 22, ID_MAX = 4000 };

struct sm_session {
    struct loop *loop;
    const struct sm_events *ev;
    void *ctx;
    const char *content_ns;
    enum sm_state state;
    bool is_resuming;    /* SM_ASKED with <resume/> */
    bool is_eager;       /* SM_ASKED with <enable/>, and stanzas are behind it already */
    bool has_peer_asked; /* <r/> came */
    bool is_ask_due;     /* the first stanza not asked for has waited */
    struct sm_policy policy;
    char *id; /* NULL: cannot be resumed */
    struct sm_out out;
    struct sm_in in;
    uint32_t epoch;       /* of the numbering of in */
    uint32_t repeats;     /* copies that will come again after a resumption */
    uint32_t acked_h;     /* h of the last <a/> we wrote */
    uint32_t asked_h;     /* stanzas that had arrived when the last <r/> came */
    uint32_t unrequested; /* stanzas written since the last <r/> */
    uint32_t refused_h;   /* has_refused */
    bool has_refused;
    unsigned patience; /* turns an answer has waited */
    struct defer flush;
    struct timer idle;   /* ask for what was not asked for */
    struct timer silent; /* since the oldest <r/> after which nothing came */
    struct buf text;
    unsigned depth; /* our frames that call back */
    bool is_freed;
};

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

static struct sm_entry *entry_of(struct list *node)
{
    return list_entry(node, struct sm_entry, item.link);
}

/* Out of its list; an entry of ours is freed. */
static struct stanza *entry_take(struct list *node)
{
    struct sm_entry *e = entry_of(node);
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

static void leave(struct sm_session *s)
{
    if (!--s->depth && s->is_freed)
        release(s);
}

/* ---- writing ---- */

static bool write_text(struct sm_session *s)
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
    (void)write_text(s);
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
        (void)write_text(s);
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
    return write_text(s);
}

/* Everything in the queue, in order: after <enabled/> and <resumed/>. */
static void write_queue(struct sm_session *s)
{
    list_each (&s->out.items, n)
        (void)write_entry(s, entry_of(n));
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
    return entry_of(list_shift(&done));
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

/* A new numbering of what we send; the queue keeps its order. */
static void renumber(struct sm_session *s)
{
    struct list all;
    list_init(&all);
    list_splice(&all, &s->out.items);
    sm_out_init(&s->out);
    for (struct list *n = list_shift(&all); n; n = list_shift(&all))
        sm_out_push(&s->out, &entry_of(n)->item);
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

/* Stanzas that arrived after h, whose custody is open, will be sent again by the peer. */
static void expect_repeats(struct sm_session *s)
{
    s->repeats = s->in.received - s->in.h;
    s->acked_h = s->asked_h = s->in.h;
    s->has_peer_asked = false;
}

static void new_numbering(struct sm_session *s)
{
    renumber(s);
    sm_in_fini(&s->in);
    sm_in_init(&s->in);
    s->epoch++;
    s->repeats = 0;
    s->acked_h = s->asked_h = 0;
    s->unrequested = 0;
    s->has_peer_asked = false;
}

/* ---- the peer's h ---- */

static void entry_done(struct sm_session *s, struct list *node)
{
    if (s->ev->acked_entry) {
        s->ev->acked_entry(s->ctx, entry_of(node));
        return;
    }
    struct stanza *st = entry_take(node);
    if (s->ev->acked && !s->is_freed)
        s->ev->acked(s->ctx, st);
    stanza_unref(&st);
}

static bool acknowledge(struct sm_session *s, uint32_t h)
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
    leave(s);
    return ok;
}

static bool read_h(const struct xml *el, uint32_t *h)
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
    if (read_h(el, &h))
        (void)acknowledge(s, h);
    else
        s->ev->broken(s->ctx, "<a/> without h");
    return true;
}

/* ---- initiator ---- */

static void set_id(struct sm_session *s, struct str id)
{
    mem_free(s->id);
    s->id = id.n && id.n <= ID_MAX ? str_dup(id) : NULL;
}

static void enable(struct sm_session *s, const char *id_or_null)
{
    new_numbering(s);
    set_id(s, str_of(id_or_null));
    s->state = SM_ASKED;
    s->is_resuming = s->is_eager = false;
    buf_printf(&s->text, "<enable xmlns='%s' resume='true'", NS_SM);
    if (s->id) {
        buf_printf(&s->text, "><id xmlns='%s'>", NS_MERIDIAN_SM);
        xml_escape(&s->text, str_of(s->id));
        buf_cstr(&s->text, "</id></enable>");
    } else {
        buf_cstr(&s->text, "/>");
    }
    (void)write_text(s);
}

void sm_start(struct sm_session *s)
{
    if (!s->id) {
        enable(s, NULL);
        return;
    }
    s->state = SM_ASKED;
    s->is_resuming = true;
    expect_repeats(s);
    buf_printf(&s->text, "<resume xmlns='%s' h='%" PRIu32 "' previd='", NS_SM, s->in.h);
    xml_escape(&s->text, str_of(s->id));
    buf_cstr(&s->text, "'/>");
    (void)write_text(s);
}

void sm_start_eager(struct sm_session *s, const char *id)
{
    enable(s, id);
    s->is_eager = true;
    write_queue(s);
}

static void on_enabled(struct sm_session *s, const struct xml *el)
{
    struct str resume = xml_get(el, "resume");
    bool may = str_eqc(resume, "true") || str_eqc(resume, "1");
    set_id(s, may ? xml_get(el, "id") : STR_NONE);
    s->state = SM_ON;
    if (!s->is_eager)
        write_queue(s);
    s->is_eager = false;
    loop_defer(s->loop, &s->flush);
}

static void on_enable_refused(struct sm_session *s)
{
    bool was_eager = s->is_eager;
    s->state = SM_OFF;
    s->is_eager = false;
    if (was_eager)
        s->ev->broken(s->ctx, "acknowledgements refused that were offered");
}

static bool on_resumed(struct sm_session *s, const struct xml *el)
{
    uint32_t h;
    if (!read_h(el, &h)) {
        s->ev->broken(s->ctx, "<resumed/> without h");
        return false;
    }
    s->depth++;
    bool ok = acknowledge(s, h) && s->state == SM_ASKED;
    if (ok) {
        s->state = SM_ON;
        write_queue(s);
    }
    leave(s);
    return ok;
}

/* The session is lost at the peer; what it had handled until then it may still tell. */
static void on_resume_refused(struct sm_session *s, const struct xml *el)
{
    uint32_t h;
    s->depth++;
    bool ok = !read_h(el, &h) || acknowledge(s, h);
    if (ok && !s->is_freed && s->state == SM_ASKED) {
        if (s->policy.resume_only)
            s->state = SM_OFF;
        else
            enable(s, NULL);
    }
    leave(s);
}

enum sm_state sm_negotiate(struct sm_session *s, const struct xml *el, bool *consumed,
                           bool *resumed)
{
    bool is_ours = s->state == SM_ASKED;
    s->depth++;
    *resumed = false;
    *consumed = is_ours;
    if (is_ours && s->is_resuming && xml_is(el, NS_SM, "resumed"))
        *resumed = on_resumed(s, el);
    else if (is_ours && s->is_resuming && xml_is(el, NS_SM, "failed"))
        on_resume_refused(s, el);
    else if (is_ours && !s->is_resuming && xml_is(el, NS_SM, "enabled"))
        on_enabled(s, el);
    else if (is_ours && xml_is(el, NS_SM, "failed"))
        on_enable_refused(s);
    else
        *consumed = false;
    enum sm_state state = s->is_freed ? SM_OFF : s->state;
    leave(s);
    return state;
}

/* ---- receiver ---- */

void sm_accept(struct sm_session *s, const char *id_or_null, unsigned max_s)
{
    new_numbering(s);
    set_id(s, str_of(id_or_null));
    buf_printf(&s->text, "<enabled xmlns='%s'", NS_SM);
    if (s->id) {
        buf_cstr(&s->text, " resume='true' id='");
        xml_escape(&s->text, str_of(s->id));
        buf_char(&s->text, '\'');
        if (max_s)
            buf_printf(&s->text, " max='%u'", max_s);
    }
    buf_cstr(&s->text, "/>");
    (void)write_text(s);
    s->state = SM_ON;
    write_queue(s);
}

bool sm_accept_resume(struct sm_session *s, uint32_t peer_h)
{
    s->depth++;
    bool ok = acknowledge(s, peer_h);
    if (ok) {
        expect_repeats(s);
        buf_printf(&s->text, "<resumed xmlns='%s' h='%" PRIu32 "' previd='", NS_SM, s->in.h);
        xml_escape(&s->text, str_of(sm_id(s)));
        buf_cstr(&s->text, "'/>");
        (void)write_text(s);
        s->state = SM_ON;
        write_queue(s);
    }
    leave(s);
    return ok;
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

enum err sm_read_resume(const struct xml *el, struct str *previd, uint32_t *h)
{
    struct str id = xml_get(el, "previd");
    if (!xml_is(el, NS_SM, "resume") || !id.n || !read_h(el, h))
        return ERR_INVALID;
    *previd = id;
    return ERR_OK;
}

struct str sm_read_id(struct arena *a, const struct xml *enable_el)
{
    const struct xml *el = xml_child(enable_el, NS_MERIDIAN_SM, "id");
    struct str id = el ? str_trim(xml_text(a, el)) : STR_NONE;
    return id.n >= ID_MIN && id.n <= ID_MAX ? id : STR_NONE;
}

void sm_write_failed(struct buf *out, const char *condition, const uint32_t *h)
{
    buf_printf(out, "<failed xmlns='%s'", NS_SM);
    if (h)
        buf_printf(out, " h='%" PRIu32 "'", *h);
    buf_printf(out, "><%s xmlns='%s'/></failed>", condition, NS_STANZA_ERRORS);
}

/* ---- either ---- */

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
