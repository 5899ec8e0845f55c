"""The cases of the lab: what is broken, and the cause that must be named for it. Each is a domain NAME.test; dns tells its records
(default: SRV and A of one address of the lab), peer plays the server at that address."""
import struct

import lab_dns as dns
import raw
from lab_peer import DIALBACK, EXTERNAL, SM, STARTTLS
from procs import S2S
from raw import NS_SASL, NS_SERVER, NS_TLS


class Case:
    """cause: what `meridianctl s2s explain` must say, or `later`: what the domain's record must say once a stanza was sent. strict:
    on the node that goes by certificates alone. cert: what the peer shows. reply: a stanza gets its answer, so nothing is
    bounced. zone: other records: f(case) -> {name: [records]}; wrong: what the name server does instead. addresses: (ip number of
    the lab) instead of one of its own. tlsa: its records are signed, and there is a TLSA record: of the certificate shown ("right"),
    of another ("wrong"); "unsigned": a wrong one in a zone that is not signed. rule: what our nodes' [[s2s.host_policy]] says of the
    domain. is_ours: it is our configuration that objects, so others have nothing to say."""

    def __init__(self, group, name, what, cause="none", peer=None, later=None, strict=False, cert="good", zone=None, wrong=None,
                 listens=True, hole=False, big=False, service="_xmpp-server", tlsa=None, rule=None):
        self.group, self.name, self.what, self.cause, self.peer = group, name, what, cause, peer
        self.later, self.strict, self.cert, self.zone, self.wrong = later, strict, cert, zone, wrong
        self.listens, self.hole, self.big, self.service = listens, hole, big, service
        self.tlsa, self.rule, self.domain, self.ip = tlsa, rule, name + ".test", None
        self.is_ours = rule is not None or cert == "revoked"

    def names(self):
        """The causes one of which a bounce must name."""
        return (self.later or self.cause,) if isinstance(self.later, (str, type(None))) else self.later

    def is_hopeless(self):
        """What is sent there comes back."""
        return self.names() != ("none",)

    def records(self):
        if self.zone:
            return self.zone(self)
        host = "host." + self.domain
        return {"%s._tcp.%s" % (self.service, self.domain): [dns.srv(host, S2S)], host: [dns.a(self.ip)]}


# ---- DNS
def rcode(code):
    return lambda packet, name, kind: dns.answer(packet, rcode=code)


def silence(packet, name, kind):
    return None


def malformed(packet, name, kind):
    """An SRV record whose target points behind the end of the message."""
    return dns.answer(packet, [(name, kind, struct.pack("!HHH", 0, 0, 5269) + b"\xc3\xff")])


def truncated(packet, name, kind):
    return dns.answer(packet, flags=0x0200)


truncated.is_udp_only = True


def wrong_id(packet, name, kind):
    return dns.answer(packet, [(name, dns.SRV, dns.srv("host." + name, S2S)[1])], ident=bytes([packet[0] ^ 255, packet[1]]))


def addresses_fail(packet, name, kind):
    return dns.answer(packet, rcode=dns.SERVFAIL) if kind in (dns.A, dns.AAAA) else NotImplemented


def srv_of(*records):
    return lambda case: {"_xmpp-server._tcp." + case.domain: list(records)}


def nodata(case):
    return {case.domain: [dns.txt("nothing for XMPP")]}


def loop(case):
    one, two = "_xmpp-server._tcp." + case.domain, "loop." + case.domain
    return {one: [dns.cname(two)], two: [dns.cname(one)], "_xmpps-server._tcp." + case.domain: [dns.cname(one)]}


def target_nodata(case):
    host = "host." + case.domain
    return {"_xmpp-server._tcp." + case.domain: [dns.srv(host, S2S)], host: [dns.txt("no address")]}


def target_missing(case):
    return {"_xmpp-server._tcp." + case.domain: [dns.srv("gone." + case.domain, S2S)]}


def by_alias(case):
    host = "host." + case.domain
    return {"_xmpp-server._tcp." + case.domain: [dns.srv("alias." + case.domain, S2S)],
            "alias." + case.domain: [dns.cname(host)], host: [dns.a(case.ip)]}


