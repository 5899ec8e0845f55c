/* DOC: links of external components: a stream of its own namespace, proved by a hash over the
 * stream's id and a shared secret, then stanzas from any address of its domain. A link belongs to
 * the shard that accepted it; the owner of its domain decides whether it may have it (claim), and
 * only then it is told that it is in. What its queue holds when it goes is lost, as on any stream
 * without acknowledgements. Standards: XEP-0114 (accept). */
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "lib/net/tls.h"
#include "lib/xmpp/xep.h"
#include "node/component/component-int.h"
#include "node/mod/mods.h"

XEP("0114", "1.6", COMPLETE);

enum link_state {
    LINK_NEW,     /* no handshake yet */
    LINK_CLAIMS,  /* the secret was right; the owner is asked; not read */
    LINK_OPEN,    /* its stanzas pass */
    LINK_CLOSING, /* we ended it */
};
struct link {
    struct list link;
    struct node_shard *sh;
    handle h;
    enum link_state state;
    struct stream_in *stream;
    struct stream_in_conf conf;
    const struct node_conf_component *is; /* of the header */
    bool has_claimed;
};

struct component_shard *component_shard(struct node_shard *sh)
{
    return module_shard_slot(sh, &mod_component);
}

const struct node_conf_component *component_find(const struct node *n, struct str domain)
{
    for (size_t i = 0; i < n->conf->components_n; i++)
        if (str_eqc(domain, n->conf->components[i].domain))
            return &n->conf->components[i];
    return NULL;
}

bool component_serves(const struct node *n, struct str domain)
{
    return n->conf->components_n && component_find(n, domain) != NULL;
}

static void link_close(struct link *l, enum stream_cond c, const char *text)
{
    if (l->state == LINK_CLOSING)
        return;
    log_info(NULL, "component.closing", "domain", l->is ? l->is->domain : "", "why",
             stream_cond_name(c));
    l->state = LINK_CLOSING;
    if (l->has_claimed)
        place_release(l->sh, l->is, l->h);
    l->has_claimed = false;
    stream_in_close(l->stream, c, text);
}

/* ---- header and handshake */
static enum stream_cond on_header(void *ctx, const struct stream_header *h)
{
    struct link *l = ctx;
    struct arena *a = arena_new(0);
    struct jid j;
    if (h->to.p && jid_parse(a, h->to, &j, NULL) == ERR_OK)
        l->is = component_find(l->sh->node, j.full);
    if (!l->is)
        log_info(NULL, "component.header.refused", "to", LOG_STR(h->to));
    arena_free(&a);
    return l->is ? STREAM_OK : STREAM_HOST_UNKNOWN;
}

/* SHA1(stream id + secret) in lower-case hex. */
static bool knows_secret(const struct link *l, struct str proof)
{
    uint8_t hash[DIGEST_MAX];
    struct buf text, want;
    buf_init(&text, 8192);
    buf_init(&want, 2 * DIGEST_MAX);
    buf_cstr(&text, stream_in_id(l->stream));
    buf_cstr(&text, l->is->secret);
    crypto_hash(DIGEST_SHA1, buf_view(&text), hash);
    hex_encode(&want, hash, digest_size(DIGEST_SHA1));
    bool ok = buf_ok(&text) && proof.n == want.n && crypto_equal(proof.p, want.p, want.n);
    mem_wipe(text.p, text.cap);
    buf_fini(&text);
    buf_fini(&want);
    return ok;
}

static void on_handshake(struct link *l, const struct xml_doc *doc)
{
    bool ok = xml_is(doc->root, NS_COMPONENT, "handshake") &&
              knows_secret(l, str_trim(xml_text(doc->arena, doc->root)));
    if (!ok) {
        log_warn(NULL, "component.auth.failed", "domain", l->is->domain);
        link_close(l, STREAM_NOT_AUTHORIZED, NULL);
        return;
    }
    l->state = LINK_CLAIMS;
    l->has_claimed = true;
    stream_in_pause(l->stream, true);
    place_claim(l->sh, l->is, l->h);
}

void link_claimed(struct node_shard *sh, handle h, bool is_ours)
{
    struct link *l = handle_get(sh->handles, h);
    if (!l || l->state != LINK_CLAIMS)
        return;
    if (!is_ours) {
        l->has_claimed = false;
        link_close(l, STREAM_CONFLICT, "the component is connected");
        return;
    }
    struct arena *a = arena_new(0);
    log_info(NULL, "component.up", "domain", l->is->domain);
    l->state = LINK_OPEN;
    stream_in_set_authenticated(l->stream);
    (void)stream_in_send(l->stream, xml_new(a, NS_COMPONENT, "handshake"));
    stream_in_pause(l->stream, false);
    arena_free(&a);
}

void link_replaced(struct node_shard *sh, handle h)
{
    struct link *l = handle_get(sh->handles, h);
    if (!l)
        return;
    l->has_claimed = false;
    link_close(l, STREAM_CONFLICT, "replaced by a new connection");
}

