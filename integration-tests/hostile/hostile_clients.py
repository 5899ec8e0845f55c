"""Clients that break the rules, by raw sockets, against a real node: each gets the error RFC 6120 names, memory returns, and a
bystander's pings go on."""
import socket
import sys

import stage
import raw
from checks import options
from procs import C2S_TLS
from raw import NS_CLIENT, NS_SASL, NS_STREAM, NS_TLS, b64
from stage import DOMAIN

PING = "<iq type='get' id='x' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % DOMAIN
HEADER = "<stream:stream xmlns='%s' xmlns:stream='%s' to='%s' version='1.0'>" % (NS_CLIENT, NS_STREAM, DOMAIN)


def mallory(s):
    return s.raw(C2S_TLS).login(DOMAIN, "mallory", "pw-mallory", s.ca, direct=True)


def bound(data):
    """What a logged-in client gets for these bytes."""
    def act(s):
        c = mallory(s)
        c.try_send(data)
        return over(c)
    return act


def first(data):
    """What one gets for these bytes as the first."""
    def act(s):
        c = s.raw()
        c.try_send(data)
        return over(c)
    return act


def over(c):
    error = c.wait_end(10)
    c.close()
    return error


def stanza(s, data, ident):
    """The condition of the error stanza that answers."""
    c = mallory(s)
    c.send(data)
    el = c.take("iq", "message", "presence")
    error = el.find("{%s}error" % NS_CLIENT)
    c.close()
    return "%s %s" % (el.get("id") == ident, raw.condition(error, raw.NS_STANZAS) if error is not None else el.get("type"))


def before_tls(s):
    c = s.raw()
    c.open(DOMAIN).features()
    c.send(PING)
    return over(c)


def after_tls(s):
    c = s.raw()
    c.secure(DOMAIN, s.ca)
    c.send(PING)
    return over(c)


def before_bind(s):
    c = s.raw()
    c.secure(DOMAIN, s.ca)
    c.plain("mallory", "pw-mallory")
    c.open(DOMAIN).features()
    c.send(PING)
    return over(c)


def injected(s):
    """Plain text behind <starttls/> must not be carried over into the secured stream (CVE-2011-0411)."""
    c = s.raw()
    c.open(DOMAIN).features()
    c.send("<starttls xmlns='%s'/>%s<auth xmlns='%s' mechanism='PLAIN'>%s</auth>%s"
           % (NS_TLS, HEADER, NS_SASL, b64(b"\0mallory\0pw-mallory"), PING))
    c.take("{%s}proceed" % NS_TLS)
    try:
        c.tls(s.ca, DOMAIN)
    except OSError:
        return "closed or dropped"  # it took the text for a broken TLS record
    c.open(DOMAIN)
    names = [e.tag.split("}")[1] for e in [c.features()]]
    while c.pump(0.5):
        names += [e.tag.split("}")[1] for e in c.elements]
    c.close()
    return "closed or dropped" if names == ["features"] else "executed: %s" % names


def plain_without_tls(s):
    c = s.raw()
    f = c.open(DOMAIN).features()
    offered = f.find("{%s}mechanisms" % NS_SASL) is not None
    bad = c.plain("mallory", "pw-mallory")
    c.close()
    return "%s, %s" % ("offered" if offered else "not offered", bad)


def passwords(s):
    c = s.raw()
    c.secure(DOMAIN, s.ca)
    out = [c.plain("mallory", "wrong%d" % n) for n in range(3)]
    return " ".join(out + [over(c)])


def unknown_user(s):
    """The same answer as for a wrong password: nobody learns who has an account."""
    c = s.raw()
    c.secure(DOMAIN, s.ca)
    bad = c.plain("nobody", "x")
    c.close()
    return bad


def other_identity(s):
    """Right password, but to act as somebody else."""
    c = s.raw()
    c.secure(DOMAIN, s.ca)
    c.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>" % (NS_SASL, b64(b"alice@one.test\0mallory\0pw-mallory")))
    bad = raw.condition(c.take("failure", "success"), NS_SASL)
    c.close()
    return bad


def not_base64(s):
    c = s.raw()
    c.secure(DOMAIN, s.ca)
    c.send("<auth xmlns='%s' mechanism='PLAIN'>!!!</auth>" % NS_SASL)
    bad = raw.condition(c.take("failure", "success"), NS_SASL)
    c.close()
    return bad


def reset_in_handshake(s):
    """Half a TLS handshake, then RST."""
    c = socket.create_connection((s.node.ip, C2S_TLS), 10)
    c.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 40)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()


DTD = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
LAUGHS = "<!DOCTYPE lolz [<!ENTITY l0 'lol'>%s]>" % "".join(
    "<!ENTITY l%d '%s'>" % (n, "&l%d;" % (n - 1) * 10) for n in range(1, 10))
DEEP = "<message to='alice@one.test'>" + "<x>" * 5000
HUGE_ATTRIBUTE = "<message to='alice@one.test' id='%s'/>" % ("x" * 100000)
MANY_ATTRIBUTES = "<message %s/>" % " ".join("a%d='x'" % n for n in range(500))
OVERSIZE = "<message to='alice@one.test'><body>%s</body></message>" % ("x" * 400000)
MANY_ELEMENTS = "<message to='alice@one.test'>%s</message>" % ("<x/>" * 20000)

