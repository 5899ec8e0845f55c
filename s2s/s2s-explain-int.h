#ifndef S2S_S2S_EXPLAIN_INT_H
#define S2S_S2S_EXPLAIN_INT_H
/* Inside of explain: one probe, its questions and its walks. */
#include "s2s/s2s-cause.h"
#include "s2s/s2s-explain.h"
#include "s2s/s2s-int.h"

struct explain;
struct explain_walk {
    struct explain *x;
    struct dial_target target;
    char address[ADDR_TEXT_MAX];
    struct op_owner ops;
    struct stream_out *stream;
    struct s2s_evidence evidence;
    enum s2s_cause cert; /* why the certificate does not prove the domain; NONE: it does */
    uint64_t step_us;    /* when the last step ended */
    bool is_connected, is_secure, is_external_refused, is_key_sent, is_over;
    const char *auth; /* "", "external", "dialback" */
    enum s2s_cause cause;
    char text[S2S_TEXT_MAX], tls[80], offers[160];
    struct json *certificate; /* NULL: none seen */
};
struct explain {
    struct op op;
    struct op_owner ops; /* questions and connections */
    struct s2s *s2s;
    char *local, *remote, ascii[256];
    uint64_t began_us;
    struct timer deadline;
    struct defer over; /* told from the loop */
    struct json *steps;
    struct arena *arena;                   /* of the questions */
    size_t questions, asked;               /* under way; in all */
    bool has_targets, is_over, is_refused; /* all targets are known; told soon; too many at once */
    struct dial_source source;
    struct s2s_terms terms;
    enum err nothing; /* why there is no target */
    struct explain_walk walks[S2S_EXPLAIN_WALKS_MAX];
    size_t n_walks, left; /* walks begun, not yet over */
    s2s_explain_done *done;
    void *ctx;
};

/* A row of the report. since_us: when what it tells of began. */
void explain_step(struct explain *x, uint64_t since_us, const char *step, const char *about,
                  const char *fmt, ...) PRINTF_LIKE(5, 6);
void explain_check_over(struct explain *x);

/* s2s-explain-dns.c: ask for all records that could matter, a row each. */
void explain_ask(struct explain *x);

/* s2s-explain-walk.c */
void explain_walk_begin(struct explain_walk *w);
/* The time is over. */
void explain_walk_late(struct explain_walk *w);
void explain_walk_fini(struct explain_walk *w);
#endif
