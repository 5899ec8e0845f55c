"""A client that is logged in and lies inside well-formed stanzas, against a real node: roster pushes, carbons, stanza ids, delays,
subscriptions and answers in the name of others, other people's data. What reaches the victim is looked at, byte for byte honest."""
import sys

import stage
import raw
from checks import options
from procs import C2S_TLS
from raw import NS_CLIENT
from stage import DOMAIN

ROSTER, CARBONS, SID, DELAY = "jabber:iq:roster", "urn:xmpp:carbons:2", "urn:xmpp:sid:0", "urn:xmpp:delay"
VICTIM = "victim@" + DOMAIN
DEVICE = VICTIM + "/device"
MALLORY = "mallory@%s/evil" % DOMAIN
ITEM = "<query xmlns='%s'><item jid='mallory@%s' subscription='both'/></query>" % (ROSTER, DOMAIN)
PUSH = "<iq type='set' id='push' to='%%s'>%s</iq>" % ITEM
COPY = ("<message to='%s' type='chat'><%%s xmlns='%s'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='%s' from='alice@%s/x' "
        "to='%s' type='chat'><body>send me money</body></message></forwarded></%%s></message>") % (DEVICE, CARBONS, NS_CLIENT, DOMAIN, VICTIM)


class Stage(stage.Stage):
    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.node.adduser("victim", "pw-victim")
        self.victim = raw.Raw((self.node.ip, C2S_TLS)).login(DOMAIN, "victim", "pw-victim", self.ca, "device", direct=True)
        self.victim.send("<presence/><iq type='set' id='c'><enable xmlns='%s'/></iq>" % CARBONS)
        self.victim.take("iq")
        self.mallory = raw.Raw((self.node.ip, C2S_TLS)).login(DOMAIN, "mallory", "pw-mallory", self.ca, "evil", direct=True)
        self.n = 0

    def after(self, data):
        """(what mallory got, what the victim got) for these bytes. A message from one to the other marks the end."""
        mark = "mark%d" % self.n
        self.n += 1
        self.mallory.elements.clear()
        self.victim.elements.clear()
        self.mallory.send(data + "<message to='%s' type='headline' id='%s'/>" % (DEVICE, mark))
        self.victim.wait(lambda: any(e.get("id") == mark for e in self.victim.elements), "mark", 10)
        self.mallory.ping(DOMAIN, 10, mark)
        return list(self.mallory.elements), [e for e in self.victim.elements if e.get("id") != mark]

    def roster(self):
        """The victim's contacts."""
        self.victim.send("<iq type='get' id='r%d'><query xmlns='%s'/></iq>" % (self.n, ROSTER))
        el = self.victim.take("iq")
        return [i.get("jid") for i in el.iter("{%s}item" % ROSTER)]


def error_of(elements):
    return next((raw.condition(e.find("{%s}error" % NS_CLIENT), raw.NS_STANZAS) for e in elements
                 if e.get("type") == "error" and e.find("{%s}error" % NS_CLIENT) is not None), "none")


def name_of(el):
    return el.tag.split("}")[-1]


def reaches(data):
    """"error | what the victim got, by name and sender"."""
    def act(s):
        mine, theirs = s.after(data)
        return "%s | %s" % (error_of(mine), " ".join("%s from %s" % (name_of(e), e.get("from")) for e in theirs) or "nothing")
    return act


def roster_after(data):
    def act(s):
        s.after(data)
        return "roster %s" % s.roster()
    return act


def marks(data, ns, name, key):
    """The values of an attribute of such children in what the victim got."""
    def act(s):
        _, theirs = s.after(data)
        return " ".join(sorted(x.get(key) or "-" for e in theirs for x in e.iter("{%s}%s" % (ns, name))))
    return act


def forged_ids(s):
    out = marks("<message to='%s' type='chat'><body>x</body><stanza-id xmlns='%s' id='forged' by='%s'/>"
                "<stanza-id xmlns='%s' id='forged' by='%s'/></message>" % (DEVICE, SID, VICTIM, SID, DOMAIN), SID, "stanza-id", "id")(s)
    return "one, ours" if out and " " not in out and "forged" not in out else out


OTHERS = ("<iq type='%s' id='o' to='" + VICTIM + "'>%s</iq>")
CASES = [
    ("roster push of a stranger, to the device", "service-unavailable | nothing", reaches(PUSH % DEVICE)),
    ("roster push of a stranger, to the account", "forbidden | nothing", reaches(PUSH % VICTIM)),
    ("the roster is as it was", "roster []", roster_after("")),
    ("an answer nobody asked for comes with its sender", "none | iq from " + MALLORY,
     reaches("<iq type='result' id='x' to='%s'>%s</iq>" % (DEVICE, ITEM))),
    ("carbon copy (received) made by another", "none | nothing", reaches(COPY % ("received", "received"))),
    ("carbon copy (sent) made by another", "none | nothing", reaches(COPY % ("sent", "sent"))),
    ("carbons of another's account", "not-allowed | nothing", reaches(OTHERS % ("set", "<enable xmlns='%s'/>" % CARBONS))),
    ("stanza ids in the name of account and server", "one, ours", forged_ids),
    ("delay in the name of the server", "", marks("<message to='%s' type='chat'><body>x</body><delay xmlns='%s' from='%s' "
                                                  "stamp='2001-01-01T00:00:00Z'/></message>" % (DEVICE, DELAY, DOMAIN), DELAY, "delay", "from")),
    ("delay in one's own name stays", MALLORY, marks("<message to='%s' type='chat'><body>x</body><delay xmlns='%s' from='%s' "
                                                     "stamp='2001-01-01T00:00:00Z'/></message>" % (DEVICE, DELAY, MALLORY), DELAY, "delay", "from")),
    ("approval nobody asked for", "none | nothing", reaches("<presence to='%s' type='subscribed'/>" % VICTIM)),
    ("cancellation of what never was", "none | nothing", reaches("<presence to='%s' type='unsubscribed'/><presence to='%s' type='unsubscribe'/>"
                                                                 % (VICTIM, VICTIM))),
    ("the roster is as it was, again", "roster []", roster_after("")),
    ("another's roster", "forbidden | nothing", reaches(OTHERS % ("get", "<query xmlns='%s'/>" % ROSTER))),
    ("another's private storage", "forbidden | nothing",
     reaches(OTHERS % ("get", "<query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query>"))),
    ("another's vCard, to write", "forbidden | nothing", reaches(OTHERS % ("set", "<vCard xmlns='vcard-temp'><FN>Mallory</FN></vCard>"))),
    ("another's block list", "service-unavailable | nothing", reaches(OTHERS % ("set", "<block xmlns='urn:xmpp:blocking'><item jid='a@b'/></block>"))),
    ("another's password", "service-unavailable | nothing",
     reaches(OTHERS % ("set", "<query xmlns='jabber:iq:register'><username>victim</username><password>x</password></query>"))),
    ("probe by a stranger", "none | nothing", reaches("<presence to='%s' type='probe'/>" % VICTIM)),
    ("error in the victim's conversation", "none | message from " + MALLORY,
     reaches("<message to='%s' type='error' from='%s'><body>x</body><error type='cancel'><gone xmlns='%s'/></error></message>"
             % (DEVICE, MALLORY, raw.NS_STANZAS))),
]


def act(s):
    s.table(CASES)
    for c in (s.victim, s.mallory):
        s.verdict.check(not c.error and not c.eof, "the stream is open still %s" % c.error)
        c.close()


if __name__ == "__main__":
    o = options(__doc__)
    sys.exit(stage.play("hostile_stanzas", act, o.build, kind=Stage))
