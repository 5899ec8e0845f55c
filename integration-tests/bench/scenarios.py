"""What is measured: a table of scenarios, each with the variants it runs on, what it tells the generator, and which of the
generator's figures are shown. The first figure of a scenario is the one that ratios are made of."""
import dataclasses
import typing

import servers
import servers_meridian
import servers_peers
from procs import S2S

KINDS = {"meridian": servers_meridian.Meridian, "prosody": servers_peers.Prosody, "ejabberd": servers_peers.Ejabberd}
ALL = tuple((kind, setup) for setup in ("usual", "lean") for kind in KINDS)
US = "us"


def is_other(variant):
    """Whether the variant differs from all others: Meridian's lean set-up does not while it has nothing to switch off."""
    return variant != ("meridian", "lean") or bool(servers_meridian.LEAN)


@dataclasses.dataclass(frozen=True)
class Figure:
    key: str
    title: str
    unit: str = US
    scale: float = 1.0  # the generator's unit in ours
    digits: int = 1


CPU = Figure("cpu_us_per_message", "CPU a message")
RATE = Figure("rate", "messages/s", "", digits=0)
GENERATOR = Figure("generator_cpu_percent", "CPU of the generator", "%", digits=0)  # near 100: the rate is the generator's
FLOW = (CPU, RATE, GENERATOR)
LATENCY = tuple(Figure(p, p.replace("p999", "p99.9"), "ms", 0.001, 2) for p in ("p50", "p90", "p99", "p999", "max"))
LOGIN = (Figure("cpu_us_per_login", "CPU a login", digits=0), LATENCY[0], LATENCY[2])
KB = dict(unit="KB", scale=0.001)
IDLE = (Figure("bytes_per_session", "memory a session", **KB),
        Figure("bytes_per_session_after_traffic", "after traffic", **KB),
        Figure("hold_cpu_percent", "CPU while idle", "%", digits=2))


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    group: str     # heading of the report
    title: str
    args: str      # for the generator: scenario and options; {words} come from the options of the driver
    figures: tuple
    variants: tuple = ALL
    quick: str = ""  # replaces options of args in a quick run
    needs: tuple = ()  # of servers.NEEDS
    once: bool = False  # in the first round only: no mark stands on it, or it hardly varies; the whole must end in 30 minutes
    asked: bool = False  # runs only when named by --only
    note: str = ""
    keeps: bool = False  # the data it made is what later rounds begin with
    wants: str = ""  # runs only when Meridian's documentation of options has this
    make: typing.Callable = None  # (ground, variant) -> server; none: KINDS
    more: typing.Callable = None  # (ground, server) -> more arguments
    program: str = "loadgen"
    patience: int = 0  # more seconds than usual until it is given up

    @property
    def short(self):
        return self.name.partition("-")[2] or self.name

    def server(self, ground, variant):
        if self.make:
            return self.make(ground, variant)
        return KINDS[variant[0]](ground, variant[1], ground.accounts, self.needs)


def pairs(name, mode, size, sm=False, once=False):
    title = "%s, %s bytes%s" % ("TLS" if mode == "starttls" else "without TLS", format(size, ","),
                                ", stream management" if sm else "")
    args = "pairs --pairs 50 --window 2 --seconds 2 --warmup 1 --mode %s --size %d%s" % (mode, size, " --sm" if sm else "")
    return Scenario("pairs-" + name, "Messages between clients", title, args, FLOW, quick="--seconds 1 --warmup 0.5",
                    needs=("acks",) * sm, once=once)


def rate(n, once=False):
    late = Figure("send_lag_p99", "generator late, p99", "ms", 0.001, 2)
    return Scenario("rate-%d" % n, "Latency at a fixed rate", "%s messages/s, TLS, 100 bytes" % format(n, ","),
                    "rate --pairs 50 --rate %d --seconds 3 --warmup 1 --mode starttls" % n, LATENCY + (late, CPU),
                    quick="--seconds 1 --warmup 0.5", once=once)


def login(name, title, args, once=False):
    return Scenario("login-" + name, "Logins", title, "login --concurrency 4 --count 200 " + args,
                    LOGIN + ((Figure("resumed", "resumed", "", digits=0),) if name == "resumed" else ()), quick="--count 60", once=once)


def idle(name, title, mode):
    return Scenario("idle-" + name, "Idle sessions", title,
                    "idle --sessions 1500 --settle 3 --hold 1 --keepalive 30 --traffic 5 --mode " + mode, IDLE,
                    quick="--sessions 300", once=True)


# ---- federation
def foreign(ground, server):
    cert, key = ground.peer_certificate
    return ["--listen", "%s:%d" % (ground.generator, S2S), "--s2s-server", server.s2s, "--cert", cert, "--key", key]


