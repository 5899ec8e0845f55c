/* store-pgsql: the store driver on PostgreSQL, put together: open reads the URI, connects once to
 * bring the schema up to date and to say clearly what is wrong (this blocks, before the loops run);
 * then each port has a connection of its own on its loop (pg-port.c). */
#include "lib/store/pg-int.h"

enum { LOOKUPS_MAX = 256 };

static void db_close(void *db)
{
    struct pg_db *d = db;
    if (d->names)
        work_pool_free(&d->names);
    pg_target_free(&d->target);
    mem_free(d);
}

static enum err db_open(const struct store_place *place, void **db, char *why, size_t why_size)
{
    struct pg_db *d = mem_alloc(sizeof *d);
    enum err e = pg_target_new(place, &d->target, why, why_size);
    if (!e)
        e = pg_schema_update(d->target, why, why_size);
    if (e) {
        db_close(d);
        return e;
    }
    if (d->target->has_names)
        d->names = work_pool_new("pg-names", 1, LOOKUPS_MAX);
    *db = d;
    return ERR_OK;
}

static const struct store_async async = {db_open, db_close, pg_port_open, pg_port_close,
                                         pg_port_submit};

const struct store_driver store_pgsql_driver = {.scheme = "postgresql", .async = &async};
