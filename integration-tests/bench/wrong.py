"""loadgen against a server that is wrong once: each fault must be counted as an error, none when there is none."""
import base64
import json
import os
import re
import socketserver
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import checks  # noqa: E402
import meridian  # noqa: E402

DOMAIN, MESSAGES, FAULTY = "wrong.test", 400, 40  # FAULTY: the number of the message that the fault befalls
HEADER = ("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='%s' id='x' version='1.0'>"
          "<stream:features>%s</stream:features>")
MECHANISMS = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>"
BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
# What the server does with one message, and what loadgen must say. With some the next message would tell first: they
# befall the last one.
FAULTS = {
    "drop": "lost or out of order", "drop the last": "never came", "double": "twice or late", "swap": "out of order", "alter": "altered", "cut": "of another length",
    "number": "altered", "mislead": "somebody else's message", "bounce": "bounced", "hang up": "connection ended",
    "garbage": "is not XML",
}
LAST = ("drop the last", "bounce", "mislead")


class Client(socketserver.BaseRequestHandler):
    """One connection: SASL PLAIN, bind, then messages go to whom they are for."""

    def say(self, text):
        with self.server.lock:
            self.request.sendall(text.encode())

    def handle(self):
        self.data, self.user, self.is_open = "", None, True
        while self.is_open:
            got = self.request.recv(65536)
            if not got:
                return
            self.data += got.decode()
            while self.is_open and self.step():
                pass

    def take(self, pattern):
        m = re.match(pattern, self.data, re.S)
        if m:
            self.data = self.data[m.end():]
        return m

    def step(self):
        if self.take(r"\s*(<\?xml[^>]*>)?<stream:stream[^>]*>"):
            self.say(HEADER % (DOMAIN, BIND if self.user else MECHANISMS))
            return True
        m = self.take(r"<auth[^>]*>([^<]*)</auth>")
        if m:
            self.user = base64.b64decode(m.group(1)).decode().split("\0")[1]
            self.say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
            return True
        m = self.take(r"<iq [^>]*id='(\w+)'[^>]*>.*?<resource>(\w+)</resource></bind></iq>")
        if m:
            jid = "%s@%s/%s" % (self.user, DOMAIN, m.group(2))
            self.server.clients[jid] = self
            self.say("<iq type='result' id='%s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>%s</jid></bind></iq>"
                     % (m.group(1), jid))
            return True
        m = self.take(r"<message .*?</message>")
        if m:
            self.server.route(self, m.group(0))
            return True
        if self.take(r"<presence/>"):
            return True
        if self.take(r"</stream:stream>"):
            self.say("</stream:stream>")
            self.is_open = False
        return False


class Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address = True, True

    def __init__(self, fault):
        super().__init__(("127.0.0.1", 0), Client)
        self.fault, self.faulty = fault, MESSAGES if fault in LAST else FAULTY
        self.lock, self.clients, self.count, self.held = threading.RLock(), {}, 0, None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """loadgen gives up on the first connection that breaks: the others' threads end on their sockets."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def route(self, sender, text):
        with self.lock:
            self.count += 1
            to = self.clients[re.search(r"to='([^']*)'", text).group(1)]
            if self.held and self.held[0] is to:
                held, self.held = self.held[1], None
                to.say(text + held)
            elif self.count >= self.faulty and self.fault:
                self.err(sender, to, text)
            else:
                to.say(text)

    def err(self, sender, to, text):
        fault, self.fault = self.fault, None
        body = re.search("<body>(.*)</body>", text).group(1)
        if fault == "swap":
            self.held = (to, text)
        elif fault == "double":
            to.say(text + text)
        elif fault == "alter":
            to.say(text.replace(body, body[:-1] + chr(ord(body[-1]) ^ 1 if body[-1] != " " else ord("x"))))
        elif fault == "cut":
            to.say(text.replace(body, body[:-1]))
        elif fault == "number":
            to.say(text.replace(body, body[:15] + ("1" if body[15] != "1" else "2") + body[16:]))
        elif fault == "mislead":
            next(c for c in self.clients.values() if c not in (sender, to)).say(text)
        elif fault == "bounce":
            sender.say(text.replace("type='chat'", "type='error'"))
        elif fault == "hang up":
            to.is_open = False
            to.request.shutdown(2)
        elif fault == "garbage":
            to.say("<!-- " + text)


def run(build, server):
    argv = [meridian.program(build, "loadgen"), "pairs", "--server", "127.0.0.1:%d" % server.server_address[1],
            "--domain", DOMAIN, "--mode", "plain", "--accounts", "6", "--pid", str(os.getpid()), "--pairs", "3",
            "--window", "3", "--messages", str(MESSAGES), "--timeout", "1" if server.fault else "20"]
    p = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    lines = p.stdout.splitlines()
    return p.returncode, json.loads(lines[0]) if len(lines) == 1 else {"ok": None, "error": p.stdout + p.stderr}


def main():
    options, verdict = checks.options(__doc__), checks.Verdict()
    for fault in [None] + list(FAULTS):
        server = Server(fault)
        code, got = run(options.build, server)
        server.shutdown()
        server.server_close()
        if fault is None:
            verdict.check(code == 0 and got["ok"] is True and got["errors"] == 0 and got["messages"] == MESSAGES,
                          "a right server is right: %s" % got["error"])
        else:
            verdict.check(code == 1 and got["ok"] is False and got["errors"] > 0 and FAULTS[fault] in got["error"]
                          and server.fault is None, "%s is noticed: %s errors: %s" % (fault, got.get("errors"), got["error"]))
    for w in verdict.wrong:
        checks.say("wrong: WRONG: %s" % w)
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