STANZAS = (Figure("cpu_us_per_stanza", "CPU a stanza"), Figure("rate", "stanzas/s", "", digits=0), GENERATOR)
STREAMS = (Figure("bytes_per_stream", "memory a stream", **KB), Figure("bytes_per_stream_in", "from them", **KB),
           Figure("bytes_per_stream_out", "to them", **KB))
COLD = (Figure("cpu_us_per_domain", "CPU a domain", digits=0), Figure("seconds", "all reached", "s", digits=2)) + LATENCY[::4]
DOMAINS = 200  # of the scenarios with many


def s2s(name, title, domains, direction, window, acks=False, once=False):
    return Scenario("s2s-" + name, "Federation", title, "s2s --peer-domains %d --direction %s --window %d --seconds 2 --warmup 1 "
                    "--mode starttls" % (domains, direction, window) + " --peer-acks" * acks,
                    STANZAS, quick="--seconds 1 --warmup 0.5", more=foreign, needs=("s2s",), once=once)


def s2s_cold(name, domains, quick, **more):
    return Scenario("s2s-" + name, "Federation", "the first message to each of %s foreign servers: DNS, connection, TLS, proof"
                    % format(domains, ","), "s2s-cold --peer-domains %d --mode starttls" % domains, COLD,
                    quick="--peer-domains %d" % quick, needs=("s2s",), more=foreign, **more)


# ---- regions
REGION_ACCOUNTS = 40
REGION_VARIANTS = (("meridian", "one region"), ("meridian", "two regions"))


def regions(ground, variant):
    return servers_meridian.Regions(ground, variant[1], REGION_ACCOUNTS)


def two_ends(ground, server):
    """The even one of each pair is at region a, where it has its account; the odd one at b, or at a with an account of a."""
    return ["--server-b", server.address_b] if server.setup == "two regions" else ["--prefix", servers_meridian.LOCAL]


# ---- cores
CORES = {"1 shard": (1, (0,)), "2 shards": (2, (0, 1))}


def cores(ground, variant):
    shards, where = CORES[variant[1]]
    return servers_meridian.Meridian(ground, "cores", ground.accounts, shards=shards, cores=where, shared=True)


def as_many_threads(ground, server):
    return ["--threads", str(server.shards)]


# ---- stores
OFFLINE = (Figure("cpu_us_per_stored", "CPU a message stored"), Figure("cpu_us_per_flushed", "CPU a message delivered"))


def on_postgres(ground, variant):
    return servers_meridian.OnPostgres(ground, variant[1], 40)


# ---- the simulated platform
SIMULATED = (Figure("cpu_us_per_message_few", "CPU a message with 1,000 sessions", digits=2),
             Figure("cpu_us_per_message", "with all", digits=2), Figure("ratio", "ratio", "", digits=2),
             Figure("bytes_per_session", "memory a session", **KB),
             Figure("bytes_per_session_after_traffic", "after traffic", **KB))


def one_of_us(ground, server):
    return ["--tls" if server.setup == "TLS" else "--plain"]


# ---- many idle sessions
def many(name, title, mode):
    """Enough for what a server takes once, at its first sessions, to vanish in the share of each."""
    return Scenario(name, "Idle sessions", "Meridian: %s sessions, %s, white space every 60 s" % (format(servers.MANY, ","), title),
                    "idle --sessions %d --settle 25 --hold {hold} --keepalive 60 --traffic 2 --mode %s" % (servers.MANY, mode), IDLE,
                    variants=(("meridian", "usual"),), quick="--sessions 300 --hold 1", once=True, patience=300,
                    make=lambda ground, variant: servers_meridian.Meridian(ground, variant[1], ground.many))


