/* Typed values: reading them from TOML and from default texts, bounds, units, their place in a
 * struct. */
#include "conf/conf-int.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first; the first that divides is the one to print. */
static const struct unit sizes[] = {
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"GB", 1000000000},
    {"MB", 1000000},
    {"KB", 1000},
    {"B", 1},
};
static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

/* ---- units ---- */

static const struct unit *unit_find(const struct unit *units, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eqc(name, units[i].name))
            return &units[i];
    return NULL;
}

static struct str take_while(struct str *s, bool digits)
{
    size_t n = 0;
    while (n < s->n && (s->p[n] >= '0' && s->p[n] <= '9') == digits)
        n++;
    const struct str taken = str_make(s->p, n);
    *s = str_make(s->p + n, s->n - n);
    return taken;
}

/* Take number and unit from the front. */
static bool take_amount(struct str *s, const struct unit *units, size_t n, uint64_t *out)
{
    uint64_t count;
    if (!str_to_u64(take_while(s, true), INT64_MAX, &count))
        return false;
    const struct unit *u = unit_find(units, n, str_trim(take_while(s, false)));
    if (!u || count > (uint64_t)INT64_MAX / u->factor)
        return false;
    *out = count * u->factor;
    return true;
}

bool conf_size_parse(struct str text, uint64_t *bytes)
{
    return str_to_u64(text, INT64_MAX, bytes) ||
           (take_amount(&text, sizes, ARRAY_LEN(sizes), bytes) && text.n == 0);
}

bool conf_duration_parse(struct str text, uint64_t *ms)
{
    uint64_t total = 0, part;
    if (str_eqc(text, "0")) {
        *ms = 0;
        return true;
    }
    do {
        if (!take_amount(&text, durations, ARRAY_LEN(durations), &part) ||
            part > (uint64_t)INT64_MAX - total)
            return false;
        total += part;
    } while (text.n > 0);
    *ms = total;
    return true;
}

void conf_size_print(struct buf *out, uint64_t bytes)
{
    size_t i = 0;
    while (bytes == 0 ? i + 1 < ARRAY_LEN(sizes) : bytes % sizes[i].factor != 0)
        i++;
    buf_printf(out, "%" PRIu64 "%s", bytes / sizes[i].factor, sizes[i].name);
}

void conf_duration_print(struct buf *out, uint64_t ms)
{
    if (ms == 0)
        buf_cstr(out, "0s");
    for (size_t i = 0; ms > 0; i++) {
        if (ms >= durations[i].factor)
            buf_printf(out, "%" PRIu64 "%s", ms / durations[i].factor, durations[i].name);
        ms %= durations[i].factor;
    }
}

/* ---- values ---- */

static bool fail(char why[CONF_WHY], const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool fail(char why[CONF_WHY], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, CONF_WHY, fmt, ap);
    va_end(ap);
    return false;
}

static bool read_choice(const struct conf_option *o, struct str text, struct conf_value *v,
                        char why[CONF_WHY])
{
    struct buf known;
    for (v->choice = 0; o->names[v->choice]; v->choice++)
        if (str_eqc(text, o->names[v->choice]))
            return true;
    buf_init(&known, CONF_WHY);
    for (size_t i = 0; o->names[i]; i++)
        buf_printf(&known, "%s\"%s\"", i ? ", " : "", o->names[i]);
    fail(why, "must be one of " STR_FMT, STR_ARG(buf_view(&known)));
    buf_fini(&known);
    return false;
}

/* What can be said as text: everything but lists. */
static bool read_text(struct arena *a, const struct conf_option *o, struct str text,
                      struct conf_value *v, char why[CONF_WHY])
{
    switch (o->type) {
    case CONF_TYPE_STRING:
        if (str_find(text, '\0') >= 0)
            return fail(why, "must not contain NUL");
        v->string = arena_cstr(a, text);
        return true;
    case CONF_TYPE_SIZE:
        return conf_size_parse(text, &v->amount) ||
               fail(why, "must be a size in bytes such as 65536 or \"64KiB\"");
    case CONF_TYPE_DURATION:
        return conf_duration_parse(text, &v->amount) ||
               fail(why, "must be a duration with its unit, such as \"500ms\", \"30s\", \"1h30m\"");
    case CONF_TYPE_ENUM:
        return read_choice(o, text, v, why);
    case CONF_TYPE_BOOL:
    case CONF_TYPE_INT:
    case CONF_TYPE_LIST:
        break;
    }
    return fail(why, "must not be a string");
}

