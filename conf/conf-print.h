#ifndef CONF_PRINT_H
#define CONF_PRINT_H
/* What is in force, and what could be said, as TOML text. Secrets are shown as "(secret)". */
#include "conf/conf.h"
#include "lib/base/buf.h"

/* The effective configuration, defaults included (marked by a comment). */
void conf_print(const struct conf *c, struct buf *out);
/* One value of an element of a section, as in the file; nothing when the element is not there. o
 * NULL: "(there)" or nothing. */
void conf_print_value(const struct conf *c, const struct conf_section *s, size_t index,
                      const struct conf_option *o, struct buf *out);
/* Reference of all sections and options: default, bounds, unit, when a change applies, doc. */
void conf_print_reference(const struct conf_schema *s, struct buf *out);
#endif
