"""Two regions of world.test with a Redis, links over a WAN that can be cut, and flows of numbered messages with their account.

Words: accepted = the sender got the answer to a ping after the message; missing = accepted and neither received nor bounced;
doubled = received twice; disordered = received for the first time after a later one of the same flow. Ear = all clients a person
used, one after the other. In doubt = under way when the receiving node was killed: delivered or not, nobody can know; those may
come twice, under the same id, by which the client knows them (DESIGN section 2, P2)."""
import asyncio
import os
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../runner", "../wan")]
import certs  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
import peers  # noqa: E402
from checks import Verdict, is_sanitized, say, until  # noqa: E402, F401
from procs import C2S, REGION, Lab  # noqa: E402
from slixmpp.exceptions import IqError, IqTimeout  # noqa: E402
from wan import Wan  # noqa: E402

DOMAIN = "world.test"
EXTRA = """[auth]
scram_iterations = 4096
[modules.offline]
max = %d
"""


class World:
    """alice's home is eu, bob's is us. relays: how each region is reached by the other."""

    def __init__(self, lab, build, delay=0.005, beat="500ms", lease="2s", offline=100000, seed=1, postgres=False):
        """offline: how many messages an account that is not online may have waiting. postgres: the database of eu is one."""
        self.lab, self.build, self.delay, self.times = lab, build, delay, {"beat": beat, "lease": lease}
        public, self.regions = certs.Authority(lab, "public"), certs.Authority(lab, "regions")
        self.ca, self.cert, self.extra = public.crt, public.issue(DOMAIN, DOMAIN), EXTRA % offline
        self.redis = peers.Redis(lab, lab.ip(3))
        self.postgres = peers.Postgres(lab, lab.ip(4)) if postgres else None
        self.wan = Wan(seed)
        self.relays, self.nodes = {}, {}
        self.eu = self.add("eu", 11, shards=2 if postgres else 1, store=self.postgres or "sqlite")
        self.us = self.add("us", 12)
        self.eu.adduser("alice", "pw-alice")
        self.us.adduser("bob", "pw-bob")
        self.meet()

    def add(self, name, n, region=None, **more):
        """Start a node on the n-th address, reached over a relay."""
        ip = self.lab.ip(n)
        r = self.relays[name] = self.wan.relay((self.lab.ip(n + 30), REGION), (ip, REGION), self.delay, self.delay / 2)
        node = self.nodes[name] = meridian.Node(
            self.lab, self.build, DOMAIN, ip, self.cert, self.ca, region=region or name, node=region and name, redis=self.redis,
            region_authority=self.regions, endpoint=r.endpoint, log_level=os.environ.get("LOG_LEVEL", "info"), extra=self.extra,
            **self.times, **more)
        return node.start()

    def links(self, do):
        """do: cut, hole or heal, both directions."""
        for r in self.relays.values():
            getattr(r, do)()

    def meet(self, seconds=20):
        for node in self.nodes.values():
            until("%s sees all nodes" % node.name,
                  lambda n=node: sum(1 for m in n.ctl("status")["members"] if m["live"]) == len(self.nodes), seconds)

    async def see(self, node, bare, accept, what, seconds=20):
        """Until `meridianctl where` satisfies; returns its answer."""
        end = time.monotonic() + seconds
        while True:
            got = await asyncio.to_thread(node.ctl, "where", bare)
            if accept(got):
                return got
            if time.monotonic() > end:
                raise TimeoutError("%s: never so: %s; %s" % (node.name, what, got))
            await asyncio.sleep(0.1)

    async def quiet(self, node):
        """Until all that the node sent over its links is acknowledged: three times in a row, as a sender may be in its last batch."""
        quiet = 0
        while quiet < 3:
            links = (await asyncio.to_thread(node.ctl, "status"))["links"]
            quiet = quiet + 1 if all(x["queued"] == 0 and x["unacked"] == 0 for x in links) else 0
            await asyncio.sleep(0.05)

    async def login(self, who, region, resource, seconds=20):
        """Retries until the region takes it."""
        end = time.monotonic() + seconds
        while True:
            c = clients.Client("%s@%s/%s" % (who, DOMAIN, resource), "pw-" + who, (self.nodes[region].ip, C2S), self.ca)
            try:
                return await c.login(seconds)
            except (TimeoutError, IqError, IqTimeout):
                c.abort()
                if time.monotonic() > end:
                    raise


class Ear:
    def __init__(self, name, client):
        self.name, self.clients = name, [client]

    def _messages(self, tag):
        for c in self.clients:
            for m in c.inbox:
                if m["type"] != "error" and m["body"].startswith(tag + " "):
                    yield m

    def heard(self, tag):
        """Numbers of one flow, in the order they came."""
        return [int(m["body"].split()[1]) for m in self._messages(tag)]

    def ids(self, tag, n):
        """The ids under which one message came."""
        return {m["id"] for m in self._messages(tag) if m["body"] == "%s %d" % (tag, n)}


