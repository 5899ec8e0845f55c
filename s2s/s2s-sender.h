#ifndef S2S_S2S_SENDER_H
#define S2S_S2S_SENDER_H
/* The accounts that have something in an outbox: how much each may have, and whose turn it is. */
#include "s2s/s2s-outbox.h"

/* Find or make; who has nothing in the end goes with s2s_sender_check. */
struct s2s_sender *s2s_sender_get(struct s2s_outbox *b, struct str bare);
void s2s_sender_check(struct s2s_sender *s);
/* May it have so many bytes more in memory? */
bool s2s_sender_has_room(const struct s2s_sender *s, size_t bytes);
/* The same in all, that is in the store. */
bool s2s_sender_may_store(const struct s2s_sender *s, size_t bytes);
/* Some sender has as much in memory as it may. */
bool s2s_sender_any_full(const struct s2s_outbox *b);

/* An item of it waits, behind its others. */
void s2s_sender_add(struct s2s_sender *s, struct s2s_item *it);
/* It waits again, before its others. */
void s2s_sender_again(struct s2s_item *it);
/* It waits no more: it is being written. */
void s2s_sender_fly(struct s2s_item *it);
/* It is gone; perhaps the sender, too. */
void s2s_sender_remove(struct s2s_item *it);
void s2s_item_set_bytes(struct s2s_item *it, size_t bytes);

/* ---- what is in the store only */
void s2s_sender_to_tail(struct s2s_sender *s, size_t bytes);
/* It was read, or given up; the sender may be gone. */
void s2s_sender_from_tail(struct s2s_outbox *b, struct str bare, size_t bytes);
/* Nothing is in the store only. */
void s2s_sender_no_tail(struct s2s_outbox *b);
#endif
