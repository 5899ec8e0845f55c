/* import-users FILE: the file is read a batch at a time, two batches are under way, so that the
 * node's hashing pool and its store never wait for us. A line that fails is named and the others go
 * on; a node that does not answer ends it. What existed already is left as it is, so that a file
 * may be given again. */
#include <errno.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/loop/loop.h"
#include "node/admin/ctl.h"

enum {
    BATCH_LINES = 500,
    BATCH_BYTES = 128 << 10, /* JSON may write a byte as six */
    LINE_MAX_BYTES = 4096,
    BATCHES = 2,
    FAILURES_KEPT = 10000,
    PROGRESS_US = 1000000,
};

struct importer;
struct batch {
    struct importer *importer;
    struct ctl_call call;
    bool is_under_way;
    size_t lines;
    size_t line_number[BATCH_LINES];
};
struct importer {
    struct loop *loop;
    const char *name;
    FILE *file;
    char *text; /* getline's */
    size_t text_cap, line_number, done, failed;
    int64_t made, existed;
    struct json *failures;
    uint64_t begun_us, told_us;
    bool is_tty, is_at_end;
    enum ctl_exit code;
    struct batch batch[BATCHES];
};

static void tell_progress(struct importer *im, bool is_last)
{
    uint64_t now = clock_mono_us();
    if (!is_last && (!im->is_tty || now - im->told_us < PROGRESS_US))
        return;
    im->told_us = now;
    uint64_t ms = (now - im->begun_us) / 1000;
    fprintf(stderr, "%simport-users: %zu lines, %zu a second%s", im->is_tty ? "\r" : "", im->done,
            im->done * 1000 / (ms ? (size_t)ms : 1), is_last ? "\n" : "");
}

static void line_failed(struct importer *im, size_t number, const char *jid, const char *why)
{
    im->failed++;
    im->code = im->code == CTL_OK ? CTL_REFUSED : im->code;
    if (json_len(im->failures) == FAILURES_KEPT)
        return;
    struct json *o = json_new_object();
    json_set_num(o, "line", (int64_t)number);
    json_set_str(o, "jid", str_of(jid ? jid : ""));
    json_set_str(o, "why", str_of(why));
    json_push(im->failures, &o);
}

/* The next line that says something, without its end; false at the end of the file. */
static bool next_line(struct importer *im, struct str *out)
{
    for (ssize_t n; (n = getline(&im->text, &im->text_cap, im->file)) >= 0;) {
        struct str line = str_make(im->text, (size_t)n);
        im->line_number++;
        if (n && im->text[n - 1] == '\n')
            line.n--;
        if (line.n && im->text[line.n - 1] == '\r')
            line.n--;
        bool is_whole = line.n <= LINE_MAX_BYTES && !memchr(line.p, 0, line.n);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (is_whole) {
            *out = line;
            return true;
        }
        line_failed(im, im->line_number, NULL, "the line is too long or holds a NUL");
    }
    return false;
}

static struct json *batch_fill(struct batch *b)
{
    struct json *args = json_new_array();
    struct str line;
    b->lines = 0;
    for (size_t bytes = 0; b->lines < BATCH_LINES && bytes < BATCH_BYTES - LINE_MAX_BYTES;
         bytes += line.n) {
        if (!next_line(b->importer, &line)) {
            b->importer->is_at_end = true;
            break;
        }
        b->line_number[b->lines++] = b->importer->line_number;
        json_push_str(args, line);
    }
    return args;
}

static void give_up(struct importer *im, enum ctl_exit code, const char *why)
{
    fprintf(stderr, "%smeridianctl: %s\n", im->is_tty ? "\n" : "", why);
    im->code = code;
    loop_stop(im->loop);
}

static void batch_start(struct batch *b)
{
    struct importer *im = b->importer;
    struct json *args = batch_fill(b);
    struct json *q = ctl_question("import", &args);
    b->is_under_way = b->lines > 0;
    if (!b->lines)
        json_free(&q);
    else if (ctl_call_start(&b->call, &q) != ERR_OK)
        give_up(im, CTL_REFUSED, "a batch is larger than a node takes");
}

static void batch_failures(struct batch *b, const struct json *list)
{
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *o = json_at(list, i);
        int64_t at = json_get_num(o, "line", 0) - 1;
        const char *why = json_get_str(o, "why");
        line_failed(b->importer, at >= 0 && (size_t)at < b->lines ? b->line_number[at] : 0,
                    json_get_str(o, "jid"), why ? why : "");
    }
}

static void batch_done(void *ctx, struct json **answer, const char *why)
{
    struct batch *b = ctx;
    struct importer *im = b->importer;
    b->is_under_way = false;
    if (!*answer || !json_get_bool(*answer, "ok", false)) {
        const char *said = json_get_str(*answer, "error");
        give_up(im, *answer ? CTL_REFUSED : CTL_UNAVAILABLE, said ? said : why);
        return;
    }
    const struct json *result = json_get(*answer, "result");
    im->made += json_get_num(result, "made", 0);
    im->existed += json_get_num(result, "existed", 0);
    im->done += b->lines;
    batch_failures(b, json_get(result, "failed"));
    tell_progress(im, false);
    if (!im->is_at_end)
        batch_start(b);
    for (size_t i = 0; i < BATCHES; i++)
        if (im->batch[i].is_under_way)
            return;
    loop_stop(im->loop);
}

static void run(struct importer *im, const char *path)
{
    im->loop = loop_new("meridianctl/0", 0);
    im->begun_us = im->told_us = clock_mono_us();
    bool any = false;
    for (size_t i = 0; i < BATCHES; i++) {
        struct batch *b = &im->batch[i];
        b->importer = im;
        ctl_call_init(&b->call, im->loop, path, batch_done, b);
        batch_start(b);
        any = any || b->is_under_way;
    }
    if (any)
        loop_run(im->loop);
    if (ferror(im->file))
        give_up(im, CTL_NO_INPUT, "the file could not be read to its end");
    tell_progress(im, true);
    for (size_t i = 0; i < BATCHES; i++)
        ctl_call_fini(&im->batch[i].call);
    loop_free(&im->loop);
}

static void report(struct importer *im, bool as_json)
{
    for (size_t i = 0; !as_json && i < json_len(im->failures); i++) {
        const struct json *o = json_at(im->failures, i);
        fprintf(stderr, "%s:%lld: %s: %s\n", im->name, (long long)json_get_num(o, "line", 0),
                json_get_str(o, "jid"), json_get_str(o, "why"));
    }
    struct json *out = json_new_object();
    json_set_num(out, "made", im->made);
    json_set_num(out, "existed", im->existed);
    json_set_num(out, "failed", (int64_t)im->failed);
    if (as_json)
        json_set(out, "failures", &im->failures);
    ctl_print(out, as_json);
    json_free(&out);
}

enum ctl_exit ctl_import(const char *path, const char *file, bool as_json)
{
    struct importer *im = mem_alloc(sizeof *im);
    im->name = file;
    im->is_tty = isatty(STDERR_FILENO);
    im->file = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
    enum ctl_exit code = CTL_NO_INPUT;
    if (!im->file) {
        fprintf(stderr, "meridianctl: %s: %s\n", file, strerror(errno));
    } else {
        im->failures = json_new_array();
        run(im, path);
        report(im, as_json);
        code = im->code;
        if (im->file != stdin)
            fclose(im->file);
        if (im->text)
            mem_wipe(im->text, im->text_cap);
        free(im->text); /* getline's, not ours */
        json_free(&im->failures);
    }
    mem_free(im);
    return code;
}
