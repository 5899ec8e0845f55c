"""CPU per client message and memory per idle TLS session of one node, release build. Prints figures, judges nothing."""
import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, Lab  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(meridian.ROOT, "build/release"))
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--messages", type=int, default=200000)
    parser.add_argument("--shards", type=int, default=1)
    o = parser.parse_args()
    lab = Lab("bench")
    try:
        authority = certs.Authority(lab, "public")
        node = meridian.Node(lab, o.build, "bench.test", lab.ip(10), authority.issue("bench.test", "bench.test"), authority.crt,
                             shards=o.shards, store="mem", log_level="warn",
                             extra="[c2s]\nsessions_max = 10000\n[auth]\nscram_iterations = 4096\n").start()
        for i in range(o.accounts):
            node.adduser("u%d" % i, "secret")
        sys.stdout.flush()
        return subprocess.run([meridian.program(os.path.abspath(o.build), "bench"), "--server", "%s:%d" % (node.ip, C2S),
                               "--domain", "bench.test", "--ca", authority.crt, "--pid", str(node.proc.pid),
                               "--sessions", str(o.sessions), "--accounts", str(o.accounts), "--pairs", str(o.pairs),
                               "--messages", str(o.messages)]).returncode
    finally:
        lab.close()


if __name__ == "__main__":
    sys.exit(main())
