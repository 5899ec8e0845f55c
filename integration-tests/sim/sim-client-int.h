#ifndef INTEGRATION_TESTS_SIM_SIM_CLIENT_INT_H
#define INTEGRATION_TESTS_SIM_SIM_CLIENT_INT_H
/* The scripted user, inside: sim-client.c (stream, inbox) and sim-client-sm.c (stream management).
 */
#include "integration-tests/sim/sim-client.h"
#include "lib/base/vec.h"
#include "lib/loop/op.h"
#include "lib/stream/f-sm.h"

struct sim_client {
    struct sim_client_conf conf;
    struct loop *loop;
    struct op_owner ops;
    struct stream_out *stream;
    enum sim_client_state state;
    enum sasl_failure refused;
    struct stream_end end;
    struct list inbox; /* struct letter */
    struct xml_doc *last;
    char *jid;
    struct sm_session *sm;       /* NULL without conf.sm, or before <enable/> */
    VEC(struct stanza *) resend; /* of a session that could not be resumed */
    unsigned resumed, refusals;
};

void sim_client_dial(struct sim_client *c);
void sim_client_bind(struct sim_client *c);

/* ---- sim-client-sm.c */
void sim_client_sm_enable(struct sim_client *c);
bool sim_client_sm_resume(struct sim_client *c); /* false: there is nothing to resume */
bool sim_client_sm_element(struct sim_client *c,
                           const struct xml *el);               /* true: not for the script */
bool sim_client_sm_send(struct sim_client *c, struct str text); /* false: not counted */
void sim_client_sm_detach(struct sim_client *c);
void sim_client_sm_free(struct sim_client *c);
#endif
