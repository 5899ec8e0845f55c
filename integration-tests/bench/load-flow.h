#ifndef BENCH_LOAD_FLOW_H
#define BENCH_LOAD_FLOW_H
/* Streams of messages with an account of each: what was sent, what came, in which order. Words:
 * flow = the messages of one sender to one receiver; pair = two flows, one each way. */
#include "integration-tests/bench/load-body.h"
#include "integration-tests/bench/load-conn.h"

struct load_flow {
    uint32_t pair, direction;
    uint32_t sent;     /* also the number of the next one */
    uint32_t expected; /* the number of the next one to come */
    uint32_t received; /* each counted once, as far as order lets us tell */
};

/* What all flows of a loop share. */
struct load_flows {
    struct load_loop *loop;
    struct load_text text;
    uint64_t sent, received;
};

void load_flows_init(struct load_flows *fs, struct load_loop *l);
/* Put a message from..to into a connection. head: "<message ... id='", up to the id. */
void load_flow_send(struct load_flows *fs, struct load_flow *f, struct load_conn *c,
                    struct load_span head, uint64_t time_ns);
/* Account for a stanza that came to the receiver of f; child: the element with our text ("body").
 * Returns false if it is none of the flow's next ones; errors are counted. *m is its mark. Stanzas
 * without that child that are no errors are passed over; so are messages an earlier run left, but
 * those are counted. */
bool load_flow_take(struct load_flows *fs, struct load_flow *f, const struct load_item *item,
                    const char *child, struct load_mark *m);
/* Turn while something is under way and something moves. */
void load_flows_wait(struct load_flows *fs);
/* Count an error for each message that never came; returns how many. */
uint64_t load_flows_missing(struct load_flows *fs);
#endif
