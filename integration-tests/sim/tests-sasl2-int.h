#ifndef INTEGRATION_TESTS_SIM_TESTS_SASL2_INT_H
#define INTEGRATION_TESTS_SIM_TESTS_SASL2_INT_H
/* A client that writes its own <authenticate/> (XEP-0388). */
#include "integration-tests/sim/tests-node-int.h"

#include "lib/base/encode.h"

#define AGENT "d4565fa7-4d72-4749-b3d3-740edbf87770"

/* A client with TLS and features, that has not authenticated; its script does. */
static UNUSED struct sim_client *stranger(const struct rig *r, unsigned listener)
{
    struct sim_client_conf c = rig_conf(r, "alice", NULL);
    c.no_sasl = true;
    c.direct_tls = listener == 1;
    c.server = r->listen[listener].at;
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_READY));
    return s;
}

/* <authenticate/> with PLAIN. inline_text: what else is in it. */
static UNUSED void authenticate(struct sim_client *s, const char *user, const char *password,
                                const char *inline_text)
{
    struct buf raw, text;
    buf_init(&raw, 256);
    buf_init(&text, 512);
    buf_char(&raw, '\0');
    buf_cstr(&raw, user);
    buf_char(&raw, '\0');
    buf_cstr(&raw, password);
    base64_encode(&text, raw.p, raw.n);
    sim_client_send(s,
                    "<authenticate xmlns='%s' mechanism='PLAIN'><initial-response>" STR_FMT
                    "</initial-response>%s</authenticate>",
                    NS_SASL2, STR_ARG(buf_view(&text)), inline_text);
    buf_fini(&raw);
    buf_fini(&text);
}

/* The identifier of the <success/> just expected. */
static UNUSED void identifier_of(const struct sim_client *s, char out[256])
{
    struct arena *a = arena_new(0);
    const struct xml *id = xml_child(sim_client_last(s), NS_SASL2, "authorization-identifier");
    assert_non_null(id);
    snprintf(out, 256, STR_FMT, STR_ARG(xml_text(a, id)));
    arena_free(&a);
}

/* An attribute of the element just expected, or of one inside it: child of child, each "*" for no
 * matter whose namespace. */
static UNUSED void attr_of(const struct sim_client *s, const char *child, const char *grandchild,
                           const char *name, char *out, size_t size)
{
    const struct xml *el = sim_client_last(s);
    const char *const path[] = {child, grandchild};
    for (size_t i = 0; i < ARRAY_LEN(path) && path[i]; i++) {
        const struct xml *found = NULL;
        xml_each(el, n)
        {
            if (!found && strcmp(n->el->name, path[i]) == 0)
                found = n->el;
        }
        assert_non_null(found);
        el = found;
    }
    const struct str value = xml_get(el, name);
    assert_true(value.n > 0 && value.n < size);
    snprintf(out, size, STR_FMT, STR_ARG(value));
}
#endif
