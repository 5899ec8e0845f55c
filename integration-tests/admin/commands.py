"""What meridianctl can do to a running node with real clients: users, sessions, kick, send, where, passwd, deluser, loglevel, help,
completion; exit codes of each way to fail."""
import asyncio
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
import raw  # noqa: E402
from procs import C2S, Lab  # noqa: E402

DOMAIN = "one.test"


def run(node, *args, stdin=None, config=True):
    """meridianctl; (exit code, output, error output)."""
    argv = [meridian.program(node.build, "meridianctl")] + (["-c", node.config] if config else []) + list(args)
    p = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout, p.stderr


def client(node, ca, name, resource, password):
    return clients.Client("%s@%s/%s" % (name, DOMAIN, resource), password, (node.ip, C2S), ca, False)


async def refused(node, ca, name, password):
    try:
        await client(node, ca, name, "x", password).login(10)
    except TimeoutError:
        return True
    return False


async def ends(c, seconds=15):
    await asyncio.wait_for(c.ended.wait(), seconds)


async def act(node, ca, verdict):
    check = verdict.check
    a, b = await client(node, ca, "alice", "a", "pw-alice").login(), await client(node, ca, "alice", "b", "pw-alice").login()
    bob = await client(node, ca, "bob", "x", "pw-bob").login()
    check(node.ctl("users") == ["alice@" + DOMAIN, "bob@" + DOMAIN], "users lists both")
    check(node.ctl("users", "elsewhere.test") == [], "users of another domain: none")
    of = {who: sorted(s["jid"] for s in node.ctl("sessions", *who)) for who in
          ((), (DOMAIN,), ("alice@" + DOMAIN,), ("alice@%s/a" % DOMAIN,), ("nobody@" + DOMAIN,))}
    check([len(v) for v in of.values()] == [3, 3, 2, 1, 0], "sessions of all, a domain, an account, one: %s" % of)
    check(node.ctl("where", "alice@" + DOMAIN)["anchor"] == "here", "where knows the anchor")

    node.ctl("send", "alice@%s/a" % DOMAIN, "maintenance at nine")
    m = await a.message("maintenance at nine")
    check(m["from"] == DOMAIN, "a message of the server comes from %s" % m["from"])
    node.ctl("send", "bob@" + DOMAIN, "-", stdin="two\nlines\n")
    await bob.message("two\nlines")
    check(True, "a message from standard input arrives")

    check(node.ctl("kick", "alice@%s/a" % DOMAIN)["closed"] == 1, "kick of a full JID closes one")
    await ends(a)
    check([s["jid"] for s in node.ctl("sessions", "alice@" + DOMAIN)] == ["alice@%s/b" % DOMAIN], "the other one stays")
    check(node.ctl("kick", "alice@" + DOMAIN, "go")["closed"] == 1, "kick of the account closes the rest")
    await ends(b)

    node.ctl("passwd", "bob@" + DOMAIN, stdin="pw-new\n")
    check(await refused(node, ca, "bob", "pw-bob"), "passwd: the old password is refused")
    await (await client(node, ca, "bob", "y", "pw-new").login()).logout()
    check(True, "passwd: the new one is taken")
    node.ctl("deluser", "bob@" + DOMAIN)
    await ends(bob)
    check(await refused(node, ca, "bob", "pw-new"), "deluser: sessions end, nobody logs in")
    check(node.ctl("users") == ["alice@" + DOMAIN], "deluser: the account is gone from the list")


ELSEWHERE = "b.one.test:5222"


class Sent(clients.Client):
    """Remembers where it was sent."""

    def __init__(self, *args):
        super().__init__(*args)
        self.sent_to = None

    def _handle_stream_error(self, error):
        """Instead of connecting there, as slixmpp would."""
        if error["condition"] == "see-other-host":
            self.sent_to = error["see_other_host"]


