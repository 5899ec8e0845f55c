/* DOC: reading what an outbox has in the store only: its tail.
 * Design: page by page, when half of the memory is free, and never so much that nothing is left for
 * senders that have nothing in the tail; theirs are passed over (`ahead`). What is read waits like
 * what came just now, with the times it had. When the pair has failed for good, the tail is read to
 * be bounced. */
#include "s2s/s2s-disk-int.h"
#include "s2s/s2s-sender.h"

#include "lib/base/clock.h"
#include "lib/store/store.h"

enum { PAGE = 100 };

static bool read_entry(struct str text, uint64_t wall_us[2], uint64_t *bytes, struct stanza **st)
{
    struct str head = str_cut(&text, '\n');
    for (int i = 0; i < 2; i++)
        if (!str_to_u64(str_cut(&head, ' '), INT64_MAX, &wall_us[i]))
            return false;
    return str_to_u64(head, STORE_VALUE_MAX * 2, bytes) && text.p &&
           stanza_parse(text, st) == ERR_OK;
}

/* Loop time of a wall time; what was before this loop began is its beginning. */
static uint64_t loop_time(const struct s2s *s, uint64_t wall_us)
{
    uint64_t now = loop_now_us(s->loop), wall = clock_wall_us();
    if (wall_us >= wall)
        return now + (wall_us - wall);
    return wall - wall_us < now ? now - (wall - wall_us) : 0;
}

static void restore(struct s2s_disk *d, uint64_t key, struct str value)
{
    struct s2s_outbox *b = d->box;
    uint64_t wall_us[2], bytes;
    struct stanza *st = NULL;
    if (!read_entry(value, wall_us, &bytes, &st)) {
        log_error(NULL, "s2s.outbox.unreadable", "remote", b->remote, "bytes", LOG_NUM(value.n));
        s2s_disk_forget(b, key, 0);
        return;
    }
    struct s2s_item *it = s2s_item_new(b, st, NULL);
    s2s_item_set_bytes(it, bytes);
    if (key > d->old_key)
        s2s_sender_from_tail(b, st->from.bare, bytes);
    it->key = key;
    it->at_us = loop_time(b->s2s, wall_us[0]);
    it->expires_us = loop_time(b->s2s, wall_us[1]);
    if (d->failed)
        s2s_item_fail(it, d->failed, d->text);
    else if (it->expires_us <= loop_now_us(b->s2s->loop))
        s2s_item_fail(it, S2S_CAUSE_LIMIT_EXPIRED, s2s_cause_text(S2S_CAUSE_LIMIT_EXPIRED));
}

/* ---- ahead of it ---- */

/* Where the first position is that is not before key. */
static size_t place_of(const struct s2s_disk *d, uint64_t key)
{
    size_t low = 0, high = d->ahead.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (d->ahead.p[mid] < key)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_ahead(const struct s2s_disk *d, uint64_t key)
{
    size_t at = place_of(d, key);
    return at < d->ahead.n && d->ahead.p[at] == key;
}

static void forget_ahead(struct s2s_disk *d)
{
    size_t n = d->tail_key ? 0 : d->ahead.n;
    while (n < d->ahead.n && d->ahead.p[n] < d->tail_key)
        n++;
    if (n)
        memmove(d->ahead.p, d->ahead.p + n, (d->ahead.n - n) * sizeof *d->ahead.p);
    d->ahead.n -= n;
}

void s2s_disk_ahead_gone(struct s2s_disk *d, uint64_t key)
{
    size_t at = d->is_reading ? d->ahead.n : place_of(d, key); /* a page may have it still */
    if (at == d->ahead.n || d->ahead.p[at] != key)
        return;
    memmove(d->ahead.p + at, d->ahead.p + at + 1, (d->ahead.n - at - 1) * sizeof *d->ahead.p);
    d->ahead.n--;
}

/* ---- pages ---- */

/* Three quarters of the memory are for the tail: the rest for those that have nothing in it. */
static bool may_read(const struct s2s_disk *d, size_t bytes)
{
    const struct s2s_outbox *b = d->box;
    const struct s2s_tune *t = &b->s2s->conf.tune;
    return d->failed || !b->n ||
           (b->n < t->pending_stanzas - t->pending_stanzas / 4 &&
            b->bytes + bytes <= t->pending_bytes - t->pending_bytes / 4);
}

/* All that was stored when this page was asked for is read. */
static void look_for_end(struct s2s_disk *d)
{
    if (d->tail_key <= d->read_key)
        d->tail_key = d->read_key + 1;
    if (d->tail_key <= d->stored_key)
        return;
    d->tail_key = d->tail_n = 0;
    d->failed = S2S_CAUSE_NONE;
    if (list_empty(&d->pending))
        s2s_sender_no_tail(d->box);
}

static void on_tail(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                    uint64_t version)
{
    struct s2s_disk *d = ctx;
    struct s2s_outbox *b = d->box;
    uint64_t key;
    size_t i = 0;
    (void)version;
    d->is_reading = false;
    if (e != ERR_OK) {
        log_error(NULL, "s2s.outbox.not-read", "remote", b->remote, "why", err_text(e));
        return; /* the tick asks again */
    }
    for (; i < n && may_read(d, entries[i].value.n); i++) {
        if (!str_to_u64(entries[i].key, INT64_MAX, &key))
            continue;
        d->tail_key = key + 1;
        if (is_ahead(d, key))
            continue;
        d->tail_n -= d->tail_n > 0;
        restore(d, key, entries[i].value);
    }
    if (i == n && n < PAGE)
        look_for_end(d);
    forget_ahead(d);
    if (i || !n) /* else there is no room for the first: the tick asks again */
        s2s_disk_fill(b);
    s2s_outbox_go(b);
    s2s_outbox_check_idle(b);
}

void s2s_disk_fill(struct s2s_outbox *b)
{
    struct s2s_disk *d = b->disk;
    const struct s2s_tune *t = &b->s2s->conf.tune;
    char from[S2S_DISK_KEY_SIZE];
    if (!d || !d->tail_key || d->is_reading || d->is_saving)
        return;
    if (!d->failed && (b->n > t->pending_stanzas / 2 || b->bytes > t->pending_bytes / 2))
        return;
    snprintf(from, sizeof from, S2S_DISK_KEY_FMT, (unsigned long long)d->tail_key);
    d->is_reading = true;
    d->read_key = d->stored_key;
    (void)store_map_read(b->s2s->store, &d->ops, S2S_DISK_TABLE, str_of(d->owner), str_of(from),
                         PAGE, on_tail, d);
}

void s2s_disk_fail(struct s2s_outbox *b, enum s2s_cause c, const char *text)
{
    struct s2s_disk *d = b->disk;
    if (!d)
        return;
    list_each (&d->pending, n) {
        struct s2s_item *it = list_entry(n, struct s2s_item, link);
        struct stanza *st = stanza_ref(it->sm.st);
        void *token = it->token;
        it->token = NULL;
        if (it->key)
            s2s_disk_forget(b, it->key, it->bytes);
        s2s_sender_from_tail(b, st->from.bare, it->bytes);
        s2s_disk_free_pending(d, it);
        s2s_bounce(b->s2s, st, c, text, token);
    }
    if (!d->tail_key)
        return;
    d->failed = c;
    str_put(d->text, sizeof d->text, text);
    s2s_disk_fill(b);
}
