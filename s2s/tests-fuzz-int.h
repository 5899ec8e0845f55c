#ifndef S2S_TESTS_FUZZ_INT_H
#define S2S_TESTS_FUZZ_INT_H
/* What the fuzzers of federation share: input in pieces, and a resolver that asks nobody. */
#include "dns/dns.h"
#include "lib/base/rand.h"
#include "lib/stream/tests-wire.h"
#include "s2s/s2s-int.h"

static void play(struct wire *w, struct str bytes, size_t piece)
{
    while (bytes.n && !w->is_closed) {
        w->t.events->data(w->t.ctx, wire_cut(&bytes, piece));
        if (piece > 64)
            turn(w->t.loop);
    }
}

static void quiet(void *ctx UNUSED, enum log_level l UNUSED, const char *line UNUSED) {}

static const struct s2s_conf fuzz_conf = {
    .dialback = true, .external = true, .dialback_secret = "x"};

/* The loop and the resolver of all runs. */
static struct loop *fuzz_loop(struct dns **dns)
{
    static const char *const servers[] = {"127.0.0.1:1", NULL};
    static struct loop *l;
    static struct dns *d;
    struct dns_conf c = {.servers = servers};
    char why[200];
    if (!l) {
        log_set_capture(quiet, NULL);
        l = loop_new("fuzz/0", 0);
        must(dns_open(l, &c, &d, why, sizeof why) == ERR_OK);
    }
    *dns = d;
    rand_seed(1);
    return l;
}

static void fuzz_end(struct s2s **ps, struct wire *w)
{
    wire_end(w);
    s2s_free(ps);
    must(w->is_closed);
    xml_parser_free(&w->oracle);
}

#endif