async def drains(node, ca, verdict):
    """Sessions go one after the other, new streams at once, until it is called off."""
    check, n = verdict.check, 6
    for bad in ("a b", "host:0", "host:70000", "[::1", "", "a@b"):
        check(run(node, "drain", bad)[0] == 1, "drain %r is refused" % bad)
    check(run(node, "drain", ELSEWHERE, "--over", "soon")[0] == 1, "--over takes seconds")
    here = [await Sent("carol@%s/%d" % (DOMAIN, i), "pw-carol", (node.ip, C2S), ca, False).login() for i in range(n)]
    got = node.ctl("drain", ELSEWHERE, "--over", "6")
    check(got["draining"] == ELSEWHERE and got["connections"] == n, "drain says whom it is about: %s" % got)
    check(node.ctl("status")["draining_to"] == ELSEWHERE, "status tells it")
    first = time.monotonic()
    await asyncio.wait([asyncio.ensure_future(c.ended.wait()) for c in here], return_when=asyncio.FIRST_COMPLETED, timeout=15)
    for c in here:
        await ends(c)
    check(time.monotonic() - first > 3, "they go one after the other: over %.1f s" % (time.monotonic() - first))
    check([c.sent_to for c in here] == [ELSEWHERE] * n, "each is told where to: %s" % {c.sent_to for c in here})
    late = raw.Raw((node.ip, C2S))
    late.open(DOMAIN).features()
    late.starttls(ca, DOMAIN).open(DOMAIN)
    error = late.take("{%s}error" % raw.NS_STREAM)
    check(error.findtext("{%s}see-other-host" % raw.NS_STREAMS) == ELSEWHERE, "a new stream is told after TLS, not before")
    late.close()
    check(node.ctl("drain", "off")["draining"] == "off" and "draining_to" not in node.ctl("status"), "drain off ends it")
    await (await client(node, ca, "carol", "x", "pw-carol").login()).logout()


async def logs(node, ca, verdict):
    check = verdict.check
    check(node.ctl("loglevel") == [{"what": "general", "name": "", "level": "info"}], "loglevel: info in general")
    node.ctl("loglevel", "debug", "--jid", "Alice@" + DOMAIN)
    mark = os.path.getsize(node.proc.log)
    await (await client(node, ca, "alice", "l", "pw-alice").login()).logout()
    await (await client(node, ca, "carol", "l", "pw-carol").login()).logout()
    node.proc.wait_log("jid=carol@%s/l why=" % DOMAIN, 10, mark)
    with open(node.proc.log) as f:
        f.seek(mark)
        lines = [line for line in f if " debug " in line]
    check(lines and all("alice@" in line for line in lines), "debug lines of alice (%d), of nobody else" % len(lines))
    rules = node.ctl("loglevel", "error", "--category", "c2s")
    check(len(rules) == 3, "rules are listed: %s" % rules)
    mark = os.path.getsize(node.proc.log)
    await (await client(node, ca, "carol", "m", "pw-carol").login()).logout()
    node.ctl("loglevel", "default", "--category", "c2s")
    with open(node.proc.log) as f:
        f.seek(mark)
        check("carol" not in f.read(), "a category is silent at error")
    check(len(node.ctl("loglevel", "default", "--jid", "alice@" + DOMAIN)) == 1, "default takes a rule away")
    check(node.ctl("loglevel", "warn")[0]["level"] == "warn", "the general level changes")
    check(node.ctl("loglevel", "default")[0]["level"] == "info", "default is what the configuration says")


async def follows(node, ca, verdict):
    """log --jid: lines of one user as they come, which the log itself does not have."""
    argv = [meridian.program(node.build, "meridianctl"), "-c", node.config, "log", "--jid", "carol@" + DOMAIN, "--level", "debug"]
    mark = os.path.getsize(node.proc.log)
    p = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)

    async def line():
        got = (await asyncio.wait_for(p.stdout.readline(), 20)).decode()
        if not got:
            raise meridian.Failed("meridianctl log ended with exit code %s" % await p.wait())
        return got
    while True:  # until it listens
        await (await client(node, ca, "alice", "f", "pw-alice").login()).logout()
        c = await client(node, ca, "carol", "f", "pw-carol").login()
        try:
            first = await asyncio.wait_for(line(), 2)
            break
        except asyncio.TimeoutError:
            await c.logout()
    await c.logout()
    seen = [first]
    while "c2s.closed" not in seen[-1]:
        seen.append(await line())
    p.kill()
    await p.wait()
    verdict.check(all("carol@" in s for s in seen) and any(" debug " in s for s in seen), "log --jid: %d lines of carol, of nobody else" % len(seen))
    with open(node.proc.log) as f:
        f.seek(mark)
        verdict.check(" debug " not in f.read(), "the log itself has none of the debug lines")
    taps = [subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(9)]
    loser = await asyncio.to_thread(checks.until, "a ninth follower refused", lambda: next((t for t in taps if t.poll() is not None), None))
    verdict.check(loser.returncode == 1 and b"others do already" in loser.stderr.read(), "a ninth follower is refused")
    for t in taps:
        t.kill()
        t.communicate()


