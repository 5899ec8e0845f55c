/* DOC: a member that sends to us: what survives its streams. The session of stream management
 * (numbers of what arrived), the highest sequence number that was handed up, the open tickets. A
 * stanza that comes again over a new numbering is not handed up again, but its new number waits for
 * the same custody. */
#include "s2s/s2s-region-int.h"

static bool sm_text(void *ctx, struct str text)
{
    struct region_origin *o = ctx;
    return o->in && region_in_write(o->in, text);
}

static void sm_broken(void *ctx, const char *why)
{
    struct region_origin *o = ctx;
    if (o->in)
        region_in_close(o->in, STREAM_UNDEFINED_CONDITION, why);
}

static const struct sm_events sm_up = {.send_text = sm_text, .broken = sm_broken};

struct region_origin *region_origin_get(struct s2s_region *r, const char *id, const char *domain)
{
    struct region_origin *o = hmap_get(&r->origins, str_of(id));
    if (o)
        return o;
    o = mem_alloc(sizeof *o);
    o->r = r;
    str_put(o->id, sizeof o->id, id);
    str_put(o->domain, sizeof o->domain, domain);
    hmap_init(&o->open);
    list_init(&o->tickets);
    o->sm = sm_session_new(r->loop, &sm_up, o, NS_SERVER);
    hmap_put(&r->origins, str_of(o->id), o);
    return o;
}

/* Tickets of the past: completing them has no effect any more. */
static void void_tickets(struct region_origin *o)
{
    size_t it = 0;
    for (struct region_ticket_rec *t; (t = hmap_next(&o->open, &it, NULL));)
        t->origin = NULL;
    list_init(&o->tickets);
    o->got.n = 0;
    hmap_fini(&o->open);
    hmap_init(&o->open);
}

void region_origin_renew(struct region_origin *o, uint64_t incarnation)
{
    void_tickets(o);
    sm_session_free(&o->sm);
    o->sm = sm_session_new(o->r->loop, &sm_up, o, NS_SERVER);
    o->incarnation = incarnation;
    o->highest = 0;
}

void region_origin_free(struct region_origin *o)
{
    void_tickets(o);
    hmap_fini(&o->open);
    vec_fini(&o->got);
    sm_session_free(&o->sm);
    (void)hmap_del(&o->r->origins, str_of(o->id));
    mem_free(o);
}

static struct str seq_key(const uint64_t *seq)
{
    return str_make((const char *)seq, sizeof *seq);
}

/* ---- got ---- */

static uint64_t lowest_open(const struct region_origin *o)
{
    const struct list *n = o->tickets.next;
    return n == &o->tickets ? UINT64_MAX
                            : list_entry(n, const struct region_ticket_rec, of_origin)->seq;
}

static void say_got(struct region_origin *o, uint64_t seq)
{
    char text[80];
    int n =
        snprintf(text, sizeof text, "<got xmlns='%s' seq='%" PRIu64 "'/>", NS_MERIDIAN_ROUTE, seq);
    if (o->in && region_in_is_on(o->in))
        (void)region_in_write(o->in, str_make(text, (size_t)n));
}

void region_origin_say_got(struct region_origin *o)
{
    for (size_t i = 0; i < o->got.n; i++)
        say_got(o, o->got.p[i]);
}

/* One is done: h tells if nothing older is open, and of all below the lowest open one. */
static void note_done(struct region_origin *o, uint64_t seq)
{
    uint64_t lowest = lowest_open(o);
    if (seq > lowest) {
        vec_push(&o->got, seq);
        say_got(o, seq);
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < o->got.n; i++)
        if (o->got.p[i] > lowest)
            o->got.p[kept++] = o->got.p[i];
    o->got.n = kept;
}

region_ticket region_origin_take(struct region_origin *o, uint64_t seq, uint64_t token)
{
    struct region_ticket_rec *t;
    if (seq <= o->highest) {
        t = hmap_get(&o->open, seq_key(&seq));
        if (t)
            t->token = token;
        else {
            sm_complete(o->sm, token);
            if (seq > lowest_open(o))
                say_got(o, seq);
        }
        return 0;
    }
    o->highest = seq;
    t = mem_alloc(sizeof *t);
    t->origin = o;
    t->seq = seq;
    t->token = token;
    list_push(&o->tickets, &t->of_origin);
    t->h = handle_new(o->r->handles, t);
    list_push(&o->r->tickets, &t->link);
    hmap_put(&o->open, seq_key(&t->seq), t);
    return t->h;
}

void region_ticket_done(struct s2s_region *r, region_ticket number)
{
    struct region_ticket_rec *t = handle_get(r->handles, number);
    if (!t)
        return;
    struct region_origin *o = t->origin;
    handle_free(r->handles, t->h);
    list_del(&t->link);
    if (o) {
        (void)hmap_del(&o->open, seq_key(&t->seq));
        list_del(&t->of_origin);
        note_done(o, t->seq);
        sm_complete(o->sm, t->token);
        if (o->in)
            region_in_refill(o->in);
    }
    mem_free(t);
}
