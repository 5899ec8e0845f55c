/* DOC: what a session wants beside stanzas: carbons, pushes of the roster and of the blocklist.
 * Kept at the anchor, which tells the connection's front of each change; the front repeats it when
 * it attaches at another anchor (REGION_UP), as elements of the namespaces in question. A change
 * that meets a change of anchors on its way may be lost: what is repeated is added to what is
 * known. Source: XEP-0280 section 4, RFC 6121 section 2.1.6, XEP-0191 section 3.3. */
#include "lib/base/clock.h"
#include "node/c2s/c2s.h"
#include "node/cluster/world.h"
#include "node/session/session-int.h"

static const struct {
    enum session_wish wish;
    const char *ns, *name;
} words[] = {{WISH_CARBONS, NS_CARBONS, "enable"},
             {WISH_ROSTER, NS_ROSTER, "query"},
             {WISH_BLOCKLIST, NS_BLOCKING, "blocklist"}};

unsigned session_wants(const struct session *ss)
{
    return (ss->carbons_us ? WISH_CARBONS : 0U) | (ss->interested ? WISH_ROSTER : 0U) |
           (ss->has_blocklist ? WISH_BLOCKLIST : 0U);
}

static void put(struct session *ss, unsigned wants)
{
    if (!(wants & WISH_CARBONS))
        ss->carbons_us = 0;
    else if (!ss->carbons_us)
        ss->carbons_us = clock_wall_us();
    ss->interested = wants & WISH_ROSTER;
    ss->has_blocklist = wants & WISH_BLOCKLIST;
}

static void tell_front(const struct session *ss)
{
    struct node_shard *sh = ss->user->shard;
    if (ss->where == SESSION_HERE) {
        c2s_wants(sh, ss->conn_id, session_wants(ss));
        return;
    }
    struct stanza_build b;
    stanza_build(&b, STANZA_PRESENCE, PRES_AVAILABLE, NULL, &ss->full, STR_NONE);
    session_wants_add(b.arena, b.el, session_wants(ss));
    struct region_route r = {.purpose = REGION_UP_OK};
    route_trace_new(r.trace);
    str_put(r.resource, sizeof r.resource, ss->conn_id);
    world_send(sh, ss->peer, stanza_finish(&b), NULL, &r);
}

void session_want(struct session *ss, enum session_wish w, bool on)
{
    const unsigned before = session_wants(ss);
    const unsigned now = on ? before | w : before & ~(unsigned)w;
    if (now == before)
        return;
    put(ss, now);
    tell_front(ss);
}

unsigned user_wants(struct node_shard *sh, const struct jid *full, const char *conn_id,
                    unsigned wants)
{
    struct user *u = user_find(sh, full->bare);
    struct session *ss = u ? user_session(u, full->resource) : NULL;
    if (!ss || strcmp(ss->conn_id, conn_id) != 0)
        return 0;
    put(ss, session_wants(ss) | wants);
    return session_wants(ss);
}

void session_wants_add(struct arena *a, struct xml *el, unsigned wants)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (wants & words[i].wish)
            xml_add(a, el, words[i].ns, words[i].name);
}

unsigned session_wants_read(const struct stanza *s)
{
    unsigned wants = 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (stanza_child(s, words[i].ns, words[i].name))
            wants |= words[i].wish;
    return wants;
}
