/* store-mem: the reference driver. Everything in ordered maps: table, then owner, then the four
 * kinds. Nothing is durable. A transaction changes the maps at once and remembers how to undo each
 * step; the end of a failed one undoes them backwards, so all or nothing holds by the same path
 * whatever failed. One connection, used by the writer for all. */
#include "lib/base/clock.h"
#include "lib/base/omap.h"
#include "lib/base/vec.h"
#include "lib/store/store-int.h"

struct mem_row { /* strings lie behind it */
    struct str key, value, with;
    uint64_t number; /* kv: revision; log: at_us */
};

struct mem_owner {
    struct omap kv, map;
    struct omap log; /* key: sequence number, eight bytes big-endian */
    struct omap ids; /* of the log: id -> row of log */
    uint64_t version;
    bool is_bumped; /* version was changed by the transaction that runs */
};

struct mem_table {
    struct omap owners;
};

struct undo { /* put old back under key (NULL: remove what is there); or set a number */
    struct omap *map;
    struct mem_row *old;
    struct mem_row *added;
    bool owns; /* the rows are freed by this map (ids borrows from log) */
    struct mem_owner *bumped;
    uint64_t version; /* it had before */
    struct str key;
};

struct mem {
    struct omap tables;
    struct omap leases; /* of struct store_lease */
    uint64_t last_seq;
    VEC(struct undo) undo;
};

static void seq_key(char out[8], uint64_t seq)
{
    for (int i = 0; i < 8; i++)
        out[i] = (char)(seq >> (56 - 8 * i));
}

static uint64_t seq_of(struct str key)
{
    uint64_t seq = 0;
    for (int i = 0; i < 8; i++)
        seq = seq << 8 | (uint8_t)key.p[i];
    return seq;
}

/* ---- rows and owners */

static char *row_add(struct str *to, char *at, struct str s)
{
    if (!s.p)
        return at;
    memcpy(at, s.p, s.n);
    *to = str_make(at, s.n);
    return at + s.n + 1;
}

static struct mem_row *row_new(struct str key, struct str value, struct str with, uint64_t number)
{
    struct mem_row *r = mem_alloc(sizeof *r + key.n + value.n + with.n + 3);
    char *at = (char *)(r + 1);
    r->number = number;
    at = row_add(&r->key, at, key);
    at = row_add(&r->value, at, value);
    row_add(&r->with, at, with);
    return r;
}

static struct mem_owner *owner_find(const struct mem *m, const char *table, struct str owner)
{
    const struct mem_table *t = omap_get(&m->tables, str_of(table));
    return t ? omap_get(&t->owners, owner) : NULL;
}

static struct mem_owner *owner_make(struct mem *m, const char *table, struct str owner)
{
    struct mem_table *t = omap_get(&m->tables, str_of(table));
    if (!t) {
        t = mem_alloc(sizeof *t);
        omap_put(&m->tables, str_of(table), t);
    }
    struct mem_owner *w = omap_get(&t->owners, owner);
    if (!w) {
        w = mem_alloc(sizeof *w);
        omap_put(&t->owners, owner, w);
    }
    return w;
}

/* ---- changes, each with its undo */

static void set_row(struct mem *m, struct omap *map, struct str key, struct mem_row *row, bool owns)
{
    struct undo u = {.map = map, .added = row, .owns = owns};
    u.old = row ? omap_put(map, key, row) : omap_del(map, key);
    u.key = str_make(mem_dup(key.p, key.n), key.n);
    vec_push(&m->undo, u);
}

static void bump(struct mem *m, struct mem_owner *w)
{
    if (w->is_bumped)
        return;
    struct undo u = {.bumped = w, .version = w->version};
    w->is_bumped = true;
    w->version++;
    vec_push(&m->undo, u);
}

static void undo_one(const struct undo *u)
{
    if (u->bumped) {
        u->bumped->version = u->version;
        return;
    }
    if (u->old)
        omap_put(u->map, u->key, u->old);
    else
        omap_del(u->map, u->key);
    if (u->owns)
        mem_free(u->added);
}

