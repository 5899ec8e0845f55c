#ifndef CONF_TOML_INT_H
#define CONF_TOML_INT_H
/* Inside of the TOML reader: the cursor and its steps, shared by toml.c (structure) and
 * toml-scalar.c (scalars). */
#include "conf/toml.h"

struct toml_reader {
    struct arena *a;
    const char *p, *end, *line_start;
    unsigned line, depth;
    struct toml_error *err;
    enum err code; /* the first error; all steps return false after it */
};

struct toml_pos toml_here(const struct toml_reader *r);
/* Note the first error; returns false. */
bool toml_fail(struct toml_reader *r, struct toml_pos pos, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool toml_fail_limit(struct toml_reader *r, struct toml_pos pos, const char *what, unsigned limit);
static inline int toml_peek(const struct toml_reader *r)
{
    return r->p < r->end ? (unsigned char)*r->p : -1;
}
bool toml_looking_at(const struct toml_reader *r, const char *text);
void toml_skip_blanks(struct toml_reader *r); /* spaces and tabs */
bool toml_skip_newline(
    struct toml_reader *r); /* LF or CR LF; false when there is none, without an error */

/* At a quote. multi: """ and ''' are allowed. */
bool toml_read_string(struct toml_reader *r, bool multi, struct str *out);
/* Number, date, time, boolean: whatever begins with a letter, a digit or a sign. */
bool toml_read_word(struct toml_reader *r, struct toml_value *out);
/* toml-number.c, toml-date.c: the whole word or false, without an error. */
enum toml_match { TOML_NO_MATCH, TOML_MATCH, TOML_OUT_OF_RANGE };
enum toml_match toml_number(struct str word, struct toml_value *out);
enum toml_match toml_date(struct str word, struct toml_value *out);
#endif
