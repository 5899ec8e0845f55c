"""A real Prosody or ejabberd goes away while it is written to, in the ways servers do, and comes back: nothing is lost, what comes
twice is counted, order holds, and the first delivery follows its return soon. A server that is killed, or stopped, may lose what it
had acknowledged and not delivered; that is counted apart, and cannot be among what was written after it went. What an outbox that is
full does not take comes back with its reason, and is not delivered as well.

  --peer NAME               prosody, prosody-lean (without acknowledgements), ejabberd (default: one after the other)
  --only CASE,...           some cases
  --messages N              of a burst (default 300)
  --down S,...              how long it is away in the case "down" (default 5)
  --prompt                  a first delivery later than 2 s after the return is wrong (else it is printed only: on a machine that does
                            other things it says little)
  --report FILE             write the table, in Markdown"""
import asyncio
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../runner"), os.path.join(HERE, "../wan")]
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
import peers  # noqa: E402
import wan  # noqa: E402
from checks import say  # noqa: E402
from procs import C2S, S2S, Lab  # noqa: E402

WORLD, PROSODY, EJABBERD = "world.test", "prosody.test", "ejabberd.test"
RETURN_S = 2.0  # the first delivery after the peer answers again


class Scene:
    """A node that writes, the peer behind a relay that can cut, and one reader there who logs in again whenever he is thrown out."""

    def __init__(self, lab, build, kind):
        self.lab, self.kind = lab, kind
        self.domain = EJABBERD if kind == "ejabberd" else PROSODY
        node_ip, peer_ip, relay_ip = (lab.ip(n) for n in (11, 20, 40))
        self.ca = certs.Authority(lab, "public")
        dns = peers.Dns(lab, lab.ip(2), {
            WORLD: ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + node_ip],
            self.domain: ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + relay_ip]})
        self.wan = wan.Wan()
        self.relay = self.wan.relay((relay_ip, S2S), (peer_ip, S2S))
        if self.domain == PROSODY:
            self.peer = peers.Prosody(lab, peer_ip, self.domain, self.ca, dns, modules=["smacks", "s2s_bidi"] * (kind == "prosody"))
            self.peer.adduser("carol", "pw-carol")
            self.peer.start()
        else:
            self.peer = peers.Ejabberd(lab, peer_ip, self.domain, self.ca, dns, [(node_ip, "host." + WORLD)], [("carol", "pw-carol")])
            self.peer.wait()
        self.node = meridian.Node(lab, build, WORLD, node_ip, self.ca.issue(WORLD, WORLD, usage="serverAuth,clientAuth"), self.ca.crt,
                                  dns=dns, s2s='connect_timeout = "5s"\nack_timeout = "5s"').start()
        self.node.adduser("alice", "pw-alice")
        self.peer_ip = peer_ip
        self.seen, self.tag, self.sure, self.first_at = [], None, 0, None
        self.bounced = {}  # number: condition
        self.is_read = asyncio.Event()  # carol is there
        with open(self.node.config) as f:
            self.config = f.read()

    def reload(self, more=""):
        """The node's configuration, with more lines in [s2s]."""
        with open(self.node.config, "w") as f:
            f.write(self.config.replace("[s2s]\n", "[s2s]\n" + more))
        self.node.ctl("reload")

    def launch(self):
        if self.domain == PROSODY:
            self.peer.start()
        else:
            self.peer.proc.launch()
            self.peer.proc.wait_port(self.peer_ip, S2S, 60)
            self.peer.proc.wait_port(self.peer_ip, C2S, 60)

    async def relaunch(self):
        """It returns for other servers when carol is there: what ejabberd gets while a user logs in, it may deliver late, or with
        his next login."""
        self.relay.cut()
        self.is_read.clear()
        await asyncio.to_thread(self.launch)
        await asyncio.wait_for(self.is_read.wait(), 30)
        self.relay.heal()

    async def read(self):
        """carol, for ever: what she got, by every one of her connections."""
        while True:
            await self.answers()
            c = clients.Client("carol@%s/here" % self.domain, "pw-carol", (self.peer_ip, C2S), self.ca.crt)
            c.register_plugin("xep_0198")  # else the peer loses what its client did not read
            c.add_event_handler("message", self._got)
            try:
                await c.login(5)
                self.is_read.set()
                await c.ended.wait()
            except (TimeoutError, asyncio.TimeoutError, slixmpp_error):
                pass
            self.is_read.clear()
            c.abort()
            await asyncio.sleep(0.1)

    async def answers(self):
        """Until the peer takes clients; slixmpp itself would wait longer and longer between its tries."""
        while True:
            try:
                _, w = await asyncio.wait_for(asyncio.open_connection(self.peer_ip, C2S), 1)
                w.close()
                return
            except (OSError, asyncio.TimeoutError):
                await asyncio.sleep(0.05)

    def _got(self, m):
        words = m["body"].split()
        if m["type"] == "error" or words[:2] != ["burst", self.tag]:
            return  # also copies that belong to the case before
        self.first_at = self.first_at or time.monotonic()
        self.seen.append(int(words[2]))

    def came_back(self, m):
        tag, _, number = m["id"].rpartition(" ")
        if tag == self.tag:
            self.bounced[int(number)] = m["error"]["condition"]


