#ifndef NODE_ROUTE_HOOK_INT_H
#define NODE_ROUTE_HOOK_INT_H
/* The ordered handlers of all hooks, made once from the module tables (hook.c), read by all shards.
 */
#include "node/route/module.h"

struct hook_slot {
    const struct module *module;
    const struct hook_handler *handler;
};
struct hook_chain {
    struct hook_slot *slots;
    size_t n;
};
struct hook_table {
    struct hook_chain chain[HOOK_COUNT];
};
enum { MODULE_PLACES = 128 }; /* a power of two, at least twice the number of modules */
struct module_set {
    const struct module *const *modules;
    size_t n;
    size_t *user_offsets; /* of each module's slot behind struct user */
    size_t user_bytes;
    uint8_t place[MODULE_PLACES]; /* index + 1 by hash of the module's address; 0: free */
};
enum err hook_table_new(const struct module *const *m, size_t n, struct hook_table **out, char *why,
                        size_t why_size) MUST_USE;
bool module_in(const struct module *const *m, size_t n, const char *name);
/* module_set_new with other modules (tests). m is borrowed. */
enum err module_set_of(struct node *n, const struct module *const *m, size_t count, char *why,
                       size_t why_size) MUST_USE;
void hook_table_free(struct hook_table **pt);
#endif
