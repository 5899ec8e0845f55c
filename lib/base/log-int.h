#ifndef LIB_BASE_LOG_INT_H
#define LIB_BASE_LOG_INT_H
/* Inside of the log writer: a line being built (log-line.c), who wants it (log-filter.c). */
#include "lib/base/log.h"

enum {
    LOG_LINE_MAX = 4096,
    LOG_LINE_RESERVE = 32, /* a closing quote, the note that it was cut, the newline */
};
struct log_line {
    size_t n;
    bool is_cut; /* nothing more is added */
    enum log_format format;
    char s[LOG_LINE_MAX];
};
void log_line_begin(struct log_line *l, enum log_format f, enum log_level level, const char *event);
void log_line_field(struct log_line *l, const char *key, const char *value);
void log_line_end(struct log_line *l); /* no newline, no NUL */

/* One event: its name, level and fields (of the scopes, outermost first, then its own). */
struct log_event {
    enum log_level level;
    const char *name;
    struct log_pair {
        const char *key, *value;
    } pair[48];
    size_t n;
};
/* Should it go to the log; to which taps (a bit each). */
bool log_wanted(const struct log_event *e, unsigned *taps);
void log_tap_give(unsigned taps, const char *line);
/* log.c: the least level of all that anybody wants; from then on log_enabled says yes. */
void log_set_floor(enum log_level general, enum log_level least);
enum log_level log_general_level(void);
#endif
