#ifndef LIB_STREAM_F_SM_INT_H
#define LIB_STREAM_F_SM_INT_H
/* A session of stream management, for f-sm.c (while it is on) and f-sm-negotiate.c (how it comes
 * on). */
#include "lib/stream/f-sm.h"

struct sm_session {
    struct loop *loop;
    const struct sm_events *ev;
    void *ctx;
    const char *content_ns;
    enum sm_state state;
    bool is_resuming;    /* SM_ASKED with <resume/> */
    bool is_eager;       /* SM_ASKED with <enable/>, and stanzas are behind it already */
    bool has_peer_asked; /* <r/> came */
    bool is_ask_due;     /* the first stanza not asked for has waited */
    struct sm_policy policy;
    char *id; /* NULL: cannot be resumed */
    struct sm_out out;
    struct sm_in in;
    uint32_t epoch;       /* of the numbering of in */
    uint32_t repeats;     /* copies that will come again after a resumption */
    uint32_t acked_h;     /* h of the last <a/> we wrote */
    uint32_t asked_h;     /* stanzas that had arrived when the last <r/> came */
    uint32_t unrequested; /* stanzas written since the last <r/> */
    uint32_t refused_h;   /* has_refused */
    bool has_refused;
    unsigned patience; /* turns an answer has waited */
    struct defer flush;
    struct timer idle;   /* ask for what was not asked for */
    struct timer silent; /* since the oldest <r/> after which nothing came */
    struct buf text;
    unsigned depth; /* our frames that call back */
    bool is_freed;
};

static inline struct sm_entry *sm_entry_of(struct list *node)
{
    return list_entry(node, struct sm_entry, item.link);
}

bool sm_write_text(struct sm_session *s);  /* what stands in text */
void sm_write_queue(struct sm_session *s); /* all of it, in order: after <enabled/>, <resumed/> */
bool sm_read_h(const struct xml *el, uint32_t *h);
/* The peer has all up to h. False: h is impossible (broken was called), or the session was freed in
 * a callback: who looks at it afterwards is one of its depth, and goes by sm_leave. */
bool sm_acknowledge(struct sm_session *s, uint32_t h);
void sm_leave(struct sm_session *s); /* our outermost frame is left: free what was freed in it */
#endif