static void txn_end(struct mem *m, bool undo)
{
    for (size_t i = m->undo.n; i-- > 0;) {
        struct undo *u = &m->undo.p[i];
        if (undo)
            undo_one(u);
        else if (u->owns)
            mem_free(u->old);
        if (u->bumped)
            u->bumped->is_bumped = false;
        mem_free((char *)u->key.p);
    }
    m->undo.n = 0;
}

static enum err kv_change(struct mem *m, struct mem_owner *w, const struct store_change *c)
{
    const struct mem_row *old = omap_get(&w->kv, c->key);
    uint64_t rev = old ? old->number : 0;
    if (c->number != STORE_REV_ANY && c->number != rev)
        return ERR_CONFLICT;
    if (c->kind == CHANGE_KV_PUT)
        set_row(m, &w->kv, c->key, row_new(c->key, c->value, STR_NONE, rev + 1), true);
    else if (old)
        set_row(m, &w->kv, c->key, NULL, true);
    return ERR_OK;
}

static void map_change(struct mem *m, struct mem_owner *w, const struct store_change *c)
{
    if (c->kind == CHANGE_MAP_PUT)
        set_row(m, &w->map, c->key, row_new(c->key, c->value, STR_NONE, 0), true);
    else if (omap_get(&w->map, c->key))
        set_row(m, &w->map, c->key, NULL, true);
    else
        return;
    bump(m, w);
}

static enum err log_append(struct mem *m, struct mem_owner *w, const struct store_change *c)
{
    char seq[8];
    if (omap_get(&w->ids, c->key))
        return ERR_EXISTS;
    struct mem_row *row = row_new(c->key, c->value, c->with, c->number);
    seq_key(seq, ++m->last_seq);
    set_row(m, &w->log, str_make(seq, sizeof seq), row, true);
    set_row(m, &w->ids, c->key, row, false);
    return ERR_OK;
}

static void log_trim(struct mem *m, struct mem_owner *w, uint64_t upto)
{
    struct omap_it it;
    while (omap_first_ge(&w->log, STR_NONE, &it) && seq_of(it.key) <= upto) {
        struct mem_row *row = it.value;
        char seq[8];
        memcpy(seq, it.key.p, sizeof seq);
        set_row(m, &w->ids, row->key, NULL, false);
        set_row(m, &w->log, str_make(seq, sizeof seq), NULL, true);
    }
}

static enum err change_one(struct mem *m, struct mem_owner *w, const struct store_change *c)
{
    switch (c->kind) {
    case CHANGE_KV_PUT:
    case CHANGE_KV_DEL:
        return kv_change(m, w, c);
    case CHANGE_MAP_PUT:
    case CHANGE_MAP_DEL:
        map_change(m, w, c);
        return ERR_OK;
    case CHANGE_LOG_APPEND:
        return log_append(m, w, c);
    case CHANGE_LOG_TRIM:
        log_trim(m, w, c->number);
        return ERR_OK;
    }
    return ERR_INVALID;
}

static enum err mem_commit_one(struct mem *m, const struct store_req *r)
{
    enum err e = ERR_OK;
    for (const struct store_change *c = r->ask.changes; c && !e; c = c->next)
        e = change_one(m, owner_make(m, c->table, r->ask.owner), c);
    if (!e && r->inject)
        e = ERR_IO;
    txn_end(m, e != ERR_OK);
    return e;
}

/* ---- rows as they are */

static enum err load_log(struct mem *m, struct mem_owner *w, const struct store_row *r)
{
    char seq[8];
    seq_key(seq, r->place);
    struct str key = str_make(seq, sizeof seq);
    if (omap_get(&w->ids, r->key) || omap_get(&w->log, key))
        return ERR_EXISTS;
    struct mem_row *row = row_new(r->key, r->value, r->with, r->number);
    set_row(m, &w->log, key, row, true);
    set_row(m, &w->ids, r->key, row, false);
    if (r->place > m->last_seq)
        m->last_seq = r->place;
    return ERR_OK;
}

