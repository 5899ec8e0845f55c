"""The real servers of a lab: Redis, NSD (DNS), Prosody, ejabberd, each on private loopback addresses with its files in the lab."""
import glob
import os
import shlex
import shutil
import subprocess
import tempfile
import time

from procs import C2S, DNS, POSTGRES, REDIS, S2S, Failed


def need(*programs):
    missing = [p for p in programs if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if missing:
        raise Failed("not installed: %s (scripts/install installs what is needed)" % ", ".join(missing))


def sbin(name):
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def with_files(files, argv):
    """The command in a mount namespace of its own, in which some files of this machine are others: [(ours, theirs)]."""
    unshare = ["unshare", "-m"]
    if subprocess.run(unshare + ["true"], capture_output=True).returncode != 0:
        # The root of a chroot need not be a mount point, then its propagation cannot be changed; nor need it be if nothing
        # propagates anyway.
        with open("/proc/self/mountinfo") as f:
            if "shared:" in f.read():
                raise Failed("no mount namespace: run as root, and in a chroot bind its directory onto itself first")
        unshare += ["--propagation", "unchanged"]
    binds = "".join("mount --bind %s %s && " % (shlex.quote(a), shlex.quote(b)) for a, b in files)
    return unshare + ["sh", "-c", binds + "exec " + " ".join(map(shlex.quote, argv))]


class Redis:
    port = REDIS

    def __init__(self, lab, ip, password=None, before=()):
        need("redis-server", "redis-cli")
        self.lab, self.ip, self.password = lab, ip, password
        argv = list(before) + ["redis-server", "--bind", ip, "--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", lab.dir]
        if password:
            argv += ["--requirepass", password]
        self.proc = lab.start("redis", argv)
        self.proc.wait_port(ip, self.port)

    def restart(self):
        self.proc.launch()
        self.proc.wait_port(self.ip, self.port)

    def cli(self, *args):
        argv = ["redis-cli", "-h", self.ip, "-p", str(self.port)]
        if self.password:
            argv += ["--no-auth-warning", "-a", self.password]
        return subprocess.run(argv + list(args), check=True, capture_output=True, text=True).stdout.strip()


class Postgres:
    """A cluster of its own with fsync on and a database "meridian" whose owner "meridian" has a password. It is run by an
    ordinary user when we are root, as the server wants it."""
    port, password = POSTGRES, "of the database"

    def __init__(self, lab, ip):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda d: int(d.split("/")[4]))
        if not found:
            raise Failed("not installed: postgresql (scripts/install installs what is needed)")
        self.lab, self.ip, self.bin = lab, ip, found[-1]
        self.dir = tempfile.mkdtemp(prefix="postgres-", dir=lab.dir)  # a lab may have one after the other
        self.as_user = []
        if os.geteuid() == 0:
            need("setpriv")
            os.chmod(lab.dir, 0o711)
            shutil.chown(self.dir, "postgres", "postgres")
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self.run("initdb", "-N", "-D", self.dir + "/data", "-E", "UTF8", "--locale=C", "-A", "trust", "-U", "postgres")
        with open(self.dir + "/data/postgresql.conf", "a") as f:
            f.write("listen_addresses = '%s'\nport = %d\nunix_socket_directories = '%s'\nfsync = on\nshared_buffers = 16MB\n"
                    "password_encryption = 'scram-sha-256'\n" % (ip, self.port, self.dir))
        with open(self.dir + "/data/pg_hba.conf", "w") as f:
            f.write("local all all trust\nhost all all 127.0.0.0/8 scram-sha-256\n")
        self.proc = lab.start("postgres", self.as_user + [self.bin + "/postgres", "-D", self.dir + "/data"])
        self.wait()
        self.sql("CREATE ROLE meridian LOGIN PASSWORD '%s'" % self.password, "postgres")
        self.sql("CREATE DATABASE meridian OWNER meridian", "postgres")

    def run(self, program, *args, stdin=None):
        p = subprocess.run(self.as_user + [os.path.join(self.bin, program), *args], input=stdin, capture_output=True, text=True,
                           cwd="/")
        if p.returncode != 0:
            raise Failed("%s: exit code %d: %s%s" % (program, p.returncode, p.stdout, p.stderr))
        return p.stdout.strip()

    def here(self, database="meridian"):
        """Arguments that lead a tool of PostgreSQL here, past the password."""
        return ["-h", self.dir, "-p", str(self.port), "-U", "postgres", "-d", database]

    def sql(self, text, database="meridian"):
        return self.run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", *self.here(database), "-c", text)

    def wait(self, seconds=30):
        end = time.monotonic() + seconds
        ready = [os.path.join(self.bin, "pg_isready"), "-q", *self.here("postgres")]
        while subprocess.run(ready).returncode != 0:
            if not self.proc.alive():
                self.proc.launch()  # it refuses to start until the last of its old processes has gone
            if time.monotonic() > end:
                raise Failed("PostgreSQL does not answer:\n%s" % self.proc.tail())
            time.sleep(0.05)

    def kill(self):
        self.proc.kill()

    def restart(self):
        self.proc.launch()
        self.wait()

    def pool(self, database="meridian"):
        """The section of a node's configuration."""
        return '[outgoing_pools.rdbms.default]\nuri = "postgresql://meridian@%s:%d/%s"\npassword = "%s"\n' % (
            self.ip, self.port, database, self.password)


