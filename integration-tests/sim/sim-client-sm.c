/* DOC: stream management of the scripted user, over the engine's own counters: what it sends is
 * kept until acknowledged and goes out again after a cut, on the resumed session or on a new one.
 */
#include "integration-tests/sim/sim-client-int.h"

static bool up_text(void *ctx, struct str text)
{
    struct sim_client *c = ctx;
    return !c->stream || stream_out_send_text(c->stream, text);
}

static void up_broken(void *ctx, const char *why)
{
    struct sim_client *c = ctx;
    fprintf(stderr, "%s: %s\n", c->jid, why);
    must(!"the server acknowledges the impossible");
}

static const struct sm_events up = {.send_text = up_text, .broken = up_broken};

void sim_client_sm_enable(struct sim_client *c)
{
    if (!c->sm) /* else its enabling was cut off */
        c->sm = sm_session_new(c->loop, &up, c, NS_CLIENT);
    sm_start(c->sm);
    for (size_t i = 0; i < c->resend.n; i++) {
        (void)sm_send(c->sm, c->resend.p[i]);
        stanza_unref(&c->resend.p[i]);
    }
    c->resend.n = 0;
}

bool sim_client_sm_resume(struct sim_client *c)
{
    if (!c->sm || !*sm_id(c->sm))
        return false;
    sm_start(c->sm);
    return true;
}

static void keep(void *ctx, struct stanza *s)
{
    struct sim_client *c = ctx;
    vec_push(&c->resend, s);
}

/* The session is gone; h tells what had arrived of it. */
static void refused(struct sim_client *c, const struct xml *el)
{
    uint64_t h = 0;
    size_t acked = sm_sent(c->sm) - sm_pending(c->sm), known = 0;
    if (str_to_u64(xml_get(el, "h"), UINT32_MAX, &h))
        known = h - acked;
    c->refusals++;
    sm_unacked(c->sm, keep, c);
    must(known <= c->resend.n);
    for (size_t i = 0; i < known; i++)
        stanza_unref(&c->resend.p[i]);
    if (known)
        memmove(c->resend.p, c->resend.p + known, (c->resend.n - known) * sizeof *c->resend.p);
    c->resend.n -= known;
    sm_session_free(&c->sm);
    sim_client_bind(c);
}

static bool is_stanza(const struct xml *el)
{
    return xml_is(el, NS_CLIENT, "message") || xml_is(el, NS_CLIENT, "presence") ||
           xml_is(el, NS_CLIENT, "iq");
}

static bool negotiate(struct sim_client *c, const struct xml *el)
{
    bool consumed, resumed;
    if (c->state == SIM_CLIENT_READY && xml_is(el, NS_SM, "failed")) {
        refused(c, el);
        return true;
    }
    (void)sm_negotiate(c->sm, el, &consumed, &resumed);
    if (resumed) {
        c->resumed++;
        c->state = SIM_CLIENT_BOUND;
    }
    return consumed;
}

bool sim_client_sm_element(struct sim_client *c, const struct xml *el)
{
    uint64_t token;
    if (!c->sm || sm_state(c->sm) == SM_OFF)
        return false;
    if (sm_state(c->sm) == SM_ASKED)
        return negotiate(c, el);
    if (sm_element(c->sm, el))
        return true;
    if (!is_stanza(el))
        return false;
    if (!sm_receive(c->sm, &token)) /* cannot be: it is complete before the next one */
        must(!"a stanza came twice");
    sm_complete(c->sm, token);
    return false;
}

bool sim_client_sm_send(struct sim_client *c, struct str text)
{
    struct stanza *s;
    if ((!c->sm && !c->refusals) || stanza_parse(text, &s) != ERR_OK)
        return false;
    if (!c->sm) { /* between two sessions: behind what is to be sent again */
        vec_push(&c->resend, s);
        return true;
    }
    (void)sm_send(c->sm, s);
    stanza_unref(&s);
    return true;
}

void sim_client_sm_detach(struct sim_client *c)
{
    if (c->sm)
        sm_detach(c->sm);
}

void sim_client_sm_free(struct sim_client *c)
{
    sm_session_free(&c->sm);
    for (size_t i = 0; i < c->resend.n; i++)
        stanza_unref(&c->resend.p[i]);
    vec_fini(&c->resend);
}

void sim_client_again(struct sim_client *c)
{
    stream_out_free(&c->stream);
    sim_client_sm_detach(c);
    sim_client_dial(c);
}

unsigned sim_client_resumed(const struct sim_client *c)
{
    return c->resumed;
}

unsigned sim_client_refusals(const struct sim_client *c)
{
    return c->refusals;
}
