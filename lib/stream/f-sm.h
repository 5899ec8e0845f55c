#ifndef LIB_STREAM_F_SM_H
#define LIB_STREAM_F_SM_H
/* XEP-0198 for one side of a stream, above sm-queue: enable, resume, acks, counting. It survives
 * its stream: a session is detached from a dead stream and attached to the next. Words: initiator =
 * who sends <enable/>; h = what the peer may forget, i.e. the stanzas below the first one without
 * custody; token = one received stanza, in one numbering; entry = one sent stanza until the peer
 * has custody of it. */
#include "lib/loop/timer.h"
#include "lib/stream/stream.h"
#include "lib/xmpp/sm-queue.h"

struct sm_session;
struct sm_entry { /* may be embedded in a record of the user */
    struct sm_item item;
    struct stanza *st; /* a reference of the entry */
};
struct sm_events {
    bool (*send_text)(
        void *ctx,
        struct str xml_text); /* write on the current stream; false: past the high mark */
    void (*acked)(void *ctx, struct stanza *s); /* the peer has custody; once per stanza, in order;
                                                   borrowed; may be NULL */
    void (*broken)(
        void *ctx,
        const char *why); /* the peer's h is impossible: close with undefined-condition */
    /* Who brings entries of its own (sm_send_entry) sets both: write this one now; the peer has
     * custody of it, it is the user's again. */
    bool (*send_entry)(void *ctx, struct sm_entry *e);
    void (*acked_entry)(void *ctx, struct sm_entry *e);
    void (*silent)(void *ctx); /* asked, and heard nothing for silent_ms; once */
};
/* When acks are asked for and given. All 0, as it is at first: <r/> after every 16 stanzas and at
 * the end of a turn that wrote one, <a/> whenever h grew. */
struct sm_policy {
    unsigned ask_every;    /* <r/> at the end of a turn when so many stanzas were not asked for, */
    uint64_t ask_idle_ms;  /* or this long after the first of them */
    unsigned answer_turns; /* an answer waits so many turns while custody is open */
    uint64_t silent_ms;    /* 0: no event silent */
    bool resume_only;      /* a refused <resume/> ends in SM_OFF: no <enable/> by itself */
    bool answers_only;     /* <a/> for <r/> only, and again when what was there then has custody */
};
enum sm_state {
    SM_OFF,   /* no stream, or no stream management on it: sm_send only queues */
    SM_ASKED, /* initiator: <enable/> or <resume/> is out: sm_send only queues */
    SM_ON,    /* stanzas are numbered both ways */
};
/* ev, ctx and content_ns are borrowed for the session's life. Callbacks never come inside sm_send,
 * sm_receive and sm_complete (send_text excepted); sm_element, sm_negotiate and sm_accept_resume
 * call acked and broken. The session may be freed inside acked and broken. */
struct sm_session *sm_session_new(struct loop *l, const struct sm_events *ev, void *ctx,
                                  const char *content_ns);
void sm_set_policy(struct sm_session *s, const struct sm_policy *p);
void sm_session_free(struct sm_session **ps); /* unacknowledged stanzas are unref'd; take them first
                                                 with sm_unacked */

/* Sending. Takes a reference of its own until acknowledged; writes when SM_ON, else the stanza
 * waits for it. <r/> goes out after every 16 stanzas and at the end of a turn that wrote one.
 * False: past the high mark (still taken). */
bool sm_send(struct sm_session *s, struct stanza *st);
/* The same with an entry of the user's; st and item.bytes are set. */
bool sm_send_entry(struct sm_session *s, struct sm_entry *e);
/* The oldest entry not acknowledged, out of the session; NULL: none. */
struct sm_entry *sm_take_entry(struct sm_session *s);
uint32_t sm_pending(const struct sm_session *s); /* stanzas not acknowledged */
size_t sm_pending_bytes(const struct sm_session *s);
/* Hand over all unacknowledged stanzas, oldest first; each gets the reference. The session is empty
 * afterwards. */
