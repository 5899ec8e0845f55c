/* Name, lease and row texts from the keeper: whatever is accepted must be written back as it came.
 */
#include "global-registry/reg-wire-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lease(struct str name, struct str value)
{
    struct reg_member m;
    char synced[REG_GENERATION_MAX], out[REG_WIRE_LEASE_MAX], name_out[REG_WIRE_NAME_MAX];
    if (!reg_wire_lease_parse(name, value, &m, synced))
        return;
    must(str_eqc(name, reg_wire_name(name_out, &m)));
    must(str_eqc(value, reg_wire_lease(out, &m, synced)));
}

static void check_row(struct str name, struct str value)
{
    struct reg_row row;
    bool gone;
    char out[2 * REG_NAME_MAX];
    if (!reg_wire_row_parse(name, value, &row, &gone))
        return;
    snprintf(out, sizeof out, "%" PRIu64 " %" PRIu64 "%s%s", row.incarnation, row.seq,
             gone ? "" : " ", row.home);
    must(str_eqc(value, out));
}

/* Name, a line feed, value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_make((const char *)data, size), name = str_cut(&rest, '\n');
    check_lease(name, rest);
    check_row(name, rest);
    return 0;
}
