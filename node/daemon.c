/* DOC: meridiand's life. SIGTERM and SIGINT stop in order, SIGHUP takes over the configuration
 * anew. The watchdog's sign of life is sent only after every shard has answered a post, so a loop
 * that hangs is noticed although shard 0 lives. After a crowd has logged in or left, the heap has
 * holes of many pages: in a quiet moment they go back to the system. Standards: sd_notify(3). */
#include "node/daemon.h"

#include <signal.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/sig.h"
#include "lib/loop/timer.h"
#include "node/admin/control.h"
#include "node/admin/exporter.h"
#include "node/node-options.h"
#include "node/node-reload.h"
#include "node/node.h"
#include "node/sd-notify.h"

enum { QUIET_MS = 10000, QUIET_PERCENT = 10 /* of one core */ };

struct daemon {
    struct node_settings settings;
    struct shards *shards;
    struct node *node;
    struct control *control;
    struct exporter *exporter;
    struct reloader *reloader;
    struct sig *sigs[3];
    struct timer watchdog;
    uint64_t watchdog_ms;
    unsigned alive; /* shards that answered since the last sign */
    struct timer quiet;
    uint64_t cpu_us; /* used, when it was looked at */
};

/* ---- the watchdog */
static void shard_answered(struct node_shard *hub, void *ctx)
{
    struct daemon *d = ctx;
    (void)hub;
    if (++d->alive == d->node->n_shards)
        sd_notify("WATCHDOG=1");
}

static void shard_asked(struct node_shard *sh, void *ctx)
{
    node_post(&sh->node->shard[0], shard_answered, NULL, ctx);
}

static void on_watchdog(void *ctx)
{
    struct daemon *d = ctx;
    d->alive = 0;
    for (unsigned i = 0; i < d->node->n_shards; i++)
        node_post(&d->node->shard[i], shard_asked, NULL, d);
    timer_start(&d->watchdog, d->watchdog_ms);
}

static void watchdog_start(struct daemon *d, struct loop *hub)
{
    timer_init(&d->watchdog, hub, on_watchdog, d);
    d->watchdog_ms = sd_watchdog_ms() / 2;
    if (d->watchdog_ms)
        timer_start(&d->watchdog, d->watchdog_ms);
}

/* ---- quiet moments */
static void on_quiet(void *ctx)
{
    struct daemon *d = ctx;
    uint64_t cpu_us = clock_cpu_us();
    if (cpu_us - d->cpu_us < QUIET_MS * UINT64_C(1000) * QUIET_PERCENT / 100)
        mem_trim();
    d->cpu_us = cpu_us;
    timer_start(&d->quiet, QUIET_MS);
}

static void quiet_start(struct daemon *d, struct loop *hub)
{
    timer_init(&d->quiet, hub, on_quiet, d);
    d->cpu_us = clock_cpu_us();
    timer_start(&d->quiet, QUIET_MS);
}

/* ---- signals */
static void stopped(void *ctx)
{
    struct daemon *d = ctx;
    shards_stop(d->shards);
}

static void on_stop(void *ctx, int signum)
{
    struct daemon *d = ctx;
    log_info(NULL, "node.stopping", "signal", signum == SIGTERM ? "SIGTERM" : "SIGINT");
    sd_notify("STOPPING=1");
    node_stop(d->node, stopped, d);
}

static void reloaded(void *ctx, enum err e, struct json **report)
{
    (void)ctx;
    (void)report; /* it is in the log */
    if (e == ERR_LIMIT)
        log_warn(NULL, "conf.reload.busy");
    sd_notify("READY=1");
}

static void on_reload(void *ctx, int signum)
{
    struct daemon *d = ctx;
    char state[64];
    (void)signum;
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_mono_us());
    sd_notify(state);
    reloader_run(d->reloader, NULL, reloaded, d);
}

static void signals_open(struct daemon *d, struct loop *hub)
{
    d->sigs[0] = sig_open(hub, SIGTERM, on_stop, d);
    d->sigs[1] = sig_open(hub, SIGINT, on_stop, d);
    d->sigs[2] = sig_open(hub, SIGHUP, on_reload, d);
}

/* ---- life */
static enum err start(struct daemon *d, const char *path, struct conf *conf)
{
    const struct node_conf *c = &d->settings.conf;
    char why[512] = "";
    d->shards = shards_new(c->node_name ? c->node_name : "node", c->shards);
    enum err e = node_new(c, d->shards, NULL, NULL, &d->node, why, sizeof why);
    if (e == ERR_OK)
        d->reloader = reloader_new(d->node, path, conf);
    if (e == ERR_OK && c->control_path)
        e = control_open(d->node, c->control_path, &d->control, why, sizeof why);
    if (e == ERR_OK && c->has_metrics)
        e = exporter_open(d->node, &c->metrics_listen, &d->exporter, why, sizeof why);
    if (e != ERR_OK)
        log_error(NULL, "node.start.failed", "why", why[0] ? why : err_text(e));
    return e;
}

int daemon_run(const char *path, struct conf *conf)
{
    struct daemon d = {0};
    node_settings_open(conf, &d.settings);
    log_set_format(d.settings.conf.log_format);
    log_set_level(d.settings.conf.log_level);
    enum err e = start(&d, path, conf);
    if (e == ERR_OK) {
        struct loop *hub = shards_loop(d.shards, 0);
        signals_open(&d, hub);
        watchdog_start(&d, hub);
        quiet_start(&d, hub);
        log_info(NULL, "node.started", "version", MERIDIAN_VERSION, "domain",
                 d.settings.conf.domains[0]);
        sd_notify("READY=1");
        shards_run(d.shards);
        timer_stop(&d.watchdog);
        timer_stop(&d.quiet);
        log_info(NULL, "node.stopped");
    }
    int code = e != ERR_OK ? DAEMON_FAILED : d.node->fenced ? DAEMON_FENCED : 0;
    for (size_t i = 0; i < ARRAY_LEN(d.sigs); i++)
        sig_close(&d.sigs[i]);
    control_close(&d.control);
    exporter_close(&d.exporter);
    reloader_free(&d.reloader);
    node_free(&d.node);
    shards_free(&d.shards);
    node_settings_close(&d.settings);
    return code;
}
