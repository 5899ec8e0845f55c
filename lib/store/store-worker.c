/* store-worker: a thread with a loop of its own and one driver connection. Requests arrive as mail;
 * those that arrive in one turn of the loop are worked on together at its end (256 at a time):
 * first all writes as one group (one commit, one fsync for all of them), then the reads. So a read
 * that was mailed behind a write of the same port sees it. No locks: the mail is the only thing
 * shared. Under simulation the loop belongs to the simulator and the work starts after a small
 * virtual delay. */
#include "lib/store/store-int.h"

enum { GROUP_MAX = 256 }; /* requests worked on without looking at the mail */

struct store_worker {
    const struct store_driver *driver;
    void *conn;
    struct loop *loop;
    struct store_thread *thread;
    struct list queue; /* in order of arrival */
    struct defer at_end;
    struct timer again;
    struct mail stop;
};

void store_req_return(struct store_req *r)
{
    if (!r->home) {
        store_req_free(r);
        return;
    }
    r->mail.fn = store_req_done;
    r->mail.drop = store_req_drop;
    loop_post(r->home, &r->mail);
}

static void return_all(struct list *l)
{
    for (struct list *n; (n = list_shift(l));)
        store_req_return(list_entry(n, struct store_req, worker_link));
}

static void write_group(struct store_worker *w, struct list *writes)
{
    enum err e = w->driver->begin(w->conn);
    if (!e) {
        list_each (writes, n) {
            struct store_req *r = list_entry(n, struct store_req, worker_link);
            r->err = w->driver->write(w->conn, r);
        }
        e = w->driver->commit(w->conn);
    }
    if (e) {
        list_each (writes, n)
            list_entry(n, struct store_req, worker_link)->err = e;
    }
    return_all(writes);
}

static void worker_run(void *ctx)
{
    struct store_worker *w = ctx;
    struct list writes, reads;
    list_init(&writes);
    list_init(&reads);
    for (unsigned i = 0; i < GROUP_MAX && !list_empty(&w->queue); i++) {
        struct list *n = list_shift(&w->queue);
        bool is_write = list_entry(n, struct store_req, worker_link)->verb >= VERB_COMMIT;
        list_push(is_write ? &writes : &reads, n);
    }
    if (!list_empty(&w->queue))
        timer_start(&w->again, 0);
    if (!list_empty(&writes))
        write_group(w, &writes);
    for (struct list *n; (n = list_shift(&reads));) {
        struct store_req *r = list_entry(n, struct store_req, worker_link);
        r->err = w->driver->read(w->conn, r);
        store_req_return(r);
    }
}

static void worker_receive(struct mail *m)
{
    struct store_req *r = container_of(m, struct store_req, mail);
    struct store_worker *w = r->worker;
    list_push(&w->queue, &r->worker_link);
    if (timer_running(&w->again))
        return;
    uint64_t delay_ms = store_thread_delay_ms();
    if (delay_ms)
        timer_start(&w->again, delay_ms);
    else
        loop_defer(w->loop, &w->at_end);
}

void store_worker_post(struct store_worker *w, struct store_req *r)
{
    r->worker = w;
    r->mail.fn = worker_receive;
    r->mail.drop = store_req_drop;
    loop_post(w->loop, &r->mail);
}

struct store_worker *store_worker_new(const struct store_driver *d, void *conn_take, unsigned index)
{
    struct store_worker *w = mem_alloc(sizeof *w);
    char name[32];
    snprintf(name, sizeof name, "store/%u", index);
    w->driver = d;
    w->conn = conn_take;
    w->loop = loop_new(name, index);
    list_init(&w->queue);
    defer_init(&w->at_end, worker_run, w);
    timer_init(&w->again, w->loop, worker_run, w);
    w->thread = store_thread_start(w->loop);
    return w;
}

/* On the worker: all mail posted before has been taken in by now, so this is the last group. */
static void worker_stop(struct mail *m)
{
    struct store_worker *w = container_of(m, struct store_worker, stop);
    while (!list_empty(&w->queue))
        worker_run(w);
    loop_stop(w->loop);
}

void store_worker_free(struct store_worker **pw)
{
    struct store_worker *w = *pw;
    *pw = NULL;
    if (!w)
        return;
    w->stop.fn = worker_stop;
    loop_post(w->loop, &w->stop);
    store_thread_join(&w->thread);
    timer_stop(&w->again);
    defer_cancel(&w->at_end);
    return_all(&w->queue);
    loop_free(&w->loop);
    w->driver->close(w->conn);
    mem_free(w);
}
