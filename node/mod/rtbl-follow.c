/* DOC: keeping up with one list: subscribe, fetch all items page by page, then take the events as
 * they come. The subscription is looked at every RTBL_CHECK_MS, because a service that was
 * restarted may have forgotten it, and everything is fetched anew every refresh, because an event
 * may have been lost. Whatever fails leaves the items as they were, is said once, and is tried
 * again with back-off. A fetch is put in force only when it is complete: events meanwhile go to
 * both. A node that was deleted keeps its last items, too: an emptied list says so by a purge.
 * Standards: XEP-0060 sections 6.1, 6.5, 7.1.2, 8.4, 8.5; XEP-0059 section 2.1. */
#include <stdarg.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "node/cluster/world.h"
#include "node/mod/rtbl-int.h"

static const char *const state_names[] = {
    [RTBL_LOADING] = "loading",
    [RTBL_JOINING] = "joining",
    [RTBL_FOLLOWING] = "following",
    [RTBL_AWAY] = "away",
};
static const char *const step_names[] = {
    [RTBL_STEP_NONE] = "",
    [RTBL_STEP_SUBSCRIBE] = "subscribing",
    [RTBL_STEP_FETCH] = "fetching items",
    [RTBL_STEP_CHECK] = "asking for the subscription",
};

const char *rtbl_state_name(enum rtbl_state s)
{
    return state_names[s];
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- states: one line for each change, and for another reason */
static void set_state(struct rtbl_list *l, enum rtbl_state s, const char *why)
{
    if (l->state == s && strcmp(l->why, why) == 0)
        return;
    l->state = s;
    str_put(l->why, sizeof l->why, why);
    if (s == RTBL_AWAY)
        log_warn(NULL, "s2s.rtbl.away", "service", l->service, "node", l->node, "items",
                 LOG_NUM(rtbl_items_count(&l->items)), "why", l->why);
    else if (s == RTBL_FOLLOWING)
        log_info(NULL, "s2s.rtbl.following", "service", l->service, "node", l->node, "items",
                 LOG_NUM(rtbl_items_count(&l->items)));
}

static void ask_reset(struct rtbl_list *l)
{
    struct rtbl_ask *k = &l->ask;
    k->step = RTBL_STEP_NONE;
    k->id[0] = 0;
    k->seen = k->pages = 0;
    k->is_full = false;
    mem_free(k->last);
    k->last = NULL;
    rtbl_items_fini(&k->next);
    timer_stop(&k->timer);
}

static void failed(struct rtbl_list *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void failed(struct rtbl_list *l, const char *fmt, ...)
{
    char why[RTBL_WHY];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    ask_reset(l);
    set_state(l, RTBL_AWAY, why);
    uint64_t max = min_u64(RTBL_RETRY_MAX_MS, l->refresh_ms), delay = RTBL_RETRY_MIN_MS;
    for (unsigned i = 0; i < l->ask.failures && delay < max; i++)
        delay *= 2;
    l->ask.failures++;
    delay = min_u64(delay, max);
    timer_start(&l->ask.timer, delay - delay / 4 + rand_below(delay / 2 + 1));
}

/* ---- requests */
static void ask(struct rtbl_list *l, enum rtbl_step step)
{
    struct rtbl_ask *k = &l->ask;
    struct node *n = l->all->shard->node;
    struct stanza_build b;
    char random[RAND_ID_LEN + 1];
    k->step = step;
    snprintf(k->id, sizeof k->id, "rtbl:%s:%s", world_self_id(n->world), rand_id(random));
    rtbl_request(l, step == RTBL_STEP_SUBSCRIBE ? IQ_SET : IQ_GET, str_of(k->id), &b);
    switch (step) {
    case RTBL_STEP_SUBSCRIBE:
        rtbl_wire_subscribe(&b, str_of(l->node), rtbl_me(l));
        break;
    case RTBL_STEP_FETCH:
        rtbl_wire_items(&b, str_of(l->node), RTBL_PAGE, str_of(k->last));
        break;
    case RTBL_STEP_CHECK:
        rtbl_wire_subscriptions(&b, str_of(l->node));
        break;
    case RTBL_STEP_NONE:
        break;
    }
    timer_start(&k->timer, RTBL_ANSWER_MS);
    route_send(l->all->shard, stanza_finish(&b));
}

static void join(struct rtbl_list *l)
{
    ask_reset(l);
    rtbl_items_init(&l->ask.next, l->max);
    ask(l, RTBL_STEP_SUBSCRIBE);
}

/* Until the next look at the subscription or the next fetch. */
static void rest(struct rtbl_list *l)
{
    uint64_t gone = (clock_mono_us() - l->ask.fetched_us) / 1000;
    uint64_t left = gone < l->refresh_ms ? l->refresh_ms - gone : 0;
    l->ask.step = RTBL_STEP_NONE;
    timer_start(&l->ask.timer, l->ask.cannot_check ? left : min_u64(left, RTBL_CHECK_MS));
}

static void on_timer(void *ctx)
{
    struct rtbl_list *l = ctx;
    bool is_due = (clock_mono_us() - l->ask.fetched_us) / 1000 >= l->refresh_ms;
    if (l->ask.step != RTBL_STEP_NONE)
        failed(l, "%s: no answer", step_names[l->ask.step]);
    else if (l->state == RTBL_FOLLOWING && !is_due)
        ask(l, RTBL_STEP_CHECK);
    else
        join(l);
}

/* ---- answers */
static void fetched(struct rtbl_list *l)
{
    bool has_changed = !rtbl_items_equal(&l->items, &l->ask.next);
    if (has_changed) {
        struct rtbl_items old = l->items;
        l->items = l->ask.next;
        l->ask.next = old;
        s2s_rtbl_unref(&l->shown);
        rtbl_publish(l->all);
    }
    ask_reset(l);
    l->ask.failures = 0;
    l->ask.fetched_us = clock_mono_us();
    rtbl_saved_touch(l, has_changed);
    set_state(l, RTBL_FOLLOWING, "");
    rest(l);
}

static void add(struct rtbl_list *l, struct rtbl_items *to, struct str id)
{
    switch (rtbl_items_add(to, id)) {
    case ERR_LIMIT:
        l->ask.is_full = true;
        break;
    case ERR_INVALID:
    case ERR_UNSUPPORTED:
        l->ignored++;
        break;
    default:
        break;
    }
}

static void on_fetched_id(void *ctx, struct str id)
{
    struct rtbl_list *l = ctx;
    add(l, &l->ask.next, id);
}

static void on_page(struct rtbl_list *l, const struct stanza *s)
{
    struct rtbl_ask *k = &l->ask;
    struct rtbl_page page;
    struct arena *a = arena_new(0);
    bool ok = rtbl_wire_page(s, str_of(l->node), &page, on_fetched_id, l);
    struct str last = ok ? xml_text(a, page.last) : STR_NONE;
    if (!ok) {
        failed(l, "fetching items: the answer is malformed");
    } else if (k->is_full) {
        failed(l, "it has more than %zu items (max_items)", l->max);
    } else if (!last.n || !page.n || (page.count && k->seen + page.n >= page.count)) {
        fetched(l);
    } else if (k->last && str_eqc(last, k->last)) {
        failed(l, "fetching items: the service repeats a page");
    } else if (++k->pages >= RTBL_PAGES_MAX) {
        failed(l, "fetching items: more than %d pages", RTBL_PAGES_MAX);
    } else {
        k->seen += page.n;
        mem_free(k->last);
        k->last = str_dup(last);
        ask(l, RTBL_STEP_FETCH);
    }
    arena_free(&a);
}

static void on_subscription(struct rtbl_list *l, const struct stanza *s)
{
    bool is_check = l->ask.step == RTBL_STEP_CHECK;
    const char *step = step_names[l->ask.step];
    switch (rtbl_wire_subscribed(s, str_of(l->node), rtbl_me(l))) {
    case RTBL_SUB_YES:
        if (!is_check) {
            ask(l, RTBL_STEP_FETCH);
            break;
        }
        rtbl_saved_touch(l, false);
        rest(l);
        break;
    case RTBL_SUB_NONE:
        if (is_check)
            join(l); /* it was forgotten, and events with it */
        else
            failed(l, "%s: the answer names no subscription", step);
        break;
    case RTBL_SUB_PENDING:
        failed(l, "%s: it waits for the approval of the list's owner", step);
        break;
    case RTBL_SUB_MALFORMED:
        failed(l, "%s: the answer is malformed", step);
        break;
    }
}

static void on_error(struct rtbl_list *l, const struct stanza *s)
{
    char text[RTBL_WHY];
    enum stanza_cond c = rtbl_wire_condition(s);
    if (l->ask.step != RTBL_STEP_CHECK) {
        failed(l, "%s: %s", step_names[l->ask.step], rtbl_wire_error(s, text, sizeof text));
    } else if (c == STANZA_FEATURE_NOT_IMPLEMENTED || c == STANZA_BAD_REQUEST) {
        l->ask.cannot_check = true;
        rest(l);
    } else if (c == STANZA_UNEXPECTED_REQUEST) { /* not subscribed */
        join(l);
    } else {
        failed(l, "%s: %s", step_names[l->ask.step], rtbl_wire_error(s, text, sizeof text));
    }
}

static void on_answer(struct rtbl_list *l, const struct stanza *s)
{
    timer_stop(&l->ask.timer);
    if (s->type == IQ_ERROR)
        on_error(l, s);
    else if (l->ask.step == RTBL_STEP_FETCH)
        on_page(l, s);
    else
        on_subscription(l, s);
}

/* ---- events */
static bool apply(struct rtbl_list *l, struct rtbl_items *to, enum rtbl_event e, struct str id)
{
    size_t before = rtbl_items_count(to);
    switch (e) {
    case RTBL_PUBLISH:
        add(l, to, id);
        return rtbl_items_count(to) != before;
    case RTBL_RETRACT:
        return rtbl_items_del(to, id);
    case RTBL_PURGE:
        rtbl_items_fini(to);
        return before > 0;
    case RTBL_DELETE:
    case RTBL_UNSUBSCRIBED:
        break;
    }
    return false;
}

struct news {
    struct rtbl_list *list;
    bool has_changed, is_deleted, is_unsubscribed;
};

static void on_event(void *ctx, enum rtbl_event e, struct str id)
{
    struct news *n = ctx;
    struct rtbl_list *l = n->list;
    l->events[e]++;
    if (l->ask.step == RTBL_STEP_SUBSCRIBE || l->ask.step == RTBL_STEP_FETCH)
        (void)apply(l, &l->ask.next, e, id);
    n->has_changed = apply(l, &l->items, e, id) || n->has_changed;
    n->is_deleted = n->is_deleted || e == RTBL_DELETE;
    n->is_unsubscribed = n->is_unsubscribed || e == RTBL_UNSUBSCRIBED;
}

static void on_message(struct rtbl_list *l, const struct stanza *s)
{
    struct news n = {.list = l};
    if (!rtbl_wire_event(s, str_of(l->node), rtbl_me(l), on_event, &n))
        return;
    if (n.has_changed) {
        rtbl_changed(l);
        rtbl_saved_touch(l, true);
    }
    if (n.is_deleted)
        failed(l, "the service deleted the node");
    else if (n.is_unsubscribed)
        failed(l, "the service ended the subscription");
    else if (l->ask.is_full && l->state == RTBL_FOLLOWING)
        failed(l, "it has more than %zu items (max_items)", l->max);
}

void rtbl_list_take(struct rtbl_list *l, const struct stanza *s)
{
    if (s->kind == STANZA_MESSAGE)
        on_message(l, s);
    else if (s->kind == STANZA_IQ && l->ask.id[0] && str_eqc(s->id, l->ask.id))
        on_answer(l, s);
}

/* ---- life */
void rtbl_list_tune(struct rtbl_list *l, const struct node_conf_rtbl *c)
{
    bool is_other = l->max != c->max_items || l->refresh_ms != c->refresh_ms;
    l->max = l->items.max = c->max_items;
    l->refresh_ms = c->refresh_ms;
    if (is_other && l->state != RTBL_LOADING)
        join(l);
}

struct rtbl_list *rtbl_list_open(struct rtbl *all, const struct node_conf_rtbl *c)
{
    struct rtbl_list *l = mem_calloc(1, sizeof *l);
    struct arena *a = arena_new(0);
    struct jid service;
    must(jid_parse(a, str_of(c->service), &service, NULL) == ERR_OK); /* the options were checked */
    l->all = all;
    l->service = str_dup(service.full);
    l->node = mem_strdup(c->node);
    arena_free(&a);
    rtbl_list_tune(l, c);
    timer_init(&l->ask.timer, all->shard->loop, on_timer, l);
    rtbl_saved_init(l);
    rtbl_saved_load(l);
    return l;
}

void rtbl_list_loaded(struct rtbl_list *l)
{
    s2s_rtbl_unref(&l->shown);
    rtbl_publish(l->all);
    set_state(l, RTBL_JOINING, "");
    join(l);
}

void rtbl_list_leave(struct rtbl_list *l)
{
    struct stanza_build b;
    char id[RAND_ID_LEN + 1];
    rtbl_request(l, IQ_SET, str_of(rand_id(id)), &b);
    rtbl_wire_unsubscribe(&b, str_of(l->node), rtbl_me(l));
    route_send(l->all->shard, stanza_finish(&b));
    rtbl_saved_forget(l);
}

void rtbl_list_close(struct rtbl_list **pl)
{
    struct rtbl_list *l = *pl;
    *pl = NULL;
    ask_reset(l);
    rtbl_saved_fini(l);
    rtbl_items_fini(&l->items);
    s2s_rtbl_unref(&l->shown);
    mem_free(l->service);
    mem_free(l->node);
    mem_free(l);
}
