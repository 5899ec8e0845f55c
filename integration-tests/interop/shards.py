"""One node with 1 and with 4 shards: clients log in on whatever shard takes them, move home once, chat with each other across
shards; every message arrives once and in order. Runs under ThreadSanitizer too."""
import argparse
import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, C2S_TLS, Lab  # noqa: E402

USERS, MESSAGES = 12, 15


async def talk(node, ca):
    people = [clients.Client("user%d@one.test/x" % i, "secret%d" % i, (node.ip, C2S_TLS if i % 2 else C2S), ca,
                             direct_tls=bool(i % 2)) for i in range(USERS)]
    for i in range(0, USERS, 4):
        await asyncio.gather(*(p.login(60) for p in people[i:i + 4]))
    for n in range(MESSAGES):
        for i, p in enumerate(people):
            for step in (1, 3):
                p.send_message(mto="user%d@one.test" % ((i + step) % USERS), mbody="%d %d %d" % (i, step, n), mtype="chat")
    for i, p in enumerate(people):
        for step in (1, 3):
            await p.message("%d %d %d" % ((i - step) % USERS, step, MESSAGES - 1), 60)
    for i, p in enumerate(people):
        got = [m["body"] for m in p.inbox]
        for step in (1, 3):
            sender = (i - step) % USERS
            want = ["%d %d %d" % (sender, step, n) for n in range(MESSAGES)]
            have = [b for b in got if b.startswith("%d %d " % (sender, step))]
            assert have == want, "user%d from user%d: %s" % (i, sender, have)
    await asyncio.gather(*(p.logout() for p in people))


def run(build, shards):
    lab = Lab("shards")
    try:
        authority = certs.Authority(lab, "public")
        node = meridian.Node(lab, build, "one.test", lab.ip(10), authority.issue("one.test", "one.test"), authority.crt,
                             shards=shards, log_level="warn").start()
        for i in range(USERS):
            node.adduser("user%d" % i, "secret%d" % i)
        clients.run(talk(node, authority.crt))
        counters = node.ctl("status")["counters"]
        assert (counters["c2s_moved"] > 0) == (shards > 1), counters
        code = node.proc.stop()
        assert code == 0, "meridiand ended with code %d:\n%s" % (code, node.proc.tail(60))
        with open(node.proc.log, errors="replace") as f:
            log = f.read()
        for bad in ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:"):
            assert bad not in log, log[-6000:]
        print("%d shard(s): %d clients, %d moved, %d messages, all once and in order"
              % (shards, USERS, counters["c2s_moved"], USERS * 2 * MESSAGES))
    finally:
        lab.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--shards", type=int, nargs="*", default=[1, 4])
    options = parser.parse_args()
    for count in options.shards:
        run(options.build, count)
