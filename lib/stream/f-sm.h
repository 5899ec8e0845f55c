#ifndef LIB_STREAM_F_SM_H
#define LIB_STREAM_F_SM_H
/* XEP-0198 wiring for one side of a stream, above sm-queue: enable, resume, acks, counting. Used by region links now, by
 * c2s and s2s later. It survives its stream: a session detaches from a dead stream and is attached to the next. */
#include "lib/loop/timer.h"
#include "lib/stream/stream.h"
#include "lib/xmpp/sm-queue.h"

struct sm_session;
struct sm_events {
    bool (*send_text)(void *ctx, struct str xml_text); /* write on the current stream */
    void (*acked)(void *ctx, struct stanza *s);        /* the peer has custody; called once per stanza, in order */
    void (*broken)(void *ctx, const char *why);        /* peer's h is impossible: close the stream undefined-condition */
};
struct sm_session *sm_session_new(struct loop *l, const struct sm_events *ev, void *ctx, const char *content_ns);
void sm_session_free(struct sm_session **ps); /* unacknowledged stanzas are unref'd; take them first with sm_unacked */
/* Sending. Counts, keeps a reference until acknowledged, writes if attached; <r/> after 16 stanzas or at the turn's end. */
bool sm_send(struct sm_session *s, struct stanza *st);
uint32_t sm_pending(const struct sm_session *s);
size_t sm_pending_bytes(const struct sm_session *s);
void sm_unacked(struct sm_session *s, void (*each)(void *ctx, struct stanza *st), void *ctx); /* oldest first; emptied */
/* Receiving: number a stanza on arrival, complete it when custody is taken; <a/> goes out at the end of the turn. */
uint32_t sm_receive(struct sm_session *s);
void sm_complete(struct sm_session *s, uint32_t number);
bool sm_receive_full(const struct sm_session *s);
/* Feed every first-level element: true when it was <r/> or <a/> and consumed. */
bool sm_element(struct sm_session *s, const struct xml *el);
/* Negotiation as initiator: after ready, send <enable resume> or <resume>; feed answers. */
void sm_start(struct sm_session *s);                     /* sends resume when it has an id, else enable */
enum sm_state { SM_OFF, SM_ASKED, SM_ON } ;
enum sm_state sm_negotiate(struct sm_session *s, const struct xml *el, bool *consumed, bool *resumed); /* initiator: enabled, resumed, failed */
/* As receiver: h and id for <enabled/> / <resumed/>. */
void sm_accept(struct sm_session *s, const char *id);                     /* writes <enabled/> */
void sm_accept_resume(struct sm_session *s, uint32_t peer_h);             /* writes <resumed/>, resends the rest */
void sm_detach(struct sm_session *s);                                     /* stream is gone */
void sm_attach(struct sm_session *s);                                     /* stream is ready: send_text works */
uint32_t sm_h(const struct sm_session *s);
const char *sm_id(const struct sm_session *s);
#endif