def second_works(case):
    one, two = "one." + case.domain, "two." + case.domain
    return {"_xmpp-server._tcp." + case.domain: [dns.srv(one, S2S, 1), dns.srv(two, S2S, 2)],
            one: [dns.a(case.spare)], two: [dns.a(case.ip)]}


DNS = [
    Case("dns", "nxdomain", "the domain does not exist", "dns-nxdomain", wrong=rcode(dns.NXDOMAIN)),
    Case("dns", "nodata", "the domain has records, none for XMPP, no address", "dns-nodata", zone=nodata),
    Case("dns", "no-service", "SRV target \".\"", "dns-no-service", zone=srv_of(dns.srv("", 0))),
    Case("dns", "servfail", "SERVFAIL", "dns-servfail", wrong=rcode(dns.SERVFAIL)),
    Case("dns", "refusing", "the name server refuses", "dns-servfail", wrong=rcode(dns.REFUSED)),
    Case("dns", "dns-silent", "the name server does not answer", "dns-timeout", wrong=silence),
    Case("dns", "wrong-id", "answers with another id (forged) only", "dns-timeout", wrong=wrong_id),
    Case("dns", "malformed", "a record that points out of the message", "dns-malformed", wrong=malformed),
    Case("dns", "truncated", "truncated, whole over TCP: works", wrong=truncated, peer=lambda p: p.ready().hold()),
    Case("dns", "alias-loop", "CNAME loop", "dns-malformed", zone=loop),
    Case("dns", "target-missing", "SRV names a host that does not exist", "dns-target", zone=target_missing),
    Case("dns", "target-nodata", "SRV names a host without address", "dns-target", zone=target_nodata),
    Case("dns", "addresses-fail", "SERVFAIL for the host's address", "dns-servfail", wrong=addresses_fail),
    Case("dns", "port-zero", "SRV with port 0", "dns-target", zone=srv_of(dns.srv("host.port-zero.test", 0))),
    Case("dns", "by-alias", "SRV names an alias: works", zone=by_alias, peer=lambda p: p.ready().hold()),
]


# ---- TCP
def say_nothing(p):
    p.hold()


TCP = [
    Case("tcp", "refused", "nobody listens", "address-refused", listens=False),
    Case("tcp", "black-hole", "connections are not answered", "address-timeout", hole=True),
    Case("tcp", "reset-at-once", "reset after accept", "peer-reset", lambda p: p.reset()),
    Case("tcp", "close-at-once", "closed after their header", "peer-closed", lambda p: p.asked()),
    Case("tcp", "tcp-silent", "accepts, then nothing", "peer-silent", say_nothing),
    Case("tcp", "second-works", "first target refuses, second works", zone=second_works, peer=lambda p: p.ready().hold()),
]


# ---- TLS
def no_tls(p):
    p.asked().header(DIALBACK).hold()


def starttls_refused(p):
    p.asked().header(STARTTLS).c.take("starttls")
    p.send("<failure xmlns='%s'/></stream:stream>" % NS_TLS)
    p.wait_close()


def after_proceed(data, then="hold"):
    def play(p):
        p.proceed()
        p.c.sock.recv(16384)  # their first message
        p.send(data)
        getattr(p, then)()
    return play


def alert(description, level=2):
    return after_proceed(b"\x15\x03\x03\x00\x02" + bytes([level, description]))


def after_hello(act):
    def play(p):
        p.proceed()
        p.c.sock.recv(16384)
        act(p)
    return play


def handshake(p):
    p.proceed().tls().hold()


def injected(p):
    """Bytes behind <proceed/> are no part of the secured stream."""
    p.asked().header(STARTTLS).c.take("starttls")
    p.send("<proceed xmlns='%s'/><stream:error><host-unknown xmlns='%s'/></stream:error>" % (NS_TLS, raw.NS_STREAMS))
    p.tls().asked().header(EXTERNAL + DIALBACK).accept().hold()


def direct_works(p):
    p.tls().asked().header(EXTERNAL + DIALBACK).accept().hold()


def plain_at_direct(p):
    p.send("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' version='1.0'>" % (NS_SERVER, raw.NS_STREAM))
    p.hold()


