"""An XMPP connection by hand, for what no library lets one do: bytes in, elements and stream errors out, over plain TCP or TLS."""
import base64
import re
import socket
import ssl
import time
import xml.etree.ElementTree as ET

NS_CLIENT, NS_SERVER = "jabber:client", "jabber:server"
NS_STREAM = "http://etherx.jabber.org/streams"
NS_STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"
NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
NS_TLS, NS_SASL = "urn:ietf:params:xml:ns:xmpp-tls", "urn:ietf:params:xml:ns:xmpp-sasl"
NS_BIND, NS_DIALBACK = "urn:ietf:params:xml:ns:xmpp-bind", "jabber:server:dialback"


class Closed(Exception):
    """The other side closed; errors: the condition names of its stream error, if any."""


def b64(data):
    return base64.b64encode(data).decode()


def condition(el, ns):
    """The condition name in an error element, '' if there is none."""
    return next((c.tag.split("}")[1] for c in el if c.tag.startswith("{%s}" % ns) and not c.tag.endswith("}text")), "")


class Raw:
    """elements: all first-level elements so far; error: condition of the stream error; ended: </stream:stream> came."""

    def __init__(self, address, seconds=10.0):
        self._begin(socket.create_connection(address, seconds), seconds)

    @classmethod
    def accepted(cls, sock, seconds=10.0):
        """The other side of a connection somebody made to us."""
        self = cls.__new__(cls)
        self._begin(sock, seconds)
        return self

    def _begin(self, sock, seconds):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.seconds = sock, seconds
        self.fresh()
        self.elements, self.error, self.error_text, self.ended, self.eof = [], "", "", False, False

    # ---- bytes
    def fresh(self):
        """A new XML document begins: after connecting, TLS, SASL."""
        self.parser = ET.XMLPullParser(("start", "end"))
        self.depth, self.header = 0, None

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def try_send(self, data):
        """What may be cut short because the other side had enough."""
        try:
            self.send(data)
        except OSError:
            pass

    def _events(self):
        for kind, el in self.parser.read_events():
            if kind == "start":
                self.depth += 1
                if self.depth == 1:
                    self.header = el
                continue
            self.depth -= 1
            if self.depth == 0:
                self.ended = True
            elif self.depth == 1:
                if el.tag == "{%s}error" % NS_STREAM:
                    self.error = condition(el, NS_STREAMS)
                    self.error_text = el.findtext("{%s}text" % NS_STREAMS) or ""
                self.elements.append(el)

    def pump(self, seconds):
        """Read once. False: nothing came, or the connection is over (then eof is set)."""
        if self.eof:
            return False
        self.sock.settimeout(max(0.001, seconds))
        try:
            data = self.sock.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            return False
        except OSError:
            data = b""
        if not data:
            self.eof = True
            return False
        self.parser.feed(data)
        self._events()
        return True

    def wait(self, accept, what, seconds=None):
        """Wait until accept() is neither None nor False; Closed or TimeoutError if it never will be."""
        end = time.monotonic() + (seconds or self.seconds)
        while True:
            got = accept()
            if got is not None and got is not False:
                return got
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no %s; error %r, ended %s, has %s" % (what, self.error, self.ended, self.show()))
            if not self.pump(left) and self.eof:
                raise Closed("closed without %s; error %r (%s), has %s" % (what, self.error, self.error_text, self.show()))

    def show(self):
        return [ET.tostring(e, encoding="unicode")[:300] for e in self.elements[-3:]]

    def take(self, *tags, seconds=None):
        """The next element with one of these tags (local name or {ns}name); earlier others are dropped."""
        def find():
            for i, el in enumerate(self.elements):
                if el.tag in tags or el.tag.split("}")[-1] in tags:
                    del self.elements[:i + 1]
                    return el
            return None
        return self.wait(find, " or ".join(tags), seconds)

    def wait_end(self, seconds=None):
        """Until the other side has ended the stream or the connection. Returns the stream error's condition."""
        try:
            self.wait(lambda: self.ended or self.eof, "end of the stream", seconds)
        except Closed:
            pass
        return self.error

    # ---- negotiation
    def open(self, to, ns=NS_CLIENT, extra="", version="1.0"):
        self.fresh()
        self.send("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' to='%s'%s %s>"
                  % (ns, NS_STREAM, to, " version='%s'" % version if version else "", extra))
        return self

    def features(self, seconds=None):
        return self.take("{%s}features" % NS_STREAM, seconds=seconds)

    def tls(self, ca, name, cert=None):
        """The TLS handshake. cert: (certificate, key) paths to show."""
        c = ssl.create_default_context(cafile=ca)
        if cert:
            c.load_cert_chain(*cert)
        self.sock.settimeout(self.seconds)
        self.sock = c.wrap_socket(self.sock, server_hostname=name)
        self.fresh()
        return self

    def starttls(self, ca, name, cert=None):
        self.send("<starttls xmlns='%s'/>" % NS_TLS)
        self.take("{%s}proceed" % NS_TLS)
        return self.tls(ca, name, cert)

    def secure(self, domain, ca, ns=NS_CLIENT, cert=None, extra=""):
        """Header, STARTTLS, header; returns the features that come then."""
        self.open(domain, ns, extra).features()
        return self.starttls(ca, domain, cert).open(domain, ns, extra).features()

    def plain(self, user, password):
        """SASL PLAIN; the condition of the failure, '' on success."""
        self.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>" % (NS_SASL, b64(("\0%s\0%s" % (user, password)).encode())))
        el = self.take("{%s}success" % NS_SASL, "{%s}failure" % NS_SASL)
        return "" if el.tag.endswith("success") else condition(el, NS_SASL)

    def bind(self, domain, resource):
        self.open(domain).features()
        self.send("<iq type='set' id='bind'><bind xmlns='%s'><resource>%s</resource></bind></iq>" % (NS_BIND, resource))
        iq = self.take("iq")
        if iq.get("type") != "result":
            raise Closed("bind refused: %s" % ET.tostring(iq))
        self.jid = iq.find("{%s}bind/{%s}jid" % (NS_BIND, NS_BIND)).text
        return self

    def login(self, domain, user, password, ca, resource="raw", direct=False):
        if direct:
            self.tls(ca, domain).open(domain).features()
        else:
            self.secure(domain, ca)
        bad = self.plain(user, password)
        if bad:
            raise Closed("login of %s refused: %s" % (user, bad))
        return self.bind(domain, resource)

    def ping(self, to, seconds=None, ident="ping"):
        """Seconds until the answer to a ping."""
        start = time.monotonic()
        self.send("<iq type='get' id='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (ident, to))

        def answer():
            return next((e for e in self.elements if e.tag.endswith("}iq") and e.get("id") == ident
                         and e.get("type") in ("result", "error")), None)
        el = self.wait(answer, "answer to a ping", seconds)
        self.elements.remove(el)
        return time.monotonic() - start

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


def text_of(el):
    return re.sub(r"\s+", " ", ET.tostring(el, encoding="unicode"))
