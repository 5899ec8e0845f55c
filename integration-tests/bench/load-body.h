#ifndef BENCH_LOAD_BODY_H
#define BENCH_LOAD_BODY_H
/* What a message's body says about itself: pair, direction, sequence number, time, run, a sum over
 * all of it. Words: mark = these; filler = a text that fills the body up to --size. */
#include "integration-tests/bench/load-xml.h"
#include <stdint.h>

/* "ppppp d ssssssss tttttttttttt rrrr cccccccc ", in hex */
enum { LOAD_BODY_HEAD = 44, LOAD_BODY_ID = 16 };

struct load_mark {
    uint32_t pair; /* 20 bits */
    uint32_t direction;
    uint32_t seq;
    uint64_t time_ns; /* 48 bits of a clock */
    uint32_t run;     /* 16 bits; set by load_body_write */
};

struct load_text {
    unsigned size; /* of a body */
    char *filler;
    uint32_t run; /* messages of another run bear another number */
};

void load_text_init(struct load_text *t, unsigned size);
void load_text_fini(struct load_text *t);
/* Write t->size bytes. The first LOAD_BODY_ID of them are unlike those of any other message. */
void load_body_write(const struct load_text *t, const struct load_mark *m, char *out);
/* Read and check a body; NULL if it is right, else what is wrong with it. */
const char *load_body_read(const struct load_text *t, struct load_span body, struct load_mark *m);
/* How long ago, by the 48 bits of a mark. */
uint64_t load_body_age(const struct load_mark *m, uint64_t now_ns);
#endif
