/* DOC: acknowledgements of federation streams, signs of life, idling, limits.
 * Design: one session of stream management per line, both directions; h counts only what the host
 * gave back by s2s_received, so a stanza the peer forgets is in somebody's custody. A quiet stream
 * is asked for an ack after ping_ms, a peer without acks by a ping if something was sent meanwhile;
 * silence for ack_timeout_ms after any question ends it. A peer without acks that answers pings
 * acknowledges by that all that went before the ping over the same stream, as stanzas are handled
 * in order (RFC 6120 section 10.1); one ping is out at a time. One that never answered cannot reach
 * us, perhaps: what it was sent is done when it has left, and it is not asked again. Closing for
 * idleness waits until nothing is unacknowledged on either side, so nothing comes twice.
 * The host must give it back in bounded time, by storing it if nothing else (node/route/spool.h): a
 * local user who takes nothing must not hold up the stream of a peer, who keeps all from there on.
 * What came and sits in no bounded queue counts against its stream, acks or not; too much of it,
 * or too many without custody, and the stream is not read, so the peer feels it.
 * A receipt names (line, number); a new session gets a new name, so old receipts mean nothing to
 * it. Standards: XEP-0198 sections 4, 5, 6; XEP-0199 section 4.4; XEP-0478. */
#include "lib/xmpp/xep.h"
#include "s2s/s2s-int.h"

XEP("0198", "1.6.3", PARTIAL, "no location");
XEP("0478", "0.2.0", COMPLETE);

#define PING_ID "s2s-ping-"

/* ---- the session ---- */

static bool sm_text(void *ctx, struct str text)
{
    return s2s_line_text(ctx, text);
}

static struct s2s_item *item_of(struct sm_entry *e)
{
    return container_of(e, struct s2s_item, sm);
}

static bool sm_send_one(void *ctx, struct sm_entry *e)
{
    struct s2s_line *l = ctx;
    struct buf *text = &l->s2s->text;
    if (l->fresh != item_of(e)) {
        buf_clear(text);
        stanza_write(text, e->st, NS_SERVER);
    }
    return s2s_line_text(l, buf_view(text));
}

static void sm_acked(void *ctx, struct sm_entry *e)
{
    struct s2s_line *l = ctx;
    l->done++;
    s2s_item_done(item_of(e));
}

static void sm_broken(void *ctx, const char *why)
{
    struct s2s_line *l = ctx;
    l->ops->refuse(l->ctx, STREAM_UNDEFINED_CONDITION, why);
}

static void sm_silent(void *ctx)
{
    struct s2s_line *l = ctx;
    l->ops->dead(l->ctx, S2S_CAUSE_PEER_STALLED, "the peer acknowledges nothing");
}

static const struct sm_events sm_up = {.send_text = sm_text,
                                       .broken = sm_broken,
                                       .send_entry = sm_send_one,
                                       .acked_entry = sm_acked,
                                       .silent = sm_silent};

static struct str key_of(const uint64_t *id)
{
    return str_make((const char *)(const void *)id, sizeof *id);
}

struct s2s_line *s2s_line_find(const struct s2s *s, uint64_t id)
{
    return hmap_get(&s->lines, key_of(&id));
}

static void get_id(struct s2s_line *l)
{
    l->held.stanzas = l->held.bytes = 0; /* receipts of before mean nothing any more */
    l->id = ++l->s2s->last_line;
    must(!hmap_put(&l->s2s->lines, key_of(&l->id), l));
}

void s2s_line_drop_id(struct s2s_line *l)
{
    if (l->id)
        (void)hmap_del(&l->s2s->lines, key_of(&l->id));
    l->id = 0;
}

void s2s_line_sm_new(struct s2s_line *l)
{
    struct sm_policy p = {.silent_ms = l->s2s->conf.tune.ack_timeout_ms, .resume_only = true};
    must(!l->sm);
    s2s_line_drop_id(l);
    l->sm = sm_session_new(l->s2s->loop, &sm_up, l, NS_SERVER);
    sm_set_policy(l->sm, &p);
    get_id(l);
}

void s2s_line_sm_drop(struct s2s_line *l)
{
    if (!l->sm)
        return;
    while (sm_take_entry(l->sm))
        ;
    s2s_line_drop_id(l);
    sm_session_free(&l->sm);
}

bool s2s_line_may_resume(const struct s2s_line *l)
{
    return l->sm && *sm_id(l->sm) && !l->is_closing && !l->settle_us && !l->s2s->is_stopping;
}

bool s2s_line_ack(struct s2s_line *l, const struct xml *el)
{
    return l->sm && sm_element(l->sm, el);
}

/* ---- receiving ---- */

static bool is_full(const struct s2s_line *l)
{
    const struct s2s_conf *c = &l->s2s->conf;
    return l->held.stanzas >= c->held_stanzas || l->held.bytes >= c->held_bytes ||
           (l->sm && sm_receive_full(l->sm));
}