void sm_unacked(struct sm_session *s, void (*each)(void *ctx, struct stanza *st), void *ctx);

/* Receiving: number every stanza on arrival. False: this is a second copy of a stanza that already
 * arrived and whose custody is still being taken (the peer resent it): drop it. Else complete the
 * token when custody is taken, in any order, on any later stream; tokens of an abandoned numbering
 * are ignored. <a/> goes out at the end of the turn. */
bool sm_receive(struct sm_session *s, uint64_t *token) MUST_USE;
void sm_complete(struct sm_session *s, uint64_t token);
uint32_t sm_received(const struct sm_session *s); /* with and without custody */
bool sm_receive_full(const struct sm_session *s); /* too many without custody: pause the reader */

/* Feed every first-level element while SM_ON: true when it was <r/> or <a/> and is consumed. */
bool sm_element(struct sm_session *s, const struct xml *el);
/* Ask for an ack although nothing new was sent: to see whether the peer is still there. */
void sm_ask(struct sm_session *s);
/* Write what is due (<a/>, <r/>) now, not at the end of the turn: before closing a stream. */
void sm_flush(struct sm_session *s);

/* Initiator: when the stream is ready. Sends <resume/> when there is something to resume, else
 * <enable/>. */
void sm_start(struct sm_session *s);
/* <enable/> without waiting for its answer, for a peer that offered <id/> (NS_MERIDIAN_SM) in
 * <sm/>: what is sent behind it is numbered and written at once (section 4: "need not wait"), and
 * the session has the id that we propose (of RFC 4122 strength), so that it can be resumed if the
 * answer never comes. When it is refused after all, broken is called: what was written may or may
 * not have arrived. */
void sm_start_eager(struct sm_session *s, const char *id);
/* Receiver: the id proposed in <enable/>; STR_NONE: none that could be used. */
struct str sm_read_id(struct arena *a, const struct xml *enable);
/* Initiator, SM_ASKED: feed answers. *consumed: it was one. After SM_ON *resumed tells whether the
 * old numbering goes on; if not, the peer may see stanzas again that it had (the session was lost
 * there). A refused resume is followed by <enable/> by itself (unless resume_only); SM_OFF with
 * *consumed: the peer refuses stream management, sm_unacked gives the stanzas back. */
enum sm_state sm_negotiate(struct sm_session *s, const struct xml *el, bool *consumed,
                           bool *resumed);

/* Receiver. id: of RFC 4122 strength, the key to resume with; NULL: no resumption. max_s 0: not
 * stated. */
void sm_accept(struct sm_session *s, const char *id_or_null,
               unsigned max_s); /* writes <enabled/>, then what is queued */
/* The peer asks <resume previd=sm_id h/>: releases up to h, writes <resumed/> and the rest. False:
 * h is impossible (broken was called). */
bool sm_accept_resume(struct sm_session *s, uint32_t peer_h) MUST_USE;
/* Could the peer have handled h of ours? */
bool sm_may_ack(const struct sm_session *s, uint32_t h);
uint32_t sm_sent(const struct sm_session *s);
/* The h that broken was called for; false: it had none. */
bool sm_refused(const struct sm_session *s, uint32_t *h);
/* Helpers of the receiver: read <resume/> (ERR_INVALID), write <failed/>; h may be NULL. */
enum err sm_read_resume(const struct xml *el, struct str *previd, uint32_t *h) MUST_USE;
void sm_write_failed(struct buf *out, const char *condition, const uint32_t *h);

/* The stream is gone; nothing is written until the next sm_start or sm_accept_resume. */
void sm_detach(struct sm_session *s);
enum sm_state sm_state(const struct sm_session *s);
uint32_t sm_h(const struct sm_session *s);     /* what we may acknowledge */
const char *sm_id(const struct sm_session *s); /* "" when it cannot be resumed */
#endif
