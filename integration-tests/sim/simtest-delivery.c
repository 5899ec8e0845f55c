/* What happens to stanzas addressed to a user, row by row (RFC 6121 section 8.5). */
#include "integration-tests/sim/tests-session-int.h"

/* ---- delivery */
enum { BOBS = 2, NOT_AVAILABLE = 1000 };
struct situation {
    const char *resources[BOBS]; /* of bob's sessions */
    int priorities[BOBS];        /* NOT_AVAILABLE: connected, no presence */
    const char *to;
    /* By type normal, chat, groupchat, headline, error: which sessions get it ("1", "2", "12"), or
     * e = error to the sender, o = stored, s = silence. */
    const char *want[5];
};
static const struct situation situations[] = {
    {{NULL}, {0}, BOB, {"o", "o", "e", "s", "s"}},
    {{NULL}, {0}, BOB "/desk", {"e", "o", "e", "e", "s"}},
    {{"desk"}, {NOT_AVAILABLE}, BOB, {"o", "o", "e", "s", "s"}},
    {{"desk"}, {NOT_AVAILABLE}, BOB "/desk", {"1", "1", "1", "1", "1"}},
    {{"desk"}, {-1}, BOB, {"o", "o", "e", "s", "s"}},
    {{"desk"}, {-1}, BOB "/desk", {"1", "1", "1", "1", "1"}},
    {{"desk"}, {-1}, BOB "/gone", {"e", "o", "e", "e", "s"}},
    {{"desk"}, {0}, BOB, {"1", "1", "e", "1", "s"}},
    {{"desk"}, {0}, BOB "/desk", {"1", "1", "1", "1", "1"}},
    {{"desk"}, {0}, BOB "/gone", {"e", "1", "e", "e", "s"}},
    {{"desk", "phone"}, {5, 0}, BOB, {"12", "12", "e", "12", "s"}},
    {{"desk", "phone"}, {5, -5}, BOB, {"1", "1", "e", "1", "s"}},
    {{"desk", "phone"}, {NOT_AVAILABLE, 127}, BOB, {"2", "2", "e", "2", "s"}},
    {{"desk", "phone"}, {5, 0}, BOB "/phone", {"2", "2", "2", "2", "2"}},
    {{"desk", "phone"}, {-1, -128}, BOB, {"o", "o", "e", "s", "s"}},
    {{"desk", "phone"}, {5, 0}, BOB "/gone", {"e", "12", "e", "e", "s"}},
    {{NULL}, {0}, "nobody@" RIG_DOMAIN, {"e", "e", "e", "s", "s"}},
    {{NULL}, {0}, "nobody@" RIG_DOMAIN "/x", {"e", "e", "e", "e", "s"}},
};
static const char *const types[] = {"normal", "chat", "groupchat", "headline", "error"};

static void deliver_one(struct rig *r, struct sim_client *a, struct sim_client **b,
                        const struct situation *k, size_t type)
{
    static unsigned id;
    char got[BOBS + 2] = "";
    size_t n = 0;
    uint64_t before = stored(r);
    id++;
    sim_client_send(a, "<message to='%s' id='m%u' type='%s'><body>hi</body></message>", k->to, id,
                    types[type]);
    settle(a);
    (void)sim_run(SEC / 10, NULL, NULL);
    for (size_t i = 0; i < BOBS; i++) {
        if (!b[i] || !sim_client_count(b[i], "<message id='m%u' to='%s'/>", id, k->to))
            continue;
        got[n++] = (char)('1' + i);
    }
    bool bounced = sim_client_count(
        a,
        "<message id='m%u' type='error'><error><service-unavailable xmlns='%s'/></error></message>",
        id, NS_STANZA_ERRORS);
    if (!got[0])
        got[0] = bounced ? 'e' : stored(r) > before ? 'o' : 's';
    else
        assert_false(bounced);
    if (strcmp(got, k->want[type]) != 0)
        fail_msg("situation %zu, type %s: %s, not %s", (size_t)(k - situations), types[type], got,
                 k->want[type]);
}

static void test_session_delivery(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 2, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone");
    for (size_t i = 0; i < ARRAY_LEN(situations); i++) {
        const struct situation *k = &situations[i];
        struct sim_client *b[BOBS] = {0};
        for (size_t n = 0; n < BOBS && k->resources[n]; n++) {
            b[n] = rig_login(&r, "bob", k->resources[n]);
            if (k->priorities[n] != NOT_AVAILABLE)
                sim_client_send(b[n], "<presence><priority>%d</priority></presence>",
                                k->priorities[n]);
            settle(b[n]);
        }
        (void)sim_run(SEC, NULL, NULL); /* what was stored before is delivered */
        for (size_t t = 0; t < ARRAY_LEN(types); t++)
            deliver_one(&r, a, b, k, t);
        for (size_t n = 0; n < BOBS; n++)
            sim_client_free(&b[n]);
        sim_client_forget(a);
        (void)sim_run(SEC, NULL, NULL);
        assert_null(user_of(&r, BOB));
    }
    sim_client_free(&a);
    rig_end(&r);
}

