/* DOC: what a former life of this node had acknowledged and not in custody goes on its way again,
 * in the order of its age, each with its old trace (so that the offline store knows what it has)
 * and a custody whose end takes it out of the store. A message is routed as if it had passed its
 * sender's anchor, which it nearly always had: what was done there once is not done again. The rest
 * of what a client sent goes through its account, wherever that is, without a session.
 * It begins when the registry tells who is anchor of whom, not before. Standards: XEP-0203. */
#include "lib/base/log.h"
#include "lib/xmpp/delay.h"
#include "node/cluster/anchor.h"
#include "node/cluster/world.h"
#include "node/route/spool-int.h"
#include "node/session/user.h"

enum { PAGE = 100, BEATS = 2 };

struct left { /* a custody of a former life */
    struct list link;
    struct custody custody;
    struct spool_load *load;
    unsigned n; /* rows read */
    char owner[SPOOL_OWNER_MAX];
};
struct spool_load {
    struct node_shard *hub;
    struct op_owner ops;
    struct timer timer;
    unsigned beats;     /* of the registry that were waited for, connected */
    struct list left;   /* struct left, until they are out of the store */
    VEC(char *) owners; /* of a page */
    size_t at;
    char *after;      /* the page's last; NULL: there is no other */
    struct left *now; /* whose rows are read */
    size_t stanzas;
};

static void read_row(struct spool_load *l);
static void read_owners(struct spool_load *l);

/* ---- out of the store again */
static void left_free(void *ctx)
{
    struct left *k = ctx;
    list_del(&k->link);
    mem_free(k);
}

static void left_removed(void *ctx, enum err e)
{
    struct left *k = ctx;
    if (e != ERR_OK)
        log_error(NULL, "spool.left.remains", "owner", k->owner, "why", err_text(e));
    left_free(k);
}

static void left_over(struct node_shard *hub, void *ctx)
{
    struct left *k = ctx;
    (void)spool_remove(hub, &k->load->ops, k->owner, k->n, left_removed, k);
}

static void left_release(struct custody *c)
{
    struct left *k = container_of(c, struct left, custody);
    node_post(k->load->hub, left_over, left_free, k);
}

static struct left *left_new(struct spool_load *l, const char *owner)
{
    struct left *k = mem_alloc(sizeof *k);
    *k = (struct left){.load = l};
    refs_init(&k->custody.refs);
    k->custody.release = left_release;
    str_put(k->owner, sizeof k->owner, owner);
    list_push(&l->left, &k->link);
    return k;
}

/* ---- on its way again */
struct former { /* of a session of a former life, not a message */
    struct node_shard *sh;
    struct stanza *stanza;
    struct custody *custody;
    unsigned hops;
    char trace[33];
};

static void former_free(void *ctx)
{
    struct former *f = ctx;
    stanza_unref(&f->stanza);
    custody_unref(&f->custody);
    mem_free(f);
}

static void former_to_peer(struct former *f, const char *peer)
{
    struct region_route r = {.purpose = REGION_FROM, .hops = f->hops};
    str_put(r.trace, sizeof r.trace, f->trace);
    world_send(f->sh, peer, stanza_ref(f->stanza), custody_ref(f->custody), &r);
}

static void former_known(void *ctx, const struct anchor *a)
{
    struct former *f = ctx;
    if (a->what == ANCHOR_HERE)
        user_from_former(f->sh, stanza_ref(f->stanza), custody_ref(f->custody), f->trace);
    else if (a->what == ANCHOR_PEER && f->hops < ROUTE_HOPS_MAX)
        former_to_peer(f, a->peer);
    else
        route_drop(f->sh, stanza_ref(f->stanza), custody_ref(f->custody));
    former_free(f);
}

static void former_on_shard(struct node_shard *sh, void *ctx)
{
    struct former *f = ctx;
    struct anchor a;
    f->sh = sh;
    if (anchor_now(sh, f->stanza->from.bare, &a))
        former_known(f, &a);
    else
        (void)anchor_ask(sh, &sh->ops, f->stanza->from.bare, former_known, former_free, f);
}

void spool_former(struct node_shard *sh, struct stanza *s, struct custody *c, unsigned hops,
                  const char *trace)
{
    struct former *f = mem_alloc(sizeof *f);
    *f = (struct former){.stanza = s, .custody = c, .hops = hops};
    str_put(f->trace, sizeof f->trace, trace);
    node_post(node_shard_of(sh->node, s->from.bare), former_on_shard, former_free, f);
}

static void start(struct spool_load *l, const struct spool_item *it)
{
    struct stanza *s = stanza_ref(it->stanza);
    if (!jid_is_set(&s->to)) {
        struct jid bare = jid_to_bare(&s->from);
        stanza_unref(&s);
        s = stanza_readdress(it->stanza, NULL, &bare);
    }
    route_start(l->hub, s, custody_ref(&l->now->custody), it->source, it->source == ROUTE_REGION,
                it->trace);
}

static void set_off(struct spool_load *l, const struct spool_item *it)
{
    l->stanzas++;
    if (it->source != ROUTE_CLIENT || it->stanza->kind == STANZA_MESSAGE) {
        start(l, it);
        return;
    }
    spool_former(l->hub, stanza_ref(it->stanza), custody_ref(&l->now->custody), 0, it->trace);
}

static bool source_read(struct str word, enum route_source *out)
{
    for (size_t i = 0; i < ARRAY_LEN(spool_sources); i++)
        if (spool_sources[i] && str_eqc(word, spool_sources[i])) {
            *out = (enum route_source)i;
            return true;
        }
    return false;
}

/* What a server says of delays in our name is not believed (mod/delay.c), so of its stanzas the
 * time is lost. */
