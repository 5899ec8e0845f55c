"""Debian's HAProxy before a real node, with versions 1 and 2 of the PROXY protocol: STARTTLS, direct TLS, servers; the address of the
client is the one that is shown, counted and limited; its own health checks; who comes without it."""
import os
import shutil
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import meridian  # noqa: E402
import raw  # noqa: E402
from procs import Failed, Lab  # noqa: E402

DOMAIN = "one.test"
NODE_C2S, NODE_C2S_TLS, NODE_S2S = 25322, 25323, 25369  # the ports with proxy_protocol
PER_ADDRESS, TRIES = 4, 2
WAYS = {  # front port: (what, back port, how it is passed on)
    26001: ("version 1, STARTTLS", NODE_C2S, "send-proxy"),
    26002: ("version 2, STARTTLS", NODE_C2S, "send-proxy-v2"),
    26003: ("version 1, direct TLS", NODE_C2S_TLS, "send-proxy"),
    26004: ("version 2 with extensions, direct TLS", NODE_C2S_TLS, "send-proxy-v2-ssl proxy-v2-options crc32c,unique-id,authority"),
    26005: ("version 1, servers", NODE_S2S, "send-proxy"),
    26006: ("version 2, servers", NODE_S2S, "send-proxy-v2"),
}
NODE = """[limits]
connections_per_address = %d
[[listen.c2s]]
at = "{ip}:%d"
proxy_protocol = true
[[listen.c2s]]
at = "{ip}:%d"
proxy_protocol = true
tls = "direct"
[[listen.s2s]]
at = "{ip}:%d"
proxy_protocol = true
[auth]
scram_iterations = 4096
tries_per_address = %d
""" % (PER_ADDRESS, NODE_C2S, NODE_C2S_TLS, NODE_S2S, TRIES)
HAPROXY = """global
    stats socket {socket} mode 600 level admin
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""
WAY = """listen way{front}
    bind {binds}
    unique-id-format %{{+X}}o%ci%cp%ts
    server node {ip}:{back} {how} check check-send-proxy inter 200ms rise 1 fall 1
"""


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def start_haproxy(lab, node, ip):
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    if not os.access(program, os.X_OK):
        raise Failed("haproxy is not installed: scripts/install test")
    text = HAPROXY.format(socket=lab.path("haproxy.sock"))
    for front, (_, back, how) in WAYS.items():
        binds = "%s:%d" % (ip, front) + (",[::1]:%d" % front if has_ipv6() else "")
        text += WAY.format(front=front, binds=binds, ip=node.ip, back=back, how=how)
    proc = lab.start("haproxy", [program, "-db", "-f", lab.write("haproxy.cfg", text)])
    return proc.wait_port(ip, min(WAYS))


def states(lab):
    """What HAProxy's health checks found, by way."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(lab.path("haproxy.sock"))
        s.sendall(b"show stat\n")
        data = b""
        while chunk := s.recv(65536):
            data += chunk
    rows = [line.split(",") for line in data.decode().splitlines() if line and not line.startswith("#")]
    return {row[0]: row[17] for row in rows if row[1] == "node"}


def connect(address, source):
    return raw.Raw.accepted(socket.create_connection(address, 10, source_address=(source, 0)))


def login(s, front, source, resource):
    return connect((s["front"], front), source).login(DOMAIN, "alice", "pw-alice", s["ca"], resource, direct=WAYS[front][1] == NODE_C2S_TLS)


def clients(s, check):
    """The address of the client, not of HAProxy, is the session's."""
    for front, (what, back, _) in WAYS.items():
        if back == NODE_S2S:
            continue
        sources = [s["lab"].ip(50 + front % 10)] + (["::1"] if has_ipv6() else [])
        for source in sources:
            c = connect(("::1" if source == "::1" else s["front"], front), source)
            c.login(DOMAIN, "alice", "pw-alice", s["ca"], "way%d" % front, direct=back == NODE_C2S_TLS)
            c.ping(DOMAIN)
            port = c.sock.getsockname()[1]
            shown = [x["ip"] for x in s["node"].ctl("sessions", c.jid)]
            want = "%s:%d" % ("[::1]" if source == "::1" else source, port)
            check(shown == [want], "%s: the session is from %s %s" % (what, want, "" if shown == [want] else shown))
            c.close()