static bool default_int(struct str text, int64_t *out)
{
    const bool negative = str_starts(text, STR("-"));
    uint64_t n;
    if (!str_to_u64(negative ? str_make(text.p + 1, text.n - 1) : text, INT64_MAX, &n))
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool default_list(struct arena *a, struct str text, struct conf_value *v)
{
    size_t n = 0;
    const char **items = arena_alloc(a, (text.n + 2) * sizeof *items);
    for (struct str rest = text; rest.p && text.n > 0;)
        items[n++] = arena_cstr(a, str_trim(str_cut(&rest, ',')));
    v->list = (struct conf_list){items, n};
    return true;
}

bool conf_value_default(struct arena *a, const struct conf_option *o, struct conf_value *v,
                        char why[CONF_WHY])
{
    const struct str text = str_of(o->def);
    if (o->type == CONF_TYPE_BOOL) {
        v->boolean = str_eqc(text, "true");
        return v->boolean || str_eqc(text, "false") || fail(why, "default is no boolean");
    }
    if (o->type == CONF_TYPE_INT)
        return default_int(text, &v->integer) || fail(why, "default is no integer");
    if (o->type == CONF_TYPE_LIST)
        return default_list(a, text, v);
    return read_text(a, o, text, v, why);
}

static bool read_list(struct arena *a, const struct toml_array *from, struct conf_value *v,
                      char why[CONF_WHY])
{
    const char **items = arena_alloc(a, (from->n + 1) * sizeof *items);
    for (size_t i = 0; i < from->n; i++) {
        const struct toml_value *item = &from->items[i];
        if (item->type != TOML_STRING || str_find(item->u.string, '\0') >= 0)
            return fail(why, "must be a list of strings; item %zu is %s", i + 1,
                        item->type == TOML_STRING ? "text with NUL" : toml_type_name(item->type));
        items[i] = arena_cstr(a, item->u.string);
    }
    v->list = (struct conf_list){items, from->n};
    return true;
}

static bool read_integer(const struct conf_option *o, int64_t n, struct conf_value *v,
                         char why[CONF_WHY])
{
    v->integer = n;
    v->amount = (uint64_t)n;
    if (o->type == CONF_TYPE_SIZE && n < 0)
        return fail(why, "must not be negative");
    if (o->type == CONF_TYPE_DURATION && n != 0)
        return fail(why, "needs a unit: \"500ms\", \"30s\", \"5m\", \"1h\", \"7d\"");
    return true;
}

static const char *type_wanted(enum conf_type t)
{
    static const char *const names[] = {
        [CONF_TYPE_STRING] = "a string",
        [CONF_TYPE_BOOL] = "true or false",
        [CONF_TYPE_INT] = "an integer",
        [CONF_TYPE_SIZE] = "a size such as 65536 or \"64KiB\"",
        [CONF_TYPE_DURATION] = "a duration such as \"30s\"",
        [CONF_TYPE_ENUM] = "a string",
        [CONF_TYPE_LIST] = "a list of strings",
    };
    return names[t];
}

bool conf_value_read(struct arena *a, const struct conf_option *o, const struct toml_value *t,
                     struct conf_value *v, char why[CONF_WHY])
{
    const enum conf_type want = o->type;
    if (t->type == TOML_BOOL && want == CONF_TYPE_BOOL) {
        v->boolean = t->u.boolean;
        return true;
    }
    if (t->type == TOML_INTEGER &&
        (want == CONF_TYPE_INT || want == CONF_TYPE_SIZE || want == CONF_TYPE_DURATION))
        return read_integer(o, t->u.integer, v, why);
    if (t->type == TOML_ARRAY && want == CONF_TYPE_LIST)
        return read_list(a, &t->u.array, v, why);
    if (t->type == TOML_STRING && want != CONF_TYPE_BOOL && want != CONF_TYPE_INT &&
        want != CONF_TYPE_LIST)
        return read_text(a, o, t->u.string, v, why);
    return fail(why, "must be %s, not %s", type_wanted(want), toml_type_name(t->type));
}

/* A bound in the option's own writing. */
static bool fail_bound(const struct conf_option *o, const char *rule, int64_t bound,
                       char why[CONF_WHY])
{
    struct buf b;
    buf_init(&b, 64);
    if (o->type == CONF_TYPE_SIZE)
        conf_size_print(&b, (uint64_t)bound);
    else if (o->type == CONF_TYPE_DURATION)
        conf_duration_print(&b, (uint64_t)bound);
    else
        buf_printf(&b, "%" PRId64 "%s%s", bound, o->unit ? " " : "", o->unit ? o->unit : "");
    fail(why, "must be %s " STR_FMT, rule, STR_ARG(buf_view(&b)));
    buf_fini(&b);
    return false;
}

bool conf_value_allowed(const struct conf_option *o, const struct conf_value *v, char why[CONF_WHY])
{
    if (o->type == CONF_TYPE_STRING || o->type == CONF_TYPE_LIST) {
        const bool is_empty =
            o->type == CONF_TYPE_LIST ? v->list.n == 0 : v->string && !v->string[0];
        return !(o->flags & CONF_NONEMPTY) || !is_empty || fail(why, "must not be empty");
    }
    if (o->type == CONF_TYPE_BOOL || o->type == CONF_TYPE_ENUM)
        return true;
    const int64_t n = o->type == CONF_TYPE_INT ? v->integer : (int64_t)v->amount;
    const bool has_bounds = o->min != 0 || o->max != 0;
    if (has_bounds && n < o->min)
        return fail_bound(o, "at least", o->min, why);
    if (o->max != 0 && n > o->max)
        return fail_bound(o, "at most", o->max, why);
    return true;
}

/* ---- structs ---- */

/* The member of v that the option's type uses, and its size. */
static void *member(const struct conf_option *o, struct conf_value *v, size_t *size)
{
    switch (o->type) {
    case CONF_TYPE_STRING:
        *size = sizeof v->string;
        return &v->string;
    case CONF_TYPE_BOOL:
        *size = sizeof v->boolean;
        return &v->boolean;
    case CONF_TYPE_INT:
        *size = sizeof v->integer;
        return &v->integer;
    case CONF_TYPE_SIZE:
    case CONF_TYPE_DURATION:
        *size = sizeof v->amount;
        return &v->amount;
    case CONF_TYPE_ENUM:
        *size = sizeof v->choice;
        return &v->choice;
    case CONF_TYPE_LIST:
        break;
    }
    *size = sizeof v->list;
    return &v->list;
}

void conf_value_store(const struct conf_option *o, const struct conf_value *v, char *base)
{
    struct conf_value copy = *v;
    size_t size;
    const void *from = member(o, &copy, &size);
    memcpy(base + o->offset, from, size);
}

void conf_value_load(const struct conf_option *o, const char *base, struct conf_value *v)
{
    size_t size;
    *v = (struct conf_value){0};
    void *to = member(o, v, &size);
    memcpy(to, base + o->offset, size);
}
