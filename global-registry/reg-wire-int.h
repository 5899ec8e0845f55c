#ifndef GLOBAL_REGISTRY_REG_WIRE_INT_H
#define GLOBAL_REGISTRY_REG_WIRE_INT_H
/* The texts in Redis: names, rows and leases (README.md has the layout). Parsers refuse what is not
 * exactly of that form; the keeper is shared and what stands there may be anybody's. */
#include "global-registry/reg-driver.h"

#define REG_WIRE_NAME_MAX (2 * REG_NAME_MAX)
#define REG_WIRE_LEASE_MAX 512
#define REG_WIRE_GENERATION_MAX (REG_GENERATION_MAX - 1)

/* "eu/eu1". Returns out. */
char *reg_wire_name(char out[REG_WIRE_NAME_MAX], const struct reg_member *m);
bool reg_wire_name_parse(struct str name, char region[REG_NAME_MAX], char node[REG_NAME_MAX]);
/* "<incarnation> <synced generation or -> <domain or -> <endpoint or ->". Returns out. */
char *reg_wire_lease(char out[REG_WIRE_LEASE_MAX], const struct reg_member *m, const char *synced);
bool reg_wire_lease_parse(struct str name, struct str value, struct reg_member *m,
                          char synced[REG_GENERATION_MAX]);
/* "<incarnation> <seq> <home>"; without the home and its space: withdrawn (*gone). */
bool reg_wire_row_parse(struct str name, struct str value, struct reg_row *row, bool *gone);
#endif
