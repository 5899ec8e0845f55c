#!/usr/bin/env python3
"""Write COMPLIANCE.md and doap.xml from the XEP() and RFC() declarations in the sources (lib/xmpp/xep.h).

    gen-doap.py [ROOT]            write both files
    gen-doap.py --check [ROOT]    hold the files against the sources

Exit code: 0 done, or both are current; 1 they are not (the difference on stdout); 2 a declaration that cannot be read.
"""
import difflib
import glob
import os
import re
import sys
from xml.sax.saxutils import escape

FOLDERS = ("lib", "conf", "dns", "s2s", "global-registry", "node")
DECLARATION = re.compile(r'^(XEP|RFC)\(((?:[^()"]|"(?:[^"\\]|\\.)*")*)\);$', re.M)
ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([A-Z]+)|,')
STATES = ("COMPLETE", "PARTIAL")
# Titles are not in the declarations: a new number needs its line here.
XEPS = {
    "0012": "Last Activity",
    "0030": "Service Discovery",
    "0049": "Private XML Storage",
    "0054": "vcard-temp",
    "0059": "Result Set Management",
    "0060": "Publish-Subscribe",
    "0077": "In-Band Registration",
    "0082": "XMPP Date and Time Profiles",
    "0092": "Software Version",
    "0114": "Jabber Component Protocol",
    "0115": "Entity Capabilities",
    "0128": "Service Discovery Extensions",
    "0157": "Contact Addresses for XMPP Services",
    "0160": "Best Practices for Handling Offline Messages",
    "0175": "Best Practices for Use of SASL ANONYMOUS",
    "0178": "Best Practices for Use of SASL EXTERNAL with Certificates",
    "0185": "Dialback Key Generation and Validation",
    "0191": "Blocking Command",
    "0198": "Stream Management",
    "0199": "XMPP Ping",
    "0202": "Entity Time",
    "0203": "Delayed Delivery",
    "0220": "Server Dialback",
    "0280": "Message Carbons",
    "0288": "Bidirectional Server-to-Server Connections",
    "0297": "Stanza Forwarding",
    "0305": "XMPP Quickstart",
    "0334": "Message Processing Hints",
    "0352": "Client State Indication",
    "0359": "Unique and Stable Stanza IDs",
    "0368": "SRV records for XMPP over TLS",
    "0386": "Bind 2",
    "0388": "Extensible SASL Profile",
    "0440": "SASL Channel-Binding Type Capability",
    "0474": "SASL SCRAM Downgrade Protection",
    "0478": "Stream Limits Advertisement",
    "0484": "Fast Authentication Streamlining Tokens",
}
RFCS = {
    "4505": "The ANONYMOUS SASL Mechanism",
    "4616": "The PLAIN SASL Mechanism",
    "5802": "SCRAM",
    "5929": "Channel Bindings for TLS",
    "6120": "XMPP: Core",
    "6121": "XMPP: Instant Messaging and Presence",
    "7590": "Use of TLS in XMPP",
    "7622": "XMPP: Address Format",
    "7677": "SCRAM-SHA-256",
    "9266": "Channel Bindings for TLS 1.3",
}
SITE = "https://xmpp.org/extensions/xep-%s.html"
RFC_SITE = "https://www.rfc-editor.org/info/rfc%s"


class Bad(Exception):
    pass


class Entry:
    """One standard, by all files that declare it."""

    def __init__(self, kind, number):
        self.kind, self.number = kind, number
        titles = XEPS if kind == "XEP" else RFCS
        if number not in titles:
            raise Bad("%s %s has no title in tools/gen-doap.py" % (kind, number))
        self.title, self.version, self.complete, self.notes, self.files = titles[number], "", True, [], []

    def add(self, path, version, state, note):
        if self.version and version != self.version:
            raise Bad("%s: %s %s is of version %s elsewhere" % (path, self.kind, self.number, self.version))
        self.version = version
        self.complete = self.complete and state == "COMPLETE"
        self.files.append(path)
        if note:
            self.notes.append(note)


def arguments(text, where):
    """Strings (neighbours joined) and words between commas."""
    out = [""]
    for m in ARGUMENT.finditer(text):
        if m.group(0) == ",":
            out.append("")
        else:
            out[-1] += m.group(1) if m.group(1) is not None else m.group(2)
    if any(not a for a in out):
        raise Bad("%s: an empty argument" % where)
    return out


