"""The authoritative name server of the lab, scripted: right answers, and those that no real server can be made to give."""
import hashlib
import socket
import struct
import threading

A, CNAME, SOA, TXT, AAAA, SRV, TLSA = 1, 5, 6, 16, 28, 33, 52
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
TTL = 60
AD = 0x20  # "authentic data", as a validating resolver says


def name(text):
    """A domain name on the wire; the root is ''."""
    labels = [part.encode() for part in text.strip(".").split(".") if part]
    return b"".join(bytes([len(p)]) + p for p in labels) + b"\0"


def a(ip):
    return A, socket.inet_aton(ip)


def srv(target, port, priority=0, weight=0):
    return SRV, struct.pack("!HHH", priority, weight, port) + name(target)


def cname(target):
    return CNAME, name(target)


def txt(text):
    return TXT, bytes([len(text)]) + text.encode()


def tlsa(certificate):
    """Usage 3, of the whole certificate (DER), by SHA-256."""
    return TLSA, b"\3\0\1" + hashlib.sha256(certificate).digest()


def question_of(packet):
    """(name in lower case, type, the question's bytes)."""
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii", "replace").lower())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack("!H", packet[at + 1:at + 3])[0], packet[12:at + 5]


def answer(packet, records=(), rcode=NOERROR, ident=None, flags=0):
    """records: [(owner name, type, rdata)]. Without any, with a SOA, as negative answers have."""
    _, _, question = question_of(packet)
    soa = name("ns.test") + name("root.test") + struct.pack("!IIIII", 1, TTL, TTL, TTL, TTL)
    body = b"".join(name(owner) + struct.pack("!HHIH", kind, 1, TTL, len(data)) + data for owner, kind, data in records)
    negative = b"" if records or rcode not in (NOERROR, NXDOMAIN) else name("test") + struct.pack("!HHIH", SOA, 1, TTL, len(soa)) + soa
    head = (packet[:2] if ident is None else ident) + struct.pack("!HHHHH", 0x8480 | (packet[2] & 1) << 8 | flags | rcode, 1, len(records), bool(negative), 0)
    return head + question + body + negative


class Server(threading.Thread):
    """zones: {name: [(type, rdata)]}; a name that is not there does not exist, unless one below it does. wrong: {suffix: f(packet,
    name, type) -> bytes, or None for silence, or NotImplemented for the zones' answer}; is_udp_only: not over TCP. signed: domains
    whose answers count as validated."""

    def __init__(self, address, zones, wrong, signed=()):
        super().__init__(daemon=True)
        self.zones, self.wrong, self.signed = zones, wrong, signed
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.server = "%s:%d" % address
        self.ip, self.port = address
        self.listener = socket.create_server(address)
        threading.Thread(target=self.run_tcp, daemon=True).start()
        self.start()

    def zone(self, packet, asked, kind):
        records, owner = [], asked
        flags = AD if any(asked.endswith("." + d) for d in self.signed) else 0
        for _ in range(9):  # as a server does: follow what one has
            here = self.zones.get(owner)
            if here is None:
                below = any(n.endswith("." + owner) for n in self.zones)
                return answer(packet, records, NOERROR if below or records else NXDOMAIN, flags=flags)
            records += [(owner, t, d) for t, d in here if t == kind]
            alias = next((d for t, d in here if t == CNAME and kind != CNAME), None)
            if alias is None:
                break
            records.append((owner, CNAME, alias))
            owner = self.target_of(alias)
        return answer(packet, records, flags=flags)

    @staticmethod
    def target_of(wire):
        at, labels = 0, []
        while wire[at]:
            labels.append(wire[at + 1:at + 1 + wire[at]].decode())
            at += 1 + wire[at]
        return ".".join(labels)

    def answer_to(self, packet, is_udp):
        asked, kind, _ = question_of(packet)
        for suffix, act in self.wrong.items():
            if (asked == suffix or asked.endswith("." + suffix)) and (is_udp or not getattr(act, "is_udp_only", False)):
                out = act(packet, asked, kind)
                return self.zone(packet, asked, kind) if out is NotImplemented else out
        return self.zone(packet, asked, kind)

    def run(self):
        while True:
            packet, peer = self.sock.recvfrom(4096)
            out = self.answer_to(packet, True)
            if out is not None:
                self.sock.sendto(out, peer)

    def run_tcp(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.serve_tcp, args=(sock,), daemon=True).start()

    def serve_tcp(self, sock):
        """Questions of one connection, each behind its length."""
        with sock, sock.makefile("rb") as stream:
            head = stream.read(2)
            while len(head) == 2:
                out = self.answer_to(stream.read(struct.unpack("!H", head)[0]), False)
                if out is not None:
                    sock.sendall(struct.pack("!H", len(out)) + out)
                head = stream.read(2)
