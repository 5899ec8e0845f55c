#ifndef NODE_MOD_RTBL_INT_H
#define NODE_MOD_RTBL_INT_H
/* Shared by the files of the module rtbl: rtbl.c (the module, what is in force), rtbl-follow.c
 * (keeping up with one list), rtbl-saved.c (what of it is in the store). Words: list = one node of
 * one service; join = to subscribe and fetch all items. */
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/base/vec.h"
#include "lib/loop/timer.h"
#include "node/mod/rtbl-items.h"
#include "node/mod/rtbl-wire.h"
#include "node/mod/rtbl.h"
#include "node/route/module.h"

enum {
    RTBL_PAGE = 200,          /* items asked for at once */
    RTBL_PAGES_MAX = 5000,    /* of a list */
    RTBL_ANSWER_MS = 45000,   /* behind the time after which federation gives a request back */
    RTBL_CHECK_MS = 300000,   /* is the subscription still there? */
    RTBL_RETRY_MIN_MS = 5000, /* doubled at each failure, jittered by a quarter */
    RTBL_RETRY_MAX_MS = 300000,
    RTBL_GATHER_MS = 250, /* between two times that changes are put in force */
    RTBL_SAVE_MS = 5000,  /* and written together */
    RTBL_SAVE_AGAIN_MS = 60000,
    RTBL_WHY = 160,
};
enum rtbl_state {
    RTBL_LOADING,   /* what is remembered is read from the store */
    RTBL_JOINING,   /* for the first time since the start */
    RTBL_FOLLOWING, /* subscribed and complete */
    RTBL_AWAY,      /* something failed: the last known items hold, it is tried again */
};
enum rtbl_step { /* the request that is under way */
                 RTBL_STEP_NONE,
                 RTBL_STEP_SUBSCRIBE,
                 RTBL_STEP_FETCH,
                 RTBL_STEP_CHECK,
};
struct rtbl;
struct rtbl_ask { /* what is under way with the service */
    enum rtbl_step step;
    char id[200];           /* of the request */
    struct timer timer;     /* its deadline, or the next try */
    struct rtbl_items next; /* being fetched */
    size_t seen;            /* items of the pages so far */
    unsigned pages;
    char *last; /* heap; where the last page ended */
    bool is_full;
    unsigned failures;   /* in a row */
    bool cannot_check;   /* the service does not know the question */
    uint64_t fetched_us; /* monotonic: the last complete fetch */
};
struct rtbl_saved {
    struct op_owner ops;
    struct timer timer;
    bool is_dirty;        /* the items differ from those in the store */
    size_t chunks;        /* keys in the store */
    uint64_t confirmed_s; /* wall time; 0: never */
};
struct rtbl_list {
    struct rtbl *all;
    char *service, *node;
    size_t max;
    uint64_t refresh_ms;
    enum rtbl_state state;
    char why[RTBL_WHY];
    struct rtbl_items items;
    struct s2s_rtbl *shown; /* items as they were put in force; NULL: they have changed */
    struct rtbl_ask ask;
    struct rtbl_saved saved;
    uint64_t ignored, events[RTBL_EVENTS];
};
struct rtbl { /* slot of each shard; the lists are on shard 0 */
    struct node_shard *shard;
    struct s2s_rtbl_set *set; /* in force on this shard; whose stanzas are ours */
    VEC(struct rtbl_list *) lists;
    struct timer publish;
    uint64_t published_us; /* monotonic */
};

/* ---- rtbl.c */
/* Items have changed: in force now, or RTBL_GATHER_MS after what was the last time. */
void rtbl_changed(struct rtbl_list *l);
void rtbl_publish(struct rtbl *r); /* now; what has changed has shown NULL */
/* An IQ to the service, ready to be filled. */
void rtbl_request(struct rtbl_list *l, enum stanza_type t, struct str id, struct stanza_build *b);
struct str rtbl_me(const struct rtbl_list *l); /* the domain that subscribes */
/* ---- rtbl-follow.c */
struct rtbl_list *rtbl_list_open(struct rtbl *all, const struct node_conf_rtbl *c);
void rtbl_list_close(struct rtbl_list **pl);
/* A message or an answer of the service; about another node of it, or to another question:
 * nothing. */
void rtbl_list_take(struct rtbl_list *l, const struct stanza *s);
void rtbl_list_loaded(struct rtbl_list *l); /* what was remembered is there */
void rtbl_list_leave(struct rtbl_list *l);  /* for good: unsubscribe */
void rtbl_list_tune(struct rtbl_list *l, const struct node_conf_rtbl *c);
const char *rtbl_state_name(enum rtbl_state s);
/* ---- rtbl-saved.c */
void rtbl_saved_init(struct rtbl_list *l);
void rtbl_saved_fini(struct rtbl_list *l);
void rtbl_saved_load(struct rtbl_list *l); /* then rtbl_list_loaded */
void rtbl_saved_touch(struct rtbl_list *l, bool has_changed);
void rtbl_saved_forget(struct rtbl_list *l); /* remove it from the store */
#endif
