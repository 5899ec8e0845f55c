/* DOC: how stream management comes on: <enable/> and <resume/> of either side, and what is left of
 * the numbering of before. A resumption goes on with it: what the peer has not told to have is
 * written again, what had arrived without custody is expected again. Anything else begins a new
 * one, with what is queued. Standards: XEP-0198 1.6 (sections 3 and 5). */
#include "lib/stream/f-sm-int.h"

enum { ID_MIN = 22, ID_MAX = 4000 };

/* ---- numberings ---- */

/* A new numbering of what we send; the queue keeps its order. */
static void renumber(struct sm_session *s)
{
    struct list all;
    list_init(&all);
    list_splice(&all, &s->out.items);
    sm_out_init(&s->out);
    for (struct list *n = list_shift(&all); n; n = list_shift(&all))
        sm_out_push(&s->out, &sm_entry_of(n)->item);
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
    (void)sm_write_text(s);
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
    (void)sm_write_text(s);
}

void sm_start_eager(struct sm_session *s, const char *id)
{
    enable(s, id);
    s->is_eager = true;
    sm_write_queue(s);
}

static void on_enabled(struct sm_session *s, const struct xml *el)
{
    struct str resume = xml_get(el, "resume");
    bool may = str_eqc(resume, "true") || str_eqc(resume, "1");
    set_id(s, may ? xml_get(el, "id") : STR_NONE);
    s->state = SM_ON;
    if (!s->is_eager)
        sm_write_queue(s);
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
    if (!sm_read_h(el, &h)) {
        s->ev->broken(s->ctx, "<resumed/> without h");
        return false;
    }
    s->depth++;
    bool ok = sm_acknowledge(s, h) && s->state == SM_ASKED;
    if (ok) {
        s->state = SM_ON;
        sm_write_queue(s);
    }
    sm_leave(s);
    return ok;
}

/* The session is lost at the peer; what it had handled until then it may still tell. */
static void on_resume_refused(struct sm_session *s, const struct xml *el)
{
    uint32_t h;
    s->depth++;
    bool ok = !sm_read_h(el, &h) || sm_acknowledge(s, h);
    if (ok && !s->is_freed && s->state == SM_ASKED) {
        if (s->policy.resume_only)
            s->state = SM_OFF;
        else
            enable(s, NULL);
    }
    sm_leave(s);
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
    sm_leave(s);
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
    (void)sm_write_text(s);
    s->state = SM_ON;
    sm_write_queue(s);
}

bool sm_accept_resume(struct sm_session *s, uint32_t peer_h)
{
    s->depth++;
    bool ok = sm_acknowledge(s, peer_h);
    if (ok) {
        expect_repeats(s);
        buf_printf(&s->text, "<resumed xmlns='%s' h='%" PRIu32 "' previd='", NS_SM, s->in.h);
        xml_escape(&s->text, str_of(sm_id(s)));
        buf_cstr(&s->text, "'/>");
        (void)sm_write_text(s);
        s->state = SM_ON;
        sm_write_queue(s);
    }
    sm_leave(s);
    return ok;
}

enum err sm_read_resume(const struct xml *el, struct str *previd, uint32_t *h)
{
    struct str id = xml_get(el, "previd");
    if (!xml_is(el, NS_SM, "resume") || !id.n || !sm_read_h(el, h))
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