/* ---- stanzas */
bool link_write(struct node_shard *sh, handle h, struct stanza *s, struct custody *c)
{
    struct link *l = h ? handle_get(sh->handles, h) : NULL;
    if (!l || l->state != LINK_OPEN)
        return false;
    (void)stream_in_send_stanza(l->stream, s);
    stanza_unref(&s);
    custody_unref(&c);
    if (stream_in_queued(l->stream) > COMPONENT_OUTPUT_MAX)
        link_close(l, STREAM_RESOURCE_CONSTRAINT, "you do not read what you are sent");
    return true;
}

/* From its domain, to somebody. */
static enum stream_cond check_addresses(const struct link *l, const struct stanza *s)
{
    if (!jid_is_set(&s->from) || !jid_is_set(&s->to))
        return STREAM_IMPROPER_ADDRESSING;
    return str_eqc(s->from.domain, l->is->domain) ? STREAM_OK : STREAM_INVALID_FROM;
}

static void on_stanza(struct link *l, struct xml_doc **doc)
{
    struct stanza *s, *reply;
    bool unknown = (*doc)->root->ns != NS_COMPONENT;
    enum stanza_cond bad = STANZA_OK;
    if (!unknown)
        bad = stanza_from_doc(doc, &s, &reply, &unknown);
    if (unknown) {
        link_close(l, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        return;
    }
    if (bad != STANZA_OK) {
        log_info(NULL, "component.stanza.malformed", "domain", l->is->domain, "why",
                 stanza_cond_name(bad));
        if (reply)
            (void)stream_in_send_stanza(l->stream, reply);
        stanza_unref(&reply);
        return;
    }
    enum stream_cond c = check_addresses(l, s);
    if (c == STREAM_OK) {
        route_start(l->sh, s, NULL, ROUTE_COMPONENT, 0, NULL);
        return;
    }
    stanza_unref(&s);
    link_close(l, c, NULL);
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct link *l = ctx;
    if (l->state == LINK_NEW)
        on_handshake(l, doc);
    else if (l->state == LINK_OPEN)
        on_stanza(l, &doc);
    if (doc)
        xml_doc_free(&doc);
}

/* ---- life */
static void link_free(struct link *l)
{
    list_del(&l->link);
    handle_free(l->sh->handles, l->h);
    stream_in_free(&l->stream);
    mem_free(l);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct link *l = ctx;
    log_info(NULL, "component.down", "domain", l->is ? l->is->domain : "", "why", e->text);
    if (l->has_claimed)
        place_release(l->sh, l->is, l->h);
    link_free(l);
}

static const struct stream_in_events events = {
    .header = on_header, .element = on_element, .end = on_end};

void component_accept(struct node_shard *sh, struct transport *t, bool direct_tls,
                      const struct stream_rate *rate)
{
    struct component_shard *cs = component_shard(sh);
    if (cs->is_stopping) {
        transport_abort(&t);
        return;
    }
    struct link *l = mem_alloc(sizeof *l);
    l->sh = sh;
    l->h = handle_new(sh->handles, l);
    l->conf = (struct stream_in_conf){.content_ns = NS_COMPONENT,
                                      .limits = &sh->node->conf->limits,
                                      .no_features = true,
                                      .default_from = sh->node->conf->domains[0]};
    list_push(&cs->links, &l->link);
    if (direct_tls)
        t = tls_server(&t, sh->node->tls_c2s);
    l->stream = stream_in_new(&t, &l->conf, &events, l);
    stream_in_set_rate(l->stream, rate);
}

void component_stop(struct node_shard *sh)
{
    struct component_shard *cs = component_shard(sh);
    cs->is_stopping = true;
    list_each (&cs->links, n) {
        link_close(list_entry(n, struct link, link), STREAM_SYSTEM_SHUTDOWN, "the server stops");
    }
}

static enum err init(struct node_shard *sh, void *state)
{
    struct component_shard *cs = state;
    (void)sh;
    list_init(&cs->links);
    return ERR_OK;
}

static void fini(struct node_shard *sh, void *state)
{
    struct component_shard *cs = state;
    struct list *n;
    (void)sh;
    while ((n = list_first(&cs->links)))
        link_free(list_entry(n, struct link, link));
    places_free(cs);
}

/* XEP-0030: what there is beside the domain itself. */
static enum verdict on_disco(struct hook_run *run, struct disco_subject *d)
{
    const struct node_conf *c = run->shard->node->conf;
    if (!d->items || d->account || d->node.p)
        return V_PASS;
    for (size_t i = 0; i < c->components_n; i++)
        xml_set(d->arena, xml_add(d->arena, d->query, NS_DISCO_ITEMS, "item"), "jid",
                str_of(c->components[i].domain));
    return V_PASS;
}

static const struct hook_handler hooks[] = {HOOK_ON(disco, PH_ANNOTATE, on_disco)};

const struct module mod_component = {
    .name = "component",
    .xep = "0114",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .shard_size = sizeof(struct component_shard),
    .init = init,
    .fini = fini,
};
