"""A Prosody, an ejabberd and a second Meridian beside our node. Each serves five domains: home.NAME.test, from which its user writes, and
one for each way of finding (WAYS), so that an answer from a domain shows that it was found that way: there is no other."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../runner"), os.path.join(HERE, "../s2s-lab"), os.path.join(HERE, "../wan")]
import certs  # noqa: E402
import checks  # noqa: E402
import lab_dns  # noqa: E402
import meridian  # noqa: E402
import peers  # noqa: E402
import raw  # noqa: E402
from checks import say  # noqa: E402
from procs import C2S, DNS, S2S, Failed, Lab  # noqa: E402

S2S_TLS, S2S_STANDARD = 25270, 5269
WAYS = ("srv", "direct", "address", "override")
OURS, OTHERS = "world", ("prosody", "ejabberd", "meridian")
PROOFS = ("certificate", "dialback", "DANE")


def domain(server, way):
    return "%s.%s.test" % (way, server)


def domains(server):
    return [domain(server, way) for way in ("home",) + WAYS]


class Names:
    """An authority whose certificates are for all domains of a server, and who is trusted by that server."""

    def __init__(self, lab, server, authority, trusted):
        self.names, self.authority = domains(server), authority
        self.crt = lab.path("certs/%s-trusted.crt" % server)
        with open(self.crt, "w") as out:
            for a in trusted:
                with open(a.crt) as f:
                    out.write(f.read())

    def issue(self, stem, *_, usage="serverAuth,clientAuth"):
        self.issued = self.authority.issue(stem, *self.names, usage=usage)
        return self.issued

    def der(self):
        with open(self.issued[0]) as f:
            return raw.ssl.PEM_cert_to_DER_cert(f.read())


PROSODY_TLS = '{{ certificate = "{crt}"; key = "{key}"; cafile = "{ca}"; }}'


class Prosody(peers.Prosody):
    CONF = peers.Prosody.CONF.replace("s2s_ports = {{ {s2s} }}", "s2s_ports = {{ {s2s}, %d }}\ns2s_direct_tls_ports = {{ %d }}\n"
                                      "s2s_direct_tls_ssl = %s" % (S2S_STANDARD, S2S_TLS, PROSODY_TLS))
    CONF += "".join('VirtualHost "%s"\n  ssl = %s\n' % (domain("prosody", way), PROSODY_TLS) for way in WAYS)


class Ejabberd(peers.Ejabberd):
    CONF = peers.Ejabberd.CONF.replace('["{domain}"]', "[%s]" % ", ".join('"%s"' % d for d in domains("ejabberd")))
    CONF = CONF.replace("access_rules", '  - {{port: %d, ip: "{ip}", module: ejabberd_s2s_in}}\n'
                        '  - {{port: %d, ip: "{ip}", module: ejabberd_s2s_in, tls: true}}\naccess_rules' % (S2S_STANDARD, S2S_TLS), 1)

    def register(self, accounts):
        return "".join("ejabberd_auth:try_register(<<\"%s\">>, <<\"%s\">>, <<\"%s\">>), " % (n, d, p)
                       for n, p in accounts for d in domains("ejabberd"))


class Neighbours:
    """proof: by what servers prove themselves to each other. "certificate": one CA for all, and our node has no dialback. "dialback":
    each has a CA that nobody else knows. "DANE": the others' CA is not known to our node, which has no dialback; their zones are signed
    and have TLSA records of their certificates. via: f(server, port) -> address at which the others find that port of a server; None: its own."""

    def __init__(self, lab, build, proof, via=None, prosody_modules=()):
        self.lab, self.build, self.proof = lab, build, proof
        self.ips = {name: lab.ip(10 * n + 10) for n, name in enumerate((OURS,) + OTHERS)}
        self.prosody_modules = prosody_modules
        self.via = via or (lambda server, port: self.ips[server])
        self.zones = {}
        self.dns = lab_dns.Server((lab.ip(2), DNS), self.zones, {}, ("test",) if proof == "DANE" else ())
        for server in self.ips:
            self.zones.update(self.records(server))
        self.names = self.authorities()
        self.node = self.meridian(OURS, "" if proof == "dialback" else "dialback = false\n")
        self.users = {}

    def authorities(self):
        own = {server: certs.Authority(self.lab, "of-" + server) for server in self.ips}
        if self.proof == "certificate":
            own = dict.fromkeys(own, own[OURS])
        both = self.proof == "DANE"
        return {server: Names(self.lab, server, a, (a, own[OURS]) if both and server != OURS else (a,)) for server, a in own.items()}

    def records(self, server):
        host, zone = "host.%s.test" % server, {}
        for port, name in ((S2S, host), (S2S_TLS, "tls." + host), (S2S_STANDARD, domain(server, "address"))):
            zone[name] = [lab_dns.a(self.via(server, port))]
        for way, service, name, port in (("home", "_xmpp-server", host, S2S), ("srv", "_xmpp-server", host, S2S),
                                         ("direct", "_xmpps-server", "tls." + host, S2S_TLS)):
            zone["%s._tcp.%s" % (service, domain(server, way))] = [lab_dns.srv(name, port)]
        return zone

    def sign(self, server):
        """TLSA records of the certificate that it has by now."""
        for port, name in ((S2S, "host.%s.test"), (S2S_TLS, "tls.host.%s.test"), (S2S_STANDARD, "address.%s.test")):
            self.zones["_%d._tcp.%s" % (port, name % server)] = [lab_dns.tlsa(self.names[server].der())]

    def meridian(self, server, s2s=""):
        ip, names = self.ips[server], self.names[server]
        listen = "".join('[[listen.s2s]]\nat = "%s:%d"\n%s' % (ip, port, more)
                         for port, more in ((S2S_STANDARD, ""), (S2S_TLS, 'tls = "direct"\n')))
        others = [o for o in self.ips if o != server]
        return meridian.Node(self.lab, self.build, domain(server, "home"), ip, names.issue(server), names.crt, dns=self.dns, node=server,
                             store="mem", secret="of " + server, also=domains(server)[1:], s2s=s2s,
                             extra=listen + "[auth]\nscram_iterations = 4096\n",
                             overrides=[(domain(o, "override"), "%s:%d" % (self.via(o, S2S), S2S)) for o in others])

    def start(self):
        account = "user", "pw-user"
        # Its resolver of addresses is the C library: all names that it may be led to.
        hosts = [(self.via(s, port), name) for s in self.ips for port, name in
                 ((S2S, "host.%s.test" % s), (S2S_TLS, "tls.host.%s.test" % s), (S2S_STANDARD, domain(s, "address")))]
        ejabberd = Ejabberd(self.lab, self.ips["ejabberd"], domain("ejabberd", "home"), self.names["ejabberd"], self.dns, hosts, [account])
        prosody = Prosody(self.lab, self.ips["prosody"], domain("prosody", "home"), self.names["prosody"], self.dns,
                          secure_auth=self.proof != "dialback", modules=self.prosody_modules)
        self.other = self.meridian("meridian")
        for server in OTHERS if self.proof == "DANE" else ():
            self.sign(server)
        for d in domains("prosody"):
            prosody.adduser(*account, d)
        prosody.start()
        for node, server in ((self.node, OURS), (self.other, "meridian")):
            node.start()
            for d in domains(server):
                node.adduser(*account, d)
        ejabberd.wait()
        return self

    def login(self, server, way="home"):
        """The connection of the user of that domain, made once."""
        if (server, way) not in self.users:
            self.users[server, way] = raw.Raw((self.ips[server], C2S), 30).login(domain(server, way), "user", "pw-user",
                                                                                 self.names[server].crt, "here")
        return self.users[server, way]

    def stop(self, verdict):
        for c in self.users.values():
            c.close()
        verdict.stop(self.node)
        verdict.stop(self.other)


def play(name, build, proof, act, relays=None, prosody_modules=()):
    """act(neighbours, verdict) among them. relays: f(lab) -> via. Returns the exit code."""
    lab, verdict = Lab(name.replace(" ", "-")), checks.Verdict()
    n = None
    try:
        n = Neighbours(lab, build, proof, relays and relays(lab), prosody_modules).start()
        act(n, verdict)
    except (Failed, TimeoutError, raw.Closed, OSError) as e:
        verdict.check(False, "%s: %s" % (type(e).__name__, e))
    if verdict.wrong:
        for proc in lab.procs:
            say("--- end of %s\n%s" % (proc.log, proc.tail(30)))
    if n:
        n.stop(verdict)
    return verdict.end("%s (%s)" % (name, proof), lab)
