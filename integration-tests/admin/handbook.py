"""The first ten minutes of docs/operating.md, typed as they stand there into terminals in a network of its own: a folder by --init, the
node, two accounts, two clients of go-sendxmpp that chat, a message kept while one is away, a look around, the end."""
import asyncio
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from procs import Failed, Lab  # noqa: E402
from terminal import Terminal  # noqa: E402

PASSWORDS = {"alice@localhost": "secret-a", "bob@localhost": "secret-b"}


def blocks():
    """The fenced blocks behind the build, each a list of the commands in it."""
    with open(os.path.join(meridian.ROOT, "docs/operating.md"), encoding="utf-8") as f:
        text = f.read()
    text = text[text.index("### Certificate and configuration"):text.index("## A real domain")]
    found = [m.group(1).splitlines() for m in re.finditer(r"^```\n(.*?)^```$", text, re.M | re.S)]
    return [[line[2:] for line in b if line.startswith("$ ")] or b for b in found]


def block(first):
    """The commands of the block whose first one begins like this."""
    fit = [b for b in blocks() if b[0].startswith(first)]
    if not fit:
        raise Failed("docs/operating.md has no block that begins with %r" % first)
    return fit


class Shell(Terminal):
    """A shell whose commands are waited for."""
    count = 0

    async def run(self, command, *see):
        self.count += 1
        self.type("clear")
        self.type(command)
        screen = await self.see(*see) if see else None
        if not command.endswith("&"):
            self.type("echo code-$?-%d" % self.count)
            screen = await self.see("code-0-%d" % self.count) if not see else screen
        return screen


async def set_up(main, verdict):
    for command in block("meridiand --init")[0]:
        await main.run(command, "next:")
    verdict.check(True, "--init")
    for command in block("meridiand -c")[0]:
        if command.endswith("&"):
            await main.run(command, "node.started")
            continue
        main.type("clear")
        main.type(command)
        await main.see("assword")
        main.type(PASSWORDS[command.split()[-1]])
        await main.see("account.created user=" + command.split()[-1])
    verdict.check(True, "the node runs, two accounts are made")


async def talk(main, his, hers, verdict):
    listen, send = block("export SSL_CERT_FILE")
    his.type(listen[0])
    his.type(listen[1])
    await main.see("c2s.bound jid=bob@localhost")
    for command in send:
        hers.type(command)
    await his.see("alice@localhost: hello bob")
    verdict.check(True, "bob's terminal shows what alice sent")
    his.interrupt()
    await main.see("c2s.closed jid=bob@localhost")
    hers.type(send[1].replace("hello bob", "while you were away"))
    await main.see("c2s.bound jid=alice@localhost", "c2s.bound jid=alice@localhost")
    await main.see("c2s.closed jid=alice@localhost", "c2s.closed jid=alice@localhost")
    his.type(listen[1])
    await his.see("alice@localhost: while you were away")
    verdict.check(True, "what came while he was away was kept")


async def look(main, verdict):
    sessions, where, again = block("meridianctl -c node/meridian.toml sessions")[0]
    await main.run(sessions, "jid", "bob@localhost/", "TLSv1.3")
    await main.run(where, "jid: bob@localhost", "anchor: here", "bob@localhost/")
    await main.run(again, "bob@localhost exists already")
    verdict.check(True, "sessions, where and adduser answer as shown")
    await main.run(block("kill %1")[0][0])
    main.type("wait; echo ended-$?")
    await main.see("node.stopped", "ended-0")
    verdict.check(True, "and it stops")


async def act(terminals, verdict):
    main, his, hers = terminals
    await set_up(main, verdict)
    await talk(main, his, hers, verdict)
    await look(main, verdict)


def main():
    options = checks.options(__doc__)
    lost = [p for p in ("go-sendxmpp", "tmux", "ip", "unshare") if not shutil.which(p)]
    if lost:
        checks.skip("no %s here (scripts/install test)" % " and ".join(lost))
    checks.in_own_network()
    lab, verdict = Lab("handbook"), checks.Verdict()
    env = {"PATH": os.path.join(options.build, "bin") + ":" + os.environ["PATH"], "HOME": lab.dir, "PS1": "> "}
    try:
        terminals = [Shell(lab, name, ["bash", "--norc"], env) for name in ("main", "his", "hers")]
        clients.run(act(terminals, verdict))
    except (TimeoutError, asyncio.TimeoutError, Failed) as e:
        verdict.check(False, str(e))
    return verdict.end("handbook", lab)


if __name__ == "__main__":
    sys.exit(main())
