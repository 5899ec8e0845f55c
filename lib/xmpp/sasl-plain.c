/* SASL PLAIN, server side (RFC 4616): [authzid] NUL authcid NUL password, all UTF-8.
 *
 * The password is handed to the caller in its prepared form and wiped with the verdict. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"
#include "lib/xmpp/jid.h"
#include "lib/xmpp/xep.h"

RFC("4616", COMPLETE);

/* Split at the two NULs; false when there are not exactly two. */
static bool split(struct str in, struct str parts[3])
{
    struct str rest = in;
    for (int i = 0; i < 3; i++) {
        if (!rest.p)
            return false;
        parts[i] = str_cut(&rest, '\0');
    }
    return !rest.p;
}

/* Keep the prepared password on the heap, leave no copy in the arena. */
static enum err keep_password(struct sasl_server *s, struct str sent)
{
    struct arena *tmp = arena_new(0);
    struct str prepared;
    const enum err e = jid_prep_password(tmp, sent, &prepared);
    if (e == ERR_OK) {
        sasl_password_set(&s->password, prepared);
        if (prepared.p != sent.p)
            mem_wipe((char *)(uintptr_t)prepared.p, prepared.n);
    }
    arena_free(&tmp);
    return e;
}

enum sasl_status sasl_plain_step(struct sasl_server *s, struct str in, struct buf *out)
{
    (void)out;
    struct str parts[3];
    if (!split(in, parts) || !utf8_valid(in) || parts[1].n == 0 || parts[2].n == 0 ||
        parts[0].n > JID_MAX || parts[1].n > JID_PART_MAX || parts[2].n > JID_PART_MAX)
        return sasl_server_fail(s, SASL_FAIL_MALFORMED_REQUEST);
    struct str user;
    if (jid_prep_username(s->mem, parts[1], &user) != ERR_OK || user.n == 0 ||
        keep_password(s, parts[2]) != ERR_OK)
        return sasl_server_fail(s, SASL_FAIL_NOT_AUTHORIZED);
    s->user = arena_dup(s->mem, user);
    s->authzid = arena_dup(s->mem, parts[0]);
    s->phase = SASL_PHASE_VERDICT;
    return SASL_NEED_PASSWORD;
}