TLS = [
    Case("tls", "tls-none", "no TLS offered", "tls-missing", no_tls),
    Case("tls", "tls-refused", "STARTTLS answered with failure", "tls-refused", starttls_refused),
    Case("tls", "tls-garbage", "something else instead of TLS", "tls-handshake", after_proceed("220 mail.example ESMTP\r\n")),
    Case("tls", "tls-old", "TLS 1.1 at most", "tls-version", handshake, cert="old"),
    Case("tls", "tls-cipher", "only a cipher without forward secrecy", "tls-version", handshake, cert="rsa-only"),
    Case("tls", "tls-alert-version", "alert protocol_version", "tls-version", alert(70)),
    Case("tls", "tls-alert-internal", "alert internal_error", "tls-handshake", alert(80)),
    Case("tls", "tls-alert-name", "alert unrecognized_name", "tls-handshake", alert(112)),
    Case("tls", "tls-closed", "closes on the first message of TLS", "tls-lost", after_hello(lambda p: None)),
    Case("tls", "tls-reset", "resets on the first message of TLS", "tls-lost", after_hello(lambda p: p.reset())),
    Case("tls", "tls-silent", "no answer to the first message of TLS", "peer-silent", after_hello(lambda p: p.hold())),
    Case("tls", "tls-injected", "plain text behind <proceed/>: ignored", peer=injected),
    Case("tls", "direct", "TLS from the first byte: works", peer=direct_works, service="_xmpps-server"),
    Case("tls", "direct-plain", "plain text where TLS should be", "tls-handshake", plain_at_direct, service="_xmpps-server"),
]


# ---- certificates: accepts whoever comes by EXTERNAL, so that only the certificate can be wrong
def with_certificate(p):
    p.ready().hold()


CERTIFICATES = [
    Case("certificate", "cert-" + kind, what, cause, with_certificate, strict=True, cert=kind) for kind, what, cause in (
        ("good", "good", "none"),
        ("expired", "expired", "cert-expired"),
        ("not-yet", "not yet valid", "cert-not-yet-valid"),
        ("other-name", "for another name", "cert-name"),
        ("cn-only", "the name in the CN only", "cert-name"),
        ("wildcard", "for *.test, which covers a whole top-level domain", "cert-name"),
        ("unknown-ca", "of a CA nobody knows", "cert-issuer"),
        ("revoked", "revoked by the list of its CA", "cert-revoked"),
        ("self-signed", "signed by itself", "cert-issuer"),
        ("no-intermediate", "without its intermediate", "cert-issuer"),
        ("intermediate", "with its intermediate: fine", "none"),
        ("weak-key", "RSA of 1024 bits", "cert-weak"),
        ("sha1", "signed with SHA-1", "cert-weak"),
        ("client-only", "for clients only: fine", "none"),
        ("no-usage", "without usage: fine", "none"),
        ("code-signing", "for signing code", "cert-other"),
        ("xmpp-addr", "with an xmppAddr only: fine", "none"))]


# ---- stream
def at_first(text, then="hold"):
    """Instead of a header."""
    def play(p):
        p.asked()
        p.send(text)
        getattr(p, then)()
    return play


def error_at_first(condition, text=""):
    return lambda p: p.asked().header().error(condition, text)


def error_when_secure(condition):
    return lambda p: p.secure().header().error(condition)


def instead_of_features(text):
    def play(p):
        p.secure().header()
        p.send(text)
        p.hold()
    return play


def header_of_another(p):
    p.proceed().tls().asked().header(EXTERNAL + DIALBACK, sender="elsewhere.test").accept().hold()