class Flow:
    """Numbered messages from one client to one address, batch by batch, a ping after each batch."""

    def __init__(self, tag, sender, to, ears, batch=5, pause=0.05, patience=30):
        self.tag, self.sender, self.to, self.ears = tag, sender, to, ears
        self.batch, self.pause, self.patience = batch, pause, patience
        self.sent, self.accepted, self.in_doubt, self.numbers = 0, set(), set(), {}  # numbers: by id
        self.ending = self.pausing = False
        self.task = asyncio.ensure_future(self._run())

    async def _run(self):
        while not self.ending and not self.sender.ended.is_set():
            if self.pausing:
                await asyncio.sleep(0.01)
                continue
            some = range(self.sent, self.sent + self.batch)
            for n in some:
                m = self.sender.make_message(mto=self.to, mbody="%s %d" % (self.tag, n), mtype="chat")
                self.numbers[m["id"]] = n
                m.send()
            self.sent = some.stop
            try:
                await self.sender.barrier(seconds=self.patience)
                self.accepted.update(some)
            except (IqTimeout, IqError):
                pass
            await asyncio.sleep(self.pause)

    async def stop(self):
        self.ending = True
        await self.task

    def back(self):
        """What came back as an error, which has the id of the message but not its body."""
        return {self.numbers[m["id"]] for m in self.sender.inbox if m["type"] == "error" and m["id"] in self.numbers}

    def all_heard(self):
        return all(self.accepted <= set(ear.heard(self.tag)) | self.back() for ear in self.ears)

    def doubt(self, batches=4):
        """The receiving node was killed just now: what was sent last is in doubt, the rest is not."""
        self.in_doubt.update(range(max(0, self.sent - batches * self.batch), self.sent))

    def judge(self, verdict, bounces_allowed=False):
        back = self.back()
        for ear in self.ears:
            got = ear.heard(self.tag)
            missing = sorted(self.accepted - set(got) - back)
            doubled = sorted(n for n in set(got) if got.count(n) > 1)
            first = list(dict.fromkeys(got))
            late = [n for i, n in enumerate(first) if i and n < max(first[:i])]
            again = [n for n in doubled if n in self.in_doubt and len(ear.ids(self.tag, n)) == 1]
            doubled = [n for n in doubled if n not in again]
            if again:
                say("        in doubt when a node was killed, came twice under one id: %s" % again)
            text = ("%-22s -> %-10s sent %4d, accepted %4d, received %4d, bounced %3d, missing %d, doubled %d, disordered %d"
                    % (self.tag, ear.name, self.sent, len(self.accepted), len(set(got)), len(back), len(missing),
                       len(doubled), len(late)))
            good = not missing and not doubled and not late and (bounces_allowed or not back) and len(self.accepted) > 0
            if not verdict.check(good, text):
                say("        missing %s, doubled %s, disordered %s, bounced %s" % (missing[:20], doubled[:20], late[:20],
                                                                               sorted(back)[:20]))


async def settle(flows, seconds=30):
    """Stop sending, wait until all accepted messages are heard (or the time is over: the verdict says what is missing), then
    let pass what a second copy would have come with: a round trip of each sender to each ear."""
    for f in flows:
        await f.stop()
    end = time.monotonic() + seconds
    while not all(f.all_heard() for f in flows) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    for f in flows:
        for ear in f.ears:
            mark = "end of %s for %s" % (f.tag, ear.name)
            f.sender.send_message(mto=ear.clients[-1].boundjid.full, mbody=mark, mtype="chat")
            try:
                await ear.clients[-1].message(mark, 15)
            except TimeoutError:
                say("        no last message of %s" % f.tag)


def play(name, act, options, **world):
    """The frame of a case: lab, world, act(world, verdict), orderly stop, verdict. Returns the exit code."""
    lab = Lab(name)
    verdict = Verdict()
    start = time.monotonic()
    try:
        w = World(lab, options.build, **world)
        clients.run(act(w, verdict))
        for node in w.nodes.values():
            if node.proc.alive():
                verdict.stop(node)
    except Exception as e:  # whatever it is: show it with the ends of the logs
        verdict.wrong.append("%s: %s" % (type(e).__name__, e))
        for proc in lab.procs:
            say("--- end of %s\n%s" % (proc.log, proc.tail(30)))
            verdict.logs(proc)
        if not isinstance(e, (TimeoutError, meridian.Failed)):
            import traceback
            traceback.print_exc(file=sys.stdout)
    say("%.0f s" % (time.monotonic() - start))
    return verdict.end(name, lab)
