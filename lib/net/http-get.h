#ifndef LIB_NET_HTTP_GET_H
#define LIB_NET_HTTP_GET_H
/* Requests of a private port that only answers GET and HEAD: one a connection, no body. Strict and
 * bounded; whoever asks is a monitoring system. Source: RFC 9112 sections 2 to 5, RFC 9110. */
#include "lib/base/buf.h"

enum { HTTP_GET_MAX = 8192, HTTP_GET_HEADERS_MAX = 64 };
struct http_get {
    bool is_head;
    struct str path; /* without the query; borrowed from the bytes */
};
/* 0: more bytes are needed. 200: *out is filled. Else the status to refuse with: 400 malformed,
 * 405 another method, 414 or 431 too long, 505 another version. */
unsigned http_get_parse(struct str bytes, struct http_get *out);
const char *http_status_text(unsigned status);
/* A whole answer that ends the connection. */
void http_answer(struct buf *out, unsigned status, const char *type, struct str body, bool is_head);
#endif
