/* DOC: the roster as clients manage it. Reading marks the session as interested in pushes, and the
 * answer is written to the session itself, so that no push of a later change can overtake it. A
 * change is stored first, then pushed, then confirmed. Removing a contact ends the subscriptions; a
 * request of the contact that was not answered stays. Standards: RFC 6121 section 2. */
#include "node/session/roster.h"
#include "lib/xmpp/xep.h"
#include "node/mod/mods.h"
#include "node/session/presence.h"

RFC("6121", COMPLETE, "who has an older roster version gets the whole roster (section 2.6)");

static bool is_own(const struct iq_request *r)
{
    return r->session || jid_bare_eq(&r->stanza->from, &r->user->bare);
}

/* ---- get (section 2.1.3). Who has the version of now gets an empty result, others everything. */
static void add_all(struct stanza_build *b, struct user *u, struct str ver)
{
    struct xml *query = xml_add(b->arena, b->el, NS_ROSTER, "query");
    xml_set(b->arena, query, "ver", ver);
    struct roster_item *it;
    for (size_t i = 0; (it = hmap_next(&u->roster->items, &i, NULL));)
        if (it->visible)
            roster_item_xml(b->arena, query, it, false);
}

static void on_get(struct iq_request *r)
{
    struct session *ss = session_by_handle(r->shard, r->session);
    struct stanza_build b;
    stanza_result_build(&b, r->stanza);
    struct str ver = roster_ver(b.arena, r->user);
    if (!str_eq(xml_get(stanza_payload(r->stanza), "ver"), ver))
        add_all(&b, r->user, ver);
    struct stanza *answer = stanza_finish(&b);
    if (ss) {
        session_want(ss, WISH_ROSTER, true);
        session_write(ss, answer, custody_ref(r->custody), true, 0);
    } else { /* it left meanwhile */
        stanza_unref(&answer);
    }
    iq_answered(r);
}

/* ---- set: what is asked (section 2.3) */
struct wish {
    struct jid jid; /* bare */
    struct str name;
    char **groups; /* heap */
    size_t n_groups;
    bool remove;
};

static void groups_free(struct wish *w)
{
    for (size_t i = 0; i < w->n_groups; i++)
        mem_free(w->groups[i]);
    mem_free(w->groups);
}

static enum stanza_cond read_group(struct arena *a, const struct xml *el, struct wish *w)
{
    struct str g = xml_text(a, el);
    if (!g.n || g.n > ROSTER_TEXT_MAX || w->n_groups == ROSTER_GROUPS_MAX)
        return STANZA_NOT_ACCEPTABLE;
    for (size_t i = 0; i < w->n_groups; i++)
        if (str_eqc(g, w->groups[i]))
            return STANZA_BAD_REQUEST;
    w->groups[w->n_groups++] = str_dup(g);
    return STANZA_OK;
}

static enum stanza_cond read_item(struct arena *a, const struct xml *item, struct wish *w)
{
    struct jid j;
    if (!xml_get(item, "jid").p || jid_parse(a, xml_get(item, "jid"), &j, NULL) != ERR_OK)
        return STANZA_JID_MALFORMED;
    w->jid = jid_to_bare(&j);
    w->name = xml_get(item, "name");
    w->remove = str_eqc(xml_get(item, "subscription"), "remove");
    if (w->name.n > ROSTER_TEXT_MAX)
        return STANZA_NOT_ACCEPTABLE;
    w->groups = mem_calloc(ROSTER_GROUPS_MAX, sizeof *w->groups);
    enum stanza_cond c = STANZA_OK;
    xml_each(item, n)
    {
        if (c == STANZA_OK && xml_is(n->el, NS_ROSTER, "group"))
            c = read_group(a, n->el, w);
    }
    return c;
}

static enum stanza_cond read_wish(struct arena *a, const struct xml *query, struct wish *w)
{
    const struct xml *item = NULL;
    xml_each(query, n)
    {
        if (item || !xml_is(n->el, NS_ROSTER, "item"))
            return STANZA_BAD_REQUEST;
        item = n->el;
    }
    return item ? read_item(a, item, w) : STANZA_BAD_REQUEST;
}

/* ---- set: done when the store has it */
struct change {
    struct op on_user;    /* the user goes: freed */
    struct op on_request; /* the request ended without us: nobody to answer */
    struct user *user;
    struct iq_request *request; /* NULL then */
    struct jid contact;         /* heap */
    bool remove;
    uint8_t before; /* subscription bits of a removed item */
};

