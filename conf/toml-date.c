/* TOML dates and times (RFC 3339 and its local parts), from a word of the document. */
#include "conf/toml-int.h"

/* Take exactly n digits as a number within [min, max]. */
static bool take_digits(struct str *s, size_t n, int min, int max, int *out)
{
    int value = 0;
    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        value = value * 10 + (s->p[i] - '0');
    }
    *s = str_make(s->p + n, s->n - n);
    *out = value;
    return value >= min && value <= max;
}

static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_make(s->p + 1, s->n - 1);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month == 2);
}

static bool take_day(struct str *s, struct toml_datetime *t)
{
    return take_digits(s, 4, 0, 9999, &t->year) && take_char(s, '-') &&
           take_digits(s, 2, 1, 12, &t->month) && take_char(s, '-') &&
           take_digits(s, 2, 1, days_in_month(t->year, t->month), &t->day);
}

/* Digits past nanoseconds are dropped. */
static bool take_fraction(struct str *s, struct toml_datetime *t)
{
    if (!take_char(s, '.'))
        return true;
    uint32_t value = 0, digits = 0;
    for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; digits++) {
        if (digits < 9)
            value = value * 10 + (uint32_t)(s->p[0] - '0');
        *s = str_make(s->p + 1, s->n - 1);
    }
    for (uint32_t i = digits; i < 9; i++)
        value *= 10;
    t->nanosecond = value;
    return digits > 0;
}

static bool take_time(struct str *s, struct toml_datetime *t)
{
    return take_digits(s, 2, 0, 23, &t->hour) && take_char(s, ':') &&
           take_digits(s, 2, 0, 59, &t->minute) && take_char(s, ':') &&
           take_digits(s, 2, 0, 60, &t->second) && take_fraction(s, t);
}

static bool take_offset(struct str *s, struct toml_datetime *t)
{
    if (take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    int hours, minutes;
    const bool west = take_char(s, '-');
    if ((!west && !take_char(s, '+')) || !take_digits(s, 2, 0, 23, &hours) || !take_char(s, ':') ||
        !take_digits(s, 2, 0, 59, &minutes))
        return false;
    t->offset_min = (hours * 60 + minutes) * (west ? -1 : 1);
    return true;
}

static bool is_done(const struct str *s)
{
    return s->n == 0;
}

enum toml_match toml_date(struct str word, struct toml_value *out)
{
    struct toml_datetime t = {0};
    struct str s = word;
    if (word.n > 2 && word.p[2] == ':') {
        if (!take_time(&s, &t) || !is_done(&s))
            return TOML_NO_MATCH;
        out->type = TOML_LOCAL_TIME;
    } else if (!take_day(&s, &t)) {
        return TOML_NO_MATCH;
    } else if (is_done(&s)) {
        out->type = TOML_LOCAL_DATE;
    } else {
        if (!(take_char(&s, 'T') || take_char(&s, 't') || take_char(&s, ' ')) || !take_time(&s, &t))
            return TOML_NO_MATCH;
        out->type = is_done(&s) ? TOML_LOCAL_DATETIME : TOML_OFFSET_DATETIME;
        if (!is_done(&s) && (!take_offset(&s, &t) || !is_done(&s)))
            return TOML_NO_MATCH;
    }
    out->u.datetime = t;
    return TOML_MATCH;
}
