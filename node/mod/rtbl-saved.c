/* DOC: the last known items in the store, so that a list whose service is away at the start still
 * holds. Of the map kind, an owner a list: keys "0000", "0001", ... have ids, one a line, in
 * chunks; "at" when they were known to be up to date. All chunks are written together, RTBL_SAVE_MS
 * after the first change: what a node that dies loses of that is fetched when it is back. The owner
 * has the node's name, so that nodes with one database do not mix their chunks. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "node/mod/rtbl-int.h"

#define TABLE "rtbl"
#define KEY_AT "at"
enum {
    CHUNK_BYTES = 64 << 10,
    CHUNKS_MAX = S2S_RTBL_ITEMS_MAX / (CHUNK_BYTES / (S2S_RTBL_ID_MAX + 1)) + 1,
    READ_PAGE = 4,
};

static struct str owner_of(const struct rtbl_list *l, struct arena *a)
{
    const char *name = l->all->shard->node->conf->node_name;
    return arena_printf(a, "%s/%s%s%s", l->service, l->node, name ? " " : "", name ? name : "");
}

static struct str key_of(size_t chunk, char out[16])
{
    snprintf(out, 16, "%04zu", chunk);
    return str_of(out);
}

/* ---- writing */
static void put_chunk(struct store_txn *t, size_t chunk, struct buf *b)
{
    char key[16];
    store_txn_map_put(t, TABLE, key_of(chunk, key), buf_view(b));
    buf_clear(b);
}

static size_t put_items(struct store_txn *t, const struct rtbl_items *items)
{
    struct buf b;
    size_t chunks = 0;
    buf_init(&b, CHUNK_BYTES + S2S_RTBL_ID_MAX + 1);
    for (size_t i = 0; i < rtbl_items_count(items); i++) {
        buf_str(&b, rtbl_items_id(items, i));
        buf_char(&b, '\n');
        if (b.n >= CHUNK_BYTES)
            put_chunk(t, chunks++, &b);
    }
    if (b.n)
        put_chunk(t, chunks++, &b);
    buf_fini(&b);
    return chunks;
}

static void del_chunks(struct store_txn *t, size_t from, size_t to)
{
    char key[16];
    for (size_t i = from; i < to; i++)
        store_txn_map_del(t, TABLE, key_of(i, key));
}

static void on_saved(void *ctx, enum err e)
{
    struct rtbl_list *l = ctx;
    if (e == ERR_OK)
        return;
    log_warn(NULL, "s2s.rtbl.unsaved", "service", l->service, "node", l->node, "why", err_text(e));
    l->saved.is_dirty = true;
    timer_start(&l->saved.timer, RTBL_SAVE_AGAIN_MS);
}

static void on_save(void *ctx)
{
    struct rtbl_list *l = ctx;
    struct rtbl_saved *s = &l->saved;
    struct arena *a = arena_new(0);
    struct store_txn *t = store_txn_new(l->all->shard->store, owner_of(l, a));
    if (s->is_dirty) {
        size_t chunks = put_items(t, &l->items);
        del_chunks(t, chunks, s->chunks);
        /* if this fails, there may be as many as before */
        s->chunks = chunks > s->chunks ? chunks : s->chunks;
        s->is_dirty = false;
    }
    store_txn_map_put(t, TABLE, STR(KEY_AT), arena_printf(a, "%" PRIu64, s->confirmed_s));
    (void)store_commit(&t, &s->ops, on_saved, l);
    arena_free(&a);
}

void rtbl_saved_touch(struct rtbl_list *l, bool has_changed)
{
    struct rtbl_saved *s = &l->saved;
    s->confirmed_s = clock_wall_us() / 1000000;
    s->is_dirty = s->is_dirty || has_changed;
    if (!timer_running(&s->timer))
        timer_start(&s->timer, RTBL_SAVE_MS);
}

static void on_forgotten(void *ctx UNUSED, enum err e)
{
    if (e != ERR_OK)
        log_warn(NULL, "s2s.rtbl.unforgotten", "why", err_text(e));
}

/* On the shard's owner: the list goes at once. */
void rtbl_saved_forget(struct rtbl_list *l)
{
    struct node_shard *sh = l->all->shard;
    struct arena *a = arena_new(0);
    struct store_txn *t = store_txn_new(sh->store, owner_of(l, a));
    del_chunks(t, 0, l->saved.chunks);
    store_txn_map_del(t, TABLE, STR(KEY_AT));
    (void)store_commit(&t, &sh->ops, on_forgotten, sh);
    arena_free(&a);
}

/* ---- reading */
static void read_chunk(struct rtbl_list *l, struct str text)
{
    for (struct str rest = text; rest.p;) {
        struct str id = str_cut(&rest, '\n');
        if (id.n && rtbl_items_add(&l->items, id) == ERR_LIMIT)
            return; /* max_items is less than it was */
    }
}

static void read_from(struct rtbl_list *l, struct str from);

static void on_read(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                    uint64_t version UNUSED)
{
    struct rtbl_list *l = ctx;
    char next[16];
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        if (str_eqc(entries[i].key, KEY_AT)) {
            (void)str_to_u64(entries[i].value, UINT64_MAX, &l->saved.confirmed_s);
            continue;
        }
        read_chunk(l, entries[i].value);
        l->saved.chunks++;
    }
    if (e != ERR_OK) {
        log_warn(NULL, "s2s.rtbl.unread", "service", l->service, "node", l->node, "why",
                 err_text(e));
        l->saved.chunks = CHUNKS_MAX; /* as many as there may be: what is left over must go */
    }
    if (e == ERR_OK && n == READ_PAGE)
        read_from(l, key_of(l->saved.chunks, next));
    else
        rtbl_list_loaded(l);
}

static void read_from(struct rtbl_list *l, struct str from)
{
    struct arena *a = arena_new(0);
    (void)store_map_read(l->all->shard->store, &l->saved.ops, TABLE, owner_of(l, a), from,
                         READ_PAGE, on_read, l);
    arena_free(&a);
}

void rtbl_saved_load(struct rtbl_list *l)
{
    read_from(l, STR(""));
}

void rtbl_saved_init(struct rtbl_list *l)
{
    op_owner_init(&l->saved.ops);
    timer_init(&l->saved.timer, l->all->shard->loop, on_save, l);
}

void rtbl_saved_fini(struct rtbl_list *l)
{
    timer_stop(&l->saved.timer);
    op_owner_cancel_all(&l->saved.ops);
}