STREAM = [
    Case("stream", "host-unknown", "host-unknown", "peer-host-unknown", error_at_first("host-unknown")),
    Case("stream", "host-gone", "host-gone", "peer-host-unknown", error_at_first("host-gone")),
    Case("stream", "host-unknown-tls", "host-unknown behind TLS", "peer-host-unknown", error_when_secure("host-unknown")),
    Case("stream", "policy", "policy-violation, with a text", "policy-theirs", error_at_first("policy-violation", "not with you")),
    Case("stream", "not-authorized", "not-authorized behind TLS", "policy-theirs", error_when_secure("not-authorized")),
    Case("stream", "full", "resource-constraint", "limit-theirs", error_at_first("resource-constraint")),
    Case("stream", "going-down", "system-shutdown", "peer-closed", error_at_first("system-shutdown")),
    Case("stream", "internal", "internal-server-error", "peer-error", error_at_first("internal-server-error")),
    Case("stream", "elsewhere", "see-other-host", "peer-error", error_at_first("see-other-host")),
    Case("stream", "end-at-once", "ends the stream at once", "peer-closed", lambda p: (p.asked().header(), p.send("</stream:stream>"), p.wait_close())),
    Case("stream", "http", "a web server", "peer-xml", at_first("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")),
    Case("stream", "ssh", "an SSH server", "peer-xml", at_first("SSH-2.0-OpenSSH_9.2\r\n")),
    Case("stream", "not-well-formed", "not well-formed", "peer-xml", at_first("<stream:stream <oops>")),
    Case("stream", "not-utf8", "no UTF-8", "peer-xml", lambda p: (p.asked().header(), p.send(b"<stream:features>\xff\xfe"), p.hold())),
    Case("stream", "wrong-namespace", "speaks as to clients", "peer-xml", lambda p: p.asked().header(STARTTLS, ns="jabber:client").hold()),
    Case("stream", "version-none", "a server from before XMPP 1.0", "peer-version", lambda p: p.asked().header(version="").hold()),
    Case("stream", "header-silent", "silent after the header", "peer-silent", lambda p: p.asked().header().hold()),
    Case("stream", "secure-silent", "silent behind TLS", "peer-silent", lambda p: p.secure().hold()),
    Case("stream", "features-none", "features never come behind TLS", "peer-silent", lambda p: p.secure().header().hold()),
    Case("stream", "other-element", "something else where features should be", "peer-xml", instead_of_features("<message/>")),
    Case("stream", "document-type", "a document type in the header", "peer-xml",
         at_first("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><stream:stream>")),
    Case("stream", "deep-features", "features 5,000 levels deep", "limit-rate", instead_of_features("<stream:features>" + "<x>" * 5000)),
    Case("stream", "huge-features", "features of 100 KB", "limit-rate",
         instead_of_features("<stream:features><x>" + "x" * 100000 + "</x></stream:features>")),
    Case("stream", "other-from", "the header is from another domain: proved by certificate all the same", peer=header_of_another),
]


# ---- policy: rules of ours
def without_tls(p):
    p.asked().header(DIALBACK).accept().hold()


CERTIFICATE = 'auth = "certificate"'
POLICY = [
    Case("policy", "denied", "denied by a rule", "policy-ours", lambda p: p.ready().hold(), rule='policy = "deny"'),
    Case("policy", "certificate-only", "dialback would do, a rule wants a certificate", "cert-issuer", lambda p: p.ready().hold(),
         cert="unknown-ca", rule=CERTIFICATE),
    Case("policy", "certificate-good", "a rule wants a certificate, it is good: works", peer=lambda p: p.ready().hold(), rule=CERTIFICATE),
    Case("policy", "plain", "without TLS, as a rule allows: works", peer=without_tls, rule="tls_required = false"),
    Case("policy", "plain-denied", "without TLS, a rule speaks of certificates only", "tls-missing", without_tls, rule=CERTIFICATE),
]


# ---- DANE
def tlsa_fails(packet, name, kind):
    return dns.answer(packet, rcode=dns.SERVFAIL) if kind == dns.TLSA else NotImplemented


DANE = [
    Case("dane", "dane-right", "self-signed, as its TLSA record says: works", peer=lambda p: p.ready().hold(), strict=True, cert="self-signed",
         tlsa="right"),
    Case("dane", "dane-wrong", "a good certificate, the TLSA record is of another", "cert-dane", lambda p: p.ready().hold(), cert="good", tlsa="wrong"),
    Case("dane", "dane-unsigned", "the same where nothing is signed: works", peer=lambda p: p.ready().hold(), tlsa="unsigned"),
    Case("dane", "dane-bogus", "its TLSA record cannot be had: not connected to", "dns-servfail", lambda p: p.ready().hold(), tlsa="right",
         wrong=tlsa_fails),
]


# ---- dialback
def keyed(act):
    """As far as our key, then act."""
    def play(p):
        p.secure().header(DIALBACK).key()
        act(p)
        p.hold()
    return play


