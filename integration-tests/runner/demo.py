"""The main job on real input: two regions of world.test, a Prosody and an ejabberd, four clients that chat crosswise."""
import argparse
import asyncio
import os
import signal
import sys
import time

import certs
import clients
import meridian
import peers
from procs import C2S, REDIS, Failed, Lab

ACCOUNTS = {"alice": "world.test", "bob": "world.test", "carol": "prosody.test", "dave": "ejabberd.test"}
PAIRS = [("alice", "bob"), ("alice", "carol"), ("alice", "dave"), ("bob", "carol"), ("bob", "dave")]


def say(text=""):
    print(text, flush=True)


class World:
    """Everything the demo starts."""

    def __init__(self, lab, build):
        eu, us, prosody, ejabberd = (lab.ip(n) for n in (11, 12, 20, 30))
        self.lab = lab
        public, regions = certs.Authority(lab, "public"), certs.Authority(lab, "regions")
        self.ca = public.crt
        self.dns = peers.Dns(lab, lab.ip(2), {
            "world.test": ["_xmpp-server._tcp SRV 5 50 25269 eu", "_xmpp-server._tcp SRV 5 50 25269 us",
                           "_xmpp-client._tcp SRV 5 50 25222 eu", "_xmpp-client._tcp SRV 5 50 25222 us",
                           "eu A " + eu, "us A " + us],
            "prosody.test": ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + prosody],
            "ejabberd.test": ["_xmpp-server._tcp SRV 0 0 25269 host", "host A " + ejabberd]})
        self.redis = peers.Redis(lab, lab.ip(3))
        self.ejabberd = peers.Ejabberd(lab, ejabberd, "ejabberd.test", public, self.dns,
                                       [(prosody, "host.prosody.test"), (eu, "eu.world.test"), (us, "us.world.test")],
                                       [("dave", "pw-dave")])
        self.prosody = peers.Prosody(lab, prosody, "prosody.test", public, self.dns)
        self.prosody.adduser("carol", "pw-carol")
        cert = public.issue("world.test", "world.test", usage="serverAuth,clientAuth")
        self.regions = {name: meridian.Node(lab, build, "world.test", ip, cert, self.ca, dns=self.dns, region=name,
                                            redis=self.redis, region_authority=regions)
                        for name, ip in (("eu", eu), ("us", us))}
        self.prosody.start()
        for node in self.regions.values():
            node.start()
        self.regions["eu"].adduser("alice", "pw-alice")
        self.regions["us"].adduser("bob", "pw-bob")
        self.ejabberd.wait()
        self.place = {"alice": ("region eu", eu), "bob": ("region us", us), "carol": ("Prosody", prosody),
                      "dave": ("ejabberd", ejabberd)}

    async def meet(self, seconds=20):
        """Both regions see each other in the registry."""
        end = time.monotonic() + seconds
        while True:
            live = [sum(1 for m in n.ctl("status")["members"] if m["live"]) for n in self.regions.values()]
            if live == [2, 2]:
                return
            if time.monotonic() > end:
                raise Failed("the regions do not see each other: %s" % live)
            await asyncio.sleep(0.1)

    def counters(self):
        return {name: node.ctl("status")["counters"] for name, node in self.regions.items()}


def way(before, after):
    """Which way a message went, read from the counters of both regions."""
    grew = lambda region, name: after[region][name] > before[region][name]
    steps = []
    for region, other in (("eu", "us"), ("us", "eu")):
        if grew(region, "stanzas_from_s2s"):
            steps.append("federation into %s" % region)
        if grew(region, "stanzas_to_regions") and grew(other, "stanzas_from_regions"):
            steps.append("region link %s -> %s" % (region, other))
        if grew(region, "stanzas_to_s2s"):
            steps.append("federation out of %s" % region)
    order = {"federation into": 0, "region link": 1, "federation out": 2}
    return ", ".join(sorted(steps, key=lambda s: order[" ".join(s.split()[:2])])) or "inside one region"


async def chat(world, people, a, b, latencies):
    before = await asyncio.to_thread(world.counters)
    body = "hello %s, this is %s" % (b, a)
    start = time.monotonic()
    people[a].send_message(mto=people[b].boundjid.bare, mbody=body, mtype="chat")
    got = await people[b].message(body)
    ms = (got.at - start) * 1000
    after = await asyncio.to_thread(world.counters)
    latencies.append(ms)
    say("  %-22s -> %-22s %7.1f ms   %s" % (people[a].boundjid.bare, people[b].boundjid.bare, ms, way(before, after)))


async def perform(world):
    await world.meet()
    people = {}
    say("\nlogin over TLS")
    for name, domain in ACCOUNTS.items():
        place, ip = world.place[name]
        start = time.monotonic()
        people[name] = await clients.Client("%s@%s/demo" % (name, domain), "pw-" + name, (ip, C2S), world.ca).login()
        say("  %-22s at %-10s (%s) in %.0f ms" % (people[name].boundjid.bare, place, ip, (time.monotonic() - start) * 1000))
    say("\nroster subscriptions, both ways, and presence")
    for a, b in PAIRS:
        start = time.monotonic()
        await people[a].befriend(people[b])
        say("  %-22s <-> %-22s see each other after %.0f ms" % (people[a].boundjid.bare, people[b].boundjid.bare,
                                                               (time.monotonic() - start) * 1000))
    say("\nmessages")
    latencies = []
    for a, b in PAIRS:
        await chat(world, people, a, b, latencies)
        await chat(world, people, b, a, latencies)
    latencies.sort()
    say("\n%d messages: median %.1f ms, slowest %.1f ms" % (len(latencies), latencies[len(latencies) // 2], latencies[-1]))
    return people


async def keep_running(world):
    say("\neverything keeps running until Ctrl-C; files are in %s" % world.lab.dir)
    say("  accounts (password):")
    for name, domain in ACCOUNTS.items():
        say("    %s@%s (pw-%s) at %s:%d" % (name, domain, name, world.place[name][1], C2S))
    say("  CA certificate for clients: %s" % world.ca)
    say("  DNS %s port 53, Redis %s port %d" % (world.dns.ip, world.redis.ip, REDIS))
    say("  look around:")
    for node in world.regions.values():
        for args in (("status",), ("sessions",), ("s2s",), ("where", "alice@world.test")):
            say("    " + node.ctl_line(*args))
    await asyncio.Event().wait()


async def play(world, keep):
    people = await perform(world)
    if keep:
        await keep_running(world)
    await asyncio.gather(*(p.logout() for p in people.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(meridian.ROOT, "build/release"))
    parser.add_argument("--keep", action="store_true", help="leave all running and say how to look around")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also when started in the background
    lab = Lab("demo")
    code = 1
    try:
        say("starting Redis, DNS, Prosody, ejabberd and the regions eu and us on %s.0/24" % lab.net)
        clients.run(play(World(lab, options.build), options.keep))
        code = 0
    except (Failed, TimeoutError) as e:
        say("demo: failed: %s" % e)
        for proc in lab.procs:
            say("--- end of %s\n%s" % (proc.log, proc.tail()))
    except KeyboardInterrupt:
        say("\nstopping")
        code = 130 if not options.keep else 0
    finally:
        lab.close()
    if code == 0 and not options.keep:
        say("demo: ok")
    return code


if __name__ == "__main__":
    sys.exit(main())
