"""slixmpp against a real node: SCRAM-SHA-1, -256, -512 and PLAIN over STARTTLS and direct TLS, right and wrong passwords;
each session then chats with itself."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../runner"))
import certs  # noqa: E402
import checks  # noqa: E402
import clients  # noqa: E402
import meridian  # noqa: E402
from procs import C2S, C2S_TLS, Lab  # noqa: E402

DOMAIN = "one.test"
MECHANISMS = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN")


def client(node, ca, mechanism, direct, password):
    c = clients.Client("alice@%s/%s" % (DOMAIN, mechanism), password, (node.ip, C2S_TLS if direct else C2S), ca, direct)
    c["feature_mechanisms"].use_mech = mechanism
    return c


async def act(node, ca, verdict):
    for direct in (False, True):
        for mechanism in MECHANISMS:
            how = "%-13s over %s" % (mechanism, "direct TLS" if direct else "STARTTLS")
            mark = os.path.getsize(node.proc.log)
            c = await client(node, ca, mechanism, direct, "pw-alice").login()
            node.proc.wait_log("mechanism=%s" % mechanism, 5, mark)
            c.send_message(mto=c.boundjid.full, mbody="note to myself", mtype="chat")
            await c.message("note to myself")
            await c.logout()
            verdict.check(True, "%s: logged in as %s, chats" % (how, c.boundjid))
            failed = node.ctl("status")["counters"]["c2s_auth_failed"]
            try:
                await client(node, ca, mechanism, direct, "wrong").login()
                verdict.check(False, "%s: a wrong password was taken" % how)
            except TimeoutError:
                verdict.check(node.ctl("status")["counters"]["c2s_auth_failed"] > failed, "%s: a wrong password is refused" % how)


def main():
    options = checks.options(__doc__)
    lab, verdict = Lab("mechanisms"), checks.Verdict()
    authority = certs.Authority(lab, "public")
    node = meridian.Node(lab, options.build, DOMAIN, lab.ip(10), authority.issue(DOMAIN, DOMAIN), authority.crt).start()
    node.adduser("alice", "pw-alice")
    try:
        clients.run(act(node, authority.crt, verdict))
    except (TimeoutError, meridian.Failed) as e:
        verdict.check(False, "%s\n%s" % (e, node.proc.tail()))
    verdict.stop(node)
    return verdict.end("mechanisms", lab)


if __name__ == "__main__":
    sys.exit(main())
