#ifndef LIB_LOOP_THREAD_INT_H
#define LIB_LOOP_THREAD_INT_H
/* Threads of the real platform: named, and with all signals but those of faults left to the main
 * thread. */
#include <pthread.h>

void thread_start(pthread_t *out, const char *name, void *(*fn)(void *arg),
                  void *arg); /* name is cut at 15 bytes */
#endif
