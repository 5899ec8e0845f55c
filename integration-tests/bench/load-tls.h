#ifndef BENCH_LOAD_TLS_H
#define BENCH_LOAD_TLS_H
/* TLS contexts of the generator. Both end the program with a message if a file is wrong. */
#include <openssl/ssl.h>

#include "integration-tests/bench/load-opts.h"

/* For clients: verifies by --ca or the system's authorities unless --insecure. Tickets the server
 * sends are put into the `ticket` of connections that want one. */
SSL_CTX *load_tls_client(const struct load_opts *o);
/* For foreign servers, both ways: our certificate; the other side's is asked for, not judged. */
SSL_CTX *load_tls_peer(const struct load_opts *o);
/* The first text of OpenSSL's error queue; the queue is empty after that. */
const char *load_tls_why(void);
#endif