def early(p):
    """An answer before there is a question: who accepts us may do so when he likes."""
    p.secure().header(DIALBACK)
    p.result("valid")
    p.hold()


DIALBACKS = [
    Case("dialback", "db-valid", "valid: works", peer=keyed(lambda p: p.result("valid"))),
    Case("dialback", "db-invalid", "invalid", "auth-dialback-invalid", keyed(lambda p: p.result("invalid"))),
    Case("dialback", "db-not-found", "error remote-server-not-found", "auth-dialback-error",
         keyed(lambda p: p.result("error", "remote-server-not-found"))),
    Case("dialback", "db-timeout", "error remote-server-timeout", "auth-dialback-error",
         keyed(lambda p: p.result("error", "remote-server-timeout"))),
    Case("dialback", "db-silent", "no answer to the key", "auth-dialback-error", keyed(lambda p: None)),
    Case("dialback", "db-other", "an answer for another domain", "auth-dialback-error", keyed(lambda p: p.result("valid", sender="other.test"))),
    Case("dialback", "db-verify", "an answer to a question nobody asked (forged)", "auth-dialback-error",
         keyed(lambda p: p.result("valid", element="verify", ident="x"))),
    Case("dialback", "db-early", "accepts before it is asked: works", peer=early),
    Case("dialback", "db-closed", "closes on the key", "peer-closed", keyed(lambda p: p.c.close())),
    Case("dialback", "db-unreachable", "remote-connection-failed on the key", "auth-dialback-error", keyed(lambda p: p.error("remote-connection-failed"))),
    Case("dialback", "db-unwanted", "not-authorized on the key", "policy-theirs", keyed(lambda p: p.error("not-authorized"))),
    Case("dialback", "auth-nothing", "neither EXTERNAL nor dialback offered", "auth-none", lambda p: p.secure().header("", db=False).hold()),
]


# ---- SASL
def asked_external(act, features=EXTERNAL, db=False):
    def play(p):
        p.secure().header(features, db=db).c.take("{%s}auth" % NS_SASL)
        act(p)
        p.hold()
    return play


def fail(condition):
    return lambda p: p.send("<failure xmlns='%s'><%s/></failure>" % (NS_SASL, condition))


def then_dialback(p):
    fail("not-authorized")(p)
    p.key()
    p.result("valid")


def success_silent(p):
    p.c.fresh()
    p.send("<success xmlns='%s'/>" % NS_SASL)


SASL = [
    Case("sasl", "sasl-refused", "EXTERNAL refused, no dialback", "auth-external", asked_external(fail("not-authorized"))),
    Case("sasl", "sasl-fallback", "EXTERNAL refused, then dialback: works", peer=asked_external(then_dialback, EXTERNAL + DIALBACK, True)),
    Case("sasl", "sasl-aborted", "EXTERNAL aborted, no dialback", "auth-external", asked_external(fail("aborted"))),
    Case("sasl", "sasl-temporary", "temporary-auth-failure, no dialback", "auth-external", asked_external(fail("temporary-auth-failure"))),
    Case("sasl", "sasl-unknown", "only mechanisms we do not have", "auth-none",
         lambda p: p.secure().header(EXTERNAL.replace("EXTERNAL", "X-MAGIC"), db=False).hold()),
    Case("sasl", "sasl-silent", "no answer to EXTERNAL", "peer-silent", asked_external(lambda p: None)),
    Case("sasl", "sasl-closed", "closes on EXTERNAL", "peer-closed", asked_external(lambda p: p.c.close())),
    Case("sasl", "sasl-error", "not-authorized as a stream error", "policy-theirs", asked_external(lambda p: p.error("not-authorized"))),
    Case("sasl", "sasl-success-silent", "success, then nothing", "peer-silent", asked_external(success_silent)),
]


# ---- ready, then
def at_stanza(act, more=SM):
    def play(p):
        p.ready(more).stanza()
        act(p)
        p.hold()
    return play


def at_ready(text, more=""):
    def play(p):
        p.ready(more)
        p.send(text)
        p.hold()
    return play