static bool row_read(struct str row, struct spool_item *it)
{
    struct str source = str_cut(&row, ' '), trace = str_cut(&row, ' '), at = str_cut(&row, '\n');
    struct stanza *s;
    uint64_t at_us;
    if (!source_read(source, &it->source) || trace.n != sizeof it->trace - 1 ||
        !str_to_u64(at, UINT64_MAX, &at_us) || stanza_parse(row, &s) != ERR_OK)
        return false;
    memcpy(it->trace, trace.p, trace.n);
    it->trace[trace.n] = '\0';
    const struct jid *ours = it->source == ROUTE_CLIENT ? &s->from : &s->to;
    const bool is_sane = jid_is_set(ours) && jid_is_set(&s->from);
    it->stanza =
        is_sane && it->source != ROUTE_S2S ? delay_stamp(s, ours->domain, at_us) : stanza_ref(s);
    stanza_unref(&s);
    if (!is_sane)
        stanza_unref(&it->stanza);
    return is_sane;
}

static void row_again(struct spool_load *l, struct str row)
{
    struct spool_item it;
    if (!row_read(row, &it)) {
        log_error(NULL, "spool.row.corrupt", "owner", l->now->owner, "row", LOG_NUM(l->now->n - 1));
        return;
    }
    set_off(l, &it);
    stanza_unref(&it.stanza);
}

/* ---- reading */
static void next_owner(struct spool_load *l)
{
    struct custody *own = l->now ? &l->now->custody : NULL;
    l->now = NULL;
    custody_unref(&own);
    if (l->at < l->owners.n) {
        l->now = left_new(l, l->owners.p[l->at++]);
        read_row(l);
    } else if (l->after) {
        read_owners(l);
    } else if (l->stanzas) {
        log_info(NULL, "spool.left.routed", "stanzas", LOG_NUM(l->stanzas));
    }
}

static void read_later(struct spool_load *l, enum err e)
{
    log_error(NULL, "spool.read.failed", "why", err_text(e));
    timer_start(&l->timer, SPOOL_AGAIN_MS);
}

static void on_row(void *ctx, enum err e, const struct store_kv *v)
{
    struct spool_load *l = ctx;
    if (e == ERR_OK) {
        l->now->n++;
        row_again(l, v->value);
        read_row(l);
    } else if (e == ERR_NOTFOUND) {
        next_owner(l);
    } else {
        read_later(l, e);
    }
}

static void read_row(struct spool_load *l)
{
    char key[SPOOL_KEY_MAX];
    (void)store_kv_get(l->hub->store, &l->ops, SPOOL_TABLE, str_of(l->now->owner),
                       spool_key(key, l->now->n), on_row, l);
}

static void owners_clear(struct spool_load *l)
{
    for (size_t i = 0; i < l->owners.n; i++)
        mem_free(l->owners.p[i]);
    l->owners.n = l->at = 0;
    mem_free(l->after);
    l->after = NULL;
}

/* Ours, of whatever life. */
static bool is_ours(const struct spool_load *l, struct str owner, struct str *life)
{
    struct str node = str_cut(&owner, ' ');
    *life = str_cut(&owner, ' ');
    return str_eqc(node, spool_node(l->hub));
}

static void owner_found(struct spool_load *l, struct str owner)
{
    char own[17];
    struct str life;
    snprintf(own, sizeof own, "%016" PRIx64, l->hub->node->incarnation);
    if (is_ours(l, owner, &life) && !str_eqc(life, own))
        vec_push(&l->owners, str_dup(owner));
}

static void on_owners(void *ctx, enum err e, const struct str *owners, size_t n)
{
    struct spool_load *l = ctx;
    struct str life;
    if (e != ERR_OK) {
        read_later(l, e);
        return;
    }
    owners_clear(l);
    for (size_t i = 0; i < n; i++)
        owner_found(l, owners[i]);
    if (n == PAGE && is_ours(l, owners[n - 1], &life))
        l->after = str_dup(owners[n - 1]);
    next_owner(l);
}

static void read_owners(struct spool_load *l)
{
    char first[SPOOL_OWNER_MAX];
    snprintf(first, sizeof first, "%s ", spool_node(l->hub));
    (void)store_owners(l->hub->store, &l->ops, SPOOL_TABLE, str_of(l->after ? l->after : first),
                       PAGE, on_owners, l);
}

/* ---- when */
static bool is_world_known(struct spool_load *l)
{
    const struct node *n = l->hub->node;
    if (!n->conf->region_name)
        return true;
    l->beats = world_registry_connected(n->world) ? l->beats + 1 : 0;
    return l->beats > BEATS;
}

static void on_timer(void *ctx)
{
    struct spool_load *l = ctx;
    if (l->now)
        read_row(l);
    else if (is_world_known(l))
        read_owners(l);
    else
        timer_start(&l->timer, l->hub->node->conf->registry_beat_ms);
}

struct spool_load *spool_load_new(struct node_shard *hub)
{
    struct spool_load *l = mem_alloc(sizeof *l);
    *l = (struct spool_load){.hub = hub};
    op_owner_init(&l->ops);
    list_init(&l->left);
    timer_init(&l->timer, hub->loop, on_timer, l);
    timer_start(&l->timer, 0);
    return l;
}

void spool_load_stop(struct spool_load *l)
{
    timer_stop(&l->timer);
    op_owner_cancel_all(&l->ops);
    owners_clear(l);
    vec_fini(&l->owners);
}

void spool_load_free(struct spool_load **pl)
{
    struct spool_load *l = *pl;
    struct list *n;
    *pl = NULL;
    while (l && (n = list_first(&l->left)))
        left_free(list_entry(n, struct left, link));
    mem_free(l);
}
