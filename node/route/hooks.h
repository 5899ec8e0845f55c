#ifndef NODE_ROUTE_HOOKS_H
#define NODE_ROUTE_HOOKS_H
/* The hook table: one line per hook: id, subject type, what it is for. Typed add (in module tables)
 * and run. Order: by phase, inside a phase by declared `after` names; a cycle refuses to start. */
#include "node/route/route.h"

struct user;
struct session;
struct disco_subject;
struct features_subject;

#define HOOK_TABLE(X)                                                                              \
    /* a stanza a user's own session sent, at the user's anchor, before it is routed;              \
     * subject.session is the sender */                                                            \
    X(user_send, struct user_stanza)                                                               \
    /* a stanza to a user, at the user's anchor, before resources are chosen */                    \
    X(user_receive, struct user_stanza)                                                            \
    /* a message that no resource took; the hook that keeps it (offline) returns STOP */           \
    X(user_unreachable, struct user_stanza)                                                        \
    /* a session sent its first non-negative available presence (flush offline) */                 \
    X(session_available, struct session_event)                                                     \
    X(session_closed, struct session_event)                                                        \
    /* collect features, identities and items for a disco answer */                                \
    X(disco, struct disco_subject)                                                                 \
    /* a message, presence or answer that is addressed to one of our domains itself; who takes it  \
     * returns STOP */                                                                             \
    X(server_receive, struct server_stanza)                                                        \
    /* may this user's presence go there: V_DROP when not */                                       \
    X(user_contact, struct contact_check)                                                          \
    /* collect what a client's stream offers beside SASL, TLS and binding */                       \
    X(stream_features, struct features_subject)

struct user_stanza {
    struct user *user;
    struct session
        *session;  /* user_send: the sender; else NULL. Valid only while the run does not park */
    handle sender; /* user_send: the same for good; it may be gone */
    struct route *route; /* route->stanza may be replaced by a handler (take care of references) */
};
struct session_event {
    struct user *user;
    struct session *session;
    const struct stanza *presence; /* session_closed: the unavailable one; not after parking */
};
struct server_stanza { /* no parking */
    struct stanza *stanza;
    enum route_source source;
    const char *trace;
};
struct contact_check { /* no parking */
    struct user *user;
    const struct jid *jid;
};
struct features_subject { /* handlers add to features; no parking */
    struct arena *arena;
    struct xml *features;
    bool is_authenticated, is_secure;
};
struct disco_subject { /* handlers add to query; no parking */
    struct arena *arena;
    struct xml *query; /* <query/> of disco#info or disco#items being answered */
    bool items;        /* items, not info */
    bool account;      /* asked of a user, else of the domain */
    struct str node;   /* the node asked for, STR_NONE for none */
};

enum hook_phase {
    PH_SANITIZE,
    PH_POLICY,
    PH_ANNOTATE,
    PH_RECORD,
    PH_COPY,
    PH_DELIVER,
    PH_OBSERVE,
    PH_COUNT
};
enum verdict {
    V_PASS,   /* go on */
    V_STOP,   /* taken care of: end the run, it counts as handled */
    V_DROP,   /* end silently (logged) */
    V_BOUNCE, /* end, answer with run->bounce */
    V_WAIT,   /* parked: somebody calls hook_resume with what hook_wait gave; the subject's queue
                 waits */
};
enum hook_id {
#define HOOK_ENUM(id, type) HOOK_##id,
    HOOK_TABLE(HOOK_ENUM)
#undef HOOK_ENUM
        HOOK_COUNT
};
struct hook_class;
struct hook_run { /* what a handler gets beside its subject */
    struct node_shard *shard;
    enum stanza_cond bounce; /* set with V_BOUNCE */
    handle wait;             /* see hook_wait */
    const struct hook_class *class;
};
/* One handler type per hook: hook_fn_user_send(struct hook_run *, struct user_stanza *), ... */
#define HOOK_FN(id, type) typedef enum verdict hook_fn_##id(struct hook_run *run, type *subject);
HOOK_TABLE(HOOK_FN)
#undef HOOK_FN
/* A handler as declared in a module table; made by HOOK_ON(user_send, PH_DELIVER, fn), which fails
 * to compile when fn's subject type is another hook's. */
struct hook_handler {
    enum hook_id id;
    enum hook_phase phase;
    const char *const *after; /* names of modules whose handlers in this phase run before;
                                 NULL-terminated or NULL */
    union {
#define HOOK_MEMBER(id, type) hook_fn_##id *id;
        HOOK_TABLE(HOOK_MEMBER)
#undef HOOK_MEMBER
    } fn;
};
#define HOOK_ON(hook, ph, func)                                                                    \
    {                                                                                              \
        .id = HOOK_##hook, .phase = (ph), .fn.hook = (func)                                        \
    }

/* Run a hook. done is called with the final verdict: inside the call when nothing parked, else
 * later (the subject was copied; a deadline of 5 s resumes with V_PASS). Subjects hold their own
 * references while parked (see hook.c). */
#define HOOK_RUN(id, type)                                                                         \
    void hook_run_##id(                                                                            \
        struct node_shard *sh, type *subject,                                                      \
        void (*done)(void *ctx, struct hook_run *run, type *subject, enum verdict v), void *ctx);
HOOK_TABLE(HOOK_RUN)
#undef HOOK_RUN
/* For a handler that is going to return V_WAIT: what to resume with. Void if it returns something
 * else. */
handle hook_wait(struct hook_run *run);
void hook_resume(struct node_shard *sh, handle wait, enum verdict v); /* stale ones are ignored */
const char *hook_name(enum hook_id id);
#endif
