/* DOC: the server's own capabilities in its stream features, so that a client needs not ask what it
 * knows already, and the disco#info answer for the node they name. The string is made of what disco
 * answers at the moment, so it is never about something else; a shard keeps the last it made, with
 * the configuration it was made from. Standards: XEP-0115 sections 5.1, 6.2 and 6.3. */
#include "lib/base/crypto.h"
#include "lib/base/encode.h"
#include "lib/base/vec.h"
#include "lib/xmpp/xep.h"
#include "node/mod/disco.h"
#include "node/mod/mods.h"

XEP("0115", "1.6.0", PARTIAL, "of the server itself; what clients announce is passed on unread");

#define NODE_URI "urn:meridian:server"
#define VER_MAX 32 /* base64 of a SHA-1 */

struct state { /* slot of the shard */
    const struct node_conf *made_from;
    char ver[VER_MAX];
};

/* ---- the verification string (section 5.1) */
typedef VEC(struct str) strs;

static int by_octets(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorted, each with '<' behind it. */
static void flush(struct buf *out, strs *v)
{
    if (v->n)
        qsort(v->p, v->n, sizeof *v->p, by_octets);
    for (size_t i = 0; i < v->n; i++) {
        buf_str(out, v->p[i]);
        buf_char(out, '<');
    }
    vec_fini(v);
}

static struct str identity_text(struct arena *a, const struct xml *id)
{
    struct str category = xml_get(id, "category"), type = xml_get(id, "type"),
               lang = xml_get_ns(id, NS_XML, "lang"), name = xml_get(id, "name");
    return arena_printf(a, STR_FMT "/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(category),
                        STR_ARG(type), STR_ARG(lang), STR_ARG(name));
}

static void each_child(struct arena *a, const struct xml *query, struct buf *out, const char *name,
                       struct str (*text)(struct arena *a, const struct xml *el))
{
    strs v = {0};
    xml_each(query, c)
    {
        if (strcmp(c->el->name, name) == 0)
            vec_push(&v, text(a, c->el));
    }
    flush(out, &v);
}

static struct str feature_text(struct arena *a, const struct xml *el)
{
    (void)a;
    return xml_get(el, "var");
}

static struct str value_text(struct arena *a, const struct xml *el)
{
    return xml_text(a, el);
}

/* A field as the string has it, without its last '<'. */
static struct str field_text(struct arena *a, const struct xml *field)
{
    struct buf b;
    if (str_eqc(xml_get(field, "var"), "FORM_TYPE"))
        return STR("");
    buf_init(&b, 64 << 10);
    buf_str(&b, xml_get(field, "var"));
    buf_char(&b, '<');
    each_child(a, field, &b, "value", value_text);
    struct str out = arena_dup(a, str_make(b.p, b.n - 1));
    buf_fini(&b);
    return out;
}

static struct str form_text(struct arena *a, const struct xml *form)
{
    struct buf b;
    buf_init(&b, 64 << 10);
    strs fields = {0};
    xml_each(form, c)
    {
        struct str text = field_text(a, c->el);
        if (text.n)
            vec_push(&fields, text);
        else
            buf_str(&b, xml_text(a, xml_first(c->el)));
    }
    buf_char(&b, '<');
    flush(&b, &fields);
    struct str out = arena_dup(a, str_make(b.p, b.n - 1));
    buf_fini(&b);
    return out;
}

static void ver_of(struct arena *a, const struct xml *query, char out[VER_MAX])
{
    struct buf s, text;
    uint8_t hash[DIGEST_MAX];
    buf_init(&s, 256 << 10);
    buf_init(&text, VER_MAX);
    each_child(a, query, &s, "identity", identity_text);
    each_child(a, query, &s, "feature", feature_text);
    each_child(a, query, &s, "x", form_text);
    crypto_hash(DIGEST_SHA1, buf_view(&s), hash);
    base64_encode(&text, hash, digest_size(DIGEST_SHA1));
    snprintf(out, VER_MAX, STR_FMT, STR_ARG(buf_view(&text)));
    buf_fini(&text);
    buf_fini(&s);
}

static const char *ver(struct node_shard *sh)
{
    struct state *st = module_shard_slot(sh, &mod_caps);
    if (st->made_from == sh->node->conf)
        return st->ver;
    struct arena *a = arena_new(0);
    ver_of(a, mod_disco_server(sh, a), st->ver);
    st->made_from = sh->node->conf;
    arena_free(&a);
    return st->ver;
}

/* ---- where it is said */
static enum verdict on_features(struct hook_run *run, struct features_subject *f)
{
    if (!f->is_authenticated)
        return V_PASS;
    struct xml *c = xml_add(f->arena, f->features, NS_CAPS, "c");
    xml_set(f->arena, c, "hash", STR("sha-1"));
    xml_set(f->arena, c, "node", STR(NODE_URI));
    xml_set(f->arena, c, "ver", str_of(ver(run->shard)));
    return V_PASS;
}

/* Section 6.2: node#ver is answered like the domain itself. */
static enum verdict on_disco(struct hook_run *run, struct disco_subject *d)
{
    if (d->items || d->account || !str_starts(d->node, STR(NODE_URI "#")))
        return V_PASS;
    struct str asked = str_make(d->node.p + sizeof NODE_URI, d->node.n - sizeof NODE_URI);
    if (!str_eqc(asked, ver(run->shard)))
        return V_PASS;
    struct xml *info = mod_disco_server(run->shard, d->arena);
    xml_each(info, c)
    {
        xml_add_el(d->arena, d->query, c->el);
    }
    return V_PASS;
}

static const struct hook_handler hooks[] = {
    HOOK_ON(stream_features, PH_ANNOTATE, on_features),
    HOOK_ON(disco, PH_DELIVER, on_disco),
};
static const char *const features[] = {NS_CAPS, NULL};

const struct module mod_caps = {
    .name = "caps",
    .xep = "0115",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .server_features = features,
    .shard_size = sizeof(struct state),
};
