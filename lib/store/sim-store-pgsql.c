/* store-pgsql, simulated platform: there is no PostgreSQL in the simulator. */
#include "lib/store/store-int.h"

static enum err db_open(const struct store_place *place, void **db, char *why, size_t why_size)
{
    (void)place, (void)db;
    snprintf(why, why_size, "no PostgreSQL under simulation");
    return ERR_UNSUPPORTED;
}

static const struct store_async async = {.open = db_open};

const struct store_driver store_pgsql_driver = {.scheme = "postgresql", .async = &async};
