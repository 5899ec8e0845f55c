#ifndef NODE_MOD_OFFLINE_H
#define NODE_MOD_OFFLINE_H
/* The two halves of the module: what is stored (offline.c), and how it gets to its user
 * (offline-flush.c). */
#include "lib/base/vec.h"
#include "lib/loop/timer.h"
#include "node/route/module.h"

#define OFFLINE_TABLE "offline"
struct page;
struct mod_offline_flush { /* slot of the user */
    struct user *user;
    handle h;      /* 0 = none runs */
    handle target; /* the session written to */
    handle parked; /* the hook run that waits; 0 = it goes on already */
    bool again;    /* another session became available meanwhile */
    bool is_last;  /* nothing is behind the page that was written */
    bool is_trimming;
    struct page *page; /* what was written and is not trimmed yet */
    size_t trimmed;    /* the first so many of it are, or will be by the trim that runs */
    struct timer watch, trim;
};
struct mod_offline_again { /* slot of the shard */
    struct node_shard *sh;
    struct timer timer;
    VEC(char *) names; /* who is looked at */
};

enum err mod_offline_init(struct node_shard *sh, void *state);
void mod_offline_fini(struct node_shard *sh, void *state);
enum verdict mod_offline_available(struct hook_run *run, struct session_event *ev);
void mod_offline_region_changed(struct node_shard *sh, void *state);
/* A stanza that came back from a session that ended is one the running flush had written: it stays
 * in the store, and is written again from there. */
bool mod_offline_came_back(struct user *u, const struct route *r);
/* What came back waits in the store to be written again: newer ones go behind it. */
bool mod_offline_is_behind(struct user *u);
/* The id the user's account gave a message (XEP-0359), or STR_NONE. */
struct str mod_offline_stanza_id(const struct user *u, const struct stanza *s);
void mod_offline_user_gone(struct user *u, void *slot);
#endif
