#ifndef LIB_STORE_REDIS_INT_H
#define LIB_STORE_REDIS_INT_H
/* The codec of a Redis connection: hiredis' reader with bounds, replies as our own trees in an
 * arena; commands as bytes. */
#include "lib/base/arena.h"
#include "lib/store/redis-conn.h"

#define REDIS_REPLY_BYTES_MAX                                                                      \
    ((size_t)64 * 1024 * 1024)              /* one reply, as bytes on the wire and as tree */
#define REDIS_REPLY_ITEMS_MAX (1024 * 1024) /* one array */

struct redis_codec;
struct redis_codec *redis_codec_new(void);
void redis_codec_free(struct redis_codec **pc);
/* Bytes from the server. ERR_LIMIT: the reply that is being read is too large. */
enum err redis_codec_feed(struct redis_codec *c, struct str bytes) MUST_USE;
/* Next whole reply, NULL when there is none yet; valid until the next call on the codec.
 * ERR_PROTOCOL: garbage (see redis_codec_why); ERR_LIMIT. The codec is of no use afterwards. */
enum err redis_codec_next(struct redis_codec *c, const struct redis_reply **out) MUST_USE;
const char *redis_codec_why(const struct redis_codec *c);
/* A command as bytes; redis_bytes_free them. */
struct str redis_format(size_t argc, const struct str *argv);
void redis_bytes_free(struct str *bytes);
#endif
