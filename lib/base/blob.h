#ifndef LIB_BASE_BLOB_H
#define LIB_BASE_BLOB_H
/* Immutable refcounted bytes; may cross shards (atomic count). */
#include "lib/base/base.h"

struct blob;
struct blob *blob_new(const void *p, size_t n); /* copies; one reference */
struct blob *blob_ref(struct blob *b);          /* returns b */
void blob_unref(struct blob **pb);              /* accepts NULL pointee */
struct str blob_str(const struct blob *b);      /* valid while a reference is held */
#endif
