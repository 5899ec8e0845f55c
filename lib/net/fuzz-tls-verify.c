/* Names of hostile certificates: the first byte is the length of a domain, then the domain, then a
 * certificate in DER. */
#include "lib/net/tls-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *der;
    struct str domain;
    X509 *cert;

    if (n < 1 || n - 1 < data[0])
        return 0;
    domain = str_make((const char *)data + 1, data[0]);
    der = data + 1 + data[0];
    cert = d2i_X509(NULL, &der, (long)(n - 1 - data[0]));
    if (cert && tls_cert_is(cert, domain))
        must(domain.n > 0);
    X509_free(cert);
    return 0;
}
