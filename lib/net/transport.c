/* The part of the byte layer interface that is the same for all layers: ownership of transports and
 * parcels.
 *
 * Role: nulls the caller's pointers and keeps the shape of transport.h in one place; the work is in
 * the layers. */
#include "lib/net/transport.h"
#include "lib/net/net-int.h"

void transport_set_events(struct transport *t, const struct transport_events *ev, void *ctx)
{
    t->events = ev;
    t->ctx = ctx;
}

void transport_set_seat(struct transport *t, struct transport_seat s)
{
    must(!t->seat.of);
    t->seat = s;
}

static const struct transport_seat no_seat = {NULL, 0};

static void leave_seat(struct transport_seat s)
{
    if (s.of)
        s.of->leave(s.of, s.key);
}

static void transport_give_up(struct transport **pt, bool abort_it)
{
    struct transport *t = *pt;
    if (!t)
        return;
    *pt = NULL;
    t->events = NULL;
    const struct transport_seat seat = t->seat;
    t->seat = no_seat;
    t->ops->close(t, abort_it);
    leave_seat(seat);
}

void transport_close(struct transport **pt)
{
    transport_give_up(pt, false);
}

void transport_abort(struct transport **pt)
{
    transport_give_up(pt, true);
}

struct parcel *transport_detach(struct transport **pt)
{
    struct transport *t = *pt;
    *pt = NULL;
    t->events = NULL;
    const struct transport_seat seat = t->seat;
    t->seat = no_seat;
    struct parcel *p = t->ops->detach(t);
    p->seat = seat;
    return p;
}

struct transport *parcel_attach(struct parcel **pp, struct loop *to)
{
    struct parcel *p = *pp;
    *pp = NULL;
    const struct transport_seat seat = p->seat;
    struct transport *t = p->attach(p, to);
    t->seat = seat;
    return t;
}

void parcel_drop(struct parcel **pp)
{
    struct parcel *p = *pp;
    if (!p)
        return;
    *pp = NULL;
    const struct transport_seat seat = p->seat;
    p->drop(p);
    leave_seat(seat);
}