def servers(s, check):
    for front, (what, back, _) in WAYS.items():
        if back == NODE_S2S:
            c = connect((s["front"], front), s["lab"].ip(70))
            f = c.open(DOMAIN, raw.NS_SERVER, " from='other.test'").features()
            check(f.find("{%s}starttls" % raw.NS_TLS) is not None, "%s: a stream begins" % what)
            c.close()


def limits(s, check):
    """As many as an address may have, whatever way they come; another address is not concerned."""
    one, other = s["lab"].ip(80), s["lab"].ip(81)
    fronts = [26001, 26002, 26003, 26004]
    held = [login(s, fronts[i % 4], one, "held%d" % i) for i in range(PER_ADDRESS)]
    c = connect((s["front"], 26001), one)
    c.try_send("<stream:stream xmlns='jabber:client' xmlns:stream='%s' to='%s' version='1.0'>" % (raw.NS_STREAM, DOMAIN))
    c.wait_end(10)
    check(c.eof and c.header is None, "connection %d of an address is ended without a byte" % (PER_ADDRESS + 1))
    c.close()
    login(s, 26002, other, "other").close()
    check(True, "another address may log in")
    held.pop().close()
    checks.until("room for one more", lambda: len([x for x in s["node"].ctl("sessions") if x["ip"].startswith(one + ":")]) < PER_ADDRESS)
    held.append(login(s, 26001, one, "again"))
    check(True, "who leaves makes room")
    for c in held:
        c.close()


def failed_logins(s, check):
    """Failed logins are counted by the address of the client, and the log names it."""
    one, other = s["lab"].ip(90), s["lab"].ip(91)
    said = []
    for source, tries in ((one, TRIES), (one, 1), (other, 1)):
        c = connect((s["front"], 26002), source)
        c.secure(DOMAIN, s["ca"])
        said.append({c.plain("alice", "wrong%d" % n) for n in range(tries)})
        c.close()
        if len(said) == 1:  # the last one counts when its connection is over
            checks.until("failures are counted", lambda: s["node"].ctl("status")["counters"]["c2s_auth_failed"] == TRIES)
    check(said == [{"not-authorized"}, {"temporary-auth-failure"}, {"not-authorized"}], "failed logins are counted by address: %s" % said)
    s["node"].proc.wait_log("c2s.auth.throttled ip=%s:" % one, 5)


def without_header(s, check):
    for port, data in ((NODE_C2S, "<?xml version='1.0'?><stream:stream>"), (NODE_C2S_TLS, b"\x16\x03\x01\x02\x00\x01"), (NODE_S2S, "GET / HTTP/1.0\r\n\r\n")):
        mark = os.path.getsize(s["node"].proc.log)
        c = raw.Raw((s["node"].ip, port))
        c.try_send(data)
        c.wait_end(4)
        s["node"].proc.wait_log("listen.proxy.refused", 5, mark)
        check(c.eof and c.header is None, "port %d: refused without a header" % port)
        c.close()


def healthy(s, check):
    got = checks.until("health checks pass", lambda: (lambda x: x if set(x.values()) == {"UP"} else None)(states(s["lab"])), 10)
    check(len(got) == len(WAYS), "HAProxy's own checks find all %d ways up" % len(got))


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("haproxy"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    ip = lab.ip(10)
    node = meridian.Node(lab, options.build, DOMAIN, ip, authority.issue(DOMAIN, DOMAIN), authority.crt, shards=2,
                         extra=NODE.replace("{ip}", ip)).start()
    node.adduser("alice", "pw-alice")
    try:
        start_haproxy(lab, node, lab.ip(20))
        s = {"lab": lab, "node": node, "front": lab.ip(20), "ca": authority.crt}
        for act in (healthy, clients, servers, limits, failed_logins, without_header, healthy):
            act(s, verdict.check)
    except (TimeoutError, OSError, raw.Closed, Failed) as e:
        verdict.check(False, "%s: %s\n%s" % (type(e).__name__, e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("haproxy", lab)


if __name__ == "__main__":
    sys.exit(main())
