/* Roster items as the store has them: whatever is there, reading does not crash, and what was read
 * is written and read again the same. */
#include "lib/store/store.h"
#include "lib/xmpp/xml.h"
#include "node/session/roster-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str format(const struct roster_item *it, struct buf *out)
{
    buf_init(out, 8 * STORE_VALUE_MAX);
    roster_item_format(it, out);
    must(buf_ok(out));
    return buf_view(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct roster_item *one = mem_alloc(sizeof *one), *two = mem_alloc(sizeof *two);
    if (size < STORE_VALUE_MAX / 8 &&
        roster_item_parse(one, str_make((const char *)data, size)) == ERR_OK) {
        struct buf first, second;
        struct str text = format(one, &first);
        must(roster_item_parse(two, text) == ERR_OK);
        must(two->state == one->state && two->visible == one->visible);
        must(two->n_groups == one->n_groups && !two->pending == !one->pending);
        must(str_eq(text, format(two, &second)));
        buf_fini(&first);
        buf_fini(&second);
    }
    roster_item_free(one);
    roster_item_free(two);
    return 0;
}
