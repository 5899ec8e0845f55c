/* DOC: Timestamps of XEP-0082 section 3.2 (DateTime profile): CCYY-MM-DDThh:mm:ss[.sss]TZD, where
 * TZD is Z or an offset of at most 14 hours. Digits of the fraction beyond the microsecond are
 * dropped. Days are counted in the proleptic Gregorian calendar, in eras of 400 years that start in
 * March, so that a leap day is the last day of its year. */
#include "lib/base/encode.h"

#define US_PER_SECOND UINT64_C(1000000)
#define US_PER_DAY (86400 * US_PER_SECOND)
#define LAST_US UINT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */
enum { ERA_DAYS = 146097, EPOCH_DAY = 719468 /* 1970-01-01 since 0000-03-01 */, TEXT_MAX = 64 };

struct date {
    unsigned year, month, day;
};

static unsigned day_of_year(unsigned march_month, unsigned day)
{
    return (153 * march_month + 2) / 5 + day - 1;
}

/* Days since 0000-03-01; the year is 1 or later. */
static unsigned days_from_date(struct date d)
{
    unsigned y = d.month <= 2 ? d.year - 1 : d.year;
    unsigned in_era = y % 400, march_month = (d.month + 9) % 12;
    return y / 400 * ERA_DAYS + in_era * 365 + in_era / 4 - in_era / 100 +
           day_of_year(march_month, d.day);
}

static struct date date_from_days(unsigned days)
{
    unsigned in_era = days % ERA_DAYS;
    unsigned y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned in_year = in_era - (y * 365 + y / 4 - y / 100);
    unsigned march_month = (5 * in_year + 2) / 153;
    struct date d = {.day = in_year - (153 * march_month + 2) / 5 + 1,
                     .month = march_month < 10 ? march_month + 3 : march_month - 9};
    d.year = days / ERA_DAYS * 400 + y + (d.month <= 2);
    return d;
}

static char *put(char *p, uint64_t value, size_t digits)
{
    for (size_t i = digits; i-- > 0; value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + digits;
}

static char *put_after(char *p, char sep, uint64_t value, size_t digits)
{
    *p++ = sep;
    return put(p, value, digits);
}

char *datefmt_utc(char out[DATEFMT_LEN + 1], uint64_t wall_us)
{
    if (wall_us > LAST_US)
        wall_us = LAST_US;
    struct date d = date_from_days((unsigned)(wall_us / US_PER_DAY) + EPOCH_DAY);
    uint64_t second = wall_us % US_PER_DAY / US_PER_SECOND;
    char *p = put(out, d.year, 4);
    p = put_after(p, '-', d.month, 2);
    p = put_after(p, '-', d.day, 2);
    p = put_after(p, 'T', second / 3600, 2);
    p = put_after(p, ':', second / 60 % 60, 2);
    p = put_after(p, ':', second % 60, 2);
    p = put_after(p, '.', wall_us % US_PER_SECOND, 6);
    *p++ = 'Z';
    *p = '\0';
    return out;
}

/* Take exactly `digits` digits in [low, high]. */
static bool take(struct str *s, size_t digits, unsigned low, unsigned high, unsigned *out)
{
    uint64_t value;
    if (s->n < digits || !str_to_u64(str_make(s->p, digits), high, &value) || value < low)
        return false;
    *s = str_make(s->p + digits, s->n - digits);
    *out = (unsigned)value;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (!s->n || s->p[0] != c)
        return false;
    *s = str_make(s->p + 1, s->n - 1);
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

static bool take_date(struct str *s, struct date *d)
{
    return take(s, 4, 1, 9999, &d->year) && take_char(s, '-') && take(s, 2, 1, 12, &d->month) &&
           take_char(s, '-') && take(s, 2, 1, days_in_month(d->year, d->month), &d->day);
}

/* hh:mm:ss[.s+] to microseconds. */
static bool take_time(struct str *s, uint64_t *us)
{
    unsigned hour, minute, second, digit, unit = US_PER_SECOND;
    if (!take(s, 2, 0, 23, &hour) || !take_char(s, ':') || !take(s, 2, 0, 59, &minute) ||
        !take_char(s, ':') || !take(s, 2, 0, 59, &second))
        return false;
    *us = ((hour * 60 + minute) * 60 + second) * US_PER_SECOND;
    if (!take_char(s, '.'))
        return true;
    if (!s->n || s->p[0] < '0' || s->p[0] > '9')
        return false;
    while (take(s, 1, 0, 9, &digit)) {
        unit /= 10;
        *us += digit * unit;
    }
    return true;
}

/* Z or +hh:mm or -hh:mm, which must end the text. The offset is how far local time is ahead of UTC.
 */
static bool take_zone(struct str *s, int64_t *offset_us)
{
    unsigned hour, minute;
    *offset_us = 0;
    if (take_char(s, 'Z'))
        return !s->n;
    bool ahead = take_char(s, '+');
    if (!ahead && !take_char(s, '-'))
        return false;
    if (!take(s, 2, 0, 14, &hour) || !take_char(s, ':') || !take(s, 2, 0, 59, &minute) || s->n)
        return false;
    int64_t offset = (int64_t)(hour * 60 + minute) * 60 * (int64_t)US_PER_SECOND;
    *offset_us = ahead ? offset : -offset;
    return hour < 14 || minute == 0;
}

enum err datefmt_parse(struct str s, uint64_t *wall_us)
{
    struct date d;
    uint64_t time_us;
    int64_t offset_us;
    if (s.n > TEXT_MAX || !take_date(&s, &d) || !take_char(&s, 'T') || !take_time(&s, &time_us) ||
        !take_zone(&s, &offset_us))
        return ERR_INVALID;
    int64_t days = (int64_t)days_from_date(d) - EPOCH_DAY;
    int64_t us = days * (int64_t)US_PER_DAY + (int64_t)time_us - offset_us;
    if (us < 0 || us > (int64_t)LAST_US)
        return ERR_INVALID;
    *wall_us = (uint64_t)us;
    return ERR_OK;
}
