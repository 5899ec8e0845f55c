"""Meridian nodes of a lab, as an operator runs them: a configuration file, meridiand, meridianctl."""
import json
import os
import subprocess

from procs import C2S, C2S_TLS, REGION, S2S, Failed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(build, name):
    path = os.path.join(build, "bin", name)
    if not os.access(path, os.X_OK):
        raise Failed("%s is not built" % path)
    return path


def package(lab, build):
    """Builds the Debian package; returns its path."""
    p = subprocess.run([os.path.join(ROOT, "packaging/make-deb"), build, lab.dir], capture_output=True, text=True, timeout=200)
    if p.returncode != 0:
        raise Failed("make-deb: %s" % p.stderr.strip()[-300:])
    return p.stdout.strip().splitlines()[-1]


class Node:
    """One node of a region. store: sqlite, mem, or a peers.Postgres. node: its name; else it is the first of its region. s2s,
    extra: more lines for [s2s] and at the end. ip: where it listens for clients servers and regions (the ports of procs)."""

    def __init__(self, lab, build, domain, ip, cert, ca, dns=None, region=None, redis=None, region_authority=None,
                 suffix=".regions.test", endpoint=None, shards=1, store="sqlite", beat="5s", lease="15s", extra="",
                 log_level="info", secret="a secret shared by all nodes", overrides=(), s2s="", node=None):
        self.lab, self.build, self.domain, self.ip, self.region = lab, os.path.abspath(build), domain, ip, region
        self.name = "meridian-%s" % (node or region or domain)
        crt, key = cert
        uri = "mem:" if store == "mem" else "sqlite:%s" % lab.path("%s.db" % self.name) if store == "sqlite" else "rdbms:default"
        self.control = lab.path("%s.sock" % (node or region or "node"))
        text = """[general]
domains = ["{domain}"]
shards = {shards}
log_level = "{log_level}"
[tls]
cert = "{crt}"
key = "{key}"
ca = "{ca}"
[[listen.c2s]]
at = "{ip}:{c2s}"
[[listen.c2s]]
at = "{ip}:{c2s_tls}"
tls = "direct"
[[listen.s2s]]
at = "{ip}:{s2s}"
[store]
uri = "{uri}"
[control]
path = "{control}"
[s2s]
dialback_secret = "{secret}"
{s2s_more}
""".format(domain=domain, shards=shards, log_level=log_level, crt=crt, key=key, ca=ca, ip=ip, uri=uri,
           control=self.control, secret=secret, s2s_more=s2s, c2s=C2S, c2s_tls=C2S_TLS, s2s=S2S)
        if dns:
            text += '[dns]\nservers = ["%s"]\n%s' % (dns.server, "trust_ad = true\n" if getattr(dns, "signed", None) else "")
        if uri == "rdbms:default":
            text += store.pool()
        if region:
            node = node or region + "1"
            name = "%s.%s%s" % (node, region, suffix)
            rcrt, rkey = region_authority.issue(name, name)
            text += """[region]
name = "{region}"
node = "{node}"
domain = "{name}"
domain_suffix = "{suffix}"
listen = "{ip}:{port}"
endpoint = "{endpoint}"
cert = "{crt}"
key = "{key}"
ca = "{ca}"
[registry]
host = "{redis}"
port = {redis_port}
beat = "{beat}"
lease = "{lease}"
""".format(region=region, node=node, name=name, suffix=suffix, ip=ip, endpoint=endpoint or "%s:%d" % (ip, REGION), crt=rcrt, key=rkey,
           ca=region_authority.crt, redis=redis.ip, port=REGION, redis_port=redis.port, beat=beat, lease=lease)
            if redis.password:
                text += 'password = "%s"\n' % redis.password
        for peer, address in overrides:
            text += '[[s2s.override]]\ndomain = "%s"\naddress = "%s"\n' % (peer, address)
        self.config = lab.write("%s.toml" % self.name, text + extra)
        self.proc = None

    before = ()  # a command that starts its command

    def start(self):
        argv = [*self.before, program(self.build, "meridiand"), "-c", self.config]
        if self.proc:
            self.proc.launch()
        else:
            self.proc = self.lab.start(self.name, argv)
        self.proc.wait_port(self.ip, C2S)
        return self

    def ctl_line(self, *args):
        return "%s -c %s %s" % (program(self.build, "meridianctl"), self.config, " ".join(args))

    def ctl(self, *args, stdin=None):
        """Run meridianctl --json; returns the decoded answer."""
        p = subprocess.run([program(self.build, "meridianctl"), "-c", self.config, "--json", *args], input=stdin,
                           capture_output=True, text=True, timeout=30)
        if p.returncode != 0:
            raise Failed("meridianctl %s: exit code %d: %s%s" % (" ".join(args), p.returncode, p.stdout, p.stderr))
        return json.loads(p.stdout) if p.stdout.strip() else {}

    def adduser(self, name, password):
        self.ctl("adduser", "%s@%s" % (name, self.domain), stdin=password + "\n")