CASES = [
    # bytes of a client that is logged in
    ("document type declaration, not at the start", "not-well-formed", bound("<!DOCTYPE x><message/>")),
    ("comment", "restricted-xml", bound("<!-- x --><message/>")),
    ("processing instruction", "restricted-xml", bound("<?php x ?><message/>")),
    ("entity reference", "restricted-xml", bound("<message><body>&x;</body></message>")),
    ("5,000 levels deep", "policy-violation", bound(DEEP)),
    ("stanza of 400 KB", "policy-violation", bound(OVERSIZE)),
    ("attribute of 100 KB", "policy-violation", bound(HUGE_ATTRIBUTE)),
    ("500 attributes", "policy-violation", bound(MANY_ATTRIBUTES)),
    ("20,000 elements in a stanza", "policy-violation", bound(MANY_ELEMENTS)),
    ("bytes that are not UTF-8", "not-well-formed", bound(b"<message><body>\xff\xfe</body></message>")),
    ("UTF-16", "not-well-formed", bound("<message/>".encode("utf-16-le"))),
    ("not well-formed: end tag", "not-well-formed", bound("<message><body></message></body>")),
    ("not well-formed: attribute twice", "not-well-formed", bound("<message id='a' id='b'/>")),
    ("not well-formed: prefix not bound", "not-well-formed", bound("<foo:message/>")),
    ("text between stanzas", "bad-format", bound("hello <message/>")),
    ("not a stanza", "unsupported-stanza-type", bound("<dance/>")),
    ("stanza of another namespace", "unsupported-stanza-type", bound("<message xmlns='jabber:server'/>")),
    ("from of another user", "invalid-from", bound("<message from='alice@one.test' to='alice@one.test'/>")),
    ("from of another resource", "invalid-from", bound("<message from='mallory@one.test/other' to='alice@one.test'/>")),
    ("from of another domain", "invalid-from", bound("<message from='carol@two.test' to='alice@one.test'/>")),
    # what only costs a stanza
    ("stanza to no address", "True jid-malformed", lambda s: stanza(s, "<message to='@@' id='m'/>", "m")),
    ("request without id", "False bad-request",
     lambda s: stanza(s, "<iq type='get' to='one.test'><ping xmlns='urn:xmpp:ping'/></iq>", "-")),
    ("request of an unknown type", "True bad-request", lambda s: stanza(s, "<iq type='want' id='i' to='one.test'><x/></iq>", "i")),
    ("second resource on a connection", "True not-allowed",
     lambda s: stanza(s, "<iq type='set' id='b'><bind xmlns='%s'/></iq>" % raw.NS_BIND, "b")),
    # before anything
    ("billion laughs", "restricted-xml", first("<?xml version='1.0'?>" + LAUGHS + HEADER + "<x>&l9;</x>")),
    ("header with a document type", "restricted-xml", first(DTD + HEADER)),
    ("header in ISO-8859-1", "unsupported-encoding", first("<?xml version='1.0' encoding='ISO-8859-1'?>" + HEADER)),
    ("header: unknown host", "host-unknown", first(HEADER.replace(DOMAIN, "other.test"))),
    ("header: no host", "host-unknown", first(HEADER.replace(" to='%s'" % DOMAIN, ""))),
    ("header: host is no address", "improper-addressing", first(HEADER.replace(DOMAIN, "a@@b"))),
    ("header: wrong stream namespace", "invalid-namespace", first(HEADER.replace(NS_STREAM, "http://example.org/x"))),
    ("header: content of servers", "invalid-namespace", first(HEADER.replace(NS_CLIENT, "jabber:server"))),
    ("header: other root", "bad-format", first(HEADER.replace("stream:stream", "stream:flow"))),
    ("HTTP", "not-well-formed", first("GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")),
    ("header of 100 KB", "policy-violation", first(HEADER.replace(" to=", " id='%s' to=" % ("x" * 100000)))),
    # in the wrong order
    ("stanza before TLS", "policy-violation", before_tls),
    ("stanza before authentication", "not-authorized", after_tls),
    ("stanza before bind", "not-authorized", before_bind),
    ("plain text behind <starttls/>", "closed or dropped", injected),
    ("PLAIN without TLS", "not offered, encryption-required", plain_without_tls),
    ("three wrong passwords", "not-authorized not-authorized not-authorized policy-violation", passwords),
    ("account that does not exist", "not-authorized", unknown_user),
    ("password of one for another", "invalid-authzid", other_identity),
    ("SASL data that is not base64", "incorrect-encoding", not_base64),
]


def act(s, rounds):
    s.table(CASES)
    for what, expected, data in (("billion laughs", "restricted-xml", LAUGHS + HEADER + "<x>&l9;</x>"),
                                 ("before TLS: attribute of 100 KB", "policy-violation", HEADER + HUGE_ATTRIBUTE),
                                 ("before TLS: 5,000 levels deep", "policy-violation", HEADER + DEEP)):
        s.rounds(what, rounds, expected, first(data), 8192)
    s.rounds("half a TLS handshake", rounds, None, reset_in_handshake, 16384)
    s.rounds("logged in: stanza of 400 KB", rounds // 4, "policy-violation", bound(OVERSIZE), 8192)
    s.rounds("logged in: 20,000 elements", rounds // 4, "policy-violation", bound(MANY_ELEMENTS), 8192)


if __name__ == "__main__":
    o = options(__doc__, rounds=500)
    sys.exit(stage.play("hostile_clients", lambda s: act(s, o.rounds), o.build))