class Dns:
    """NSD with one zone per domain, on port 53 of its private address: resolv.conf cannot name another."""
    port = DNS

    def __init__(self, lab, ip, zones, before=()):
        need("nsd")
        self.lab, self.ip = lab, ip
        text = ("server:\n  ip-address: %s@%d\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"%s\"\n  database: \"\"\n"
                "  pidfile: \"%s\"\n  xfrdfile: \"%s\"\n  zonelistfile: \"%s\"\n  server-count: 1\n  hide-version: yes\n"
                "  rrl-ratelimit: 0\n"  # it stands for a resolver, which answers as often as it is asked
                "remote-control:\n  control-enable: no\n"
                % (ip, self.port, lab.dir, lab.path("nsd.pid"), lab.path("nsd-xfrd.state"), lab.path("nsd-zones.list")))
        for domain, records in zones.items():
            lab.write("%s.zone" % domain, "$ORIGIN %s.\n$TTL 60\n@ SOA ns.%s. root.%s. 1 60 60 60 60\n@ NS ns.%s.\nns A %s\n%s\n"
                      % (domain, domain, domain, domain, ip, "\n".join(records)))
            text += "zone:\n  name: \"%s\"\n  zonefile: \"%s.zone\"\n" % (domain, domain)
        self.proc = lab.start("nsd", list(before) + [sbin("nsd"), "-d", "-c", lab.write("nsd.conf", text)])
        self.proc.wait_port(ip, self.port)

    @property
    def server(self):
        return "%s:%d" % (self.ip, self.port)


