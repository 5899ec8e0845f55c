#ifndef S2S_S2S_OUTBOX_H
#define S2S_S2S_OUTBOX_H
/* What waits for one domain pair (local, remote), and what is on its way there. Bounded in bytes
 * and stanzas, order kept over streams that die. Memory first; what was not done within disk_ms,
 * or finds no stream, is written to the store, so that the sender's stream may be acknowledged:
 * messages and subscription requests only, as a request or a state is worth nothing after a
 * restart. Expiry by kind: requests s, presence (coalesced to the last per sender and recipient)
 * minutes, messages hours. What one local account may have in it is bounded too, and accounts have
 * their turns by bytes (s2s-sender.c). Words: item = one stanza of it; waiting = no stream has it;
 * flying = given to a carrier; sender = a local account, by its bare JID; carrier = the stream
 * (outgoing, or incoming and bidirectional) that carries the pair now; done = the peer has it;
 * token = the host's mark on a stanza. */
#include "lib/base/hmap.h"
#include "lib/stream/f-sm.h"
#include "s2s/s2s-cause.h"

struct s2s;
struct s2s_domain;
struct s2s_outbox;

/* A local account with something in an outbox. */
struct s2s_sender {
    struct list turn;    /* of s2s_outbox.turn: something of it waits */
    struct list waiting; /* its items, in order */
    struct s2s_outbox *box;
    size_t n, bytes;             /* waiting and flying, in memory */
    uint64_t tail_n, tail_bytes; /* in the store only, or on the way there; of this life */
    size_t deficit;              /* bytes it may still write in this turn */
    size_t bare_n;
    char bare[]; /* key of s2s_outbox.senders */
};
struct s2s_item {
    struct list link;      /* of waiting or flying */
    struct list of_sender; /* waiting: of s2s_sender.waiting */
    struct s2s_sender *sender;
    struct sm_entry sm; /* for carriers with XEP-0198; sm.st is the stanza */
    struct s2s_outbox *box;
    void *token;    /* NULL: custody was taken */
    uint64_t at_us; /* loop time it came */
    uint64_t expires_us;
    uint64_t key; /* position in the store, 0: not stored */
    size_t bytes;
    uint64_t end;   /* carriers without acks: output position after which it has left */
    unsigned tries; /* carriers the peer ended with an error while it flew */
    bool is_flying, is_noticed;
};

struct s2s_carrier;
struct s2s_carrier_ops {
    /* Something waits in a box it carries: write it, now or when output drains. May end the
     * carrier. */
    void (*wake)(struct s2s_carrier *c, struct s2s_outbox *b);
};
struct s2s_carrier {
    const struct s2s_carrier_ops *ops;
    struct list boxes; /* struct s2s_outbox.of_carrier, in the order of service */
};
void s2s_carrier_init(struct s2s_carrier *c, const struct s2s_carrier_ops *ops);

struct s2s_outbox {
    struct s2s *s2s;
    char *local, *remote, *key; /* key: of the pool */
    struct s2s_domain *domain;
    struct list of_domain, of_carrier;
    struct s2s_carrier *carrier; /* NULL: none has it */
    struct list waiting, flying;
    struct hmap senders; /* bare JID -> struct s2s_sender */
    struct list turn;    /* struct s2s_sender.turn: whose stanzas wait, the next one first */
    size_t n, bytes;     /* waiting and flying, in memory */
    uint64_t stanzas;    /* done so far */
    size_t deficit;      /* of round-robin, for the carrier's use */
    struct timer expiry;
    struct s2s_disk *disk; /* NULL: nothing of it is or was to be stored */
};

/* In memory, for so many bytes more. */
bool s2s_outbox_has_room(const struct s2s_outbox *b, size_t bytes);
/* Find or make the pair's; never NULL. */
struct s2s_outbox *s2s_outbox_get(struct s2s *s, struct str local, struct str remote);
struct s2s_outbox *s2s_outbox_find(const struct s2s *s, struct str local, struct str remote);
struct s2s_outbox *s2s_outbox_any(const struct s2s *s,
                                  size_t *it); /* iterate; the current may go */
/* Takes the reference and the token when it is NONE; else nothing more fits: LIMIT_OUTBOX, or
 * LIMIT_SENDER: of this account. Does not wake a carrier. */
enum s2s_cause s2s_outbox_put(struct s2s_outbox *b, struct stanza *st, void *token) MUST_USE;
/* Somebody's stanzas find no room in memory. */
bool s2s_outbox_is_full(const struct s2s_outbox *b);
bool s2s_outbox_has_waiting(const struct s2s_outbox *b);
/* Something waits: the carrier is woken, or one is looked for when the domain may be tried. */
void s2s_outbox_go(struct s2s_outbox *b);

/* ---- for carriers */
/* Only when it has none. */
void s2s_outbox_attach(struct s2s_outbox *b, struct s2s_carrier *c);
/* The carrier gives it up or is gone: what flies waits again, in order, before what waits. Nothing
 * is woken; call s2s_domain_failed or s2s_outbox_go after it. Items with acks are taken out of the
 * sm session before (sm_take_entry). is_blamed: the peer ended the stream with an error; a stanza
 * that flew on S2S_TRIES_MAX such streams goes back to its sender. */
enum { S2S_TRIES_MAX = 3 };
void s2s_outbox_detach(struct s2s_outbox *b, bool is_blamed);
/* The next that waits: deficit round-robin by bytes over its senders, each in order. NULL: none. */
enum { S2S_SENDER_QUANTUM = 4096 };
struct s2s_item *s2s_outbox_peek(struct s2s_outbox *b);
/* It is written: waiting -> flying. */
void s2s_item_fly(struct s2s_item *it);
/* The peer has it (or it has left user space, where there are no acks). Frees it. */
void s2s_item_done(struct s2s_item *it);
/* It will not go: bounced to its sender with the cause. Frees it. text NULL: the cause's own. */
void s2s_item_fail(struct s2s_item *it, enum s2s_cause c, const char *text);

/* ---- all that waits (and flies, when no carrier has it) */
void s2s_outbox_fail(struct s2s_outbox *b, enum s2s_cause c, const char *text);
/* Requests whose senders will have given up by then (loop time). */
void s2s_outbox_fail_requests(struct s2s_outbox *b, enum s2s_cause c, const char *text,
                              uint64_t before_us);
/* This server stops: what lasts is stored now, the rest goes back to its senders; without a store,
 * all of it. What flies is left to its carrier. */
void s2s_outbox_stop(struct s2s_outbox *b);
/* Forget it: tokens are returned unless custody was taken; what is stored stays stored. */
void s2s_outbox_free(struct s2s_outbox *b);
/* Nothing in it and no carrier: it may go. */
void s2s_outbox_check_idle(struct s2s_outbox *b);
#endif
