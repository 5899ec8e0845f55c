#ifndef CONF_CONF_H
#define CONF_CONF_H
/* Configuration: a TOML file checked against the programs' option tables becomes one immutable
 * snapshot. A reload loads a new snapshot and compares (conf_diff). Loading reads files: at start
 * and on reload, never in a hot path. */
#include "conf/conf-schema.h"

/* All that is wrong, not only the first thing. One line each, without newline: "file:line:column:
 * what". */
struct conf_errors {
    char **lines;
    size_t n, cap;
    bool truncated; /* more than CONF_ERRORS_MAX */
};
enum { CONF_ERRORS_MAX = 100 };
void conf_errors_init(struct conf_errors *e);
void conf_errors_fini(struct conf_errors *e);

/* Read and check. *out is a snapshot with one reference. ERR_INVALID: errs (initialised by the
 * caller) has at least one line; a file that cannot be read is one too. Unknown keys and sections
 * are errors. */
enum err conf_load(const char *path, const struct conf_schema *s, struct conf **out,
                   struct conf_errors *errs) MUST_USE;
/* The same from memory; name stands for the file in messages, its folder is the base of relative
 * "file:" secrets. */
enum err conf_parse(struct str text, const char *name, const struct conf_schema *s,
                    struct conf **out, struct conf_errors *errs) MUST_USE;
struct conf *conf_ref(struct conf *c); /* from any shard */
void conf_unref(
    struct conf **pc); /* the last one frees root and all that hangs on it, secrets wiped */

/* The filled root struct; valid while a reference is held. Zeroed where nothing was said and there
 * is no default. */
const void *conf_root(const struct conf *c);
/* True when the file has the section (for an array: at least one). */
bool conf_has_section(const struct conf *c, const char *section);
/* True when the file sets the option (not the default). index: element of an array section, else 0.
 */
bool conf_is_set(const struct conf *c, const char *section, size_t index, const char *option);
/* Report a broken rule at the place of an option (of its section when the file does not set it).
 * option may be NULL. */
void conf_error_at(struct conf_errors *errs, const struct conf *c, const char *section,
                   size_t index, const char *option, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* Of these names the one that was probably meant; NULL when none is near. */
const char *conf_nearest(const char *wrong, const char *const *names, size_t n);

/* Call fn for every option whose value differs; elements of array sections are compared by
 * position, and an element that came or went is one call with option NULL. Returns how many of them
 * need a restart. fn may be NULL. */
typedef void conf_diff_cb(void *ctx, const struct conf_section *section, size_t index,
                          const struct conf_option *option);
size_t conf_diff(const struct conf *before, const struct conf *after, conf_diff_cb *fn, void *ctx);
#endif