static enum err load_one(struct mem *m, const struct store_row *r)
{
    struct mem_owner *w = owner_make(m, r->table.p, r->owner);
    struct omap *map = r->kind == STORE_KV ? &w->kv : &w->map;
    if (r->kind == STORE_LOG)
        return load_log(m, w, r);
    if (r->kind == STORE_MAP_VERSION) {
        if (w->version)
            return ERR_EXISTS;
        bump(m, w);
        w->version = r->number;
        return ERR_OK;
    }
    if (omap_get(map, r->key))
        return ERR_EXISTS;
    set_row(m, map, r->key, row_new(r->key, r->value, STR_NONE, r->number), true);
    return ERR_OK;
}

static enum err mem_load(struct mem *m, const struct store_req *r)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->ask.rows_n && !e; i++)
        e = load_one(m, &r->ask.rows[i]);
    if (!e && r->inject)
        e = ERR_IO;
    txn_end(m, e != ERR_OK);
    return e;
}

/* ---- lease */

static enum err lease_acquire(struct mem *m, struct store_req *r)
{
    const struct store_ask *a = &r->ask;
    uint64_t now_us = clock_wall_us();
    struct store_lease *cur = omap_get(&m->leases, a->key);
    if (cur && !store_lease_allows(cur, a->holder, a->incarnation, now_us)) {
        r->answer.lease = *cur;
        return ERR_CONFLICT;
    }
    if (!cur) {
        cur = mem_alloc(sizeof *cur);
        omap_put(&m->leases, a->key, cur);
    }
    store_lease_fill(cur, a->holder, a->incarnation, now_us + a->ttl_ms * 1000);
    r->answer.lease = *cur;
    return ERR_OK;
}

static enum err lease_release(struct mem *m, const struct store_req *r)
{
    const struct store_ask *a = &r->ask;
    struct store_lease *cur = omap_get(&m->leases, a->key);
    if (!cur)
        return ERR_OK;
    if (!str_eqc(a->holder, cur->holder) || a->incarnation != cur->incarnation)
        return cur->expires_wall_us > clock_wall_us() ? ERR_CONFLICT : ERR_OK;
    mem_free(omap_del(&m->leases, a->key));
    return ERR_OK;
}

/* ---- reads: copied into the request, as the maps change while the answer is on its way */

static bool copy(struct store_req *r, struct str s, struct str *out)
{
    return store_copy(r->arena, s, SIZE_MAX, out);
}

static enum err kv_get(const struct mem *m, struct store_req *r)
{
    const struct mem_owner *w = owner_find(m, r->ask.table, r->ask.owner);
    const struct mem_row *row = w ? omap_get(&w->kv, r->ask.key) : NULL;
    if (!row)
        return ERR_NOTFOUND;
    r->answer.kv.rev = row->number;
    return copy(r, row->value, &r->answer.kv.value) ? ERR_OK : ERR_LIMIT;
}

static enum err map_read(const struct mem *m, struct store_req *r)
{
    const struct mem_owner *w = owner_find(m, r->ask.table, r->ask.owner);
    struct store_answer *a = &r->answer;
    struct omap_it it;
    if (!w)
        return ERR_OK;
    a->version = w->version;
    a->entries = arena_alloc(r->arena, (r->ask.limit + 1) * sizeof *a->entries);
    bool more = omap_first_ge(&w->map, r->ask.key, &it);
    for (; more && a->n < r->ask.limit; more = omap_next(&w->map, &it)) {
        const struct mem_row *row = it.value;
        struct store_entry *to = &a->entries[a->n++];
        if (!copy(r, row->key, &to->key) || !copy(r, row->value, &to->value))
            return ERR_LIMIT;
    }
    return ERR_OK;
}