/* Presence and requests by the same table. Alice has bob's presence only where it says so. */
enum { TO_BARE, TO_MATCH, TO_GONE, TOS };
struct other_row {
    const char *stanza; /* from alice, with her address for bob as %s */
    /* What bob's resource gets (1), alice gets as an error (e), or silence (s); a: the server
     * answered. */
    char want[TOS], want_friends[TOS];
};
static const struct other_row other_rows[] = {
    {"<presence id='x' to='%s'/>", "11s", "11s"},
    {"<presence id='x' type='unavailable' to='%s'/>", "11s", "11s"},
    {"<presence id='x' type='error' to='%s'/>", "11s", "11s"},
    {"<iq type='get' id='x' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", "aee", "a1e"},
    {"<iq type='set' id='x' to='%s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
     "eee", "e1e"},
    {"<iq type='result' id='x' to='%s'/>", "s1s", "s1s"},
    {"<iq type='error' id='x' to='%s'/>", "s1s", "s1s"},
};

static char other_outcome(struct sim_client *a, struct sim_client *b, const struct other_row *k,
                          const char *to)
{
    char text[512];
    const char *at = strstr(k->stanza, "%s");
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - k->stanza), k->stanza, to, at + 2);
    sim_client_forget(a);
    sim_client_forget(b);
    sim_client_send(a, "%s", text);
    settle(a);
    (void)sim_run(SEC / 10, NULL, NULL);
    if (sim_client_count(b, "<presence id='x' to='%s'/>", to) ||
        sim_client_count(b, "<iq id='x' to='%s'/>", to))
        return '1';
    if (sim_client_count(a, "<iq id='x' type='result'/>"))
        return 'a';
    return sim_client_count(
               a, "<iq id='x' type='error'><error><service-unavailable xmlns='%s'/></error></iq>",
               NS_STANZA_ERRORS)
               ? 'e'
               : 's';
}

static void test_session_delivery_others(void **state)
{
    static const char *const to[] = {BOB, BOB "/desk", BOB "/gone"};
    struct rig r;
    (void)state;
    for (int friends = 0; friends < 2; friends++) {
        rig_begin(&r, 1, 2, NULL);
        struct sim_client *a = rig_online(&r, "alice", "phone"), *b = rig_online(&r, "bob", "desk");
        if (friends)
            become_friends(a, b);
        for (size_t i = 0; i < ARRAY_LEN(other_rows); i++) {
            const struct other_row *k = &other_rows[i];
            for (int t = 0; t < TOS; t++) {
                char want = friends ? k->want_friends[t] : k->want[t];
                char got = other_outcome(a, b, k, to[t]);
                if (got != want)
                    fail_msg("%s to %s: %c, not %c", k->stanza, to[t], got, want);
            }
        }
        /* a resource that showed itself may be asked */
        sim_client_send(b, "<presence to='" ALICE "'/>");
        settle(b);
        assert_int_equal(other_outcome(a, b, &other_rows[3], BOB "/desk"), '1');
        sim_client_free(&a);
        sim_client_free(&b);
        rig_end(&r);
    }
}

/* Subscription stanzas to a resource that is not there: a request counts for the account, the rest
 * is ignored (section 8.5.3.2.2). */
static void test_session_delivery_subscriptions(void **state)
{
    static const char *const types_of[] = {"subscribe", "subscribed", "unsubscribe",
                                           "unsubscribed"};
    struct rig r;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types_of); i++) {
        for (int gone = 0; gone < 2; gone++) {
            rig_begin(&r, 1, 2, NULL);
            struct sim_client *b = rig_online(&r, "bob", "desk");
            /* bob has asked alice, and she him: each of the four means something */
            sim_client_send(b, "<presence type='subscribe' to='" ALICE "'/>");
            if (i != 0)
                arrive(&r, "<presence type='subscribe' from='alice@im.test' to='bob@im.test'/>");
            settle(b);
            sim_client_forget(b);
            char text[160];
            snprintf(text, sizeof text,
                     "<presence type='%s' from='alice@im.test' to='bob@im.test/%s'/>", types_of[i],
                     gone ? "gone" : "desk");
            arrive(&r, text);
            settle(b);
            bool shown = sim_client_count(b, "<presence from='" ALICE "' type='%s'/>", types_of[i]);
            assert_int_equal(shown, !gone || i == 0);
            sim_client_free(&b);
            rig_end(&r);
        }
    }
}

/* Who showed unavailable presence gets no withdrawal of what was directed there (section 4.6.1). */
static void test_session_directed_left(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 2, NULL);
    struct sim_client *a = rig_online(&r, "alice", "phone"), *b = rig_online(&r, "bob", "desk");
    sim_client_send(a, "<presence to='" BOB "/desk'/>");
    assert_true(sim_client_expect(b, "<presence from='" ALICE "/phone' type='-'/>"));
    sim_client_send(b, "<presence to='" ALICE "' type='unavailable'/>");
    assert_true(sim_client_expect(a, "<presence from='" BOB "/desk' type='unavailable'/>"));
    sim_client_free(&a);
    assert_true(sim_client_absent(b, SEC, "<presence type='unavailable'/>"));
    sim_client_free(&b);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_delivery),
        cmocka_unit_test(test_session_delivery_others),
        cmocka_unit_test(test_session_delivery_subscriptions),
        cmocka_unit_test(test_session_directed_left),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
