"""Servers that break the rules: a scripted peer with and without certificates, its authoritative server that says what the case
wants. Nobody speaks for a domain he did not prove; each gets the error RFC 6120 or XEP-0220 names; memory returns; a bystander's
pings go on."""
import socket
import ssl
import sys
import threading

import stage
import certs
import raw
from checks import options
from procs import S2S
from raw import NS_DIALBACK, NS_SASL, NS_SERVER, NS_STREAM, NS_TLS, b64
from stage import DOMAIN

PEER, OTHER, GONE = "peer.test", "other.test", "gone.test"
DB = " xmlns:db='%s'" % NS_DIALBACK


class Authority(threading.Thread):
    """The authoritative server of PEER: asked for a key, it gives the verdict of the moment."""

    def __init__(self, address, cert):
        super().__init__(daemon=True)
        self.listener = socket.create_server(address)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*cert)
        self.verdict, self.asked = "invalid", 0
        self.start()

    def run(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def header(self, c, features):
        c.wait(lambda: c.header is not None, "header")
        c.send("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s'%s id='s' from='%s' to='%s' version='1.0'>"
               "<stream:features>%s</stream:features>" % (NS_SERVER, NS_STREAM, DB, PEER, DOMAIN, features))

    def serve(self, sock):
        c = raw.Raw.accepted(sock)
        try:
            self.header(c, "<starttls xmlns='%s'><required/></starttls>" % NS_TLS)
            c.take("starttls")
            c.send("<proceed xmlns='%s'/>" % NS_TLS)
            c.sock = self.context.wrap_socket(c.sock, server_side=True)
            c.fresh()
            self.header(c, "<dialback xmlns='urn:xmpp:features:dialback'/>")
            while True:
                el = c.take("{%s}verify" % NS_DIALBACK, seconds=60)
                self.asked += 1
                if self.verdict == "silence":
                    continue
                ident = "wrong" if self.verdict == "other id" else el.get("id")
                kind = "valid" if self.verdict == "other id" else self.verdict
                c.send("<db:verify from='%s' to='%s' id='%s' type='%s'/>" % (el.get("to"), el.get("from"), ident, kind))
        except (raw.Closed, TimeoutError, OSError):
            c.close()


def connect(s, claimed=PEER, cert=None, to=DOMAIN):
    """Secured, features read: (connection, features)."""
    c = s.raw(S2S)
    extra = DB + (" from='%s'" % claimed if claimed else "")
    c.open(to, NS_SERVER, extra).features()
    c.starttls(s.ca, DOMAIN, cert)
    return c, c.open(to, NS_SERVER, extra).features()


def over(c):
    error = c.wait_end(10)
    c.close()
    return error


def offers_external(features):
    return any(e.text == "EXTERNAL" for e in features.iter("{%s}mechanism" % NS_SASL))


def external(c, authzid=""):
    c.send("<auth xmlns='%s' mechanism='EXTERNAL'>%s</auth>" % (NS_SASL, b64(authzid.encode()) if authzid else "="))
    el = c.take("success", "failure")
    return "" if el.tag.endswith("success") else raw.condition(el, NS_SASL)


def proved(s):
    """PEER, proved by its certificate."""
    c, f = connect(s, PEER, s.certificate)
    if not offers_external(f) or external(c):
        raise raw.Closed("EXTERNAL failed")
    c.open(DOMAIN, NS_SERVER, DB + " from='%s'" % PEER).features()
    return c


def after_proof(data):
    def act(s):
        c = proved(s)
        c.try_send(data)
        return over(c)
    return act


def refused(claimed, cert_of, authzid=""):
    """Is EXTERNAL offered, and what comes when one asks for it all the same."""
    def act(s):
        c, f = connect(s, claimed, cert_of(s))
        out = "%s, %s" % ("offered" if offers_external(f) else "not offered", external(c, authzid) or "success")
        c.close()
        return out
    return act


def header(extra="", to=DOMAIN, ns=NS_SERVER):
    def act(s):
        c = s.raw(S2S)
        c.open(to, ns, extra)
        return over(c)
    return act


def before_tls(s):
    c = s.raw(S2S)
    c.open(DOMAIN, NS_SERVER, DB + " from='%s'" % PEER).features()
    c.send("<message from='x@%s' to='alice@%s'><body>x</body></message>" % (PEER, DOMAIN))
    return over(c)


def before_proof(data):
    def act(s):
        c, _ = connect(s)
        c.try_send(data)
        return over(c)
    return act


def dialback(verdict, sender=PEER, receiver=DOMAIN):
    """The answer to a key, as "type condition"."""
    def act(s):
        s.authority.verdict = verdict
        c, _ = connect(s, sender)
        c.send("<db:result from='%s' to='%s'>f00d</db:result>" % (sender, receiver))
        el = c.take("{%s}result" % NS_DIALBACK, seconds=20)
        error = el.find("{%s}error" % NS_SERVER)
        c.close()
        return ("%s %s" % (el.get("type"), raw.condition(error, raw.NS_STANZAS) if error is not None else "")).strip()
    return act


def dialback_then(data, verdict="valid"):
    """What follows an answered key."""
    def act(s):
        s.authority.verdict = verdict
        c, _ = connect(s)
        c.send("<db:result from='%s' to='%s'>f00d</db:result>" % (PEER, DOMAIN))
        c.take("{%s}result" % NS_DIALBACK, seconds=20)
        c.try_send(data)
        return over(c)
    return act


def key_asked(s):
    """We are asked about a key that is not ours."""
    c, _ = connect(s)
    c.send("<db:verify from='%s' to='%s' id='stream'>%s</db:verify>" % (PEER, DOMAIN, "0" * 64))
    kind = c.take("{%s}verify" % NS_DIALBACK).get("type")
    c.close()
    return kind


def delivered(make):
    """A message with the right addresses reaches alice."""
    def act(s):
        c = make(s)
        body = "good news %d" % len(s.news)
        s.news.append(body)
        c.send("<message from='x@%s' to='alice@%s/bystander' type='chat'><body>%s</body></message>" % (PEER, DOMAIN, body))
        alice = s.bystander.raw
        stage.checks.until("alice has it", lambda: any(e.findtext("{jabber:client}body") == body for e in list(alice.elements)), 10)
        c.close()
        return "delivered"
    return act


def by_dialback(s):
    s.authority.verdict = "valid"
    c, _ = connect(s)
    c.send("<db:result from='%s' to='%s'>f00d</db:result>" % (PEER, DOMAIN))
    kind = c.take("{%s}result" % NS_DIALBACK, seconds=20).get("type")
    if kind != "valid":
        raise raw.Closed("dialback: %s" % kind)
    return c


def message(sender, to="alice@" + DOMAIN):
    return "<message%s%s><body>spoofed</body></message>" % (" from='%s'" % sender if sender else "", " to='%s'" % to if to else "")


def good(s):
    return s.certificate


def foreign(s):
    return s.untrusted


def none(s):
    return None


def dialback_as_us(s):
    c, _ = connect(s)
    c.send("<db:result from='%s' to='%s'>f00d</db:result>" % (DOMAIN, DOMAIN))
    el = c.take("{%s}result" % NS_DIALBACK)
    c.close()
    return "%s %s" % (el.get("type"), raw.condition(el.find("{%s}error" % NS_SERVER), raw.NS_STANZAS))


CASES = [
    # what must work, or the rest proves nothing
    ("certificate, right addresses", "delivered", delivered(proved)),
    ("dialback, right addresses", "delivered", delivered(by_dialback)),
    # headers
    ("header: unknown host", "host-unknown", header(to="two.test")),
    ("header: from ourselves", "invalid-from", header(" from='%s'" % DOMAIN)),
    ("header: from is no domain", "invalid-from", header(" from='a@b/c'")),
    ("header: content of clients", "invalid-namespace", header(ns="jabber:client")),
    # nothing proved
    ("stanza before TLS", "policy-violation", before_tls),
    ("stanza before authentication", "not-authorized", before_proof(message("x@" + PEER))),
    ("unasked for dialback answer, then a stanza", "not-authorized",
     before_proof("<db:result from='%s' to='%s' type='valid'/>" % (PEER, DOMAIN) + message("x@" + PEER))),
    ("malformed dialback", "bad-format", before_proof("<db:result>x</db:result>")),
    ("document type before authentication", "restricted-xml", before_proof("<!-- x -->")),
    ("20 KB stanza before authentication", "policy-violation", before_proof(message("x@" + PEER).replace("spoofed", "x" * 20000))),
    # certificates
    ("EXTERNAL: certificate of another domain", "not offered, invalid-mechanism", refused(OTHER, good)),
    ("EXTERNAL: certificate of an unknown CA", "not offered, invalid-mechanism", refused(PEER, foreign)),
    ("EXTERNAL: no certificate", "not offered, invalid-mechanism", refused(PEER, none)),
    ("EXTERNAL: authzid of another domain", "offered, invalid-authzid", refused(PEER, good, OTHER)),
    # proved, then somebody else
    ("from of another domain", "invalid-from", after_proof(message("x@" + OTHER))),
    ("from of ours", "invalid-from", after_proof(message("alice@" + DOMAIN))),
    ("no from", "improper-addressing", after_proof(message(""))),
    ("no to", "improper-addressing", after_proof(message("x@" + PEER, ""))),
    ("to another domain (relay)", "host-unknown", after_proof(message("x@" + PEER, "y@" + OTHER))),
    ("stanza of clients", "unsupported-stanza-type", after_proof("<message xmlns='jabber:client' from='x@%s' to='alice@%s'/>"
                                                                  % (PEER, DOMAIN))),
    ("5,000 levels deep", "policy-violation", after_proof("<message>" + "<x>" * 5000)),
    ("stanza of 400 KB", "policy-violation", after_proof(message("x@" + PEER).replace("spoofed", "x" * 400000))),
    # dialback
    ("dialback: wrong key", "invalid", dialback("invalid")),
    ("dialback: wrong key, then a stanza", "not-authorized", dialback_then(message("x@" + PEER), "invalid")),
    ("dialback: answer for another stream id", "error remote-server-timeout", dialback("other id")),
    ("dialback: domain that is not here", "error item-not-found", dialback("valid", receiver="two.test")),
    ("dialback: as ourselves", "error not-acceptable", dialback_as_us),
    ("dialback: nobody answers for the domain", "error remote-connection-failed", dialback("valid", sender=GONE)),
    ("dialback: proved, then another domain", "invalid-from", dialback_then(message("x@" + OTHER))),
    ("a key that is not ours", "invalid", key_asked),
]


def act(s, rounds):
    s.table(CASES)
    s.verdict.check(s.authority.asked > 0, "the authoritative server was asked %d times" % s.authority.asked)
    s.rounds("header: from ourselves", rounds, "invalid-from", header(" from='%s'" % DOMAIN), 8192)
    s.rounds("stanza before authentication", rounds // 4, "not-authorized", before_proof(message("x@" + PEER)), 8192)
    s.rounds("dialback: wrong key", rounds // 4, "invalid", dialback("invalid"), 8192)
    s.rounds("5,000 levels deep", rounds // 4, "policy-violation", after_proof("<message>" + "<x>" * 5000), 8192)


class Stage(stage.Stage):
    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.news = []
        self.certificate = self.public.issue(PEER, PEER, usage="serverAuth,clientAuth")
        self.untrusted = certs.Authority(self.lab, "foreign").issue("foreign-" + PEER, PEER, usage="serverAuth,clientAuth")
        self.authority = Authority((self.lab.ip(20), S2S), self.untrusted)  # so that dialback decides, not its certificate


def overrides(lab):
    return [(PEER, "%s:%d" % (lab.ip(20), S2S)), (GONE, "%s:%d" % (lab.ip(21), S2S))]


if __name__ == "__main__":
    o = options(__doc__, rounds=500)
    sys.exit(stage.play("hostile_servers", lambda s: act(s, o.rounds), o.build, kind=Stage, overrides=overrides,
                        s2s='connect_timeout = "2s"'))
