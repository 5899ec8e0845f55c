#ifndef NODE_C2S_C2S_H
#define NODE_C2S_C2S_H
/* Client connections: callbacks over stream-in. Accepted on any shard; moved once, right after
 * authentication, to the home shard of the bare JID; then bound and attached at the user's anchor
 * (here or on another node: cluster/anchor.h). */
#include "lib/base/json.h"
#include "lib/net/transport.h"
#include "lib/xmpp/stanza.h"
#include "node/node.h"
#include "node/route/custody.h"

struct c2s_set; /* connections of a shard, by connection id */
struct c2s_set *c2s_set_new(struct node_shard *sh);
void c2s_set_free(struct c2s_set **ps); /* crash-like: no closing handshake */
/* rate: how fast the client may send; borrowed for the life of the node. */
void c2s_accept(struct node_shard *sh, struct transport *t, bool direct_tls,
                const struct stream_rate *rate);
/* Write to the connection with this handle / connection id. Takes s and c. False when there is no
 * such connection: then s and c stay the caller's. Both are kept until the bytes left our memory;
 * when the connection dies before, messages go to user_returned (or back to their anchor as
 * REGION_GONE), the rest is dropped. covered as in session_write. */
bool c2s_write(struct node_shard *sh, handle h, struct stanza *s, struct custody *c, bool covered,
               unsigned hops);
bool c2s_write_to(struct node_shard *sh, const char *conn_id, struct stanza *s, struct custody *c,
                  bool covered, unsigned hops);
/* Close with a stream error (conflict, ...). The anchor knows already: no detach follows. */
void c2s_close(struct node_shard *sh, const char *conn_id, enum stream_cond c, const char *text);
/* True: this connection is closing, has yet to give back what it had to this anchor, and will tell
 * it when it has (world_gave_back). */
bool c2s_will_give_back(struct node_shard *sh, const char *conn_id, const char *peer);
/* The anchor answered an attach of a connection of ours (world). */
void c2s_attached(struct node_shard *sh, const char *conn_id, enum err e);
/* What its session wants beside stanzas, as its anchor knows it (bits of enum session_wish). */
void c2s_wants(struct node_shard *sh, const char *conn_id, unsigned wants);
/* A stanza of our connection could not reach its anchor at that peer (FROM returned): sent to its
 * anchor of today, or answered with remote-server-timeout. Takes s and c. */
void c2s_returned(struct node_shard *sh, struct stanza *s, struct custody *c, const char *conn_id,
                  const char *peer);
/* Membership of a home region changed or a peer restarted: connections whose anchor is (or was)
 * there attach again. */
void c2s_reattach(struct node_shard *sh, const char *peer_or_null);
/* system-shutdown to all; done when all are closed or 3 s passed. */
void c2s_stop(struct node_shard *sh, void (*done)(void *ctx), void *ctx);
/* Send clients to another host, HOST or HOST:PORT: sessions end over this time, evenly, with
 * see-other-host; new ones are told at once, until c2s_drain_end. Again: anew, from now. */
void c2s_drain(struct node_shard *sh, const char *to, uint64_t over_ms);
void c2s_drain_end(struct node_shard *sh);
const char *c2s_drains_to(const struct node_shard *sh); /* NULL: it does not */
/* For operators (c2s-admin.c). whose: a domain, an account or a full JID; NULL = all.
 * Objects: jid, state, ip, tls, shard, anchor, since, stanzas_in, stanzas_out, queued. False: there
 * are more than max. */
bool c2s_list(struct node_shard *sh, const struct jid *whose, size_t max,
              struct json *array) MUST_USE;
/* Connections now, and those of them that are not authenticated. */
void c2s_count(const struct node_shard *sh, size_t *all, size_t *unauthenticated);
/* End with policy-violation; how many. */
size_t c2s_kick(struct node_shard *sh, const struct jid *whose, const char *text);
#endif