class Prosody:
    """In a mount namespace of its own with a resolv.conf that names the lab's DNS. libunbound answers NXDOMAIN for everything
    under "test." by itself, so Prosody's own resolver is used, installed or not. A subclass may have another CONF."""
    CONF = """
run_as_root = true
daemonize = false
pidfile = "{dir}/prosody/prosody.pid"
data_path = "{dir}/prosody/data"
interfaces = {{ "{ip}" }}
local_interfaces = {{ "{ip}" }}
use_ipv6 = false
c2s_ports = {{ {c2s} }}
s2s_ports = {{ {s2s} }}
http_ports = {{ }}
https_ports = {{ }}
modules_enabled = {{ "roster", "saslauth", "tls", "dialback", "disco", "ping", "posix", "offline"{modules} }}
modules_disabled = {{ "s2s_auth_dane_in" }}
authentication = "internal_hashed"
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = {secure_auth}
ssl = {{ cafile = "{ca}"; certificate = "{crt}"; key = "{key}"; }}
c2s_ssl = ssl
log = {{ info = "*console" }}
VirtualHost "{domain}"
  ssl = {{ certificate = "{crt}"; key = "{key}"; cafile = "{ca}"; }}
"""

    def __init__(self, lab, ip, domain, authority, dns, secure_auth=True, before=(), modules=(), **more):
        """secure_auth: only servers with a trusted certificate; otherwise dialback does, too. before: a command that starts its
        command. modules: enabled beside the usual ones. more: words of CONF."""
        need("prosody", "prosodyctl", "unshare")
        self.lab, self.ip, self.domain, self.before = lab, ip, domain, list(before)
        crt, key = authority.issue(domain, domain)
        os.makedirs(lab.path("prosody/data"), exist_ok=True)
        conf = self.CONF.format(dir=lab.dir, ip=ip, domain=domain, crt=crt, key=key, ca=authority.crt, c2s=C2S, s2s=S2S,
                                secure_auth="true" if secure_auth else "false",
                                modules="".join(', "%s"' % m for m in modules), **more)
        self.config = lab.write("prosody/prosody.cfg.lua", conf)
        self.resolv = lab.write("prosody/resolv.conf", "nameserver %s\n" % dns.ip)
        lab.write("prosody/lua/lunbound.lua", "error('libunbound refuses the top level domain test')\n")
        os.makedirs(lab.path("prosody/certs"), exist_ok=True)
        self.proc = None

    def adduser(self, name, password, domain=None):
        """Before start: prosodyctl writes the account file."""
        subprocess.run(["prosodyctl", "--config", self.config, "register", name, domain or self.domain, password], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        if self.proc:
            self.proc.launch()
        else:
            argv = self.before + with_files([(self.resolv, "/etc/resolv.conf")], ["prosody", "--config", self.config])
            self.proc = self.lab.start("prosody", argv,
                                       env={"LUA_PATH": "%s/prosody/lua/?.lua;;" % self.lab.dir})
        self.proc.wait_port(self.ip, C2S)
        self.proc.wait_port(self.ip, S2S)
        return self


class Ejabberd:
    """Without Erlang distribution and epmd, in a mount namespace of its own whose hosts file holds the names: this version
    resolves the target of an SRV record through the C library. A subclass may have another CONF."""
    CONF = """
hosts: ["{domain}"]
loglevel: info
certfiles: ["{pem}"]
ca_file: "{ca}"
auth_method: internal
auth_password_format: scram
s2s_use_starttls: required
s2s_dns_timeout: 5
listen:
  - {{port: {c2s}, ip: "{ip}", module: ejabberd_c2s, starttls_required: true, access: c2s}}
  - {{port: {s2s}, ip: "{ip}", module: ejabberd_s2s_in}}
access_rules: {{c2s: {{allow: all}}, s2s: {{allow: all}}}}
modules:
  mod_disco: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_s2s_dialback: {{}}
"""

    def __init__(self, lab, ip, domain, authority, dns, hosts, accounts, before=(), flags=("+K", "true"), **more):
        """before: a command that starts its command; flags: of the Erlang machine; more: words of CONF."""
        need("erl", "unshare")
        crt, key = authority.issue(domain, domain, usage="serverAuth,clientAuth")
        pem = lab.path("ejabberd/%s.pem" % domain)
        with open(pem, "w") as out:
            for name in (crt, key):
                with open(name) as f:
                    out.write(f.read())
        config = lab.write("ejabberd/ejabberd.yml", self.CONF.format(domain=domain, pem=pem, ca=authority.crt, ip=ip, c2s=C2S,
                                                                     s2s=S2S, **more))
        inetrc = lab.write("ejabberd/inetrc", "{resolv_conf,\"\"}.\n{nameserver,{%s},%d}.\n{lookup,[file,native]}.\n"
                           % (dns.ip.replace(".", ","), dns.port))
        hosts_file = lab.write("ejabberd/hosts", "127.0.0.1 localhost\n" + "".join("%s %s\n" % h for h in hosts))
        os.makedirs(lab.path("ejabberd/spool"), exist_ok=True)
        libs = os.path.dirname(glob.glob("/usr/lib/*/ejabberd-*")[0])
        self.lab, self.ip, self.domain = lab, ip, domain
        erl = ["erl", "-noinput", *flags, "-start_epmd", "false", "-mnesia", "dir", '"%s/ejabberd/spool"' % lab.dir,
               "-s", "ejabberd", "-eval",
               "{ok, _} = application:ensure_all_started(ejabberd), %s io:format(\"accounts ready~n\")."
               % self.register(accounts)]
        self.proc = lab.start("ejabberd", list(before) + with_files([(hosts_file, "/etc/hosts")], erl),
                              env={"EJABBERD_CONFIG_PATH": config, "EJABBERD_LOG_PATH": lab.path("ejabberd/ejabberd.log"),
                                   "ERL_INETRC": inetrc, "ERL_LIBS": libs, "HOME": lab.path("ejabberd")})

    def register(self, accounts):
        """Erlang that makes the accounts."""
        return "".join("ejabberd_auth:try_register(<<\"%s\">>, <<\"%s\">>, <<\"%s\">>), " % (n, self.domain, p)
                       for n, p in accounts)

    def wait(self):
        """It takes seconds to start: wait when it is needed."""
        self.proc.wait_port(self.ip, S2S, 60)
        self.proc.wait_log("accounts ready", 60)
        return self
