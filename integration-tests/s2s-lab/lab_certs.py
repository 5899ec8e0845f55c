"""Good certificates of the lab, and each kind of bad one. Made with the openssl command, in one go."""
import os
import ssl
import subprocess
import warnings
import zlib

warnings.simplefilter("ignore", DeprecationWarning)  # the old versions are what is wanted

P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA1024 = ("-newkey", "rsa:1024")
XMPP_ADDR = "otherName:1.3.6.1.5.5.7.8.5;UTF8:"


def openssl(*argv):
    p = subprocess.run(("openssl",) + argv, capture_output=True, text=True)
    if p.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (" ".join(argv), p.stderr))


def serial_of(stem, form="%d"):
    text = form % (zlib.crc32(stem.encode()) + 1)
    return "0" * (form == "%X" and len(text) % 2) + text


class Certs:
    """public: the authority everybody knows. context(kind, domain) is a TLS server's."""

    def __init__(self, lab, public, foreign):
        self.lab, self.public, self.foreign = lab, public, foreign
        self.middle = self.issue("middle", None, ca=True)

    def issue(self, stem, san, key=P256, ca=False, days=("20",), digest="sha256", usage="serverAuth", issuer=None):
        """(certificate, key). days: from today, or (start, end) as openssl's ca wants them."""
        crt, keyfile, csr = (self.lab.path("certs/%s.%s" % (stem, e)) for e in ("crt", "key", "csr"))
        ext = ["basicConstraints=CA:TRUE"] if ca else ["extendedKeyUsage=" + usage] if usage else ["basicConstraints=CA:FALSE"]
        ext += ["subjectAltName=" + san] if san else []
        extfile = self.lab.write("certs/%s.ext" % stem, "\n".join(ext) + "\n")
        by = issuer or (self.public.crt, self.public.key)
        openssl("req", *key, "-nodes", "-subj", "/CN=%s" % stem[:60], "-keyout", keyfile, "-out", csr)
        if len(days) == 1:
            openssl("x509", "-req", "-in", csr, "-CA", by[0], "-CAkey", by[1], "-set_serial", serial_of(stem),
                    "-days", days[0], "-" + digest, "-extfile", extfile, "-out", crt)
        else:
            self._between(csr, crt, by, days, extfile, stem)
        return crt, keyfile

    def _between(self, csr, crt, by, days, extfile, stem):
        """A validity that does not begin now: only `openssl ca` makes it."""
        base = self.lab.path("certs/%s-ca/index" % stem)
        open(base, "w").close()
        folder = os.path.dirname(base)
        conf = self.lab.write("certs/%s.cnf" % stem,
                              "[ca]\ndefault_ca=a\n[a]\ndatabase=%s\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n"
                              "unique_subject=no\n[p]\ncommonName=supplied\n" % (base, folder, folder))
        openssl("ca", "-batch", "-notext", "-config", conf, "-create_serial", "-cert", by[0], "-keyfile", by[1], "-in", csr,
                "-startdate", days[0], "-enddate", days[1], "-extfile", extfile, "-out", crt)

    def make(self, kind, domain):
        """The certificate of that kind for that domain."""
        dns = "DNS:" + domain
        stem = "%s-%s" % (kind, domain)
        if kind in ("good", "old", "revoked"):
            return self.issue(stem, dns)
        if kind == "rsa-only":
            return self.issue(stem, dns, key=("-newkey", "rsa:2048"))
        if kind == "expired":
            return self.issue(stem, dns, days=("20200101000000Z", "20210101000000Z"))
        if kind == "not-yet":
            return self.issue(stem, dns, days=("20500101000000Z", "20510101000000Z"))
        if kind == "other-name":
            return self.issue(stem, "DNS:host.example.test")
        if kind == "cn-only":
            return self.issue(stem, None)
        if kind == "wildcard":
            return self.issue(stem, "DNS:*.%s" % domain.partition(".")[2])
        if kind == "xmpp-addr":
            return self.issue(stem, XMPP_ADDR + domain)
        if kind == "unknown-ca":
            return self.issue(stem, dns, issuer=(self.foreign.crt, self.foreign.key))
        if kind == "self-signed":
            crt, key = self.lab.path("certs/%s.crt" % stem), self.lab.path("certs/%s.key" % stem)
            openssl("req", "-x509", *P256, "-nodes", "-days", "20", "-subj", "/CN=" + domain, "-addext", "subjectAltName=" + dns,
                    "-keyout", key, "-out", crt)
            return crt, key
        if kind == "weak-key":
            return self.issue(stem, dns, key=RSA1024)
        if kind == "sha1":
            return self.issue(stem, dns, digest="sha1")
        if kind == "no-intermediate":
            return self.issue(stem, dns, issuer=self.middle)
        if kind == "intermediate":
            crt, key = self.issue(stem, dns, issuer=self.middle)
            with open(crt, "a") as out, open(self.middle[0]) as middle:
                out.write(middle.read())
            return crt, key
        if kind == "client-only":
            return self.issue(stem, dns, usage="clientAuth")
        if kind == "no-usage":
            return self.issue(stem, dns, usage="")
        if kind == "code-signing":
            return self.issue(stem, dns, usage="codeSigning")
        raise KeyError(kind)

    def revoke(self, stems):
        """A list of the public authority's with the certificates of these stems; its path."""
        rows = "".join("R\t400101000000Z\t200101000000Z\t%s\tunknown\t/CN=%s\n" % (serial_of(stem, "%X"), stem) for stem in stems)
        index = self.lab.write("certs/revoked/index", rows)
        conf = self.lab.write("certs/revoked.cnf", "[ca]\ndefault_ca=a\n[a]\ndatabase=%s\ndefault_md=sha256\n" % index)
        crl = self.lab.path("certs/public.crl")
        openssl("ca", "-gencrl", "-config", conf, "-cert", self.public.crt, "-keyfile", self.public.key, "-crldays", "20", "-out", crl)
        return crl

    def shown(self, kind, domain):
        """That certificate in DER; made if it is not there yet."""
        stem = "good" if kind == "good" else "%s-%s" % (kind, domain)
        path = self.lab.path("certs/%s.crt" % stem)
        if not os.path.exists(path):
            self.make(kind, domain)
        with open(path) as f:
            return ssl.PEM_cert_to_DER_cert(f.read())

    def context(self, kind, domain):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if kind == "old":
            c.set_ciphers("DEFAULT@SECLEVEL=0")
            c.minimum_version, c.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        if kind == "rsa-only":
            c.set_ciphers("AES128-SHA")
            c.maximum_version = ssl.TLSVersion.TLSv1_2
        if kind in ("weak-key", "sha1"):
            c.set_ciphers("DEFAULT@SECLEVEL=0")
        c.load_cert_chain(*self.make(kind, domain))
        return c

    def shared(self, domains):
        """One good certificate for many domains: what is not about certificates needs no other."""
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(*self.issue("good", ",".join("DNS:" + d for d in domains)))
        return c
