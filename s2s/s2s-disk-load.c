/* DOC: outboxes of a former life of this node come back at the start: their owners are looked up,
 * the record of each is read, and then, with the position of its next stanza known, it begins with
 * what is stored. Until all are known nothing is written, so nothing can be put before what is
 * there. */
#include "lib/store/store.h"
#include "s2s/s2s-disk-int.h"

enum {
    OWNERS_PAGE = 100,
    EPOCH_MAX = 1 << 22 /* so that a position is a positive 63-bit number */
};

struct found { /* one outbox of it */
    struct list link;
    struct s2s *s2s;
    char *owner, *local, *remote;
    bool is_again; /* asking for its mark failed */
};

static void load_next(struct s2s *s);

static void load_end(struct s2s *s)
{
    if (--s->load.open || !s->load.is_read)
        return;
    s->load.is_on = false;
    size_t it = 0;
    for (struct s2s_outbox *b; (b = s2s_outbox_any(s, &it));)
        s2s_disk_begin(b);
}

static void found_free(struct found *f)
{
    list_del(&f->link);
    mem_free(f->owner);
    mem_free(f->local);
    mem_free(f->remote);
    mem_free(f);
}

static bool read_mark(struct str text, uint64_t out[3])
{
    for (int i = 0; i < 3; i++)
        if (!str_to_u64(str_cut(&text, ' '), INT64_MAX, &out[i]))
            return false;
    return true;
}

static void take_over(struct found *f, const uint64_t mark[3])
{
    s2s_disk_take_over(s2s_outbox_get(f->s2s, str_of(f->local), str_of(f->remote)), mark);
    log_info(NULL, "s2s.outbox.restored", "local", f->local, "remote", f->remote, "stanzas",
             LOG_NUM(mark[1]));
}

static void on_mark(void *ctx, enum err e, const struct store_kv *v)
{
    struct found *f = ctx;
    struct s2s *s = f->s2s;
    uint64_t mark[3];
    if (e != ERR_OK && e != ERR_NOTFOUND) {
        f->is_again = true;
        timer_start(&s->load.again, S2S_DISK_AGAIN_MS);
        return;
    }
    if (e == ERR_OK && read_mark(v->value, mark) && mark[0] < EPOCH_MAX)
        take_over(f, mark);
    else
        log_error(NULL, "s2s.outbox.lost", "local", f->local, "remote", f->remote, "why",
                  e == ERR_OK ? "its record is unreadable" : err_text(e));
    found_free(f);
    load_end(s);
}

static void ask_mark(struct found *f)
{
    f->is_again = false;
    (void)store_kv_get(f->s2s->store, &f->s2s->load.ops, S2S_DISK_TABLE, str_of(f->owner),
                       S2S_DISK_MARK, on_mark, f);
}

static void find(struct s2s *s, struct str owner)
{
    struct str remote = owner;
    struct str node = str_cut(&remote, ' '), local = str_cut(&remote, ' ');
    if (!str_eqc(node, s->conf.store_owner) || !remote.n ||
        (s->host->owns && !s->host->owns(s->ctx, remote)))
        return;
    struct found *f = mem_alloc(sizeof *f);
    *f = (struct found){
        .s2s = s, .owner = str_dup(owner), .local = str_dup(local), .remote = str_dup(remote)};
    list_push(&s->load.found, &f->link);
    s->load.open++;
    ask_mark(f);
}

static void on_owners(void *ctx, enum err e, const struct str *owners, size_t n)
{
    struct s2s *s = ctx;
    if (e != ERR_OK) {
        log_error(NULL, "s2s.outbox.not-loaded", "why", err_text(e));
        s->load.is_again = true;
        timer_start(&s->load.again, S2S_DISK_AGAIN_MS);
        return;
    }
    for (size_t i = 0; i < n; i++)
        find(s, owners[i]);
    mem_free(s->load.after);
    s->load.after = n ? str_dup(owners[n - 1]) : NULL;
    s->load.is_read = n < OWNERS_PAGE;
    if (!s->load.is_read)
        load_next(s);
    s->load.open++;
    load_end(s);
}

static void load_next(struct s2s *s)
{
    s->load.is_again = false;
    struct str after = s->load.after ? str_of(s->load.after) : STR_NONE;
    (void)store_owners(s->store, &s->load.ops, S2S_DISK_TABLE, after, OWNERS_PAGE, on_owners, s);
}

static void on_again(void *ctx)
{
    struct s2s *s = ctx;
    list_each (&s->load.found, n) {
        struct found *f = list_entry(n, struct found, link);
        if (f->is_again)
            ask_mark(f);
    }
    if (s->load.is_again)
        load_next(s);
}

void s2s_disk_load(struct s2s *s)
{
    op_owner_init(&s->load.ops);
    list_init(&s->load.found);
    timer_init(&s->load.again, s->loop, on_again, s);
    if (!s->store)
        return;
    s->load.is_on = true;
    load_next(s);
}

void s2s_disk_load_stop(struct s2s *s)
{
    op_owner_cancel_all(&s->load.ops);
    list_each (&s->load.found, n)
        found_free(list_entry(n, struct found, link));
    timer_stop(&s->load.again);
    mem_free(s->load.after);
    s->load.after = NULL;
}
