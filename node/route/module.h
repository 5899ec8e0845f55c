#ifndef NODE_ROUTE_MODULE_H
#define NODE_ROUTE_MODULE_H
/* A module is one static table; the core allocates its slots, registers and unregisters everything
 * itself. To add one: a file in node/mod/ and a line in MOD_LIST (node/mod/mods.h). */
#include "node/route/hooks.h"
#include "node/route/iq.h"

/* What a module keeps of an account in the store (owner = bare JID): removed with the account. */
enum module_data_kind {
    DATA_KV,
    DATA_MAP,
    DATA_LOG,
    DATA_MAP_LAST, /* behind all else, when contacts have been told */
};
struct module_data {
    enum module_data_kind kind;
    const char *table;
    const char *key; /* DATA_KV: the one key it uses there */
};
struct module {
    const char *name;         /* "offline" */
    const char *xep;          /* "0160", or "RFC 6121" */
    const char *const *needs; /* other modules' names; NULL-terminated or NULL */
    const struct hook_handler *hooks;
    size_t n_hooks;
    const struct iq_handler *iqs;
    size_t n_iqs;
    bool iqs_need_roster; /* it is loaded before hooks and handlers see such a request to a user */
    const char *const *server_features; /* disco features of the domain; NULL-terminated or NULL */
    const char *const *account_features;
    const struct module_data *data;
    size_t n_data;
    size_t shard_size, user_size;                         /* zeroed slots inside our objects */
    enum err (*init)(struct node_shard *sh, void *state); /* on error fini is not called */
    void (*fini)(struct node_shard *sh, void *state);
    /* A member of the own region came or went, on each shard: anchors may have changed. */
    void (*region_changed)(struct node_shard *sh, void *state);
    void (*user_fini)(struct user *u, void *slot);
    /* The account is gone, the object may stay a while: forget what the slot knows of the store,
     * and write no more. Its rows (data) are removed after it. */
    void (*user_erased)(struct user *u, void *slot);
};
/* Checks needs and hook cycles; why names the module. */
enum err module_set_new(struct node *n, char *why, size_t why_size) MUST_USE;
void module_set_free(struct node *n);
enum err module_shard_init(struct node_shard *sh) MUST_USE;
void module_shard_fini(struct node_shard *sh);
void module_region_changed(struct node_shard *sh);
/* Slots, by the module's own table. */
void *module_shard_slot(struct node_shard *sh, const struct module *m);
void *module_user_slot(struct user *u, const struct module *m);
size_t module_user_bytes(const struct node *n); /* of all slots together, for user_get */
void module_user_fini(struct user *u);          /* before a user is freed */
void module_user_erased(struct user *u);        /* when its account was removed */
const struct module *const *module_list(const struct node *n, size_t *count);
#endif
