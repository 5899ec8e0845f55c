/* TOML integers and floats, from a word of the document. Source: TOML 1.0, "Integer", "Float". */
#include "conf/toml-int.h"

#include <errno.h>
#include <math.h>

enum { NUMBER_MAX = 512 }; /* bytes of one number */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int digit_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

/* Digits with single underscores between them; returns how many bytes, 0 when there is none. */
static size_t digits_length(struct str s, int base)
{
    size_t i = 0;
    while (i < s.n) {
        if (digit_value(s.p[i]) < base)
            i++;
        else if (s.p[i] == '_' && i > 0 && s.p[i - 1] != '_' && i + 1 < s.n &&
                 digit_value(s.p[i + 1]) < base)
            i++;
        else
            break;
    }
    return i;
}

static enum toml_match fold(struct str digits, int base, bool negative, int64_t *out)
{
    const uint64_t max = (uint64_t)INT64_MAX + negative;
    uint64_t value = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] == '_')
            continue;
        const unsigned digit = (unsigned)digit_value(digits.p[i]);
        if (value > (max - digit) / (unsigned)base)
            return TOML_OUT_OF_RANGE;
        value = value * (unsigned)base + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return TOML_MATCH;
}

static enum toml_match prefixed(struct str word, struct toml_value *out)
{
    const int base = word.p[1] == 'x' ? 16 : word.p[1] == 'o' ? 8 : word.p[1] == 'b' ? 2 : 0;
    const struct str digits = str_make(word.p + 2, word.n - 2);
    if (!base || digits.n == 0 || digits_length(digits, base) != digits.n)
        return TOML_NO_MATCH;
    out->type = TOML_INTEGER;
    return fold(digits, base, false, &out->u.integer);
}

static enum toml_match special(struct str word, bool negative, struct toml_value *out)
{
    const bool is_inf = str_eqc(word, "inf");
    if (!is_inf && !str_eqc(word, "nan"))
        return TOML_NO_MATCH;
    out->type = TOML_FLOAT;
    out->u.number = is_inf ? (double)INFINITY : (double)NAN;
    if (negative)
        out->u.number = -out->u.number;
    return TOML_MATCH;
}

/* Length of "." digits, of "e" sign digits; SIZE_MAX when it starts and is broken. */
static size_t fraction_length(struct str s)
{
    if (s.n == 0 || s.p[0] != '.')
        return 0;
    const size_t n = digits_length(str_make(s.p + 1, s.n - 1), 10);
    return n ? n + 1 : SIZE_MAX;
}

static size_t exponent_length(struct str s)
{
    if (s.n == 0 || (s.p[0] != 'e' && s.p[0] != 'E'))
        return 0;
    const size_t sign = s.n > 1 && (s.p[1] == '+' || s.p[1] == '-');
    const size_t n = digits_length(str_make(s.p + 1 + sign, s.n - 1 - sign), 10);
    return n ? n + 1 + sign : SIZE_MAX;
}

/* strtod after the underscores are gone; the grammar has been checked. */
static enum toml_match to_double(struct str word, double *out)
{
    char text[NUMBER_MAX + 1];
    size_t n = 0;
    if (word.n > NUMBER_MAX)
        return TOML_OUT_OF_RANGE;
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] != '_')
            text[n++] = word.p[i];
    text[n] = '\0';
    *out = strtod(text, NULL);
    return isinf(*out) ? TOML_OUT_OF_RANGE : TOML_MATCH;
}

enum toml_match toml_number(struct str word, struct toml_value *out)
{
    struct str s = word;
    const bool has_sign = s.n > 0 && (s.p[0] == '+' || s.p[0] == '-');
    const bool negative = has_sign && s.p[0] == '-';
    if (has_sign)
        s = str_make(s.p + 1, s.n - 1);
    if (s.n == 0)
        return TOML_NO_MATCH;
    if (!is_digit(s.p[0]))
        return special(s, negative, out);
    if (s.p[0] == '0' && s.n > 1 && !has_sign && s.p[1] >= 'a' && s.p[1] <= 'z' && s.p[1] != 'e')
        return prefixed(s, out);
    const size_t whole = digits_length(s, 10);
    if (whole > 1 && s.p[0] == '0')
        return TOML_NO_MATCH;
    if (whole == s.n) {
        out->type = TOML_INTEGER;
        return fold(s, 10, negative, &out->u.integer);
    }
    struct str rest = str_make(s.p + whole, s.n - whole);
    const size_t fraction = fraction_length(rest);
    if (fraction == SIZE_MAX)
        return TOML_NO_MATCH;
    rest = str_make(rest.p + fraction, rest.n - fraction);
    if (exponent_length(rest) != rest.n)
        return TOML_NO_MATCH;
    out->type = TOML_FLOAT;
    return to_double(word, &out->u.number);
}
