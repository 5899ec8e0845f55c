#ifndef NODE_ADMIN_RENDER_H
#define NODE_ADMIN_RENDER_H
/* JSON answers as text for people: objects as "key: value" lines, arrays of objects as tables. */
#include "lib/base/json.h"
void render(struct buf *out, const struct json *value);
#endif
