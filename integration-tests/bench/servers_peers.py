"""Prosody and ejabberd of Debian to be measured, each in two set-ups."""
import hashlib
import hmac

import peers
from servers import DOMAIN, GENERATOR, PASSWORD, ROUNDS, Server, taskset

USUAL_PROSODY = """disco roster saslauth tls blocklist bookmarks carbons dialback pep private smacks vcard4 vcard_legacy
csi_simple invites invites_adhoc invites_register ping register time uptime version admin_adhoc admin_shell posix
offline""".split()
LEAN_PROSODY = "disco roster saslauth tls posix".split()
PROSODY_NEEDS = {"acks": "smacks", "offline": "offline", "s2s": "dialback"}


class Prosody(Server, peers.Prosody):
    """usual: what Debian's prosody.cfg.lua has on, without `limits`; lean: what the scenario needs, generational collection, TLS
    tickets, which it has off by default."""
    kind = "prosody"
    CONF = """
run_as_root = true
pidfile = "{dir}/prosody/prosody.pid"
data_path = "{dir}/prosody/data"
interfaces = {{ "{ip}" }}
local_interfaces = {{ "{ip}" }}
use_ipv6 = false
c2s_ports = {{ {c2s} }}
c2s_direct_tls_ports = {{ 25223 }}
s2s_ports = {{ {s2s} }}
http_ports = {{ }}
https_ports = {{ }}
modules_enabled = {{ "{first}"{modules} }}
modules_disabled = {{ {off} }}
authentication = "internal_hashed"
default_iteration_count = {rounds}
c2s_require_encryption = false
s2s_require_encryption = true
s2s_secure_auth = {secure_auth}
{more}
ssl = {{ cafile = "{ca}"; certificate = "{crt}"; key = "{key}"; {tickets} }}
c2s_direct_tls_ssl = ssl
log = {{ warn = "*console" }}
VirtualHost "{domain}"
  ssl = {{ certificate = "{crt}"; key = "{key}"; cafile = "{ca}"; {tickets} }}
"""

    def __init__(self, ground, setup, accounts, needs=()):
        Server.__init__(self, ground, setup, accounts, needs)
        usual = setup == "usual"
        modules = USUAL_PROSODY + ["mam"] * ground.archive if usual else LEAN_PROSODY + [PROSODY_NEEDS[n] for n in needs]
        peers.Prosody.__init__(self, ground.lab, ground.ip, DOMAIN, ground.authority, ground.dns, before=taskset([0]),
                               rounds=ROUNDS, first=modules[0], modules=modules[1:],
                               off=words(["s2s_auth_dane_in"] + ["offline"] * (not usual and "offline" not in needs)),
                               more="" if usual else 'gc = { mode = "generational" }',
                               tickets="" if usual else "options = { no_ticket = false; };")

    @property
    def data(self):
        return self.lab.path("prosody/data")

    def provision(self):
        """Writes the files of the internal storage. All accounts have the keys of one password and one salt."""
        salt = "bench"
        salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt.encode(), ROUNDS)
        stored = hashlib.sha1(mac(salted, b"Client Key")).hexdigest()
        text = ('return { ["iteration_count"] = %d; ["salt"] = "%s"; ["stored_key"] = "%s"; ["server_key"] = "%s"; };\n'
                % (ROUNDS, salt, stored, mac(salted, b"Server Key").hex()))
        for n in range(self.accounts):
            self.lab.write("prosody/data/%s/accounts/u%d.dat" % (DOMAIN.replace(".", "%2e"), n), text)

    def launch(self):
        self.proc = None
        peers.Prosody.start(self)
        self.procs = [self.proc]


def words(names):
    return ", ".join('"%s"' % n for n in names)


def mac(key, text):
    return hmac.new(key, text, "sha1").digest()


