/* DOC: client state indication: what a client that does not look is not told at once. Held back are
 * the presences of others, the last one of each sender, and messages with nothing but a chat state,
 * likewise; they are written, in their order, before anything else is, when the client is active
 * again, or when they become too many. A session that waits to be resumed is treated as one that
 * does not look, so that its queue is not filled with presences that were overtaken. Standards:
 * XEP-0352 sections 3.2, 4 and 5.1. */
#include "lib/xmpp/hints.h"
#include "lib/xmpp/xep.h"
#include "node/c2s/c2s-int.h"

XEP("0352", "1.0.0", COMPLETE);

static struct conn_csi *csi_get(struct conn *c)
{
    if (!c->csi) {
        c->csi = mem_alloc(sizeof *c->csi);
        list_init(&c->csi->held);
    }
    return c->csi;
}

/* The map of the newest of each sender; NULL: not to be held. */
static struct hmap *map_for(struct conn_csi *csi, const struct stanza *s)
{
    if (s->kind == STANZA_PRESENCE)
        return s->type == PRES_AVAILABLE || s->type == PRES_UNAVAILABLE ? &csi->presences : NULL;
    if (s->kind != STANZA_MESSAGE || s->type == MSG_ERROR || s->type == MSG_GROUPCHAT)
        return NULL;
    return hints_is_fleeting(s) && !hints_has(s, "store") ? &csi->chats : NULL;
}

static void out_of(struct conn_csi *csi, struct kept *k)
{
    struct hmap *map = map_for(csi, k->e.st);
    csi->n--;
    csi->bytes -= k->e.item.bytes;
    list_del(&k->e.item.link);
    if (hmap_get(map, k->e.st->from.full) == k)
        hmap_del(map, k->e.st->from.full);
}

struct kept *conn_csi_take(struct conn *c)
{
    struct list *n = c->csi ? list_first(&c->csi->held) : NULL;
    if (!n)
        return NULL;
    struct kept *k = list_entry(n, struct kept, e.item.link);
    out_of(c->csi, k);
    return k;
}

static void flush(struct conn *c)
{
    struct kept *k;
    while ((k = conn_csi_take(c)))
        conn_emit(c, k);
}

bool conn_csi_hold(struct conn *c, struct kept *k)
{
    struct conn_csi *csi = c->csi;
    if (!csi->is_inactive)
        return false;
    struct hmap *map = map_for(csi, k->e.st);
    struct str from = k->e.st->from.full;
    if (!map || !from.p || csi->n >= C2S_HELD_STANZAS || csi->bytes >= C2S_HELD_BYTES) {
        flush(c);
        return false;
    }
    struct kept *overtaken = hmap_get(map, from);
    if (overtaken) {
        out_of(csi, overtaken);
        conn_kept_free(overtaken);
    }
    list_push(&csi->held, &k->e.item.link);
    hmap_put(map, from, k);
    csi->n++;
    csi->bytes += k->e.item.bytes;
    return true;
}

void conn_csi_set(struct conn *c, bool inactive)
{
    if (!inactive && !c->csi)
        return;
    csi_get(c)->is_inactive = inactive;
    if (!inactive)
        flush(c);
}

bool conn_csi_element(struct conn *c, const struct xml *el)
{
    bool inactive = xml_is(el, NS_CSI, "inactive");
    if (!inactive && !xml_is(el, NS_CSI, "active"))
        return false;
    conn_csi_set(c, inactive);
    return true;
}

void conn_csi_free(struct conn *c)
{
    if (!c->csi)
        return;
    hmap_fini(&c->csi->presences);
    hmap_fini(&c->csi->chats);
    mem_free(c->csi);
    c->csi = NULL;
}