SCENARIOS = (
    pairs("plain-100", "plain", 100, once=True),
    pairs("tls-100", "starttls", 100),
    pairs("plain-2000", "plain", 2000, once=True),
    pairs("tls-2000", "starttls", 2000, once=True),
    pairs("tls-sm", "starttls", 100, sm=True),
    rate(1000, once=True),
    rate(5000),
    login("plain", "without TLS", "--mode plain", once=True),
    login("starttls", "STARTTLS", "--mode starttls"),
    login("resumed", "STARTTLS, TLS session resumed", "--mode starttls --resume"),
    idle("plain", "without TLS", "plain"),
    idle("tls", "TLS", "starttls"),
    Scenario("presence", "Presence", "one user's presence to 500 contacts that are online, TLS",
             "presence --roster 500 --count 40 --mode starttls",
             (Figure("cpu_us_per_delivery", "CPU a delivery", digits=2), Figure("rate", "deliveries/s", "", digits=0)),
             quick="--roster 100 --count 20", keeps=True, once=True),
    s2s("out", "to one foreign server, one stream, TLS", 1, "out", 32),
    s2s("in", "from one foreign server, one stream, TLS", 1, "in", 32),
    s2s("many", "%d foreign servers, streams both ways, TLS" % DOMAINS, DOMAINS, "both", 4, once=True),
    s2s("acks", "one foreign server, streams both ways, TLS, acknowledged where the server can", 1, "both", 32, acks=True),
    s2s("acks-many", "%d foreign servers, both ways, TLS, acknowledged where the server can" % DOMAINS, DOMAINS, "both", 4,
        acks=True),
    s2s_cold("cold", 100, 20, once=True),
    s2s_cold("cold-1000", 1000, 200),
    Scenario("s2s-rate", "Latency of federation", "2,000 stanzas/s, 10 foreign servers, both ways, TLS, acknowledged where the server can",
             "s2s --peer-domains 10 --direction both --rate 2000 --seconds 3 --warmup 1 --mode starttls --peer-acks",
             LATENCY + (Figure("send_lag_p99", "generator late, p99", "ms", 0.001, 2), STANZAS[0]),
             quick="--seconds 1 --warmup 0.5", more=foreign, needs=("s2s",)),
    Scenario("s2s-idle", "Idle server streams",
             "500 foreign servers, two streams each, TLS, acknowledged where the server can, after five messages",
             "s2s-idle --peer-domains 500 --traffic 5 --settle 5 --mode starttls --peer-acks", STREAMS,
             quick="--peer-domains 100 --settle 3", more=foreign, needs=("s2s",), once=True),
    Scenario("offline", "Offline messages", "10 users, 100 messages each: stored, then delivered at login, TLS",
             "offline --users 10 --messages 100 --mode starttls",
             OFFLINE, quick="--messages 50", needs=("offline",),
             note="Each server keeps them where it does by default: Meridian in SQLite, every commit synced; Prosody in files; "
                  "ejabberd in Mnesia. These promise different things when the machine loses power."),
    Scenario("offline-postgresql", "Offline messages", "the same with Meridian's data in PostgreSQL, whose CPU does not count",
             "offline --users 10 --messages 100 --mode starttls", OFFLINE, variants=(("meridian", "postgresql"),),
             quick="--messages 50", wants="[outgoing_pools.rdbms", make=on_postgres,
             note="While the database works the server is at rest, and the generator takes what was sent for stored: a part of "
                  "storing may count as delivering."),
    Scenario("regions", "Regions",
             "Meridian: both users in one region, or one in each, TLS, 100 bytes; CPU of both nodes in sum",
             "pairs --pairs 20 --window 2 --seconds 2 --warmup 1 --mode starttls", FLOW,
             variants=REGION_VARIANTS, quick="--seconds 1 --warmup 0.5", make=regions, more=two_ends,
             note="Two nodes and Redis run in both rows. In the second each message goes over the link of the regions: mutual "
                  "TLS, acknowledged, with custody."),
    Scenario("cores", "Two cores",
             "Meridian and the generator together on one core with 1 shard, on two cores with 2, TLS, 100 bytes",
             "pairs --pairs 100 --window 4 --seconds 2 --warmup 1 --mode starttls", (RATE, CPU), variants=tuple(
                 ("meridian", s) for s in CORES), quick="--seconds 1 --warmup 0.5", make=cores, more=as_many_threads,
             note="The machine has two cores and the generator needs a part of them. So server and generator share: one shard and "
                  "one generator thread on core 0, then two shards and two generator threads on both. Were nothing lost between "
                  "shards, the rate would double. With two shards about half of the messages cross from one to the other."),
    many("idle18000", "TLS", "starttls"),
    many("idle18000-plain", "without TLS", "plain"),
    Scenario("simulated", "Very many sessions",
             "Meridian: 500,000 sessions on the simulated platform, server and clients in one process",
             "--sessions 500000 --messages 50000 --no-end", SIMULATED, variants=(("meridian", "TLS"), ("meridian", "without TLS")), quick="--sessions 5000",
             asked=True, program="bench-sessions", patience=1800, make=lambda ground, variant: servers.Nothing(ground, variant[1], 0),
             more=one_of_us,
             note="Memory is heap of the server's side, CPU its processor time, without kernel and network. Instructions a message do "
                  "not grow with the number of sessions; the time does, by what is cold in the caches."),
)
BY_NAME = {s.name: s for s in SCENARIOS}


def generator(ground, scenario, server, options):
    """The whole command line."""
    args, quick = scenario.args.format(hold=options.hold).split(), scenario.quick.split() if options.quick else []
    for name, value in zip(quick[::2], quick[1::2]):
        args[args.index(name) + 1] = value
    if scenario.program == "loadgen":
        args += ["--server", server.address, "--domain", servers.DOMAIN, "--ca", ground.authority.crt, "--accounts",
                 str(server.accounts), "--pid", ",".join(map(str, server.pids)), "--pid-tree", "--mech", "scram-sha-1"]
    return servers.taskset(server.generator_cores) + [servers.meridian.program(ground.build, scenario.program)] + args + (
        scenario.more(ground, server) if scenario.more else [])
