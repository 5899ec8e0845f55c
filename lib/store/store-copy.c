/* store-copy: all data from one place to another, a page of rows at a time: read, written as one
 * transaction, then the next. A page too large for an answer is read again with fewer rows. Both
 * stores are opened here, with longer deadlines than a node has: nobody waits for them. */
#include "lib/base/log.h"
#include "lib/store/store-int.h"

enum { PAGE_ROWS = 500, TIMEOUT_MS = 60000 };

struct copier {
    struct loop *loop;
    struct op_owner owner;
    struct store_port *from, *to;
    struct store_copied copied;
    store_copied_cb *progress;
    void *ctx;
    enum store_kind kind;
    size_t limit;
    struct arena *place; /* what `after` points to */
    struct store_row after;
    bool is_begun; /* after is a row */
    size_t page_rows, page_bytes;
    enum err err;
    const char *doing;
};

static void end(struct copier *c, enum err e, const char *doing)
{
    c->err = e;
    c->doing = doing;
    loop_stop(c->loop);
}

static void next_page(struct copier *c);

static void on_loaded(void *ctx, enum err e)
{
    struct copier *c = ctx;
    if (e) {
        end(c, e, "writing");
        return;
    }
    c->copied.rows[c->kind] += c->page_rows;
    c->copied.bytes += c->page_bytes;
    if (c->progress)
        c->progress(c->ctx, &c->copied);
    next_page(c);
}

static void remember(struct copier *c, const struct store_row *last)
{
    struct arena *a = arena_new(0);
    c->after = *last;
    c->after.table = arena_dup(a, last->table);
    c->after.owner = arena_dup(a, last->owner);
    c->after.key = arena_dup(a, last->key);
    c->after.value = c->after.with = STR_NONE;
    c->is_begun = true;
    arena_free(&c->place);
    c->place = a;
}

static bool has_rows(const struct store_copied *c)
{
    uint64_t n = 0;
    for (int i = 0; i < STORE_KINDS; i++)
        n += c->rows[i];
    return n > 0;
}

static void on_page(void *ctx, enum err e, const struct store_row *rows, size_t n)
{
    struct copier *c = ctx;
    if (e == ERR_LIMIT && c->limit > 1) {
        c->limit /= 4;
        next_page(c);
    } else if (e) {
        end(c, e, "reading");
    } else if (n) {
        c->limit = PAGE_ROWS;
        c->page_rows = n;
        c->page_bytes = 0;
        for (size_t i = 0; i < n; i++)
            c->page_bytes += rows[i].value.n;
        remember(c, &rows[n - 1]);
        store_load(c->to, &c->owner, rows, n, on_loaded, c);
    } else if (++c->kind == STORE_KINDS) { /* a name that was mistyped is an empty store */
        end(c, has_rows(&c->copied) ? ERR_OK : ERR_NOTFOUND, "the source has no data");
    } else {
        c->is_begun = false;
        next_page(c);
    }
}

static void next_page(struct copier *c)
{
    store_scan(c->from, &c->owner, c->kind, c->is_begun ? &c->after : NULL, c->limit, on_page, c);
}

static void look_for_rows(struct copier *c);

static void on_looked(void *ctx, enum err e, const struct store_row *rows, size_t n)
{
    struct copier *c = ctx;
    (void)rows;
    if (e || n) {
        end(c, e ? e : ERR_EXISTS, e ? "reading the target" : "the target has data already");
    } else if (++c->kind == STORE_KINDS) {
        c->kind = STORE_KV;
        next_page(c);
    } else {
        look_for_rows(c);
    }
}

static void look_for_rows(struct copier *c)
{
    store_scan(c->to, &c->owner, c->kind, NULL, 1, on_looked, c);
}

static enum err open_one(const struct store_place *place, struct store **out, char *why,
                         size_t why_size)
{
    struct store_place patient = *place;
    patient.timeout_ms = TIMEOUT_MS;
    return store_open_at(&patient, NULL, 0, out, why, why_size);
}

static void run(struct copier *c, struct store *from, struct store *to)
{
    c->loop = loop_new("copy/0", 0);
    op_owner_init(&c->owner);
    c->limit = PAGE_ROWS;
    c->from = store_port_open(from, c->loop);
    c->to = store_port_open(to, c->loop);
    look_for_rows(c);
    loop_run(c->loop);
    store_port_close(&c->from);
    store_port_close(&c->to);
    arena_free(&c->place);
}

enum err store_copy_all(const struct store_place *from, const struct store_place *to,
                        store_copied_cb *progress, void *ctx, char *why, size_t why_size)
{
    struct copier c = {.progress = progress, .ctx = ctx};
    struct store *source = NULL, *target = NULL;
    enum err e = open_one(from, &source, why, why_size);
    if (!e)
        e = open_one(to, &target, why, why_size);
    if (!e) {
        run(&c, source, target);
        e = c.err;
        if (e)
            snprintf(why, why_size, "%s: %s", c.doing, err_text(e));
    }
    store_close(&source);
    store_close(&target);
    if (c.loop)
        loop_free(&c.loop);
    return e;
}
