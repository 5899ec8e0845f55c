/* DOC: A treap whose priorities are the keyed hash of the key, so the shape of the tree depends on
 * the set of keys alone and nobody without the process secret can unbalance it. Order and results
 * never depend on the shape. Steps of an iterator are searches from the root: no parent links,
 * nothing to invalidate. */
#include "lib/base/omap.h"

#include "lib/base/siphash.h"

struct omap_node {
    struct omap_node *left, *right;
    uint64_t priority;
    void *value;
    size_t n;
    char key[];
};

void omap_init(struct omap *m)
{
    *m = (struct omap){0};
}

static struct str node_key(const struct omap_node *t)
{
    return str_make(t->key, t->n);
}

/* Without recursion: turn left children up until there is none, then drop the root. */
void omap_fini(struct omap *m)
{
    struct omap_node *t = m->root;
    while (t) {
        struct omap_node *up = t->left;
        if (up) {
            t->left = up->right;
            up->right = t;
        } else {
            up = t->right;
            mem_free(t);
        }
        t = up;
    }
    *m = (struct omap){0};
}

/* The link that holds the key's node, or the empty link where the search ended. */
static struct omap_node **find(const struct omap *m, struct str key)
{
    struct omap_node **link = (struct omap_node **)&m->root;
    while (*link) {
        int order = str_cmp(key, node_key(*link));
        if (order == 0)
            return link;
        link = order < 0 ? &(*link)->left : &(*link)->right;
    }
    return link;
}

void *omap_get(const struct omap *m, struct str key)
{
    struct omap_node *t = *find(m, key);
    return t ? t->value : NULL;
}

/* Part a tree at a key it does not hold. */
static void split(struct omap_node *t, struct str key, struct omap_node **less,
                  struct omap_node **more)
{
    while (t) {
        if (str_cmp(node_key(t), key) < 0) {
            *less = t;
            less = &t->right;
            t = t->right;
        } else {
            *more = t;
            more = &t->left;
            t = t->left;
        }
    }
    *less = *more = NULL;
}

/* Join two trees, all of a before all of b. */
static void join(struct omap_node **link, struct omap_node *a, struct omap_node *b)
{
    while (a && b) {
        if (a->priority > b->priority) {
            *link = a;
            link = &a->right;
            a = a->right;
        } else {
            *link = b;
            link = &b->left;
            b = b->left;
        }
    }
    *link = a ? a : b;
}

static struct omap_node *node_new(struct str key, void *value)
{
    must(key.n <= PTRDIFF_MAX - sizeof(struct omap_node));
    struct omap_node *t = mem_alloc(sizeof *t + key.n);
    t->priority = siphash(siphash_secret(), key.p, key.n);
    t->value = value;
    t->n = key.n;
    if (key.n)
        memcpy(t->key, key.p, key.n);
    return t;
}

void *omap_put(struct omap *m, struct str key, void *value)
{
    must(value && key.p);
    struct omap_node *t = *find(m, key);
    if (t) {
        void *old = t->value;
        t->value = value;
        return old;
    }
    t = node_new(key, value);
    struct omap_node **link = &m->root;
    while (*link && (*link)->priority >= t->priority)
        link = str_cmp(key, node_key(*link)) < 0 ? &(*link)->left : &(*link)->right;
    split(*link, node_key(t), &t->left, &t->right);
    *link = t;
    m->n++;
    return NULL;
}

void *omap_del(struct omap *m, struct str key)
{
    struct omap_node **link = find(m, key), *t = *link;
    if (!t)
        return NULL;
    void *old = t->value;
    join(link, t->left, t->right);
    mem_free(t);
    m->n--;
    return old;
}

static bool found(const struct omap_node *t, struct omap_it *it)
{
    if (t)
        *it = (struct omap_it){node_key(t), t->value};
    return t != NULL;
}

/* The first node whose key compares to `key` as at least `order`: 0 = not less, 1 = greater. */
static const struct omap_node *lower(const struct omap *m, struct str key, int order)
{
    const struct omap_node *best = NULL;
    for (const struct omap_node *t = m->root; t;) {
        if (str_cmp(node_key(t), key) >= order) {
            best = t;
            t = t->left;
        } else {
            t = t->right;
        }
    }
    return best;
}

bool omap_first_ge(const struct omap *m, struct str key, struct omap_it *it)
{
    return found(lower(m, key, 0), it);
}

bool omap_next(const struct omap *m, struct omap_it *it)
{
    return found(lower(m, it->key, 1), it);
}

bool omap_last_lt(const struct omap *m, struct str key, struct omap_it *it)
{
    const struct omap_node *best = NULL;
    for (const struct omap_node *t = m->root; t;) {
        if (str_cmp(node_key(t), key) < 0) {
            best = t;
            t = t->right;
        } else {
            t = t->left;
        }
    }
    return found(best, it);
}

bool omap_prev(const struct omap *m, struct omap_it *it)
{
    return omap_last_lt(m, it->key, it);
}

bool omap_last(const struct omap *m, struct omap_it *it)
{
    const struct omap_node *t = m->root;
    while (t && t->right)
        t = t->right;
    return found(t, it);
}
