"""What Meridian wants to reach, and whether the results show it."""
import dataclasses

import scenarios

US, US_LEAN = ("meridian", "usual"), ("meridian", "lean")
EJABBERD, LEAN_PEERS = ("ejabberd", "usual"), (("prosody", "lean"), ("ejabberd", "lean"))


@dataclasses.dataclass(frozen=True)
class Verdict:
    mark: str
    limit: str
    figure: str
    met: object  # True, False, or None: not measured


def unmeasured(mark, limit, why="not measured"):
    return Verdict(mark, limit, why, None)


def lean_or_usual(results, scenario, key):
    """Our figure to hold against lean peers."""
    lean = results.median(scenario, US_LEAN, key)
    return results.median(scenario, US, key) if lean is None else lean


def share(results, mark, scenario, key, parts, peer="ejabberd"):
    """At most 1/parts of ejabberd's in its usual set-up, or of the best lean peer's."""
    limit = "at most 1/%d" % parts
    ours, theirs = results.median(scenario, US, key), results.median(scenario, EJABBERD, key)
    if peer == "lean":
        ours = lean_or_usual(results, scenario, key)
        theirs = min((m for m in (results.median(scenario, v, key) for v in LEAN_PEERS) if m is not None), default=None)
    if not ours or theirs is None:
        return unmeasured(mark, limit)
    return Verdict(mark, limit, "1/%.1f" % (theirs / ours), theirs / ours >= parts)


def most(results, mark, scenario, figure, limit, variant=US):
    """At most `limit`, in the unit of the figure."""
    text, got = ("at most %g %s" % (limit, figure.unit)).strip(), results.median(scenario, variant, figure.key)
    if got is None:
        return unmeasured(mark, text)
    return Verdict(mark, text, "%.*f %s" % (figure.digits, got * figure.scale, figure.unit), got * figure.scale <= limit)


def times(results, mark, scenario, key, variants, limit, at_least):
    """Second variant against the first."""
    text = "at %s %g times" % ("least" if at_least else "most", limit)
    base, got = (results.median(scenario, v, key) for v in variants)
    if not base or got is None:
        return unmeasured(mark, text)
    return Verdict(mark, text, "%.2f times" % (got / base), got / base >= limit if at_least else got / base <= limit)


def least(results, mark, scenario, figure, limit, variant=US):
    """At least `limit`, in the unit of the figure."""
    text, got = ("at least %s %s" % (format(limit, ","), figure.unit)).strip(), results.median(scenario, variant, figure.key)
    if got is None:
        return unmeasured(mark, text)
    shown = format(got * figure.scale, ",.%df" % figure.digits)
    return Verdict(mark, text, ("%s %s" % (shown, figure.unit)).strip(), got * figure.scale >= limit)


def faster(results, mark, scenario, key, parts):
    """So many times as fast as the best peer in any set-up."""
    ours = results.median(scenario, US, key)
    theirs = [m for m in (results.median(scenario, v, key) for v in scenarios.ALL if v[0] != "meridian") if m is not None]
    if not ours or not theirs:
        return unmeasured(mark, "at least %g times" % parts)
    times_as_fast = min(theirs) / ours
    return Verdict(mark, "at least %g times" % parts, "%.1f times" % times_as_fast, times_as_fast >= parts)


def federation(results):
    cpu, rate = scenarios.STANZAS[:2]
    for what, name in (("to a foreign server", "out"), ("from a foreign server", "in"),
                       ("over one stream each way, acknowledged", "acks"), ("over %d each way, acknowledged" % scenarios.DOMAINS,
                                                                             "acks-many")):
        yield share(results, "CPU of a stanza %s, TLS, against ejabberd" % what, "s2s-" + name, cpu.key, 10)
    yield least(results, "stanzas a second over one stream each way, acknowledged", "s2s-acks", rate, 50000)
    yield least(results, "the same over %d each way" % scenarios.DOMAINS, "s2s-acks-many", rate, 50000)
    yield faster(results, "first message to each of 1,000 foreign servers, against the best peer", "s2s-cold-1000", "seconds", 3)


def eighteen_thousand(results):
    mark, figure = "CPU of 18,000 idle TLS sessions, ten minutes", scenarios.IDLE[2]
    held = min((r["hold"] for r in results.all("idle18000", US)), default=0)
    v = most(results, mark, "idle18000", figure, 1)
    if v.met is not None and held < 600:
        return dataclasses.replace(v, figure="%s, held for %d s only" % (v.figure, held), met=None)
    return v


def simulated(results):
    s, tls = scenarios, ("meridian", "TLS")
    title = "500,000 simulated TLS sessions: "
    yield most(results, title + "memory of one", "simulated", s.SIMULATED[3], 18, tls)
    yield most(results, title + "the same after traffic", "simulated", s.SIMULATED[4], 20, tls)
    yield most(results, title + "CPU a message against 1,000 sessions", "simulated", s.SIMULATED[2], 1.2, tls)


def verdicts(results):
    s, cpu, p99 = scenarios, "cpu_us_per_message", scenarios.LATENCY[2]
    return [
        share(results, "CPU a message, TLS, 100 bytes, against ejabberd", "pairs-tls-100", cpu, 12),
        share(results, "the same against the best lean peer", "pairs-tls-100", cpu, 6, "lean"),
        times(results, "2 shards on 2 cores against 1 on 1", "cores", "rate", s.BY_NAME["cores"].variants, 1.8, True),
        most(results, "99th percentile at 5,000 messages/s", "rate-5000", p99, 1),
        share(results, "the same against ejabberd", "rate-5000", "p99", 10),
        share(results, "CPU of a login with STARTTLS, against ejabberd", "login-starttls", "cpu_us_per_login", 4),
        share(results, "CPU of a login with a resumed TLS session, against ejabberd", "login-resumed", "cpu_us_per_login", 6),
        most(results, "memory of an idle TLS session, of 18,000", "idle18000", s.IDLE[0], 18),
        most(results, "the same after traffic", "idle18000", s.IDLE[1], 20),
        most(results, "memory of an idle session without TLS, of 18,000", "idle18000-plain", s.IDLE[0], 5),
        eighteen_thousand(results),
        *simulated(results),
        *federation(results),
        times(results, "CPU of a message between regions, both nodes, against one in a region", "regions", cpu,
              s.REGION_VARIANTS, 3, False),
        unmeasured("room messages", "-", "no rooms yet"),
    ]