slixmpp_error = clients.slixmpp.exceptions.XMPPError


async def write(s, alice, n, of):
    for i in range(n, n + of):
        m = alice.make_message(mto="carol@" + s.domain, mbody="burst %s %d" % (s.tag, i), mtype="chat")
        m["id"] = "%s %d" % (s.tag, i)
        m.send()
        if i % 20 == 19:
            await asyncio.sleep(0.005)
    return n + of


async def down(s, alice, n, o, seconds):
    """Stopped in order, away, started again; half of the burst is written before it is gone, half while it is away."""
    n = await write(s, alice, n, o.messages // 2)
    await asyncio.to_thread(s.peer.proc.stop)
    s.first_at, s.sure = None, n
    n = await write(s, alice, n, o.messages - o.messages // 2)
    await asyncio.sleep(seconds)
    await s.relaunch()
    return n


async def killed(s, alice, n, o):
    """kill -9 in the middle of the burst, started again at once."""
    n = await write(s, alice, n, o.messages // 2)
    s.peer.proc.kill()
    s.first_at, s.sure = None, n
    n = await write(s, alice, n, o.messages - o.messages // 2)
    await s.relaunch()
    return n


async def cut(s, alice, n, o):
    """The connection is reset in the middle of the burst, five times."""
    for part in range(5):
        n = await write(s, alice, n, o.messages // 5)
        s.relay.cut()
        s.first_at = None
        await asyncio.sleep(0.2)
        s.relay.heal()
    return n


async def frozen(s, alice, n, o):
    """SIGSTOP in the middle of the burst for longer than any timeout of the node, then SIGCONT."""
    n = await write(s, alice, n, o.messages // 2)
    os.killpg(s.peer.proc.pid, signal.SIGSTOP)
    n = await write(s, alice, n, o.messages - o.messages // 2)
    await asyncio.sleep(12)
    s.first_at = None
    os.killpg(s.peer.proc.pid, signal.SIGCONT)
    return n


async def node_killed(s, alice, n, o):
    """The peer is away; what the node accepted and acknowledged survives kill -9 of the node."""
    await asyncio.to_thread(s.peer.proc.stop)
    acked = set()
    alice.add_event_handler("stanza_acked", lambda m: acked.add(int(m["body"].split()[2])) if m.name == "message" else None)
    first, n = n, await write(s, alice, n, o.messages)
    for _ in range(200):
        if acked >= set(range(first, n)):
            break
        alice["xep_0198"].request_ack()
        await asyncio.sleep(0.1)
    s.accepted = len(acked & set(range(first, n)))
    s.node.proc.kill()
    s.first_at = None
    await asyncio.to_thread(s.node.start)
    await s.relaunch()
    return n


async def full(s, alice, n, o):
    """More is written to a peer that is away than its outbox may hold: the rest comes back at once, each with its reason."""
    await asyncio.to_thread(s.peer.proc.stop)
    s.reload('pending_bytes = "8KiB"\nstored_bytes = "16KiB"\n')
    s.first_at = None
    n = await write(s, alice, n, o.messages)
    await alice.barrier()
    await s.relaunch()
    s.reload()
    return n


CASES = {"down": down, "killed": killed, "cut": cut, "frozen": frozen, "node-killed": node_killed, "full": full}


async def settle(s, n0, n, seconds):
    """Until all that must come has come, and for a moment more: for what the peer may have lost, and for copies."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not set(s.seen) | set(s.bounced) >= set(range(max(n0, s.sure), n)):
        await asyncio.sleep(0.05)
    end = time.monotonic() + 3
    while time.monotonic() < end and len(set(s.seen) | set(s.bounced)) < n - n0:
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)


def in_order(seen):
    first = list(dict.fromkeys(seen))
    return first == sorted(first)


async def case(s, verdict, name, act, o, rows, *more):
    alice = clients.Client("alice@%s/here" % WORLD, "pw-alice", (s.node.ip, C2S), s.ca.crt)
    alice.register_plugin("xep_0198")
    alice.add_event_handler("message_error", s.came_back)
    await alice.login()
    s.seen, s.bounced, s.accepted, s.sure, s.tag = [], {}, None, 0, "before-" + name.replace(" ", "-")
    await write(s, alice, 0, 1)
    await settle(s, 0, 1, 30)
    s.seen, s.tag = [], name.replace(" ", "-")
    n = await act(s, alice, 1, o, *more)
    back = time.monotonic()
    await settle(s, 1, n, 40)
    first = None if s.first_at is None else max(0.0, s.first_at - back)
    missing, twice = set(range(1, n)) - set(s.seen) - set(s.bounced), len(s.seen) - len(set(s.seen))
    missing and say("        missing: %s" % sorted(missing)[:20])
    in_order(s.seen) or say("        turned round: %s" % [b for b in zip(s.seen, s.seen[1:]) if b[1] != b[0] + 1][:10])
    lost, theirs = len([i for i in missing if i >= s.sure]), len([i for i in missing if i < s.sure])
    verdict.check(lost == 0 and in_order(s.seen) and not set(s.seen) & set(s.bounced),
                  "%s, %s: %d written%s, %d came back, %d lost, %d lost by the peer after it had them, %d twice, order %s, "
                  "first %s after the return"
                  % (s.kind, name, n - 1, "" if s.accepted is None else " (%d acknowledged)" % s.accepted, len(s.bounced), lost, theirs,
                     twice, "kept" if in_order(s.seen) else "BROKEN", "-" if first is None else "%.1f s" % first))
    verdict.check(set(s.bounced.values()) == ({"resource-constraint"} if name == "full" else set()),
                  "%s, %s: came back: %s" % (s.kind, name, sorted(set(s.bounced.values())) or "nothing"))
    if first is not None and o.prompt:
        verdict.check(first < RETURN_S, "%s, %s: first delivery %.1f s after the return" % (s.kind, name, first))
    rows.append((s.kind, name, n - 1, len(s.bounced), lost, theirs, twice, first))
    alice.abort()


async def act(s, verdict, o, rows):
    reader = asyncio.ensure_future(s.read())
    try:
        for name in o.only.split(",") if o.only else CASES:
            if name == "down":
                for seconds in o.down.split(","):
                    await case(s, verdict, "down %s s" % seconds, down, o, rows, float(seconds))
            else:
                await case(s, verdict, name, CASES[name], o, rows)
    finally:
        reader.cancel()


def run(o, kind, rows):
    lab, verdict = Lab("outage"), checks.Verdict()
    s = None
    try:
        s = Scene(lab, o.build, kind)
        clients.run(act(s, verdict, o, rows))
    except (TimeoutError, meridian.Failed) as e:
        verdict.check(False, str(e))
        for proc in lab.procs:
            say("--- end of %s\n%s" % (proc.log, proc.tail(30)))
    if s:
        verdict.stop(s.node)
    return verdict.end("outage (%s)" % kind, lab)


ABOUT = """# Outages

Written by `integration-tests/outage/outage.py`; do not edit. A node writes a burst to one user of another server, and something happens to that
server: "down" it is stopped in the middle of the burst and started again so many seconds later; "killed" the same with `kill -9`, started at once;
"cut" the connection is reset five times; "frozen" SIGSTOP for 12 s, longer than the node waits for a sign of life; "node-killed" it is the node
that is killed, while the other is away; "full" its outbox takes 24 KiB. What is lost must be 0. The return is
counted from when the reader has logged in there: until then other servers cannot reach it. "Lost by the peer": what the other server had acknowledged, or answered a
ping behind, before it was stopped. "Came back": returned to the sender with its reason. Copies come of connections that break before the answer: the
other server had the stanza and could not say so. prosody: with acknowledgements (`smacks`); prosody-lean, ejabberd: without, so answers to pings
count. Two hours and more are tried in virtual time (`s2s/simtest-s2s.c`: away for 1 s to 10,000 s).

"""


def report(path, rows):
    with open(path, "w") as f:
        f.write(ABOUT)
        f.write("| server | what happened | written | came back | lost | lost by the peer | twice | first delivery after its return |\n"
                "|---|---|---:|---:|---:|---:|---:|---:|\n")
        for *row, first in rows:
            f.write("| %s | %s | %d | %d | %d | %d | %d | %s |\n" % (*row, "-" if first is None else "%.1f s" % first))


if __name__ == "__main__":
    prompt = "--prompt" in sys.argv
    sys.argv = [a for a in sys.argv if a != "--prompt"]
    o = checks.options(__doc__, peer="", only="", messages=300, down="5", report="")
    o.prompt = prompt
    rows = []
    result = max([run(o, kind, rows) for kind in ([o.peer] if o.peer else ["prosody", "prosody-lean", "ejabberd"])])
    if o.report:
        report(o.report, rows)
    sys.exit(result)
