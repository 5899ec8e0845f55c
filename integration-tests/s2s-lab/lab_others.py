"""Prosody and ejabberd in the lab: what their users get back, and what their logs say."""
import re

import peers
import raw
from procs import C2S

# What a bounce or a log must have in it, one of them, to have named the cause. Meant kindly: a word is enough.
WORDS = {
    "dns-nxdomain": ("nxdomain", "not exist", "no such domain", "does not resolve", "name error"),
    "dns-nodata": ("no srv", "no address", "not provide", "no record", "does not offer"),
    "dns-no-service": ("not provide", "does not offer", "not support xmpp", "no xmpp", "declines", "refuses"),
    "dns-servfail": ("servfail", "server failure", "name server", "refused by", "dns failure", "resolution failed"),
    "dns-timeout": ("dns timeout", "timed out resolving", "resolution timed out", "dns query", "query timed"),
    "dns-malformed": ("malformed", "format error", "invalid dns"),
    "dns-target": ("no address", "target", "not resolve", "resolution failed", "nxdomain"),
    "address-refused": ("refused",),
    "address-timeout": ("timed out", "timeout", "etimedout"),
    "peer-reset": ("reset", "connection closed", "closed"),
    "peer-closed": ("closed", "shutdown", "ended"),
    "peer-silent": ("timeout", "timed out", "no answer", "silent"),
    "tls-missing": ("starttls", "no tls", "encryption", "not offer"),
    "tls-refused": ("starttls", "tls"),
    "tls-handshake": ("handshake", "tls", "ssl", "alert"),
    "tls-version": ("version", "protocol", "cipher", "handshake failure"),
    "tls-lost": ("handshake", "tls", "ssl"),
    "cert-expired": ("expired",),
    "cert-not-yet-valid": ("not yet valid",),
    "cert-name": ("name", "host", "identity", "domain"),
    "cert-issuer": ("issuer", "self-signed", "self signed", "chain", "unable to get local", "unknown ca"),
    "cert-weak": ("weak", "too small", "md too", "key too"),
    "cert-dane": ("tlsa", "dane"),
    "cert-other": ("purpose", "usage", "invalid ca", "unsuitable"),
    "peer-host-unknown": ("host-unknown", "host unknown", "host-gone", "host gone", "does not serve", "not known to", "hosted"),
    "policy-theirs": ("policy", "not-authorized", "not authorized", "refuse"),
    "limit-theirs": ("resource", "constraint"),
    "limit-rate": ("too", "large", "limit", "policy", "size", "depth"),
    "limit-size": ("too large", "size", "limit", "bytes"),
    "peer-xml": ("xml", "parse", "well-formed", "namespace", "invalid"),
    "peer-version": ("version", "1.0"),
    "peer-error": ("internal", "see-other-host", "see other host", "conflict"),
    "peer-stalled": ("ack", "stall", "timeout", "timed out"),
    "auth-dialback-invalid": ("dialback", "key"),
    "auth-dialback-error": ("dialback", "verif"),
    "auth-external": ("external", "sasl", "authentication"),
    "auth-none": ("no way", "dialback", "external", "authentication", "mechanism"),
}


def login(server, domain, ca, password):
    c = raw.Raw((server.ip, C2S), 60)
    return c.login(domain, "alice", password, ca, "lab")


def start(name, stage, ip, domain):
    """(server, path of its log)."""
    stage.add(domain, ip)
    hosts = [(c.ip, "host." + c.domain) for c in stage.cases if not c.zone and not c.wrong]
    if name == "prosody":
        server = peers.Prosody(stage.lab, ip, domain, stage.public, stage.dns)
        server.adduser("alice", "pw-alice")
        return server.start(), stage.lab.path("prosody.log")
    server = peers.Ejabberd(stage.lab, ip, domain, stage.public, stage.dns, hosts, [("alice", "pw-alice")])
    return server.wait(), stage.lab.path("ejabberd/ejabberd.log")


def log_of(path, domain):
    """The lines about that domain, without their time."""
    with open(path, errors="replace") as f:
        lines = [line.strip() for line in f if re.search(r"(?<![\w-])" + re.escape(domain), line)]
    return [re.sub(r"^\S+ \d+:\d+:\d+\S*\s+|^\d{4}-\d\d-\d\d[T ]\S+\s+", "", line) for line in lines]


def is_named(names, texts):
    text = " ".join(texts).lower()
    return any(word in text for n in names for word in WORDS[n])