static bool log_start(const struct mem_owner *w, const struct store_log_range *g,
                      struct omap_it *it)
{
    char seq[8] = {0};
    struct str key = str_make(seq, sizeof seq);
    if (g->newest_first && !g->before)
        return omap_last(&w->log, it);
    seq_key(seq, g->newest_first ? g->before : g->after + 1);
    return g->newest_first ? omap_last_lt(&w->log, key, it) : omap_first_ge(&w->log, key, it);
}

static enum err log_read(const struct mem *m, struct store_req *r)
{
    const struct mem_owner *w = owner_find(m, r->ask.table, r->ask.owner);
    const struct store_log_range *g = &r->ask.range;
    struct store_answer *a = &r->answer;
    struct omap_it it;
    if (!w || (!g->newest_first && g->after == UINT64_MAX))
        return ERR_OK;
    a->records = arena_alloc(r->arena, (r->ask.limit + 1) * sizeof *a->records);
    bool more = log_start(w, g, &it);
    while (more && a->n < r->ask.limit) {
        const struct mem_row *row = it.value;
        struct store_record *to = &a->records[a->n];
        to->seq = seq_of(it.key);
        to->at_us = row->number;
        if (to->seq <= g->after || (g->before && to->seq >= g->before))
            break;
        if (!copy(r, row->key, &to->id) || !copy(r, row->with, &to->with) ||
            !copy(r, row->value, &to->payload))
            return ERR_LIMIT;
        a->n++;
        more = g->newest_first ? omap_prev(&w->log, &it) : omap_next(&w->log, &it);
    }
    return ERR_OK;
}

static enum err log_count(const struct mem *m, struct store_req *r)
{
    const struct mem_owner *w = owner_find(m, r->ask.table, r->ask.owner);
    struct omap_it it;
    if (!w)
        return ERR_OK;
    for (bool more = omap_first_ge(&w->log, STR_NONE, &it); more; more = omap_next(&w->log, &it)) {
        r->answer.count++;
        r->answer.bytes += ((const struct mem_row *)it.value)->value.n;
    }
    return ERR_OK;
}

static enum err owners_read(const struct mem *m, struct store_req *r)
{
    const struct mem_table *t = omap_get(&m->tables, str_of(r->ask.table));
    struct store_answer *a = &r->answer;
    struct omap_it it;
    if (!t)
        return ERR_OK;
    a->owners = arena_alloc(r->arena, (r->ask.limit + 1) * sizeof *a->owners);
    bool more = omap_first_ge(&t->owners, r->ask.key, &it);
    for (; more && a->n < r->ask.limit; more = omap_next(&t->owners, &it)) {
        const struct mem_owner *w = it.value;
        if (omap_count(&w->kv) == 0 || str_eq(it.key, r->ask.key))
            continue;
        if (!copy(r, it.key, &a->owners[a->n++]))
            return ERR_LIMIT;
    }
    return ERR_OK;
}

/* The rows of one kind of one owner behind the one of the question, if that is of this owner.
 * False: enough, or too much (*e). */
static bool scan_owner(struct store_req *r, struct str table, struct str owner,
                       const struct mem_owner *w, enum err *e)
{
    const struct store_row *after = &r->ask.after;
    struct store_row row = {.kind = r->ask.kind, .table = table, .owner = owner, .key = STR("")};
    const struct omap *map = row.kind == STORE_KV    ? &w->kv
                             : row.kind == STORE_MAP ? &w->map
                             : row.kind == STORE_LOG ? &w->log
                                                     : NULL;
    bool is_same = str_eq(table, after->table) && str_eq(owner, after->owner);
    char seq[8];
    struct omap_it it;
    seq_key(seq, after->place);
    struct str last = row.kind == STORE_LOG ? str_make(seq, sizeof seq) : after->key;
    if (!map) {
        row.number = w->version;
        if (w->version && !is_same && !store_row_answer(r, r->arena, &row))
            *e = ERR_LIMIT;
        return !*e && r->answer.n < r->ask.limit;
    }
    bool more = omap_first_ge(map, is_same ? last : STR_NONE, &it);
    for (; more && r->answer.n < r->ask.limit; more = omap_next(map, &it)) {
        const struct mem_row *from = it.value;
        if (is_same && str_eq(it.key, last))
            continue;
        row.key = from->key;
        row.value = from->value;
        row.with = from->with;
        row.number = row.kind == STORE_MAP ? 0 : from->number;
        row.place = row.kind == STORE_LOG ? seq_of(it.key) : 0;
        if (!store_row_answer(r, r->arena, &row)) {
            *e = ERR_LIMIT;
            return false;
        }
    }
    return r->answer.n < r->ask.limit;
}

