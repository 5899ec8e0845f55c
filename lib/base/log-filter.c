/* DOC: Who wants an event beside the general level: rules, set at run time, that lower or raise the
 * level of a category (the first words of event names) or lower it for what has to do with one name
 * (a JID, a remote domain), and taps, which get lines of their own. One lock, taken for events only
 * while there are rules or taps; the floor of log_enabled is kept at the least level of all. */
#include <pthread.h>

#include "lib/base/log-int.h"

struct tap {
    struct log_rule rule;
    log_tap_fn *fn; /* NULL: free */
    void *ctx;
    int waiting; /* lines given and not taken; without the lock */
};
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct log_rule rules[LOG_RULES_MAX]; /* under lock, as all below */
static size_t n_rules;
static struct tap taps[LOG_TAPS_MAX];
static enum log_level general = LOG_INFO;
static int is_plain = true; /* no rules, no taps */

/* ---- changes, under the lock for writing */
static void changed(void)
{
    enum log_level least = general;
    bool plain = n_rules == 0;
    for (size_t i = 0; i < n_rules; i++)
        least = rules[i].level < least ? rules[i].level : least;
    for (size_t i = 0; i < LOG_TAPS_MAX; i++) {
        if (!taps[i].fn)
            continue;
        plain = false;
        least = taps[i].rule.level < least ? taps[i].rule.level : least;
    }
    __atomic_store_n(&is_plain, plain, __ATOMIC_RELAXED);
    log_set_floor(general, least);
}

void log_set_level(enum log_level min)
{
    pthread_rwlock_wrlock(&lock);
    general = min;
    changed();
    pthread_rwlock_unlock(&lock);
}

enum log_level log_level(void)
{
    return log_general_level();
}

static struct log_rule *rule_find(enum log_rule_kind kind, const char *text)
{
    for (size_t i = 0; i < n_rules; i++)
        if (rules[i].kind == kind && strcmp(rules[i].text, text) == 0)
            return &rules[i];
    return NULL;
}

static enum err rule_fill(struct log_rule *r, enum log_rule_kind kind, const char *text,
                          enum log_level level)
{
    size_t n = strlen(text);
    if (n == 0 || n >= sizeof r->text)
        return ERR_INVALID;
    r->kind = kind;
    r->level = level;
    memcpy(r->text, text, n + 1);
    return ERR_OK;
}

enum err log_rule_set(enum log_rule_kind kind, const char *text, enum log_level level)
{
    struct log_rule fresh;
    enum err e = rule_fill(&fresh, kind, text, level);
    if (e != ERR_OK)
        return e;
    pthread_rwlock_wrlock(&lock);
    struct log_rule *r = rule_find(kind, text);
    if (!r && n_rules < LOG_RULES_MAX)
        r = &rules[n_rules++];
    if (r)
        *r = fresh;
    changed();
    pthread_rwlock_unlock(&lock);
    return r ? ERR_OK : ERR_LIMIT;
}

bool log_rule_del(enum log_rule_kind kind, const char *text)
{
    pthread_rwlock_wrlock(&lock);
    struct log_rule *r = rule_find(kind, text);
    if (r)
        *r = rules[--n_rules];
    changed();
    pthread_rwlock_unlock(&lock);
    return r != NULL;
}

size_t log_rules(struct log_rule out[LOG_RULES_MAX])
{
    pthread_rwlock_rdlock(&lock);
    size_t n = n_rules;
    memcpy(out, rules, n * sizeof rules[0]);
    pthread_rwlock_unlock(&lock);
    return n;
}

enum err log_tap_open(enum log_rule_kind kind, const char *text, enum log_level level,
                      log_tap_fn *fn, void *ctx, unsigned *id)
{
    struct tap fresh = {.fn = fn, .ctx = ctx};
    enum err e = rule_fill(&fresh.rule, kind, text, level);
    if (e != ERR_OK)
        return e;
    e = ERR_LIMIT;
    pthread_rwlock_wrlock(&lock);
    for (unsigned i = 0; i < LOG_TAPS_MAX && e != ERR_OK; i++) {
        if (taps[i].fn)
            continue;
        taps[i] = fresh;
        *id = i;
        e = ERR_OK;
    }
    changed();
    pthread_rwlock_unlock(&lock);
    return e;
}

void log_tap_close(unsigned id)
{
    pthread_rwlock_wrlock(&lock);
    taps[id].fn = NULL;
    changed();
    pthread_rwlock_unlock(&lock);
}

/* ---- events, under the lock for reading */
static bool in_category(const char *event, const char *category)
{
    size_t n = strlen(category);
    return strncmp(event, category, n) == 0 && (event[n] == 0 || event[n] == '.');
}

/* A field is the name, or an address of it: name/resource, anybody@name. */
static bool is_about(const struct log_event *e, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < e->n; i++) {
        const char *v = e->pair[i].value;
        if (v && strncmp(v, name, n) == 0 && (v[n] == 0 || v[n] == '/'))
            return true;
        const char *at = v && !strchr(name, '@') ? strchr(v, '@') : NULL;
        if (at && strncmp(at + 1, name, n) == 0 && (at[1 + n] == 0 || at[1 + n] == '/'))
            return true;
    }
    return false;
}

static bool rule_hits(const struct log_rule *r, const struct log_event *e)
{
    return r->kind == LOG_BY_CATEGORY ? in_category(e->name, r->text) : is_about(e, r->text);
}

/* The longest category decides; a name only adds. */
static bool by_rules(const struct log_event *e)
{
    enum log_level level = general;
    size_t longest = 0;
    bool is_named = false;
    for (size_t i = 0; i < n_rules; i++) {
        const struct log_rule *r = &rules[i];
        if (!rule_hits(r, e))
            continue;
        if (r->kind == LOG_BY_NAME) {
            is_named = is_named || e->level >= r->level;
        } else if (strlen(r->text) > longest) {
            longest = strlen(r->text);
            level = r->level;
        }
    }
    return is_named || e->level >= level;
}

bool log_wanted(const struct log_event *e, unsigned *out)
{
    if (__atomic_load_n(&is_plain, __ATOMIC_RELAXED))
        return e->level >= log_general_level();
    pthread_rwlock_rdlock(&lock);
    bool yes = by_rules(e);
    for (unsigned i = 0; i < LOG_TAPS_MAX; i++)
        if (taps[i].fn && e->level >= taps[i].rule.level && rule_hits(&taps[i].rule, e))
            *out |= 1U << i;
    pthread_rwlock_unlock(&lock);
    return yes;
}

static bool may_give(struct tap *t)
{
    if (__atomic_fetch_add(&t->waiting, 1, __ATOMIC_RELAXED) < LOG_TAP_LINES)
        return true;
    __atomic_fetch_sub(&t->waiting, 1, __ATOMIC_RELAXED);
    return false;
}

void log_tap_took(unsigned id)
{
    __atomic_fetch_sub(&taps[id].waiting, 1, __ATOMIC_RELAXED);
}

void log_tap_give(unsigned which, const char *line)
{
    pthread_rwlock_rdlock(&lock);
    for (unsigned i = 0; i < LOG_TAPS_MAX; i++)
        if (which & 1U << i && taps[i].fn && may_give(&taps[i]))
            taps[i].fn(taps[i].ctx, line);
    pthread_rwlock_unlock(&lock);
}
