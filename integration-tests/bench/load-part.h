#ifndef BENCH_LOAD_PART_H
#define BENCH_LOAD_PART_H
/* Pairs of clients on one thread, and the course of a run over all threads. Words: part = a
 * thread's share: a loop, its pairs. */
#include "integration-tests/bench/load-client.h"
#include "integration-tests/bench/load-flow.h"
#include "integration-tests/bench/load-schedule.h"

enum { LOAD_HEAD_MAX = LOAD_JID_MAX + 64 };

struct load_head {
    char text[LOAD_HEAD_MAX];
    size_t len;
};

struct load_part {
    struct load_loop loop;
    struct load_login login;
    struct load_flows flows;
    unsigned index;
    unsigned pairs, first_pair;
    struct load_client *clients; /* 2 * pairs: those of pair i are 2i and 2i + 1 */
    struct load_flow *flow;      /* flow i: what client i sends to client i ^ 1 */
    struct load_head *head;      /* of messages that client i sends */
    /* A message of flow i came, as it should. */
    void (*arrived)(struct load_part *p, unsigned i, const struct load_mark *m);
    struct load_window window;
    uint64_t measured; /* messages that came in the window */
    struct load_hist latency, lag;
    uint64_t missing;
};

/* Pairs first..first + n - 1; clients are made, not logged in. Its loop must be set up. */
void load_part_init(struct load_part *p, unsigned n, unsigned first);
void load_part_fini(struct load_part *p);
bool load_part_login(struct load_part *p);
/* The next message of flow i. */
void load_part_send(struct load_part *p, unsigned i, uint64_t time_ns);
/* Wait for what is under way; what does not come is counted as an error each. */
void load_part_drain(struct load_part *p);

/* A run over --threads parts. work is called on each part's thread when all have logged in, with
 * its window set; it returns when that is over or its share is done. Reports what both pairs and
 * rate report; the parts are merged into *sum, errors into *t. */
void load_parts_run(const struct load_opts *o, void (*work)(struct load_part *p),
                    struct load_part *sum, struct load_report *r, struct load_tally *t);
#endif