static enum err scan(const struct mem *m, struct store_req *r)
{
    const struct store_row *after = &r->ask.after;
    enum err e = ERR_OK;
    struct omap_it t, w;
    for (bool a = omap_first_ge(&m->tables, after->table, &t); a; a = omap_next(&m->tables, &t)) {
        const struct omap *owners = &((const struct mem_table *)t.value)->owners;
        struct str from = str_eq(t.key, after->table) ? after->owner : STR_NONE;
        for (bool b = omap_first_ge(owners, from, &w); b; b = omap_next(owners, &w))
            if (!scan_owner(r, t.key, w.key, w.value, &e))
                return e;
    }
    return e;
}

/* ---- driver */

static enum err mem_read(void *conn, struct store_req *r)
{
    struct mem *m = conn;
    if (r->inject)
        return ERR_IO;
    switch (r->verb) {
    case VERB_KV_GET:
        return kv_get(m, r);
    case VERB_MAP_READ:
        return map_read(m, r);
    case VERB_LOG_READ:
        return log_read(m, r);
    case VERB_LOG_COUNT:
        return log_count(m, r);
    case VERB_OWNERS:
        return owners_read(m, r);
    case VERB_SCAN:
        return scan(m, r);
    case VERB_COMMIT:
    case VERB_LEASE_ACQUIRE:
    case VERB_LEASE_RELEASE:
    case VERB_LOAD:
        break;
    }
    return ERR_INVALID;
}

static enum err mem_write(void *conn, struct store_req *r)
{
    struct mem *m = conn;
    if (r->verb == VERB_COMMIT)
        return mem_commit_one(m, r);
    if (r->verb == VERB_LOAD)
        return mem_load(m, r);
    if (r->inject)
        return ERR_IO;
    return r->verb == VERB_LEASE_ACQUIRE ? lease_acquire(m, r) : lease_release(m, r);
}

static enum err mem_open(const char *path, bool writer, void **conn, char *why, size_t why_size)
{
    (void)path, (void)writer, (void)why, (void)why_size;
    *conn = mem_alloc(sizeof(struct mem));
    return ERR_OK;
}

static enum err mem_nothing(void *conn)
{
    (void)conn;
    return ERR_OK;
}

static void free_rows(struct omap *map)
{
    struct omap_it it;
    for (bool more = omap_first_ge(map, STR_NONE, &it); more; more = omap_next(map, &it))
        mem_free(it.value);
    omap_fini(map);
}

static void table_free(struct mem_table *t)
{
    struct omap_it it;
    for (bool more = omap_first_ge(&t->owners, STR_NONE, &it); more;
         more = omap_next(&t->owners, &it)) {
        struct mem_owner *w = it.value;
        free_rows(&w->kv);
        free_rows(&w->map);
        free_rows(&w->log);
        omap_fini(&w->ids);
        mem_free(w);
    }
    omap_fini(&t->owners);
    mem_free(t);
}

static void mem_close(void *conn)
{
    struct mem *m = conn;
    struct omap_it it;
    for (bool more = omap_first_ge(&m->tables, STR_NONE, &it); more;
         more = omap_next(&m->tables, &it))
        table_free(it.value);
    omap_fini(&m->tables);
    free_rows(&m->leases);
    vec_fini(&m->undo);
    mem_free(m);
}

const struct store_driver store_mem_driver = {
    .scheme = "mem",
    .open = mem_open,
    .close = mem_close,
    .begin = mem_nothing,
    .write = mem_write,
    .commit = mem_nothing,
    .read = mem_read,
};
