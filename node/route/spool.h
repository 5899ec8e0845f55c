#ifndef NODE_ROUTE_SPOOL_H
#define NODE_ROUTE_SPOOL_H
/* What takes long to get into custody is written to the store, so that it may be acknowledged all
 * the same: a client that takes nothing, or a region out of reach, must not hold up a stream, and
 * what was acknowledged survives the death of this node (P1). When its custody comes it leaves the
 * store; what a former life of this node left there goes on its way again at the start, so it may
 * come twice (P2). States of a session (presence other than subscriptions, words between nodes) end
 * with it and are acknowledged without being stored; so are messages that must not be stored or are
 * worth nothing later (XEP-0334, chat states). */
#include "lib/base/list.h"
#include "node/route/route.h"

/* How long the custody of something is waited for: it depends on what sent it. What is nearer to
 * the one who holds it up waits less, so that one node of a chain writes it and not each. */
enum spool_wait {
    SPOOL_SERVER,  /* of another server */
    SPOOL_SESSION, /* for a connection of this node, from its anchor */
    SPOOL_USER,    /* for a user anchored here */
    SPOOL_FROM,    /* of a user anchored here, from the node of its connection */
    SPOOL_CLIENT,  /* of a client of this node */
    SPOOL_WAITS
};
struct spool_item {
    struct stanza *stanza; /* owned */
    enum route_source
        source; /* CLIENT: its sender's anchor has not seen it, perhaps; REGION; S2S */
    char trace[33];
};
struct spool_entry; /* in the store, or on its way there */
/* A part of whoever waits for a custody; on one shard. */
struct spooled {
    struct list link; /* of the shard's, until its time has come */
    struct node_shard *sh;
    uint64_t since_us;
    unsigned n;
    struct spool_item *items; /* borrowed room */
    struct spool_entry *entry;
    void (*safe)(struct spooled *sp); /* it is stored: may be acknowledged; once or more often */
};
/* items: room for as many as are added. */
void spool_watch(struct spooled *sp, struct node_shard *sh, enum spool_wait wait,
                 struct spool_item *items, void (*safe)(struct spooled *sp));
/* Keeps a reference. A stanza that need not be stored is not added. */
void spool_add(struct spooled *sp, struct stanza *s, enum route_source source, const char *trace);
void spool_now(struct spooled *sp); /* its time has come */
void spool_end(struct spooled *sp); /* custody came: it leaves the store */
/* This life ends before its custody came: it stays there. */
void spool_forget(struct spooled *sp);

/* spool-load.c: what a session of a former life of some node sent and is no message goes through
 * its account. Any shard; takes the references. */
void spool_former(struct node_shard *sh, struct stanza *s, struct custody *c, unsigned hops,
                  const char *trace);

struct spool *spool_new(struct node_shard *sh);
void spool_free(struct spool **ps);
/* Stanzas in the store of this life, or on the way there. */
size_t spool_stored(const struct spool *s);

/* spool-load.c: begin with what a former life left, on shard 0, once the world is known. stop: ask
 * the store no more. free: when nobody holds a custody any longer. */
struct spool_load *spool_load_new(struct node_shard *hub);
void spool_load_stop(struct spool_load *l);
void spool_load_free(struct spool_load **pl);
#endif