static void pause_line(struct s2s_line *l, bool is_paused)
{
    l->is_paused = is_paused;
    if (l->in)
        stream_in_pause(l->in, is_paused);
    else if (l->out)
        stream_out_pause(l->out, is_paused);
}

static void pause_when_full(struct s2s_line *l)
{
    if (is_full(l))
        pause_line(l, true);
}

bool s2s_line_number(struct s2s_line *l, struct s2s_receipt *r)
{
    *r = (struct s2s_receipt){0};
    if (!l->sm || sm_state(l->sm) != SM_ON)
        return true;
    if (!sm_receive(l->sm, &r->number))
        return false;
    r->stream = l->id;
    pause_when_full(l);
    return true;
}

void s2s_line_count(struct s2s_line *l, size_t bytes, struct s2s_receipt *r)
{
    l->since.stanzas++;
    l->since.bytes += bytes;
    if (l->since.stanzas < S2S_CREDIT_STANZAS && l->since.bytes < S2S_CREDIT_BYTES)
        return;
    if (!l->id)
        get_id(l);
    r->stream = l->id;
    r->stanzas = l->since.stanzas;
    r->bytes = l->since.bytes;
    l->held.stanzas += r->stanzas;
    l->held.bytes += r->bytes;
    l->since.stanzas = l->since.bytes = 0;
    pause_when_full(l);
}

static void go_on(struct s2s_line *l)
{
    if (!l->is_paused || is_full(l))
        return;
    pause_line(l, false);
}

void s2s_queued(struct s2s *s, struct s2s_receipt r)
{
    struct s2s_line *l = r.stanzas ? s2s_line_find(s, r.stream) : NULL;
    if (!l)
        return;
    l->held.stanzas -= r.stanzas;
    l->held.bytes -= r.bytes;
    go_on(l);
}

void s2s_received(struct s2s *s, struct s2s_receipt r)
{
    struct s2s_line *l = r.number ? s2s_line_find(s, r.stream) : NULL;
    if (!l || !l->sm)
        return;
    sm_complete(l->sm, r.number);
    go_on(l);
}

/* ---- signs of life ---- */

uint64_t s2s_line_idle_ms(const struct s2s_line *l)
{
    uint64_t ours = l->s2s->conf.tune.idle_timeout_ms;
    uint64_t theirs = l->peer_idle_ms - l->peer_idle_ms / 10; /* before they do */
    return theirs && theirs < ours ? theirs : ours;
}

/* Something is under way in one of the directions. */
static bool is_busy(const struct s2s_line *l)
{
    return s2s_line_waiting(l) || l->n_verifies ||
           (l->sm && (sm_pending(l->sm) || sm_received(l->sm) != sm_h(l->sm)));
}

struct s2s_domain *s2s_line_pinged(const struct s2s_line *l)
{
    const struct list *first = l->carrier.boxes.next;
    return first == &l->carrier.boxes ? NULL
                                      : container_of(first, struct s2s_outbox, of_carrier)->domain;
}

/* Without acks: XEP-0199, when something was sent that no answer came behind. The answer comes over
 * whatever stream the peer sends on. */
void s2s_line_ping(struct s2s_line *l)
{
    char text[2 * JID_PART_MAX + 200];
    const struct s2s_domain *d = s2s_line_pinged(l);
    if (!d || (d->pings == S2S_PINGS_NEVER && !l->trusts_pings) || l->pinged == l->sent ||
        l->ping_us)
        return;
    const struct s2s_outbox *b = container_of(l->carrier.boxes.next, struct s2s_outbox, of_carrier);
    if (!l->id)
        get_id(l);
    l->pinged = l->sent;
    l->ping_us = loop_now_us(l->s2s->loop);
    l->ping_at = l->written;
    snprintf(text, sizeof text,
             "<iq type='get' id='" PING_ID "%" PRIu64 "-%" PRIu64 "' from='%s' to='%s'>"
             "<ping xmlns='%s'/></iq>",
             l->id, ++l->pings, b->local, b->remote, NS_PING);
    l->is_blocked = !s2s_line_text(l, str_of(text));
    timer_start(&l->quiet, l->settle_us ? S2S_SETTLE_LOOK_MS : l->s2s->conf.tune.ack_timeout_ms);
}

bool s2s_is_pong(const struct stanza *st)
{
    return st->kind == STANZA_IQ && !stanza_iq_request(st) && str_starts(st->id, STR(PING_ID));
}

static struct s2s_outbox *box_of(const struct s2s_line *l, struct str remote)
{
    for (const struct list *n = l->carrier.boxes.next; n != &l->carrier.boxes; n = n->next) {
        struct s2s_outbox *b = container_of(n, struct s2s_outbox, of_carrier);
        if (str_eqc(remote, b->remote))
            return b;
    }
    return NULL;
}

