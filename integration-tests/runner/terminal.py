"""A program in a terminal of its own (tmux), typed at and looked at as a user does."""
import asyncio
import os
import shlex
import subprocess
import time

from checks import until
from procs import Failed

COLUMNS, ROWS = 160, 60


class Terminal:
    """One tmux server with one window; env: more variables for the program. It ends with the lab."""

    def __init__(self, lab, name, argv, env=None):
        self.socket, self.env = lab.path(name, "tmux"), {"TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})}
        self.server = lab.start("tmux-" + name, ["tmux", "-S", self.socket, "-f", "/dev/null", "-D"], env=self.env)
        until("a tmux server", lambda: os.path.exists(self.socket))
        self._tmux("new-session", "-d", "-c", lab.dir, "-x", str(COLUMNS), "-y", str(ROWS), shlex.join(argv))

    def _tmux(self, *args):
        p = subprocess.run(["tmux", "-S", self.socket, *args], capture_output=True, text=True, timeout=20,
                           env={**os.environ, **self.env})  # the program's PATH is that of who asks for the session
        if p.returncode != 0:
            raise Failed("tmux %s: %s" % (args[0], p.stderr.strip()))
        return p.stdout

    def alive(self):
        return subprocess.run(["tmux", "-S", self.socket, "has-session"], capture_output=True).returncode == 0

    def screen(self):
        return self._tmux("capture-pane", "-p", "-J")  # long lines in one piece

    def type(self, line):
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def interrupt(self):
        self._tmux("send-keys", "C-c")

    async def see(self, *texts, seconds=15):
        """Wait until all of the texts stand on the screen, in this order; returns the screen."""
        end = time.monotonic() + seconds
        while True:
            screen, at = self.screen(), 0
            for text in texts:
                at = screen.find(text, at)
                if at < 0:
                    break
                at += len(text)
            if at >= 0:
                return screen
            if time.monotonic() > end:
                raise TimeoutError("no %s on the screen within %d s:\n%s" % (" and then ".join(map(repr, texts)), seconds, screen.rstrip()))
            await asyncio.sleep(0.05)

    async def ended(self, seconds=10):
        end = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > end:
                raise TimeoutError("the program in the terminal did not end")
            await asyncio.sleep(0.05)
