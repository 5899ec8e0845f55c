/* meridianctl store copy: all data from one database to another, with progress. No node uses
 * either of them meanwhile. */
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/store/store.h"
#include "node/admin/ctl.h"
#include "node/node-conf.h"

enum { COPY_SAY_US = 1000000 };

struct copying {
    struct store_copied last;
    uint64_t said_us;
    bool is_tty;
};

static void say_copied(FILE *to, const struct store_copied *c, char end)
{
    fprintf(to,
            "kv %" PRIu64 ", map %" PRIu64 ", map versions %" PRIu64 ", log %" PRIu64
            " rows; %" PRIu64 " KiB%c",
            c->rows[STORE_KV], c->rows[STORE_MAP], c->rows[STORE_MAP_VERSION], c->rows[STORE_LOG],
            c->bytes / 1024, end);
}

static void on_copied(void *ctx, const struct store_copied *c)
{
    struct copying *y = ctx;
    uint64_t now_us = clock_mono_us();
    y->last = *c;
    if (now_us - y->said_us < COPY_SAY_US)
        return;
    y->said_us = now_us;
    say_copied(stderr, c, y->is_tty ? '\r' : '\n');
}

static bool place_named(const struct node_conf *c, const char *name, struct store_place *out)
{
    bool is_pool = strcmp(name, "rdbms:default") == 0;
    *out = is_pool ? c->store_pool : (struct store_place){.uri = name};
    if (!out->uri)
        fprintf(stderr, "meridianctl: no [outgoing_pools.rdbms.default] in the configuration\n");
    return out->uri != NULL;
}

enum ctl_exit ctl_store(const struct node_conf *c, char *const *args)
{
    struct store_place from, to;
    struct copying y = {.is_tty = isatty(STDERR_FILENO)};
    char why[512] = "";
    if (strcmp(args[0], "copy") != 0) {
        fprintf(stderr, "meridianctl: there is no \"store %s\", only \"store copy FROM TO\"\n",
                args[0]);
        return CTL_USAGE;
    }
    if (!place_named(c, args[1], &from) || !place_named(c, args[2], &to))
        return CTL_CONFIG;
    log_set_level(LOG_WARN);
    enum err e = store_copy_all(&from, &to, on_copied, &y, why, sizeof why);
    if (e)
        fprintf(stderr, "meridianctl: %s\n", why);
    else
        say_copied(stdout, &y.last, '\n');
    return e ? CTL_REFUSED : CTL_OK;
}