def collect(root):
    found = {}
    for folder in FOLDERS:
        for path in sorted(glob.glob(os.path.join(root, folder, "**", "*.c"), recursive=True)):
            name = os.path.relpath(path, root)
            with open(path, encoding="utf-8") as f:
                text = f.read()
            for m in DECLARATION.finditer(text):
                args = arguments(m.group(2), name)
                kind, number = m.group(1), args[0]
                version = args.pop(1) if kind == "XEP" else ""
                if len(args) not in (2, 3) or args[1] not in STATES:
                    raise Bad("%s: %s %s says neither COMPLETE nor PARTIAL" % (name, kind, number))
                found.setdefault((kind, number), Entry(kind, number)).add(name, version, args[1], (args + [""])[2])
    return [found[k] for k in sorted(found)]


def state(e):
    return "complete" if e.complete else "partial"


def compliance(entries):
    out = ["# Compliance\n\nWhich standards Meridian implements, as its sources say (`XEP()` and `RFC()` of `lib/xmpp/xep.h`). Made by\n"
           "`tools/gen-doap.py`; do not edit.\n"]
    for kind, head, site in (("RFC", "| RFC | title | status | remarks | where |\n|---|---|---|---|---|", RFC_SITE),
                             ("XEP", "| XEP | title | version | status | remarks | where |\n|---|---|---|---|---|---|", SITE)):
        out.append("## %ss\n\n%s" % (kind, head))
        for e in (e for e in entries if e.kind == kind):
            cells = ["[%s](%s)" % (e.number, site % e.number), e.title] + [e.version] * (kind == "XEP")
            cells += [state(e), "; ".join(e.notes) or " ", ", ".join("`%s`" % f for f in e.files)]
            out.append("| %s |" % " | ".join(c.replace("|", "\\|") for c in cells))
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def version_of(root):
    with open(os.path.join(root, "CMakeLists.txt"), encoding="utf-8") as f:
        return re.search(r"project\(meridian VERSION ([0-9.]+)", f.read()).group(1)


def doap(entries, version):
    out = ["<?xml version='1.0' encoding='UTF-8'?>", "<!-- Made by tools/gen-doap.py; do not edit. -->",
           "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'",
           "         xmlns='http://usefulinc.com/ns/doap#'", "         xmlns:xmpp='https://linkmauve.fr/ns/xmpp-doap#'>",
           "  <Project>", "    <name>Meridian</name>",
           "    <shortdesc xml:lang='en'>An XMPP server that makes many datacenters one service</shortdesc>",
           "    <programming-language>C</programming-language>", "    <os>Linux</os>",
           "    <category rdf:resource='https://linkmauve.fr/ns/xmpp-doap#category-xmpp'/>",
           "    <category rdf:resource='https://linkmauve.fr/ns/xmpp-doap#category-server'/>",
           "    <release><Version><revision>%s</revision></Version></release>" % version]
    out += ["    <implements rdf:resource='%s'/>" % (RFC_SITE % e.number) for e in entries if e.kind == "RFC"]
    for e in (e for e in entries if e.kind == "XEP"):
        out += ["    <implements>", "      <xmpp:SupportedXep>", "        <xmpp:xep rdf:resource='%s'/>" % (SITE % e.number),
                "        <xmpp:status>%s</xmpp:status>" % state(e), "        <xmpp:version>%s</xmpp:version>" % e.version]
        out += ["        <xmpp:note xml:lang='en'>%s</xmpp:note>" % escape("; ".join(e.notes))] * bool(e.notes)
        out += ["      </xmpp:SupportedXep>", "    </implements>"]
    return "\n".join(out + ["  </Project>", "</rdf:RDF>"]) + "\n"


def differs(path, want):
    have = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            have = f.read()
    for line in difflib.unified_diff(have.splitlines(), want.splitlines(), path, "as the sources say", lineterm=""):
        print(line)
    return have != want


def main(argv):
    check = "--check" in argv
    args = [a for a in argv[1:] if a != "--check"]
    root = os.path.abspath(args[0] if args else os.path.join(os.path.dirname(__file__), ".."))
    try:
        entries = collect(root)
        files = {"COMPLIANCE.md": compliance(entries), "doap.xml": doap(entries, version_of(root))}
    except (Bad, OSError) as e:
        print("gen-doap.py: %s" % e, file=sys.stderr)
        return 2
    if check:
        stale = [differs(os.path.join(root, name), text) for name, text in files.items()]
        if any(stale):
            print("write them again: tools/gen-doap.py")
        return 1 if any(stale) else 0
    for name, text in files.items():
        with open(os.path.join(root, name), "w", encoding="utf-8") as f:
            f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
