/* DOC: one pass over the head of a request. What RFC 9112 lets a server forgive is not forgiven:
 * bare LF, folded lines, space before the colon, more than one Host, any body. */
#include "lib/net/http-get.h"

static bool is_token(struct str s)
{
    static const char more[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!plain && (!c || !strchr(more, c)))
            return false;
    }
    return s.n > 0;
}

/* Visible ASCII, and in values space and tab too. */
static bool is_visible(struct str s, bool with_space)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if ((c <= ' ' || c >= 0x7f) && !(with_space && (c == ' ' || c == '\t')))
            return false;
    }
    return true;
}

/* Up to CRLF; false when there is none. */
static bool next_line(struct str *rest, struct str *line)
{
    ptrdiff_t at = str_find(*rest, '\r');
    if (at < 0 || (size_t)at + 1 >= rest->n || rest->p[at + 1] != '\n')
        return false;
    *line = str_make(rest->p, (size_t)at);
    *rest = str_make(rest->p + at + 2, rest->n - (size_t)at - 2);
    return true;
}

static unsigned parse_request_line(struct str line, struct http_get *out)
{
    struct str method = str_cut(&line, ' '), target = str_cut(&line, ' '), version = line;
    if (!is_token(method) || !target.p || !is_visible(target, false) || !target.n ||
        target.p[0] != '/')
        return 400;
    if (!str_eqc(version, "HTTP/1.1") && !str_eqc(version, "HTTP/1.0"))
        return str_starts(version, STR("HTTP/")) && is_visible(version, false) ? 505 : 400;
    out->is_head = str_eqc(method, "HEAD");
    if (!out->is_head && !str_eqc(method, "GET"))
        return 405;
    out->path = str_cut(&target, '?');
    return 200;
}

static bool parse_header(struct str line, unsigned *hosts)
{
    struct str name = str_cut(&line, ':');
    if (!line.p || !is_token(name) || !is_visible(line, true))
        return false;
    *hosts += str_ieq(name, STR("Host"));
    return !str_ieq(name, STR("Transfer-Encoding")) &&
           !(str_ieq(name, STR("Content-Length")) && !str_eqc(str_trim(line), "0"));
}

/* The whole head is there: it ends with an empty line. */
static unsigned parse_head(struct str rest, struct http_get *out)
{
    struct str line = STR_NONE;
    unsigned hosts = 0, status = next_line(&rest, &line) ? parse_request_line(line, out) : 400;
    bool is_10 = str_ends(line, STR("/1.0"));
    for (size_t n = 0; status == 200; n++) {
        if (!next_line(&rest, &line))
            return 400;
        if (!line.n)
            break;
        if (n == HTTP_GET_HEADERS_MAX)
            return 431;
        if (!parse_header(line, &hosts))
            return 400;
    }
    if (status == 200 && (hosts > 1 || (hosts == 0 && !is_10)))
        return 400;
    return status;
}

unsigned http_get_parse(struct str bytes, struct http_get *out)
{
    static const char end[] = "\r\n\r\n";
    struct http_get got = {0};
    const char *at = bytes.n ? memmem(bytes.p, bytes.n, end, sizeof end - 1) : NULL;
    if (!at && bytes.n < HTTP_GET_MAX)
        return 0;
    if (!at || (size_t)(at - bytes.p) > HTTP_GET_MAX)
        return str_find(bytes, '\r') < 0 ? 414 : 431;
    unsigned status = parse_head(str_make(bytes.p, (size_t)(at - bytes.p) + sizeof end - 1), &got);
    if (status == 200)
        *out = got;
    return status;
}

const char *http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } rows[] = {{200, "OK"},
                {400, "Bad Request"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {414, "URI Too Long"},
                {431, "Request Header Fields Too Large"},
                {503, "Service Unavailable"},
                {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Unknown";
}

void http_answer(struct buf *out, unsigned status, const char *type, struct str body, bool is_head)
{
    buf_printf(out,
               "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
               "%sCache-Control: no-store\r\nConnection: close\r\n\r\n",
               status, http_status_text(status), type, body.n,
               status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!is_head)
        buf_str(out, body);
}
