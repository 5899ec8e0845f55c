#ifndef GLOBAL_REGISTRY_REG_LINK_INT_H
#define GLOBAL_REGISTRY_REG_LINK_INT_H
/* The link between a fake driver and its world (reg-fake-link.c), for reg-fake.c: what is on the
 * way, when it arrives, what becomes of it when the link is cut. */
#include "global-registry/reg-fake-int.h"
#include "global-registry/reg-world-int.h"
#include "lib/loop/timer.h"

enum fake_kind {
    FAKE_BEAT,
    FAKE_ASSERT,
    FAKE_WITHDRAW,
    FAKE_READ,
    FAKE_CLEAN,
    FAKE_LEAVE,
    FAKE_MOVED, /* to the user: an invalidation */
    FAKE_UP,    /* to the user */
    FAKE_DOWN,
};
enum fake_phase {
    PHASE_ASK,    /* on its way to the world */
    PHASE_ANSWER, /* on its way back; the user's callback is due */
    PHASE_GHOST,  /* on its way to the world, its user was told that the link is lost */
};
enum fake_link {
    LINK_DOWN,
    LINK_UP,
    LINK_BROKEN, /* cut and not noticed yet */
};
struct fake_item {
    struct list link;
    uint64_t due_us;
    enum fake_kind kind;
    enum fake_phase phase;
    bool sure; /* a cut on the way makes a ghost of it, no loss */
    struct reg_member self;
    uint64_t lease_ms, seq;
    char synced[REG_GENERATION_MAX];
    struct str *bares, *homes; /* owned copies */
    uint64_t *seqs;
    size_t n;
    struct reg_row row;
    enum err err;
    struct reg_row *rows;
    struct reg_member *members;
    bool *complete;
    char generation[REG_GENERATION_MAX];
    size_t found;
    union {
        reg_beat_cb *beat;
        reg_done_cb *done;
        reg_rows_cb *rows;
    } cb;
    void *ctx;
};
struct fake {
    struct reg_driver driver;
    struct list link; /* in its world */
    struct reg_fake_world *world;
    struct loop *loop;
    struct reg_driver_events ev;
    void *ctx;
    char host[REG_NAME_MAX];
    enum fake_link state;
    struct list items; /* by due_us; equal ones in order of arrival */
    uint64_t last_ask_us, last_answer_us, last_moved_us;
    uint64_t notice_us; /* when a broken link is noticed */
    uint64_t delay_next_ms;
    char generation[REG_GENERATION_MAX]; /* the last beat saw */
    struct timer timer;
    bool running;           /* the timer is at work and will set itself */
    struct fake_wake *wake; /* mail on its way */
};
struct reg_fake_world {
    struct reg_world w;
    struct list drivers;
    VEC(char *) cut; /* hosts */
    bool all_cut;
    uint64_t min_ms, max_ms, requests;
};

struct fake_item *fake_item_new(enum fake_kind kind, const struct reg_member *self, void *ctx);
/* Copies n of each; homes and seqs may be NULL. */
void fake_item_rows(struct fake_item *it, const struct str *bares, const struct str *homes,
                    const uint64_t *seqs, size_t n);
void fake_send(struct fake *f, struct fake_item *it); /* takes it */
void fake_connect(struct fake *f);                    /* soon */
bool fake_connecting(const struct fake *f);
void fake_cut(struct fake *f);
bool fake_is_cut(const struct reg_fake_world *w, const char *host);
void fake_run(void *ctx);       /* the timer's function */
void fake_poke(struct fake *f); /* from another loop's turn: set your timer */
void fake_drop(struct fake *f); /* at close: what is on the way may still arrive, as from a process
                                   that was killed */
#endif
