#ifndef INTEGRATION_TESTS_SIM_SIM_CLIENT_H
#define INTEGRATION_TESTS_SIM_SIM_CLIENT_H
/* A scripted user of the simulation: connects, logs in, binds, sends text, expects elements. It
 * knows nothing of nodes, only an address. Words: pattern = an element as XML text; an element
 * matches when it has the pattern's name and namespace, all its attributes, its text if it has any,
 * and for each child of the pattern a child that matches. The attribute value "*" means present,
 * "-" absent. Unmatched elements stay in the inbox, oldest first. */
#include "lib/net/tls.h"
#include "lib/stream/stream-out.h"
#include "lib/xmpp/sasl.h"

struct sim_client;
enum sim_client_state {
    SIM_CLIENT_DIALLING,
    SIM_CLIENT_NEGOTIATING, /* connected: header, TLS, SASL */
    SIM_CLIENT_READY,       /* authenticated (or not asked to), no resource */
    SIM_CLIENT_BOUND,
    SIM_CLIENT_ENDED,
};
struct sim_client_conf { /* copied, strings borrowed until sim_client_free */
    const char *host;    /* simulated host it runs on */
    struct addr server;
    const char *user, *domain, *password;
    const char *authzid;  /* NULL = none */
    const char *resource; /* NULL = the server chooses */
    enum sasl_mech mech;
    struct tls_ctx *tls; /* NULL: without TLS */
    bool direct_tls;
    const char *binding; /* type for a -PLUS mechanism; NULL = tls-exporter */
    /* What somebody in between did to the offer on its way; NULL: nothing. */
    void (*tamper)(struct sasl_offer *seen);
    bool no_sasl, no_bind; /* stop before; the script does it */
    bool keep_features;    /* the last <stream:features/> comes first in the inbox */
    bool sm; /* enable stream management once bound; what is sent is kept until acknowledged */
};
/* Starts to connect. Close order: clients before loops of the node and sim_net_end. */
struct sim_client *sim_client_new(const struct sim_client_conf *c);
void sim_client_free(struct sim_client **pc); /* the connection is closed, no closing handshake */
enum sim_client_state sim_client_state(const struct sim_client *c);
const struct stream_end *sim_client_end(const struct sim_client *c); /* while ENDED */
enum sasl_failure sim_client_refused(const struct sim_client *c);    /* what <failure/> said */
const char *sim_client_jid(const struct sim_client *c);              /* full JID while BOUND */

/* Run the simulation until it is in this state; false after 30 s or when it ended elsewhere. */
bool sim_client_wait(struct sim_client *c, enum sim_client_state s);
/* New, wait until bound. NULL when it does not get there. */
struct sim_client *sim_client_login(const struct sim_client_conf *c);
/* Send text as it is. */
void sim_client_send(struct sim_client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_client_put(struct sim_client *c, struct str bytes); /* the same without a format */
void sim_client_pause(struct sim_client *c, bool paused);    /* stop reading */
/* With conf.sm: connect again, also over a connection that is dead without knowing it; resumes, or
 * else binds anew and sends again what was not acknowledged. */
void sim_client_again(struct sim_client *c);
unsigned sim_client_resumed(const struct sim_client *c); /* how often */
unsigned
sim_client_refusals(const struct sim_client *c); /* how often there was nothing to resume */
void sim_client_close(struct sim_client *c);     /* </stream:stream>; ends later */

/* Take the first matching element out of the inbox, running the simulation up to 30 s. False: what
 * is in the inbox is printed. */
bool sim_client_expect(struct sim_client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same for the oldest element in the inbox, whatever it is. */
bool sim_client_expect_next(struct sim_client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Run for this long; true when nothing in the inbox matches then. */
bool sim_client_absent(struct sim_client *c, uint64_t for_us, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
size_t sim_client_count(struct sim_client *c, const char *fmt, ...)
    PRINTF_LIKE(2, 3); /* now, without running */
/* Take every element out of the inbox, oldest first. */
void sim_client_each(struct sim_client *c, void (*fn)(void *ctx, const struct xml *el), void *ctx);
const struct xml *
sim_client_last(const struct sim_client *c);  /* what was expected last; borrowed */
void sim_client_forget(struct sim_client *c); /* empty the inbox */
#endif
