/* pg-schema: brings the schema up to date at the start, before the loops run. The steps are
 * numbered; each runs in a transaction of its own, under an advisory lock, so that of several nodes
 * that start at once one does it and the others find it done. A database of a newer schema is
 * refused. Waits with poll, for the target's times: a server that is there and silent must not hold
 * the start. */
#include "lib/store/pg-int.h"

#include <poll.h>

#include "lib/base/clock.h"

enum { STEP_MS = 60000, LOOK_MS = 10000 }; /* a step may have to rewrite tables */
#define SCHEMA_LOCK "7165065861668463981"  /* "common" to all steps; a number like any other */

struct session {
    PGconn *pg;
    char *why;
    size_t why_size;
};

static enum err failed(const struct session *s, enum err e, const char *text)
{
    snprintf(s->why, s->why_size, "postgresql: %.*s", (int)strcspn(text, "\n"), text);
    return e;
}

static bool wait_for(PGconn *pg, short events, uint64_t end_us)
{
    uint64_t now_us = clock_mono_us();
    struct pollfd p = {.fd = PQsocket(pg), .events = events};
    return now_us < end_us && poll(&p, 1, (int)((end_us - now_us + 999) / 1000)) > 0;
}

static enum err connect_failed(const struct session *s)
{
    const char *text = PQerrorMessage(s->pg);
    bool is_auth = PQconnectionNeedsPassword(s->pg) || strstr(text, "authentication");
    return failed(s, is_auth ? ERR_AUTH : ERR_UNAVAILABLE, text);
}

static enum err connect_within(const struct session *s, uint64_t ms)
{
    uint64_t end_us = clock_mono_us() + ms * 1000;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    if (PQstatus(s->pg) == CONNECTION_BAD)
        return connect_failed(s);
    while (state != PGRES_POLLING_OK) {
        if (!wait_for(s->pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, end_us))
            return failed(s, ERR_TIMEOUT, "no connection within connect_timeout");
        state = PQconnectPoll(s->pg);
        if (state == PGRES_POLLING_FAILED)
            return connect_failed(s);
    }
    return ERR_OK;
}

/* Run one text; *number is the first column of its last row (0 when NULL or none). */
static enum err run(const struct session *s, const char *text, uint64_t ms, long *number)
{
    uint64_t end_us = clock_mono_us() + ms * 1000;
    enum err e = ERR_OK;
    if (!PQsendQuery(s->pg, text))
        return failed(s, ERR_IO, PQerrorMessage(s->pg));
    for (;;) {
        while (PQisBusy(s->pg))
            if (!wait_for(s->pg, POLLIN, end_us) || !PQconsumeInput(s->pg))
                return failed(s, ERR_TIMEOUT, "the schema could not be looked at in time");
        PGresult *r = PQgetResult(s->pg);
        if (!r)
            return e;
        if (PQresultStatus(r) == PGRES_FATAL_ERROR && !e)
            e = failed(s, pg_error(r), PQresultErrorMessage(r));
        if (number && PQntuples(r) == 1)
            *number = strtol(PQgetvalue(r, 0, 0), NULL, 10);
        PQclear(r);
    }
}

static enum err look(const struct session *s, long *version)
{
    long is_there = 0;
    *version = 0;
    enum err e = run(s,
                     "BEGIN; SELECT pg_advisory_xact_lock(" SCHEMA_LOCK ")::text; "
                     "SELECT count(to_regclass('meridian.schema_version'))",
                     STEP_MS + LOOK_MS, &is_there); /* another node may be at a step */
    if (!e && is_there)
        e = run(s, "SELECT max(version) FROM meridian.schema_version", LOOK_MS, version);
    return e;
}

static enum err apply(const struct session *s, long version)
{
    char done[128];
    snprintf(done, sizeof done,
             "INSERT INTO meridian.schema_version (version) VALUES (%ld); COMMIT", version + 1);
    enum err e = run(s, pg_steps[version], STEP_MS, NULL);
    return e ? e : run(s, done, LOOK_MS, NULL);
}

static enum err update(const struct session *s)
{
    const long newest = (long)pg_steps_count;
    for (;;) {
        long version;
        enum err e = look(s, &version);
        if (!e && version > newest) {
            snprintf(s->why, s->why_size,
                     "postgresql: schema version %ld is newer than this server's %ld", version,
                     newest);
            return ERR_UNSUPPORTED;
        }
        if (e || version == newest)
            return e ? e : run(s, "COMMIT", LOOK_MS, NULL);
        if ((e = apply(s, version)) != ERR_OK)
            return e;
    }
}

static void quiet(void *ctx, const char *text)
{
    (void)ctx, (void)text;
}

enum err pg_schema_update(const struct pg_target *t, char *why, size_t why_size)
{
    struct pg_params params;
    struct session s = {NULL, why, why_size};
    struct arena *a = arena_new(0);
    enum err e = pg_names_look_up(t, a, &params, why, why_size);
    if (!e) {
        s.pg = PQconnectStartParams(params.keywords, params.values, 0);
        must(s.pg);
        PQsetNoticeProcessor(s.pg, quiet, NULL);
        e = connect_within(&s, t->connect_timeout_ms);
        if (!e)
            e = update(&s);
        PQfinish(s.pg);
    }
    arena_free(&a);
    return e;
}
