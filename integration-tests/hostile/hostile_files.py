"""A node that may open few files, and crowds at its doors for clients and for servers that say nothing: each gets a quarter of the files
at most, the sessions go on, the operator gets in, and who comes when the crowd is gone, too."""
import os
import sys

import stage
import checks
import raw
from checks import options
from hostile_crowds import Crowd
from procs import C2S, C2S_TLS, S2S
from stage import DOMAIN

FILES, SESSIONS, AUTH_S = 400, 40, 30
SHARE = FILES // 4 + 1
CONF = '[limits]\nauth_timeout = "%ds"\n' % AUTH_S


def log_in(s, n):
    return raw.Raw((s.node.ip, C2S_TLS)).login(DOMAIN, "mallory", "pw-mallory", s.ca, "r%d" % n, direct=True)


def descriptors(s):
    return len(os.listdir("/proc/%d/fd" % s.node.proc.pid))


def crowd(s, who, port):
    """As many as the share stay, all others are reset at once."""
    some = Crowd(s, 5, FILES // 5, port)
    some.look(10, FILES - SHARE)
    some.look(0.5)  # and no more of them
    s.verdict.check(len(some.open) == SHARE, "of %d connections of %s %d stay" % (FILES, who, len(some.open)))
    return some


def act(s):
    sessions = [log_in(s, n) for n in range(SESSIONS)]
    before = descriptors(s)
    crowds = [crowd(s, "clients", C2S), crowd(s, "servers", S2S)]
    used = descriptors(s)
    s.verdict.check(used < FILES - 50, "of %d files %d are open; %d were before the crowds" % (FILES, used, before))
    took = max(c.ping(DOMAIN, 10, "ping") for c in sessions)
    s.verdict.check(True, "all %d sessions are served, within %.0f ms" % (SESSIONS, took * 1000))
    shown = len(s.node.ctl("sessions", "mallory@" + DOMAIN))
    s.verdict.check(shown == SESSIONS, "the operator gets in, and sees %d" % shown)
    for some in crowds:
        some.close()
    checks.until("descriptors are given back", lambda: descriptors(s) <= before, 10)
    sessions.append(log_in(s, SESSIONS))
    sessions[-1].ping(DOMAIN, 10, "ping")
    s.verdict.check(True, "the crowds are gone, somebody else logs in")
    for c in sessions:
        c.close()


if __name__ == "__main__":
    o = options(__doc__)
    sys.exit(stage.play("hostile_files", act, o.build, extra=CONF, before=["prlimit", "--nofile=%d:%d" % (FILES, FILES)]))