static void change_free(struct change *c)
{
    if (c->request)
        op_end(&c->on_request);
    jid_fini(&c->contact);
    mem_free(c);
}

static void change_user_gone(struct op *op)
{
    change_free(container_of(op, struct change, on_user));
}

static void change_request_gone(struct op *op)
{
    container_of(op, struct change, on_request)->request = NULL;
}

static void change_answer(struct change *c, enum err e)
{
    struct iq_request *r = c->request;
    if (!r)
        return;
    c->request = NULL;
    op_end(&c->on_request);
    if (e == ERR_OK)
        iq_result(r);
    else
        iq_error(r, STANZA_INTERNAL_SERVER_ERROR, "the roster cannot be written");
}

static void change_stored(void *ctx, enum err e)
{
    struct change *c = ctx;
    op_end(&c->on_user);
    if (e == ERR_OK) {
        const struct roster_item *it = roster_find(c->user, c->contact.full);
        const struct roster_item gone = {.jid = c->contact};
        if (c->remove)
            roster_push(c->user, &gone, true);
        else if (it)
            roster_push(c->user, it, false);
    }
    change_answer(c, e);
    if (e == ERR_OK && c->remove)
        subs_end(c->user, &c->contact, c->before, NULL);
    change_free(c);
}

static void change_start(struct iq_request *r, struct roster_item *it, bool remove, uint8_t before)
{
    struct change *c = mem_alloc(sizeof *c);
    *c = (struct change){.user = r->user, .request = r, .remove = remove, .before = before};
    jid_dup_heap(&it->jid, &c->contact);
    op_start(&c->on_user, &r->user->ops, change_user_gone);
    op_start(&c->on_request, &r->ops, change_request_gone);
    roster_save(r->user, it, change_stored, c);
}

static void set_remove(struct iq_request *r, const struct wish *w)
{
    struct roster_item *it = roster_find(r->user, w->jid.full);
    if (!it || !it->visible) {
        iq_error(r, STANZA_ITEM_NOT_FOUND, NULL);
        return;
    }
    uint8_t before = it->state;
    it->state &= SUBS_PENDING_IN;
    it->visible = false;
    mem_free(it->name);
    it->name = NULL;
    roster_item_set_groups(it, NULL, 0);
    change_start(r, it, true, before);
}

static void set_item(struct iq_request *r, struct wish *w)
{
    struct roster_item *it = roster_get(r->user, &w->jid);
    if (!it) {
        iq_error(r, STANZA_RESOURCE_CONSTRAINT, "the roster is full");
        return;
    }
    mem_free(it->name);
    it->name = w->name.n ? str_dup(w->name) : NULL;
    roster_item_set_groups(it, w->groups, w->n_groups);
    w->groups = NULL;
    w->n_groups = 0;
    it->visible = true;
    change_start(r, it, false, 0);
}

static void on_set(struct iq_request *r)
{
    struct wish w = {0};
    struct arena *a = arena_new(0);
    enum stanza_cond c = read_wish(a, stanza_payload(r->stanza), &w);
    if (c != STANZA_OK)
        iq_error(r, c, NULL);
    else if (w.remove)
        set_remove(r, &w);
    else
        set_item(r, &w);
    groups_free(&w);
    arena_free(&a);
}

static void on_roster(struct iq_request *r)
{
    if (!is_own(r))
        iq_error(r, STANZA_FORBIDDEN, NULL);
    else if (r->stanza->type == IQ_GET)
        on_get(r);
    else
        on_set(r);
}

static const struct iq_handler iqs[] = {
    {NS_ROSTER, "query", IQ_TO_ACCOUNT, true, true, false, on_roster},
};

/* Sections 2.6.1 and 3.4. */
static enum verdict on_features(struct hook_run *run, struct features_subject *f)
{
    (void)run;
    if (!f->is_authenticated)
        return V_PASS;
    xml_add(f->arena, f->features, NS_ROSTERVER, "ver");
    xml_add(f->arena, f->features, NS_SUBS_PREAPPROVAL, "sub");
    return V_PASS;
}

static const struct hook_handler hooks[] = {HOOK_ON(stream_features, PH_ANNOTATE, on_features)};
static const struct module_data data[] = {{DATA_MAP_LAST, "roster", NULL}};

const struct module mod_roster = {
    .name = "roster",
    .xep = "RFC 6121",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .iqs = iqs,
    .n_iqs = ARRAY_LEN(iqs),
    .iqs_need_roster = true,
    .data = data,
    .n_data = ARRAY_LEN(data),
};
