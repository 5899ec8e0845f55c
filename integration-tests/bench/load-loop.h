#ifndef BENCH_LOAD_LOOP_H
#define BENCH_LOAD_LOOP_H
/* One thread of the generator: its epoll, its connections' output, its errors. Scenarios are
 * written straight on: "while this is not so: load_turn". Words: turn = wait, read all that came,
 * then write what each connection has gathered. */
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "integration-tests/bench/load-opts.h"
#include "integration-tests/bench/load-proc.h"
#include "integration-tests/bench/load-report.h"

enum { LOAD_SCRATCH = 1 << 17 };

struct load_conn;
struct load_keys;

/* What an epoll event belongs to. */
struct load_source {
    void (*ready)(struct load_source *s, uint32_t events);
    int fd;
};

struct load_loop {
    const struct load_opts *opts;
    int epoll;
    uint64_t now_ns;   /* when this turn woke */
    uint64_t moved_ns; /* when something last moved */
    bool is_over;      /* an error after which going on is of no use */
    struct load_tally tally;
    struct load_conn *dirty; /* with output to write at the end of the turn */
    SSL_CTX *tls;            /* of clients; NULL in mode plain */
    struct load_keys *keys;  /* salted passwords */
    char *scratch;           /* LOAD_SCRATCH bytes to read into */
};

/* Ends the program with a message if the machine lacks something. */
void load_loop_init(struct load_loop *l, const struct load_opts *o);
void load_loop_fini(struct load_loop *l);
void load_loop_watch(struct load_loop *l, struct load_source *s, uint32_t events);
void load_loop_rewatch(struct load_loop *l, struct load_source *s, uint32_t events);
/* One turn; it waits until something comes, at most until until_ns (CLOCK_MONOTONIC). Counts an
 * error and sets is_over when nothing has moved for --timeout. */
void load_turn(struct load_loop *l, uint64_t until_ns);
/* Say that something moved. */
void load_moved(struct load_loop *l);
/* Count an error; the first one's text is kept. */
__attribute__((format(printf, 2, 3))) void load_error(struct load_loop *l, const char *format, ...);
/* Count an error after which there is no going on. */
__attribute__((format(printf, 2, 3))) void load_fatal(struct load_loop *l, const char *format, ...);
/* Turn for so many seconds, which may be quiet ones. */
void load_pass(struct load_loop *l, double seconds);
/* Turn until the server's processes have come to rest, at most --settle seconds. */
void load_settle(struct load_loop *l);
/* End the program: "loadgen: ..." on stderr, exit code 2. */
__attribute__((noreturn, format(printf, 1, 2))) void load_die(const char *format, ...);
#endif
