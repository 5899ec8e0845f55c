#ifndef NODE_MOD_MODS_H
#define NODE_MOD_MODS_H
/* All modules, one line each: the name of its table without mod_. */
#include "node/route/module.h"

#define MOD_LIST(X)                                                                                \
    X(ping)                                                                                        \
    X(disco)                                                                                       \
    X(session)                                                                                     \
    X(roster)                                                                                      \
    X(offline)                                                                                     \
    X(version)                                                                                     \
    X(time)                                                                                        \
    X(last)                                                                                        \
    X(contact)                                                                                     \
    X(private)                                                                                     \
    X(vcard_temp)                                                                                  \
    X(caps)                                                                                        \
    X(blocklist)                                                                                   \
    X(register)                                                                                    \
    X(component)                                                                                   \
    X(stanza_id)                                                                                   \
    X(delay)                                                                                       \
    X(carbons)                                                                                     \
    X(anonymous)                                                                                   \
    X(removals)                                                                                    \
    X(rtbl)

#define MOD_EXTERN(name) extern const struct module mod_##name;
MOD_LIST(MOD_EXTERN)
#undef MOD_EXTERN
#endif
