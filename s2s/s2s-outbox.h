#ifndef S2S_S2S_OUTBOX_H
#define S2S_S2S_OUTBOX_H
/* Stanzas of one domain pair that have not left this process: waiting for a stream, or written to
 * one whose output is still in user space. Bounded in bytes and stanzas. Order is kept, also when a
 * stream died and the rest goes to the next. */
#include "lib/stream/stream-out.h"

enum { S2S_TRIES_MAX = 2 };
struct s2s_item {
    struct list link;
    struct stanza *st;
    size_t bytes;
    uint64_t end;   /* position in the output of the stream after which it has left */
    unsigned tries; /* streams that died under it */
};
struct s2s_outbox {
    struct list waiting, sent;
    size_t n, bytes, max_n, max_bytes;
    uint64_t written; /* on this stream, as far as it was ours */
};
void s2s_outbox_init(struct s2s_outbox *b, size_t max_n, size_t max_bytes);
void s2s_outbox_fini(struct s2s_outbox *b);
/* Takes the reference when true; false: full. */
bool s2s_outbox_put(struct s2s_outbox *b, struct stanza *st) MUST_USE;
/* Write until the high mark, or until the stream takes no more; how many. */
size_t s2s_outbox_flush(struct s2s_outbox *b, struct stream_out *to);
/* queued bytes are still in user space: forget what has left. True when something did. */
bool s2s_outbox_left(struct s2s_outbox *b, size_t queued);
/* The stream is gone. What had not left waits again, in order; what had its second stream already
 * goes to given_up. had_chance: what was not even written to the stream counts as tried on it, too.
 */
void s2s_outbox_rewind(struct s2s_outbox *b, bool had_chance, struct list *given_up);
/* Everything, oldest first. */
void s2s_outbox_take(struct s2s_outbox *b, struct list *all);
struct stanza *
s2s_item_take(struct list *node); /* unlinks, frees the item, hands over the reference */
#endif
