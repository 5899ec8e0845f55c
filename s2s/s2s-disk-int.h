#ifndef S2S_S2S_DISK_INT_H
#define S2S_S2S_DISK_INT_H
/* The durable part of an outbox: a map in the store, position -> when it came, when it expires, and
 * the stanza. tail = stored items from a position on that are not in memory, but for those ahead:
 * of senders that have nothing in the tail, so that they need not wait for it. */
#include "s2s/s2s-int.h"

#define S2S_DISK_TABLE "outbox"
#define S2S_DISK_MARK STR("pair")
#define S2S_DISK_KEY_FMT "%020llu"
enum { S2S_DISK_AGAIN_MS = 1000, S2S_DISK_KEY_SIZE = 21 };

struct s2s_gone { /* done, to be removed */
    uint64_t key;
    size_t bytes;
    bool is_counted; /* false: of a transaction that failed, perhaps not there */
};
struct s2s_disk {
    struct s2s_outbox *box;
    char *owner;
    struct op_owner ops;
    struct timer soon;
    struct list pending; /* items that go to the store only */
    size_t pending_bytes;
    uint64_t next_key, stored_key; /* highest that is committed */
    uint64_t tail_key;             /* where to read on; 0: no tail */
    uint64_t read_key;             /* what was stored up to here is in what is being read */
    uint64_t old_key;              /* what is stored up to here is of a former life */
    uint64_t tail_n, n, bytes;     /* n, bytes: all that is stored */
    VEC(struct s2s_gone) gone;
    VEC(uint64_t) ahead; /* positions in the tail that are in memory, or were; growing */
    struct {             /* the transaction under way */
        bool is_on;
        uint64_t key, n, bytes;
        size_t gone;
        uint64_t gone_n, gone_bytes;
        bool unmarks;
    } txn;
    uint64_t epoch;
    bool is_marked, is_reading, is_failing, is_saving;
    enum s2s_cause failed; /* the tail is bounced for this */
    char text[S2S_TEXT_MAX];
};
struct s2s_disk *s2s_disk_of(struct s2s_outbox *b); /* made when there is none */
/* An item that goes to the store only: its stanza and token go. */
void s2s_disk_free_pending(struct s2s_disk *d, struct s2s_item *it);

/* Something lasting is in memory and not stored: store it when it is not done soon. */
void s2s_disk_want(struct s2s_outbox *b);
/* No room in memory: to the store only (there is one). Takes both when it is NONE. */
enum s2s_cause s2s_disk_put(struct s2s_outbox *b, struct s2s_sender *s, struct stanza *st,
                            void *token) MUST_USE;
/* What comes from this sender comes after something in the tail. */
bool s2s_disk_is_behind(const struct s2s_outbox *b, const struct s2s_sender *s);
bool s2s_disk_has_tail(const struct s2s_outbox *b);
/* s2s-disk-tail.c: read from the tail when there is room again. */
void s2s_disk_fill(struct s2s_outbox *b);
/* The item stored there is done. */
void s2s_disk_forget(struct s2s_outbox *b, uint64_t key, size_t bytes);
/* The tail is bounced, page by page. */
void s2s_disk_fail(struct s2s_outbox *b, enum s2s_cause c, const char *text);
/* Nothing is stored or under way; asks for what is missing to get there. */
bool s2s_disk_is_idle(struct s2s_outbox *b);
/* Stored, not in memory: items of the tail and bytes of all. */
void s2s_disk_count(const struct s2s_outbox *b, uint64_t *tail, uint64_t *bytes);
void s2s_disk_free(struct s2s_outbox *b);
/* Its record, as it was found: openings, stanzas, bytes. */
void s2s_disk_take_over(struct s2s_outbox *b, const uint64_t mark[3]);
void s2s_disk_begin(struct s2s_outbox *b);
/* s2s-disk-load.c: at the start, outboxes of a former life come back. */
void s2s_disk_load(struct s2s *s);
void s2s_disk_load_stop(struct s2s *s);
/* While stopping: all that lasts is stored now. */
void s2s_disk_save(struct s2s_outbox *b);
/* Its deletion is committed: it is not passed over any more, as it is not there. */
void s2s_disk_ahead_gone(struct s2s_disk *d, uint64_t key);
bool s2s_disk_is_saved(struct s2s_outbox *b); /* nothing lasting is left to be stored or removed */

/* s2s-outbox.c */
bool s2s_lasts(const struct stanza *st);
uint64_t s2s_lifetime_us(const struct s2s *s, const struct stanza *st);
struct s2s_item *s2s_item_new(struct s2s_outbox *b, struct stanza *st, void *token);
void s2s_item_taken(struct s2s_item *it); /* its token goes back */
#endif
