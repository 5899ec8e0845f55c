/* What a pubsub service may say: any stanza, read as event, as page of items, as answer to a
 * subscription, as error. Oracle: never more items than may be; only ids that name a domain stay;
 * each that stays is on the list as the policy has it; what was published can be retracted. */
#include "node/mod/rtbl-items.h"
#include "node/mod/rtbl-wire.h"
#include "s2s/s2s-policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_ITEMS = 5 };
#define NODE STR("n")
#define ME STR("im.test")

static void add(void *ctx, struct str id)
{
    enum err e = rtbl_items_add(ctx, id);
    must(e != ERR_OK || id.n <= S2S_RTBL_ID_MAX);
    must(e != ERR_LIMIT || rtbl_items_count(ctx) == MAX_ITEMS);
}

static void change(void *ctx, enum rtbl_event e, struct str id)
{
    must(e < RTBL_EVENTS);
    must((e == RTBL_PUBLISH || e == RTBL_RETRACT) == (id.p != NULL));
    if (e == RTBL_PUBLISH)
        add(ctx, id);
    else if (e == RTBL_RETRACT)
        (void)rtbl_items_del(ctx, id);
    else if (e == RTBL_PURGE)
        rtbl_items_fini(ctx);
}

/* Each domain among the ids is denied by the list that is made of them. */
static void check_list(const struct rtbl_items *items)
{
    struct s2s_rtbl_set *set = s2s_rtbl_set_new();
    struct s2s_rtbl *l = rtbl_items_list(items, STR("s"), NODE);
    s2s_rtbl_set_add(set, &l);
    for (size_t i = 0; i < rtbl_items_count(items); i++) {
        struct s2s_rtbl_key key, of_text;
        struct s2s_terms t = {0};
        struct str id = rtbl_items_id(items, i);
        must(s2s_rtbl_read(id, &key) == S2S_RTBL_DOMAIN);
        must(memcmp(&key, &items->keys.p[i].key, sizeof key) == 0);
        s2s_rtbl_key_of(id, &of_text);
        s2s_rtbl_apply(set, id, &t);
        must(t.is_listed || memcmp(&key, &of_text, sizeof key) != 0); /* a hash, or another form */
    }
    s2s_rtbl_set_unref(&set);
}

static void read_all(const struct stanza *s, struct rtbl_items *items)
{
    struct rtbl_page page;
    char text[64];
    (void)rtbl_wire_event(s, NODE, ME, change, items);
    must(rtbl_items_count(items) <= MAX_ITEMS);
    if (rtbl_wire_page(s, NODE, &page, add, items))
        must(rtbl_items_count(items) <= MAX_ITEMS);
    must(rtbl_wire_subscribed(s, NODE, ME) <= RTBL_SUB_MALFORMED);
    must(strlen(rtbl_wire_error(s, text, sizeof text)) < sizeof text);
    must(rtbl_wire_condition(s) != STANZA_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stanza *s = NULL;
    struct rtbl_items items;
    if (stanza_parse(str_make((const char *)data, size), &s) != ERR_OK)
        return 0;
    rtbl_items_init(&items, MAX_ITEMS);
    read_all(s, &items);
    check_list(&items);
    rtbl_items_fini(&items);
    stanza_unref(&s);
    return 0;
}