LIMITS = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>%d</max-bytes></limits>"
AFTER = [
    Case("limits", "limit-tiny", "takes stanzas of 10,000 bytes, gets one of 20,000", later="limit-size", peer=lambda p: p.ready(LIMITS % 10000).hold(), big=True),
    Case("limits", "limit-policy", "policy-violation at a stanza", later="policy-theirs", peer=at_stanza(lambda p: p.error("policy-violation"))),
    Case("limits", "limit-full", "resource-constraint at a stanza", later="limit-theirs", peer=at_stanza(lambda p: p.error("resource-constraint"))),
    Case("limits", "never-acks", "enables XEP-0198, acknowledges nothing", later="peer-stalled", peer=at_stanza(lambda p: None)),
    Case("misbehaviour", "stanza-early", "a stanza before the features", "peer-xml", instead_of_features("<iq type='get'/>")),
    Case("misbehaviour", "unknown-element", "elements nobody knows: ignored", peer=at_ready("<x xmlns='urn:nobody'/><y xmlns='urn:nobody'/>")),
    Case("misbehaviour", "closes-at-stanza", "closes at the first stanza", later="peer-closed", peer=at_stanza(lambda p: p.c.close())),
    Case("misbehaviour", "resets-at-stanza", "resets at the first stanza", later="peer-reset", peer=at_stanza(lambda p: p.reset())),
    Case("misbehaviour", "conflict-at-stanza", "conflict at the first stanza", later="peer-error", peer=at_stanza(lambda p: p.error("conflict"))),
    Case("misbehaviour", "deep-at-stanza", "5,000 levels deep at the first stanza", later="limit-rate",
         peer=at_stanza(lambda p: p.send("<message>" + "<x>" * 5000))),
    Case("misbehaviour", "wide-at-stanza", "an attribute of 400 KB at the first stanza", later="limit-rate",
         peer=at_stanza(lambda p: p.send("<message id='" + "x" * 400000 + "'/>"))),
    Case("misbehaviour", "garbage-at-stanza", "no XML at the first stanza", later="peer-xml", peer=at_stanza(lambda p: p.send("</wrong><&>"))),
]



# ---- the other way: what comes to us, and how its domain's record names it
class Inbound:
    def __init__(self, name, what, cause, act, rule=None):
        self.name, self.what, self.cause, self.act, self.domain = "in-" + name, what, cause, act, "in-%s.test" % name
        self.rule = rule


def then(text):
    """A header, features, and this."""
    def act(c, case, to):
        c.open(to, NS_SERVER, " from='%s'" % case.domain).features()
        c.try_send(text)
    return act


def only_header(c, case, to):
    c.open(to, NS_SERVER, " from='%s'" % case.domain).wait_end()


def instead_of_tls(text):
    def act(c, case, to):
        then("<starttls xmlns='%s'/>" % NS_TLS)(c, case, to)
        c.take("{%s}proceed" % NS_TLS)
        c.try_send(text)
    return act


def behind_tls(text):
    def act(c, case, to):
        c.secure(to, case.ca, NS_SERVER, extra=" from='%s'" % case.domain)
        c.try_send(text)
    return act


INBOUND = [
    Inbound("closed", "closes after the features", "peer-closed", then("")),
    Inbound("garbage", "no XML after the features", "peer-xml", then("</oops>")),
    Inbound("tls-lost", "closes on <proceed/>", "tls-lost", then("<starttls xmlns='%s'/>" % NS_TLS)),
    Inbound("tls-garbage", "something else instead of TLS", "tls-handshake", instead_of_tls("EHLO you\r\n")),
    Inbound("unproved", "a stanza without having proved anything", "peer-rules", behind_tls("<message from='x@other.test' to='y@world.test'/>")),
    Inbound("denied", "a domain that a rule denies", "policy-ours", only_header, rule='policy = "deny"'),
    Inbound("too-much", "100 KB before authentication", "limit-rate", behind_tls("<message>" + "x" * 100000)),
]

FINAL = ("dns-nxdomain", "dns-nodata", "dns-no-service")  # nothing waits: not tried again
UNTRIED = ("policy-ours",)  # the domain is neither down nor up
BOUNCED_ONLY = ("limit-size",)  # about one stanza, not about a stream
CASES = DNS + TCP + TLS + CERTIFICATES + POLICY + DANE + STREAM + DIALBACKS + SASL + AFTER
