/* DOC Texts in Redis. Numbers are decimal without leading zeros: the scripts compare them as texts,
 * shorter first, so that all 64 bits count (a number in Lua has 53). */
#include "global-registry/reg-wire-int.h"

char *reg_wire_name(char out[REG_WIRE_NAME_MAX], const struct reg_member *m)
{
    snprintf(out, REG_WIRE_NAME_MAX, "%s/%s", m->region, m->node);
    return out;
}

static bool copy(struct str s, char *out, size_t size)
{
    if (s.n >= size || memchr(s.p ? s.p : "", '\0', s.n))
        return false;
    memcpy(out, s.p ? s.p : "", s.n);
    out[s.n] = '\0';
    return true;
}

bool reg_wire_name_parse(struct str name, char region[REG_NAME_MAX], char node[REG_NAME_MAX])
{
    struct str rest = name, first = str_cut(&rest, '/');
    if (!first.n || !rest.p || !rest.n || str_find(rest, '/') >= 0)
        return false;
    return copy(first, region, REG_NAME_MAX) && copy(rest, node, REG_NAME_MAX);
}

static const char *or_dash(const char *s)
{
    return s[0] ? s : "-";
}

char *reg_wire_lease(char out[REG_WIRE_LEASE_MAX], const struct reg_member *m, const char *synced)
{
    snprintf(out, REG_WIRE_LEASE_MAX, "%" PRIu64 " %s %s %s", m->incarnation, or_dash(synced),
             or_dash(m->domain), or_dash(m->endpoint));
    return out;
}

static bool number(struct str s, uint64_t *out)
{
    return s.n && (s.p[0] != '0' || s.n == 1) && str_to_u64(s, UINT64_MAX, out);
}

/* A word that may be absent: "-". */
static bool word(struct str s, char *out, size_t size)
{
    if (!s.n)
        return false;
    return copy(str_eqc(s, "-") ? STR("") : s, out, size);
}

bool reg_wire_lease_parse(struct str name, struct str value, struct reg_member *m,
                          char synced[REG_GENERATION_MAX])
{
    struct str rest = value;
    struct str incarnation = str_cut(&rest, ' '), generation = str_cut(&rest, ' ');
    struct str domain = str_cut(&rest, ' '), endpoint = rest;
    *m = (struct reg_member){.incarnation = 0};
    return reg_wire_name_parse(name, m->region, m->node) && number(incarnation, &m->incarnation) &&
           word(generation, synced, REG_GENERATION_MAX) &&
           word(domain, m->domain, sizeof m->domain) &&
           word(endpoint, m->endpoint, sizeof m->endpoint);
}

bool reg_wire_row_parse(struct str name, struct str value, struct reg_row *row, bool *gone)
{
    struct str rest = value;
    struct str incarnation = str_cut(&rest, ' '), seq = str_cut(&rest, ' ');
    *row = (struct reg_row){.seq = 0};
    *gone = rest.p == NULL;
    return reg_wire_name_parse(name, row->region, row->node) &&
           number(incarnation, &row->incarnation) && number(seq, &row->seq) &&
           str_find(rest, ' ') < 0 && copy(rest, row->home, sizeof row->home);
}
