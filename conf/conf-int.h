#ifndef CONF_CONF_INT_H
#define CONF_CONF_INT_H
/* Inside of the configuration: the snapshot, typed values, the walk over a document. */
#include "conf/conf.h"
#include "conf/toml.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/refs.h"

enum { CONF_WHY = 200, CONF_PATH_MAX = 256, CONF_SECRET_MAX = 4096 };

struct conf {
    struct refs refs;
    struct arena *mem; /* everything below hangs on it */
    const struct conf_schema *schema;
    char *root;
    const struct toml_table *doc;
    const char *file;
};

/* One typed value, before it goes into a struct. */
struct conf_value {
    const char *string;
    bool boolean;
    int64_t integer;
    uint64_t amount; /* SIZE, DURATION */
    int choice;      /* ENUM */
    struct conf_list list;
};

void conf_error(struct conf_errors *errs, const char *file, struct toml_pos pos, const char *fmt,
                ...) PRINTF_LIKE(4, 5);

/* conf-value.c: false with why filled. */
bool conf_size_parse(struct str text, uint64_t *bytes);
bool conf_duration_parse(struct str text, uint64_t *ms);
void conf_size_print(struct buf *out, uint64_t bytes);
void conf_duration_print(struct buf *out, uint64_t ms);
/* From the text of .def. */
bool conf_value_default(struct arena *a, const struct conf_option *o, struct conf_value *v,
                        char why[CONF_WHY]);
bool conf_value_read(struct arena *a, const struct conf_option *o, const struct toml_value *t,
                     struct conf_value *v, char why[CONF_WHY]);
/* Bounds and NONEMPTY. */
bool conf_value_allowed(const struct conf_option *o, const struct conf_value *v,
                        char why[CONF_WHY]);
void conf_value_store(const struct conf_option *o, const struct conf_value *v, char *base);
void conf_value_load(const struct conf_option *o, const char *base, struct conf_value *v);

/* conf-secret.c: resolve "file:" and "env:"; the result is wiped when the arena goes. */
bool conf_secret_resolve(struct arena *a, const char *conf_file, const char *said, const char **out,
                         char why[CONF_WHY]);
void conf_secret_wipe_later(struct arena *a, const char *secret);

/* conf-fill.c: the document into c->root; all errors into errs. */
void conf_fill(struct conf *c, struct conf_errors *errs);

/* conf-find.c: the document by section name. */
const struct conf_section *conf_section_find(const struct conf_schema *s, struct str name);
const struct conf_option *conf_option_find(const struct conf_section *s, struct str name);
/* The value at a dotted name, NULL when there is none. */
const struct toml_pair *conf_doc_find(const struct toml_table *doc, const char *name);
/* The index-th table of a section in the document, NULL when absent. */
/* The key of a named section's element, "" when it has none. */
const char *conf_section_key(const struct conf_section *s, const char *root, size_t index);
const struct toml_table *conf_doc_section(const struct toml_table *doc,
                                          const struct conf_section *s, size_t index);
/* The structs of a section in a root: how many, and the i-th. */
size_t conf_section_count(const struct conf_section *s, const char *root);
const char *conf_section_at(const struct conf_section *s, const char *root, size_t index);

/* conf-suggest.c: the name nearest to a wrong one; NULL when none is near. Start with best = NULL,
 * distance = 0. */
struct conf_suggestion {
    const char *best;
    unsigned distance;
    size_t length; /* of best: it may be one part of a dotted name */
};
void conf_suggest(struct conf_suggestion *s, struct str wrong, struct str candidate);
#endif
