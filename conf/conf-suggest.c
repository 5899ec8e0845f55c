/* "Did you mean": the candidate at the smallest edit distance (insert, delete, replace, swap
 * neighbours), at most two edits and fewer than the half of the name. */
#include "conf/conf-int.h"

enum { NAME_MAX_LEN = 48, DISTANCE_MAX = 2 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(struct str a, struct str b)
{
    unsigned d[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1];
    for (unsigned i = 0; i <= a.n; i++)
        d[i][0] = i;
    for (unsigned j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        for (size_t j = 1; j <= b.n; j++) {
            const unsigned replace = d[i - 1][j - 1] + (a.p[i - 1] != b.p[j - 1]);
            d[i][j] = least(replace, least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.n][b.n];
}

void conf_suggest(struct conf_suggestion *s, struct str wrong, struct str candidate)
{
    if (wrong.n > NAME_MAX_LEN || candidate.n > NAME_MAX_LEN)
        return;
    const unsigned d = distance(wrong, candidate);
    if (d > DISTANCE_MAX || 2 * d >= candidate.n + 1 || (s->best && d >= s->distance))
        return;
    *s = (struct conf_suggestion){candidate.p, d, candidate.n};
}

const char *conf_nearest(const char *wrong, const char *const *names, size_t n)
{
    struct conf_suggestion s = {0};
    for (size_t i = 0; i < n; i++)
        conf_suggest(&s, str_of(wrong), str_of(names[i]));
    return s.best;
}
