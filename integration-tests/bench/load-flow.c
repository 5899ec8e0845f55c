/* The account of flows. A message must have the number after the last one's. A greater one means
 * that some are lost or late, a smaller one that it comes twice or late; both are errors. */
#include <string.h>

#include "integration-tests/bench/load-flow.h"

static const char middle[] = "'><body>", tail[] = "</body></message>";

void load_flows_init(struct load_flows *fs, struct load_loop *l)
{
    fs->loop = l;
    load_text_init(&fs->text, l->opts->size);
}

void load_flow_send(struct load_flows *fs, struct load_flow *f, struct load_conn *c,
                    struct load_span head, uint64_t time_ns)
{
    size_t need = head.len + LOAD_BODY_ID + sizeof middle + fs->text.size + sizeof tail;
    struct load_mark m = {
        .pair = f->pair, .direction = f->direction, .seq = f->sent, .time_ns = time_ns};
    char *from = load_conn_reserve(c, need), *p = from;
    memcpy(p, head.p, head.len);
    char *id = p + head.len;
    p = id + LOAD_BODY_ID;
    memcpy(p, middle, sizeof middle - 1);
    p += sizeof middle - 1;
    load_body_write(&fs->text, &m, p);
    memcpy(id, p, LOAD_BODY_ID);
    id[5] = id[7] = '.';
    p += fs->text.size;
    memcpy(p, tail, sizeof tail - 1);
    load_conn_added(c, (size_t)(p + sizeof tail - 1 - from));
    f->sent++;
    fs->sent++;
}

/* Say what is wrong with a message, with its beginning. */
static void bad(struct load_flows *fs, const struct load_flow *f, const char *what,
                struct load_span s)
{
    load_error(fs->loop, "pair %u direction %u: %s: %.*s", f->pair, f->direction, what,
               (int)(s.len < 180 ? s.len : 180), s.p);
}

static bool is_error(const struct load_item *item)
{
    struct load_span type;
    return load_xml_attr(item->head, "type", &type) && load_span_is(type, "error");
}

static bool is_in_order(struct load_flows *fs, struct load_flow *f, uint32_t seq)
{
    int32_t ahead = (int32_t)(seq - f->expected);
    if (ahead == 0)
        return true;
    load_error(fs->loop, "pair %u direction %u: number %u came, %u was due: %s", f->pair,
               f->direction, seq, f->expected,
               ahead > 0 ? "lost or out of order" : "twice or late");
    return ahead > 0;
}

bool load_flow_take(struct load_flows *fs, struct load_flow *f, const struct load_item *item,
                    const char *child, struct load_mark *m)
{
    struct load_span body;
    bool has_body = load_xml_child(item, child, &body);
    if (is_error(item)) {
        bad(fs, f, "bounced", item->all);
        return false;
    }
    if (!has_body)
        return false;
    const char *why = load_body_read(&fs->text, load_xml_text(body), m);
    if (why) {
        bad(fs, f, why, item->all);
        return false;
    }
    if (m->run != fs->text.run) {
        fs->loop->tally.left_over++;
        return false;
    }
    if (m->pair != f->pair || m->direction != f->direction) {
        bad(fs, f, "somebody else's message", item->all);
        return false;
    }
    if (!is_in_order(fs, f, m->seq))
        return false;
    if (m->seq - f->sent < UINT32_MAX / 2) {
        bad(fs, f, "a message that was not sent", item->all);
        return false;
    }
    f->expected = m->seq + 1;
    f->received++;
    fs->received++;
    return true;
}

/* Less patient than load_turn, so that what is missing is said rather than that all is quiet. */
void load_flows_wait(struct load_flows *fs)
{
    struct load_loop *l = fs->loop;
    uint64_t patience = (uint64_t)(l->opts->timeout * 0.9e9);
    while (!l->is_over && fs->received < fs->sent && l->now_ns - l->moved_ns < patience)
        load_turn(l, l->moved_ns + patience);
}

uint64_t load_flows_missing(struct load_flows *fs)
{
    uint64_t missing = fs->sent - fs->received;
    if (!missing)
        return 0;
    load_error(fs->loop, "%llu of %llu messages never came", (unsigned long long)missing,
               (unsigned long long)fs->sent);
    fs->loop->tally.errors += missing - 1;
    return missing;
}