FAILURES = ((("where", "nobody"), 1, "user@domain is"), (("deluser", "nobody@" + DOMAIN), 1, "there is no account"),
            (("passwd", "nobody@" + DOMAIN, "x"), 1, "there is no account"), (("send", "a@" + DOMAIN, ""), 1, "empty"),
            (("adduser", "alice@" + DOMAIN, "x"), 1, "exists already"), (("kick", "one.test"), 1, "user@domain is"),
            (("sessions", "@"), 1, "no address"), (("loglevel", "loud"), 1, "is no level"),
            (("loglevel", "info", "--jid", "a@b", "--peer", "c"), 1, "at a time"), (("status", "--jid", "a"), 1, "usage: status"),
            (("fly",), 2, "there is no command"), (("import",), 2, "there is no command"), (("kick",), 2, "usage: meridianctl kick"),
            ((), 2, "usage: meridianctl"), (("--nonsense",), 2, "usage"), (("completion", "fish"), 2, "not for"),
            (("import-users", "/nowhere"), 66, "No such file"))


def failures(lab, node, verdict):
    for args, code, text in FAILURES:
        got = run(node, *args)
        verdict.check(got[0] == code and text in got[2] and not got[1], "exit code %d: %s: %s" % (code, " ".join(args), got[2].split("\n")[0]))
    code, out, _ = run(node, "--json", "deluser", "nobody@" + DOMAIN)
    verdict.check(code == 1 and json.loads(out)["ok"] is False, "a refusal as JSON")
    bad = lab.write("bad.toml", "[general]\ndomain = 1\n")
    got = run(node, "-c", bad, "status", config=False)
    verdict.check(got[0] == 78 and 'did you mean "domains"' in got[2], "exit code 78: wrong configuration")
    got = run(node, "adduser", "x@" + DOMAIN, stdin="")
    verdict.check(got[0] == 2 and "no password" in got[2], "exit code 2: no password")


def helps(node, verdict):
    code, out, _ = run(node, "help", config=False)
    verdict.check(code == 0 and "import-users FILE" in out and "users-page" not in out, "help lists what people use")
    code, out, _ = run(node, "help", "loglevel", config=False)
    verdict.check(code == 0 and "--category NAME" in out, "help of a command names its options")
    script = run(node, "completion", "bash", config=False)[1]
    ask = script + "COMP_WORDS=(meridianctl -c x %s); COMP_CWORD=%d; _meridianctl; echo ${COMPREPLY[@]}"
    for words, at, want in (("logl", 3, "loglevel"), ("loglevel tr", 4, "trace"), ("completion z", 4, "zsh")):
        got = subprocess.run(["bash", "-c", ask % (words, at)], capture_output=True, text=True)
        verdict.check(got.stdout.strip() == want and not got.stderr, "bash completes %r to %r %s" % (words, got.stdout.strip(), got.stderr))


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("commands"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt, shards=2).start()
    try:
        for name in ("alice", "bob"):
            node.adduser(name, "pw-" + name)
        clients.run(act(node, authority.crt, verdict))
        node.adduser("carol", "pw-carol")
        clients.run(drains(node, authority.crt, verdict))
        clients.run(logs(node, authority.crt, verdict))
        clients.run(follows(node, authority.crt, verdict))
        failures(lab, node, verdict)
        helps(node, verdict)
        with open(node.proc.log) as f:
            verdict.check("pw-" not in f.read(), "no password in the log")
    except (TimeoutError, asyncio.TimeoutError, meridian.Failed) as e:
        verdict.check(False, "%s\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("commands", lab)


if __name__ == "__main__":
    sys.exit(main())
