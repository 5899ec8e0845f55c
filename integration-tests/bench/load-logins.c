/* login: whole logins, one after the other in each of --concurrency places. Before what is measured
 * each place logs in once (its TLS ticket) and each account once (its SCRAM key is derived), so
 * that the generator's own sums do not count as the server's latency. */
#include <stdlib.h>

#include "integration-tests/bench/load-client.h"
#include "integration-tests/bench/load-meter.h"
#include "integration-tests/bench/load-scenario.h"

struct logins {
    struct load_loop loop;
    struct load_login login;
    struct load_client *clients;
    uint64_t *started_ns;
    unsigned places, started, done, ready, resumed;
    struct load_hist latency;
};

static void ready(struct load_client *c)
{
    struct logins *s = c->scenario;
    s->ready++;
    s->resumed += c->was_resumed;
    load_hist_add(&s->latency, load_now_ns() - s->started_ns[c - s->clients]);
    load_client_stop(c);
}

static void closed(struct load_client *c)
{
    struct logins *s = c->scenario;
    s->done++;
}

static void stanza(struct load_client *c, const struct load_item *item)
{
    (void)c;
    (void)item;
}

static const struct load_client_events events = {
    .stanza = stanza, .ready = ready, .closed = closed};

/* Until n more logins are done. */
static void run(struct logins *s, unsigned n)
{
    unsigned goal = s->done + n;
    load_moved(&s->loop);
    while (s->done < goal && !s->loop.is_over) {
        for (unsigned i = 0; i < s->places && s->started < goal; i++) {
            struct load_client *c = &s->clients[i];
            if (c->state != LOAD_CLIENT_OFF)
                continue;
            c->account = s->started++ % s->loop.opts->target.accounts;
            s->started_ns[i] = load_now_ns();
            load_client_start(c);
        }
        load_turn(&s->loop, UINT64_MAX);
    }
}

static void init(struct logins *s, const struct load_opts *o)
{
    load_loop_init(&s->loop, o);
    s->login = (struct load_login){.events = &events,
                                   .has_roster = true,
                                   .has_presence = o->target.has_presence,
                                   .awaits_presence = true,
                                   .wants_ticket = o->is_resumed};
    s->places = o->concurrency < o->count ? o->concurrency : o->count;
    s->clients = load_clients_new(&s->loop, &s->login, s->places, 0);
    s->started_ns = calloc(s->places, sizeof *s->started_ns);
    if (!s->started_ns)
        load_die("no memory");
    for (unsigned i = 0; i < s->places; i++)
        s->clients[i].scenario = s;
}

static void fini(struct logins *s)
{
    load_clients_logout(&s->loop, s->clients, s->places);
    free(s->started_ns);
    load_loop_fini(&s->loop);
}

static void warm_up(struct logins *s, const struct load_opts *o)
{
    unsigned n = o->target.accounts < o->count ? o->target.accounts : o->count;
    run(s, n > s->places ? n : s->places);
    s->latency = (struct load_hist){0};
    s->resumed = s->ready = 0;
}

void load_run_login(const struct load_opts *o, struct load_report *r, struct load_tally *t)
{
    struct logins *s = calloc(1, sizeof *s);
    struct load_meter m;
    if (!s)
        load_die("no memory");
    init(s, o);
    warm_up(s, o);
    load_meter_start(&m, &s->loop);
    if (!s->loop.is_over)
        run(s, o->count);
    load_meter_stop(&m, &s->loop);
    load_report_whole(r, "concurrency", s->places);
    load_report_whole(r, "logins", s->ready);
    load_report_whole(r, "resumed", s->resumed);
    load_meter_report(&m, r, "login", s->ready);
    load_report_times(r, "", &s->latency);
    load_report_whole(r, "rss", load_proc_rss(o));
    fini(s);
    load_tally_merge(t, &s->loop.tally);
    free(s);
}
