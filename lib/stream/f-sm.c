/* DOC: stream management wired to a stream. Numbers and queues are lib/xmpp/sm-queue; here is when
 * to write what. Invariants: a stanza leaves the queue only by the peer's h; h given to the peer
 * counts only stanzas with custody; after a resumption the peer repeats all after that h, of which
 * we skip those that had already arrived (repeats), so each stanza goes up once. Acks and requests
 * are coalesced by a deferred flush at the end of the turn. Standards: XEP-0198 1.6 (sections 3, 4,
 * 5). */
#include "lib/stream/f-sm.h"

enum { R_EVERY = 16, ID_MAX = 4000 };

struct pending { /* a stanza sent or to be sent */
    struct sm_item item;
    struct stanza *st;
};
struct sm_session {
    struct loop *loop;
    const struct sm_events *ev;
    void *ctx;
    const char *content_ns;
    enum sm_state state;
    bool is_resuming;    /* SM_ASKED with <resume/> */
    bool has_peer_asked; /* <r/> came */
    char *id;            /* NULL: cannot be resumed */
    struct sm_out out;
    struct sm_in in;
    uint32_t epoch;       /* of the numbering of in */
    uint32_t repeats;     /* copies that will come again after a resumption */
    uint32_t acked_h;     /* h of the last <a/> we wrote */
    uint32_t unrequested; /* stanzas written since the last <r/> */
    struct defer flush;
    struct buf text;
    unsigned depth; /* our frames that call back */
    bool is_freed;
};

static void on_flush(void *ctx)
{
    sm_flush(ctx);
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
    buf_init(&s->text, SIZE_MAX);
    return s;
}

static struct stanza *pending_take(struct list *node)
{
    struct pending *p = list_entry(node, struct pending, item.link);
    struct stanza *st = p->st;
    list_del(node);
    mem_free(p);
    return st;
}

static void drop_list(struct list *items)
{
    for (struct list *n = list_first(items); n; n = list_first(items)) {
        struct stanza *st = pending_take(n);
        stanza_unref(&st);
    }
}

static void release(struct sm_session *s)
{
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
}

static void add_a(struct sm_session *s)
{
    s->acked_h = s->in.h;
    s->has_peer_asked = false;
    buf_printf(&s->text, "<a xmlns='%s' h='%" PRIu32 "'/>", NS_SM, s->in.h);
}

void sm_flush(struct sm_session *s)
{
    if (s->state != SM_ON)
        return;
    if (s->has_peer_asked || s->in.h != s->acked_h)
        add_a(s);
    if (s->unrequested)
        add_r(s);
    if (s->text.n)
        (void)write_text(s);
}

static bool write_stanza(struct sm_session *s, const struct stanza *st)
{
    stanza_write(&s->text, st, s->content_ns);
    if (++s->unrequested >= R_EVERY)
        add_r(s);
    loop_defer(s->loop, &s->flush);
    return write_text(s);
}

/* Everything in the queue, in order: after <enabled/> and <resumed/>. */
static void write_queue(struct sm_session *s)
{
    list_each (&s->out.items, n)
        (void)write_stanza(s, list_entry(n, struct pending, item.link)->st);
}

bool sm_send(struct sm_session *s, struct stanza *st)
{
    struct pending *p = mem_alloc(sizeof *p);
    p->st = stanza_ref(st);
    p->item.bytes = st->bytes + sizeof *p;
    sm_out_push(&s->out, &p->item);
    return s->state != SM_ON || write_stanza(s, st);
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
        each(ctx, pending_take(n));
}

/* A new numbering of what we send; the queue keeps its order. */
static void renumber(struct sm_session *s)
{
    struct list all;
    list_init(&all);
    list_splice(&all, &s->out.items);
    sm_out_init(&s->out);
    for (struct list *n = list_shift(&all); n; n = list_shift(&all))
        sm_out_push(&s->out, &list_entry(n, struct pending, item.link)->item);
}

/* ---- receiving ---- */

bool sm_receive(struct sm_session *s, uint64_t *token)
{
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

bool sm_receive_full(const struct sm_session *s)
{
    return sm_in_full(&s->in);
}

/* Stanzas that arrived after h, whose custody is open, will be sent again by the peer. */
static void expect_repeats(struct sm_session *s)
{
    s->repeats = s->in.received - s->in.h;
    s->acked_h = s->in.h;
    s->has_peer_asked = false;
}

static void new_numbering(struct sm_session *s)
{
    renumber(s);
    sm_in_fini(&s->in);
    sm_in_init(&s->in);
    s->epoch++;
    s->repeats = 0;
    s->acked_h = 0;
    s->unrequested = 0;
    s->has_peer_asked = false;
}

/* ---- the peer's h ---- */

static bool acknowledge(struct sm_session *s, uint32_t h)
{
    struct list done;
    list_init(&done);
    s->depth++;
    bool ok = sm_out_ack(&s->out, h, &done) == ERR_OK;
    if (!ok)
        s->ev->broken(s->ctx, "handled-count-too-high");
    for (struct list *n = list_first(&done); n; n = list_first(&done)) {
        struct stanza *st = pending_take(n);
        if (s->ev->acked && !s->is_freed)
            s->ev->acked(s->ctx, st);
        stanza_unref(&st);
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
    if (xml_is(el, NS_SM, "r")) {
        s->has_peer_asked = true;
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

static void enable(struct sm_session *s)
{
    new_numbering(s);
    set_id(s, STR_NONE);
    s->state = SM_ASKED;
    s->is_resuming = false;
    buf_printf(&s->text, "<enable xmlns='%s' resume='true'/>", NS_SM);
    (void)write_text(s);
}

void sm_start(struct sm_session *s)
{
    if (!s->id) {
        enable(s);
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

static void on_enabled(struct sm_session *s, const struct xml *el)
{
    struct str resume = xml_get(el, "resume");
    bool may = str_eqc(resume, "true") || str_eqc(resume, "1");
    set_id(s, may ? xml_get(el, "id") : STR_NONE);
    s->state = SM_ON;
    write_queue(s);
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
    if (ok && !s->is_freed && s->state == SM_ASKED)
        enable(s);
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
        s->state = SM_OFF;
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

enum err sm_read_resume(const struct xml *el, struct str *previd, uint32_t *h)
{
    struct str id = xml_get(el, "previd");
    if (!xml_is(el, NS_SM, "resume") || !id.n || !read_h(el, h))
        return ERR_INVALID;
    *previd = id;
    return ERR_OK;
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
    s->is_resuming = false;
    s->unrequested = 0;
    s->has_peer_asked = false;
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
