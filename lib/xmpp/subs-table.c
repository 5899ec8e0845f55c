/* Subscription transitions (RFC 6121 appendix A.2 and A.3, pre-approval of section 3.4) as data.
 *
 * The nine states of appendix A.1 index one row per (direction, event). A cell holds the next state
 * and whether the stanza passes on: is routed to the contact (outbound) or delivered to the user
 * (inbound). What the roster shows, who gains and who loses presence follow from comparing the
 * states before and after, so they are computed, not listed. A pre-approval is kept until the user
 * sends "unsubscribed" (the second choice of the note in section 3.4.2). */
#include "lib/xmpp/subs-table.h"

enum { NONE, NONE_OUT, NONE_IN, NONE_OUT_IN, TO, TO_IN, FROM, FROM_OUT, BOTH, STATES };

static const uint8_t state_bits[STATES] = {
    [NONE] = 0,
    [NONE_OUT] = SUBS_PENDING_OUT,
    [NONE_IN] = SUBS_PENDING_IN,
    [NONE_OUT_IN] = SUBS_PENDING_OUT | SUBS_PENDING_IN,
    [TO] = SUBS_TO,
    [TO_IN] = SUBS_TO | SUBS_PENDING_IN,
    [FROM] = SUBS_FROM,
    [FROM_OUT] = SUBS_FROM | SUBS_PENDING_OUT,
    [BOTH] = SUBS_TO | SUBS_FROM,
};

enum { PASS = 1, APPROVE = 2, REPLY = 4 };
struct cell {
    uint8_t next, flags;
};

/* Columns: None, None+Out, None+In, None+Out+In, To, To+In, From, From+Out, Both. */
static const struct cell table[2][4][STATES] =
    {
        [SUBS_OUTBOUND] =
            {
                [SUBS_SUBSCRIBE] = {{NONE_OUT, PASS},
                                    {NONE_OUT, PASS},
                                    {NONE_OUT_IN, PASS},
                                    {NONE_OUT_IN, PASS},
                                    {TO, PASS},
                                    {TO_IN, PASS},
                                    {FROM_OUT, PASS},
                                    {FROM_OUT, PASS},
                                    {BOTH, PASS}},
                [SUBS_UNSUBSCRIBE] = {{NONE, PASS},
                                      {NONE, PASS},
                                      {NONE_IN, PASS},
                                      {NONE_IN, PASS},
                                      {NONE, PASS},
                                      {NONE_IN, PASS},
                                      {FROM, PASS},
                                      {FROM, PASS},
                                      {FROM, PASS}},
                [SUBS_SUBSCRIBED] = {{NONE, APPROVE},
                                     {NONE_OUT, APPROVE},
                                     {FROM, PASS},
                                     {FROM_OUT, PASS},
                                     {TO, APPROVE},
                                     {BOTH, PASS},
                                     {FROM, 0},
                                     {FROM_OUT, 0},
                                     {BOTH, 0}},
                [SUBS_UNSUBSCRIBED] = {{NONE, 0},
                                       {NONE_OUT, 0},
                                       {NONE, PASS},
                                       {NONE_OUT, PASS},
                                       {TO, 0},
                                       {TO, PASS},
                                       {NONE, PASS},
                                       {NONE_OUT, PASS},
                                       {TO, PASS}},
            },
        [SUBS_INBOUND] =
            {
                [SUBS_SUBSCRIBE] = {{NONE_IN, PASS},
                                    {NONE_OUT_IN, PASS},
                                    {NONE_IN, 0},
                                    {NONE_OUT_IN, 0},
                                    {TO_IN, PASS},
                                    {TO_IN, 0},
                                    {FROM, REPLY},
                                    {FROM_OUT, REPLY},
                                    {BOTH, REPLY}},
                [SUBS_UNSUBSCRIBE] = {{NONE, 0},
                                      {NONE_OUT, 0},
                                      {NONE, PASS | REPLY},
                                      {NONE_OUT, PASS | REPLY},
                                      {TO, 0},
                                      {TO, PASS | REPLY},
                                      {NONE, PASS | REPLY},
                                      {NONE_OUT, PASS | REPLY},
                                      {TO, PASS | REPLY}},
                [SUBS_SUBSCRIBED] = {{NONE, 0},
                                     {TO, PASS},
                                     {NONE_IN, 0},
                                     {TO_IN, PASS},
                                     {TO, 0},
                                     {TO_IN, 0},
                                     {FROM, 0},
                                     {BOTH, PASS},
                                     {BOTH, 0}},
                [SUBS_UNSUBSCRIBED] = {{NONE, 0},
                                       {NONE, PASS},
                                       {NONE_IN, 0},
                                       {NONE_IN, PASS},
                                       {NONE, PASS},
                                       {NONE_IN, PASS},
                                       {FROM, 0},
                                       {FROM, PASS},
                                       {FROM, PASS}},
            },
};

