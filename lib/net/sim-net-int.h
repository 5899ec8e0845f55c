#ifndef LIB_NET_SIM_NET_INT_H
#define LIB_NET_SIM_NET_INT_H
/* Inside the simulated network. Words: host = loops that live and die together; incarnation = one
 * life of a host; road = two hosts and what may happen between them; conn = a connection, two
 * sides; segment = what travels: bytes, or a mark that keeps its place behind them. */
#include "lib/base/buf.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/net-int.h"
#include "lib/net/sim-net.h"

#define SIM_SEGMENT_MAX ((size_t)4 << 10)
#define SIM_WINDOW_BYTES ((size_t)64 << 10) /* sent and not yet consumed by the other side */

struct sim_host {
    struct list link;
    char *name;
    unsigned number;
    bool is_alive;
    uint32_t incarnation;
};

enum sim_cut {
    SIM_WHOLE,
    SIM_CUT,    /* connections die, new ones are refused */
    SIM_SILENT, /* nothing arrives until healed */
};

struct sim_road {
    struct list link;
    struct sim_host *a, *b;
    uint64_t min_us, max_us;
    enum sim_cut cut;
};

enum sim_seg_kind {
    SEG_DATA,
    SEG_OPEN, /* the connection is accepted */
    SEG_FIN,
    SEG_RESET,
};

struct sim_seg {
    struct list link;
    enum sim_seg_kind kind;
    struct str bytes; /* behind the struct */
};

enum side_state {
    SIDE_NONE,       /* nobody there (yet) */
    SIDE_CONNECTING, /* waits for SEG_OPEN */
    SIDE_QUEUED,     /* waits to be accepted, or travels as a parcel: input is kept, no events */
    SIDE_OPEN,
    SIDE_CLOSED, /* the user gave it up */
};

struct side {
    struct transport t;
    struct parcel parcel;
    struct conn *conn;
    struct sim_host *host;
    uint32_t incarnation;
    enum side_state state;
    unsigned owners;  /* counts closes and detaches: a turn sees that its user changed */
    struct buf out;   /* not yet on the wire */
    struct list wire; /* segments on their way to the other side */
    size_t in_window; /* bytes sent, not consumed there */
    uint64_t last_due_us;
    unsigned stalled; /* arrivals swallowed by a silent cut, repeated when healed */
    struct list in;   /* arrived, not delivered */
    size_t consumed;  /* delivered, the other side not yet told */
    struct defer turn;
    uint64_t closed_us;
    enum err broken; /* output is swallowed; reported as end */
    bool paused, blocked, ended, ready_due, fin_wanted, fin_sent, crediting, aborted;
};

struct conn {
    struct list link;    /* of all */
    struct list waiting; /* of its listener, until accepted */
    int refs;            /* sides with a user, events under way */
    struct addr to;
    bool syn_stalled;
    struct side side[2]; /* client, server */
};

/* Hosts and roads (sim-net.c). */
struct sim_host *sim_host_of(const struct loop *l);
uint64_t sim_latency_us(struct sim_host *a, struct sim_host *b); /* drawn; b may be NULL: unknown */
enum sim_cut sim_cut_of(const struct sim_host *a, const struct sim_host *b);
struct list *sim_conns(void);
size_t sim_draw_size(void); /* of the next segment, 1..SIM_SEGMENT_MAX */

/* Connections (sim-conn.c). */
struct conn *
conn_new(struct loop *l,
         const struct addr *to); /* client side connecting; one reference, the client's */
void conn_serve(struct conn *c, struct loop *l,
                struct sim_host *h);           /* server side queued; SEG_OPEN goes back */
struct transport *conn_accept(struct conn *c); /* the server's user takes it */
void conn_fail(struct conn *c, enum err why);  /* the client's end */
void conn_ref(struct conn *c);
void conn_unref(void *conn);
bool side_is_alive(const struct side *s);
static inline struct side *side_peer(struct side *s)
{
    return &s->conn->side[s == s->conn->side];
}
void side_cut(struct side *s);  /* reset by the network: what was under way to it is lost */
void side_kill(struct side *s); /* its host died */
void side_heal(struct side *s); /* what stalled towards its peer moves again */

/* Listeners and connecting (sim-listen.c). */
void sim_connect_retry(struct conn *c); /* after a silent cut */
void sim_listeners_kill(struct sim_host *h);
void sim_listeners_init(void);
#endif
