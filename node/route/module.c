/* Modules: one static table each; the list is the one place that names them. The core checks needs,
 * orders hooks, hands out slots and undoes everything itself. */
#include "lib/base/log.h"
#include "node/mod/mods.h"
#include "node/route/hook-int.h"
#include "node/session/user.h"

static const struct module *const list[] = {
#define MOD_ENTRY(name) &mod_##name,
    MOD_LIST(MOD_ENTRY)
#undef MOD_ENTRY
};

bool module_in(const struct module *const *m, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(m[i]->name, name) == 0)
            return true;
    return false;
}

static enum err check_needs(const struct module *const *m, size_t count, char *why, size_t why_size)
{
    for (size_t i = 0; i < count; i++) {
        for (const char *const *n = m[i]->needs; n && *n; n++) {
            if (!module_in(m, count, *n)) {
                snprintf(why, why_size, "module %s needs %s", m[i]->name, *n);
                return ERR_NOTFOUND;
            }
        }
    }
    return ERR_OK;
}

/* Where the module is, or would be, in place[]. */
static size_t place_of(const struct module_set *s, const struct module *m)
{
    size_t at = (uintptr_t)m >> 4 & (MODULE_PLACES - 1);
    while (s->place[at] && s->modules[s->place[at] - 1] != m)
        at = (at + 1) & (MODULE_PLACES - 1);
    return at;
}

enum err module_set_of(struct node *n, const struct module *const *m, size_t count, char *why,
                       size_t why_size)
{
    enum err e = check_needs(m, count, why, why_size);
    if (e == ERR_OK)
        e = hook_table_new(m, count, &n->hooks, why, why_size);
    if (e != ERR_OK)
        return e;
    must(count <= MODULE_PLACES / 2);
    struct module_set *s = mem_alloc(sizeof *s);
    s->modules = m;
    s->n = count;
    s->user_offsets = mem_calloc(count + 1, sizeof *s->user_offsets);
    for (size_t i = 0; i < count; i++) {
        s->user_offsets[i] = s->user_bytes;
        s->user_bytes += (m[i]->user_size + 15) & ~(size_t)15;
        s->place[place_of(s, m[i])] = (uint8_t)(i + 1);
    }
    n->modules = s;
    return ERR_OK;
}

enum err module_set_new(struct node *n, char *why, size_t why_size)
{
    return module_set_of(n, list, ARRAY_LEN(list), why, why_size);
}

void module_set_free(struct node *n)
{
    hook_table_free(&n->hooks);
    if (n->modules)
        mem_free(n->modules->user_offsets);
    mem_free(n->modules);
    n->modules = NULL;
}

static void modules_fini(struct node_shard *sh, size_t count)
{
    struct module_set *s = sh->node->modules;
    for (size_t i = count; i-- > 0;)
        if (s->modules[i]->fini)
            s->modules[i]->fini(sh, sh->module_state[i]);
    for (size_t i = 0; i < s->n; i++)
        mem_free(sh->module_state[i]);
    mem_free(sh->module_state);
    sh->module_state = NULL;
}

enum err module_shard_init(struct node_shard *sh)
{
    struct module_set *s = sh->node->modules;
    sh->module_state = mem_calloc(s->n + 1, sizeof *sh->module_state);
    for (size_t i = 0; i < s->n; i++) {
        const struct module *m = s->modules[i];
        if (m->shard_size)
            sh->module_state[i] = mem_alloc(m->shard_size);
        enum err e = m->init ? m->init(sh, sh->module_state[i]) : ERR_OK;
        if (e == ERR_OK)
            continue;
        log_error(NULL, "module.init.failed", "module", m->name, "why", err_text(e));
        modules_fini(sh, i); /* those that were opened; this one cleans up after itself */
        return e;
    }
    return ERR_OK;
}

void module_shard_fini(struct node_shard *sh)
{
    if (sh->module_state)
        modules_fini(sh, sh->node->modules->n);
}

void module_region_changed(struct node_shard *sh)
{
    struct module_set *s = sh->node->modules;
    for (size_t i = 0; sh->module_state && i < s->n; i++)
        if (s->modules[i]->region_changed)
            s->modules[i]->region_changed(sh, sh->module_state[i]);
}

static size_t index_of(const struct module_set *s, const struct module *m)
{
    const uint8_t found = s->place[place_of(s, m)];
    must(found > 0);
    return found - 1u;
}

void *module_shard_slot(struct node_shard *sh, const struct module *m)
{
    return sh->module_state[index_of(sh->node->modules, m)];
}

void *module_user_slot(struct user *u, const struct module *m)
{
    const struct module_set *s = u->shard->node->modules;
    return (char *)u->slots + s->user_offsets[index_of(s, m)];
}

void module_user_fini(struct user *u)
{
    const struct module_set *s = u->shard->node->modules;
    for (size_t i = 0; i < s->n; i++)
        if (s->modules[i]->user_fini)
            s->modules[i]->user_fini(u, (char *)u->slots + s->user_offsets[i]);
}

void module_user_erased(struct user *u)
{
    const struct module_set *s = u->shard->node->modules;
    for (size_t i = 0; i < s->n; i++)
        if (s->modules[i]->user_erased)
            s->modules[i]->user_erased(u, (char *)u->slots + s->user_offsets[i]);
}

size_t module_user_bytes(const struct node *n)
{
    return n->modules->user_bytes;
}

const struct module *const *module_list(const struct node *n, size_t *count)
{
    *count = n->modules->n;
    return n->modules->modules;
}