/* A subscription that stands makes a request for the same thing meaningless: such bits are dropped.
 */
static unsigned state_index(uint8_t state)
{
    if (state & SUBS_TO)
        state &= (uint8_t)~SUBS_PENDING_OUT;
    if (state & SUBS_FROM)
        state &= (uint8_t)~SUBS_PENDING_IN;
    state &= SUBS_TO | SUBS_FROM | SUBS_PENDING_OUT | SUBS_PENDING_IN;
    for (unsigned i = 0; i < STATES; i++)
        if (state_bits[i] == state)
            return i;
    return NONE; /* not reached: the nine states cover all that is left */
}

/* Section 3.4.2: the server answers for the user, the stanza is not shown, the contact has "from"
 * at once. */
static bool is_preapproved(uint8_t state, enum subs_direction d, enum subs_event e)
{
    return d == SUBS_INBOUND && e == SUBS_SUBSCRIBE && (state & SUBS_APPROVED) &&
           !(state & SUBS_FROM);
}

static uint8_t next_state(uint8_t state, struct cell c, enum subs_direction d, enum subs_event e)
{
    uint8_t kept = state & SUBS_APPROVED;
    if (is_preapproved(state, d, e))
        return (uint8_t)((state & (SUBS_TO | SUBS_PENDING_OUT)) | SUBS_FROM | kept);
    if (d == SUBS_OUTBOUND && e == SUBS_UNSUBSCRIBED)
        kept = 0;
    if (c.flags & APPROVE)
        kept = SUBS_APPROVED;
    return state_bits[c.next] | kept;
}

struct subs_result subs_apply(uint8_t state, enum subs_direction d, enum subs_event e)
{
    const unsigned index = state_index(state);
    const struct cell c = table[d][e][index];
    const uint8_t before = state_bits[index] | (state & SUBS_APPROVED);
    const uint8_t after = next_state(before, c, d, e);
    const bool approved = is_preapproved(before, d, e), reply = (c.flags & REPLY) || approved;
    const uint8_t changed = before ^ after;
    return (struct subs_result){
        .state = after,
        .route = d == SUBS_OUTBOUND && (c.flags & PASS),
        .deliver = d == SUBS_INBOUND && (c.flags & PASS) && !approved,
        .push = (changed & (SUBS_TO | SUBS_FROM | SUBS_PENDING_OUT | SUBS_APPROVED)) != 0,
        .auto_reply = reply && e == SUBS_SUBSCRIBE,
        .auto_unsubscribed = reply && e == SUBS_UNSUBSCRIBE,
        .send_presence = (changed & after & SUBS_FROM) != 0,
        .send_unavailable = (changed & before & SUBS_FROM) != 0,
        .exists = after != 0,
    };
}

const char *subs_subscription(uint8_t state)
{
    static const char *const names[] = {"none", "to", "from", "both"};
    return names[state & (SUBS_TO | SUBS_FROM)];
}
