"""Certificates of a lab: one CA for the public names, one for regions, made with the openssl command."""
import subprocess


class Authority:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.crt, self.key = lab.path("certs/%s-ca.crt" % name), lab.path("certs/%s-ca.key" % name)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=%s test CA" % name, "-keyout", self.key, "-out", self.crt)

    def issue(self, stem, *names, usage="serverAuth"):
        """A certificate for DNS names; returns (certificate, key) paths. usage: what today's public CAs put in; servers of
        older days want clientAuth too."""
        crt, key, csr = (self.lab.path("certs/%s.%s" % (stem, e)) for e in ("crt", "key", "csr"))
        ext = self.lab.write("certs/%s.ext" % stem,
                             "subjectAltName=%s\nextendedKeyUsage=%s\n" % (",".join("DNS:" + n for n in names), usage))
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=%s" % names[0], "-keyout", key, "-out", csr)
        run("openssl", "x509", "-req", "-in", csr, "-CA", self.crt, "-CAkey", self.key, "-CAcreateserial", "-days", "20",
            "-extfile", ext, "-out", crt)
        return crt, key


def run(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