bool s2s_line_pong(struct s2s *s, const struct stanza *st)
{
    uint64_t id, ping;
    struct str rest = st->id;
    if (!s2s_is_pong(st) || st->to.local.n)
        return false;
    rest = str_make(rest.p + strlen(PING_ID), rest.n - strlen(PING_ID));
    struct s2s_line *l =
        str_to_u64(str_cut(&rest, '-'), UINT64_MAX, &id) ? s2s_line_find(s, id) : NULL;
    struct s2s_outbox *b = l && l->ping_us ? box_of(l, st->from.domain) : NULL;
    if (!b || !str_to_u64(rest, UINT64_MAX, &ping) || ping != l->pings)
        return true; /* to an earlier ping: it says nothing of what went since */
    b->domain->pings = S2S_PINGS_ANSWERED;
    l->trusts_pings = true;
    l->ping_us = 0;
    l->ponged = l->ping_at;
    l->heard_us = loop_now_us(s->loop);
    s2s_line_look(l);
    timer_start(&l->leave, 0); /* the next ping, if anything went meanwhile */
    return true;
}

/* What waits for the answer goes over another stream. If none came over this one, the next is not
 * believed to bring any; if it was not, the peer is not asked again. */
static void no_pong(struct s2s_line *l)
{
    struct s2s_domain *d = s2s_line_pinged(l);
    if (d && !l->ponged)
        d->pings = l->trusts_pings ? S2S_PINGS_UNKNOWN : S2S_PINGS_NEVER;
    l->ping_us = 0;
    l->ops->dead(l->ctx, S2S_CAUSE_PEER_SILENT, "the peer does not answer pings");
}

static uint64_t until(uint64_t since_ms, uint64_t limit_ms)
{
    return since_ms < limit_ms ? limit_ms - since_ms : limit_ms;
}

static bool is_settled(const struct s2s_line *l)
{
    return !s2s_line_has_flying(l) && (!l->sm || sm_received(l->sm) == sm_h(l->sm));
}

void s2s_line_settle(struct s2s_line *l)
{
    if (l->settle_us)
        return;
    l->settle_us = loop_now_us(l->s2s->loop) + S2S_SETTLE_MS * 1000;
    if (l->sm && s2s_line_has_flying(l))
        sm_ask(l->sm);
    timer_start(&l->quiet, 0);
}

static void on_quiet(void *ctx)
{
    struct s2s_line *l = ctx;
    uint64_t now = loop_now_us(l->s2s->loop);
    if (l->settle_us && (is_settled(l) || now >= l->settle_us)) {
        l->ops->idle(l->ctx);
        return;
    }
    if (l->settle_us) {
        timer_start(&l->quiet, S2S_SETTLE_LOOK_MS);
        return;
    }
    uint64_t active_ms = (now - l->active_us) / 1000, heard_ms = (now - l->heard_us) / 1000;
    uint64_t idle_ms = s2s_line_idle_ms(l), ping_ms = l->s2s->conf.tune.ping_ms;
    if (active_ms >= idle_ms && !is_busy(l)) {
        l->ops->idle(l->ctx);
        return;
    }
    if (l->ping_us && (now - l->ping_us) / 1000 >= l->s2s->conf.tune.ack_timeout_ms) {
        no_pong(l);
        return;
    }
    if (heard_ms >= ping_ms && l->sm)
        sm_ask(l->sm);
    else if (heard_ms >= ping_ms && l->state == S2S_LINE_OPEN)
        s2s_line_ping(l);
    uint64_t next = until(active_ms, idle_ms);
    if (until(heard_ms, ping_ms) < next)
        next = until(heard_ms, ping_ms);
    if (l->ping_us && l->s2s->conf.tune.ack_timeout_ms < next)
        next = l->s2s->conf.tune.ack_timeout_ms;
    timer_start(&l->quiet, next);
}

void s2s_line_time_init(struct s2s_line *l)
{
    timer_init(&l->quiet, l->s2s->loop, on_quiet, l);
}

/* ---- limits ---- */

static void add_number(struct arena *a, struct xml *to, const char *name, uint64_t n)
{
    xml_add_text(a, xml_add(a, to, NS_LIMITS, name), arena_printf(a, "%" PRIu64, n));
}

/* Those of an authenticated stream, also before: with dialback there are no other features. */
void s2s_limits_add(const struct s2s *s, struct arena *a, struct xml *to)
{
    struct xml *limits = xml_add(a, to, NS_LIMITS, "limits");
    add_number(a, limits, "max-bytes", s->conf.limits->after_auth.max_stanza_bytes);
    add_number(a, limits, "idle-seconds", s->conf.tune.idle_timeout_ms / 1000);
}

static uint64_t read_number(const struct xml *limits, const char *name)
{
    const struct xml *el = xml_child(limits, NS_LIMITS, name);
    uint64_t n;
    if (!el || !el->first || el->first->el ||
        !str_to_u64(str_trim(el->first->text), UINT32_MAX, &n))
        return 0;
    return n;
}

void s2s_limits_read(struct s2s_line *l, const struct xml *from_or_null)
{
    const struct xml *limits = from_or_null ? xml_child(from_or_null, NS_LIMITS, "limits") : NULL;
    if (!limits)
        return;
    l->max_bytes = read_number(limits, "max-bytes");
    l->peer_idle_ms = read_number(limits, "idle-seconds") * 1000;
}
