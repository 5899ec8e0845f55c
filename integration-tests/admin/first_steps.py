"""The operator's first ten minutes, as docs/operating.md and meridiand --init tell them: a folder made by --init, the node, two accounts,
two clients that chat (they trust the self-signed certificate because they are told to), and what `check` says: certificates and SRV
records as they should be and as they are, against a real name server."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
import peers  # noqa: E402
from procs import Failed, Lab  # noqa: E402

DOMAIN = "first.test"


async def chat(ip, ca, verdict):
    a = await clients.Client("alice@" + DOMAIN, "secret-a", (ip, 5222), ca).login()
    b = await clients.Client("bob@" + DOMAIN, "secret-b", (ip, 5223), ca, True).login()
    a.send_message(mto="bob@" + DOMAIN, mbody="hello bob", mtype="chat")
    await b.message("hello bob")
    b.send_message(mto="alice@" + DOMAIN, mbody="hello alice", mtype="chat")
    await a.message("hello alice")
    verdict.check(True, "two clients chat, by STARTTLS and by direct TLS")
    await a.logout()
    await b.logout()


def check(ctl, verdict):
    p = subprocess.run(ctl + ["--json", "check"], capture_output=True, text=True, timeout=60)
    rows = {r["what"]: (r["verdict"], r["text"]) for r in json.loads(p.stdout)}
    verdict.check(p.returncode == 0 and rows["configuration"][0] == "ok" and rows[DOMAIN][0] == "ok", "check: the configuration is fit")
    verdict.check(rows["[tls]"][0] == "warning" and "self-signed" in rows["[tls]"][1], "check: %s" % rows["[tls]"][1])
    srv = {k: v for k, v in rows.items() if k.startswith("_xmpp")}
    verdict.check(len(srv) == 4 and srv["_xmpp-client._tcp." + DOMAIN] == ("ok", "should be: SRV 5 50 5222 HOST-OF-THIS-NODE.; is: host.%s:5222" % DOMAIN),
                  "check: a record that is right")
    verdict.check(srv["_xmpps-client._tcp." + DOMAIN][0] == "warning" and "SRV 5 50 5223" in srv["_xmpps-client._tcp." + DOMAIN][1],
                  "check: one that is missing: %s" % srv["_xmpps-client._tcp." + DOMAIN][1])


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("first"), checks.Verdict()
    ip, where = lab.ip(10), lab.path("node")
    daemon, ctl = (meridian.program(options.build, p) for p in ("meridiand", "meridianctl"))
    p = subprocess.run([daemon, "--init", where, "--domain", DOMAIN, "--listen", ip], capture_output=True, text=True)
    verdict.check(p.returncode == 0, "--init: %s" % p.stderr)
    next_ones = re.findall(r"^  (meridian\w+) (.*)$", p.stdout, re.M)
    verdict.check([n[0] for n in next_ones] == ["meridiand", "meridianctl", "meridianctl"], "it says the next three commands")
    conf = os.path.join(where, "meridian.toml")
    ctl = [ctl, "-c", conf]
    node = lab.start("meridiand", [daemon] + next_ones[0][1].split())
    try:
        node.wait_port(ip, 5222)
        for name in ("alice", "bob"):
            got = subprocess.run(ctl + ["adduser", "%s@%s" % (name, DOMAIN)], input="secret-%s\n" % name[0], capture_output=True, text=True)
            verdict.check(got.returncode == 0, "adduser %s %s" % (name, got.stderr))
        clients.run(chat(ip, os.path.join(where, DOMAIN + ".crt"), verdict))
        dns = peers.Dns(lab, lab.ip(11), {DOMAIN: ["_xmpp-client._tcp SRV 5 50 5222 host", "host A %s" % ip]})
        with open(conf, "a") as f:
            f.write('\n[dns]\nservers = ["%s"]\n' % dns.server)
        check(ctl, verdict)
    except (TimeoutError, Failed) as e:
        verdict.check(False, "%s\n%s" % (e, node.tail()))
    verdict.check(node.stop() == 0, "stopped in order")
    verdict.logs(node)
    return verdict.end("first_steps", lab)


if __name__ == "__main__":
    sys.exit(main())