# The modules of Debian's ejabberd.yml, without mod_fail2ban and mod_pres_counter, which limit.
USUAL_EJABBERD = """
  mod_adhoc: {}
  mod_admin_extra: {}
  mod_announce: {access: all}
  mod_avatar: {}
  mod_blocking: {}
  mod_bosh: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_configure: {}
  mod_disco: {}
  mod_http_api: {}
  mod_last: {}
  mod_mqtt: {}
  mod_muc: {}
  mod_muc_admin: {}
  mod_offline: {access_max_user_messages: max_user_offline_messages}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub: {plugins: [flat, pep]}
  mod_push: {}
  mod_push_keepalive: {}
  mod_roster: {versioning: true}
  mod_s2s_dialback: {}
  mod_shared_roster: {}
  mod_sic: {}
  mod_stream_mgmt: {resend_on_timeout: if_offline}
  mod_stun_disco: {}
  mod_vcard: {search: false}
  mod_vcard_xupdate: {}
  mod_version: {}
"""
LEAN_EJABBERD = """
  mod_disco: {}
  mod_roster: {}
"""
OFFLINE = "  mod_offline: {access_max_user_messages: max_user_offline_messages}\n"
# What is not acknowledged when a session closes must have a place to go, or it is bounced.
EJABBERD_NEEDS = {"acks": "  mod_stream_mgmt: {resend_on_timeout: if_offline}\n" + OFFLINE, "offline": OFFLINE,
                  "s2s": "  mod_s2s_dialback: {}\n"}
ARCHIVE_EJABBERD = """  mod_mam: {default: always}
"""
# How Debian's ejabberdctl starts it, on one scheduler: there is one core. Lean does not spin when there is nothing to do.
USUAL_ERLANG = ("+K", "true", "+P", "250000", "+S", "1:1")
LEAN_ERLANG = USUAL_ERLANG + ("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none")


class Ejabberd(Server, peers.Ejabberd):
    """usual: the modules of Debian's ejabberd.yml; lean: what the scenario needs."""
    kind = "ejabberd"
    is_apart = True
    CONF = """
hosts: ["{domain}"]
loglevel: warning
certfiles: ["{pem}"]
ca_file: "{ca}"
c2s_ciphers: "HIGH:!aNULL:!eNULL:!3DES:@STRENGTH"
auth_method: internal
auth_password_format: scram
disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
s2s_use_starttls: required
s2s_dns_timeout: 5
acme: {{auto: false}}
listen:
  - {{port: {c2s}, ip: "{ip}", module: ejabberd_c2s, starttls: true, access: all, shaper: none, backlog: 1000}}
  - {{port: 25223, ip: "{ip}", module: ejabberd_c2s, tls: true, access: all, shaper: none, backlog: 1000}}
  - {{port: {s2s}, ip: "{ip}", module: ejabberd_s2s_in, shaper: none}}
shaper_rules:
  max_user_sessions: infinity
  max_user_offline_messages: 1000000
modules:{modules}
"""

    @property
    def data(self):
        return self.ground.lab.path("ejabberd/spool")

    def run(self, accounts):
        usual = self.setup == "usual"
        g, lean = self.ground, LEAN_EJABBERD + "".join(EJABBERD_NEEDS[n] for n in self.needs)
        modules = USUAL_EJABBERD + ARCHIVE_EJABBERD * g.archive if usual else lean
        peers.Ejabberd.__init__(self, g.lab, g.ip, DOMAIN, g.authority, g.dns, [(g.generator, GENERATOR)], accounts,
                                before=taskset([0]), flags=USUAL_ERLANG if usual else LEAN_ERLANG, modules=modules)
        self.procs = [self.proc]
        peers.Ejabberd.wait(self)

    def register(self, accounts):
        """One account with all its work, the others as copies of its row."""
        if not accounts:
            return ""
        return ("ok = ejabberd_auth:try_register(<<\"u0\">>, <<\"{d}\">>, <<\"{p}\">>), "
                "[R] = mnesia:dirty_read(passwd, {{<<\"u0\">>, <<\"{d}\">>}}), "
                "[mnesia:dirty_write(setelement(2, R, {{<<\"u\", (integer_to_binary(N))/binary>>, <<\"{d}\">>}})) "
                "|| N <- lists:seq(1, {n})], "
                .format(d=DOMAIN, p=PASSWORD, n=len(accounts) - 1))

    def provision(self):
        self.run(["u%d" % n for n in range(self.accounts)])
        self.stop(kill=False)

    def launch(self):
        self.run(())
