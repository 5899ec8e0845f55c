#ifndef NODE_SD_NOTIFY_H
#define NODE_SD_NOTIFY_H
/* What systemd wants to know of a service of Type=notify: one datagram to $NOTIFY_SOCKET. Nothing
 * happens where there is none. */
#include "lib/base/base.h"

/* state: "READY=1", "STOPPING=1", "WATCHDOG=1", lines separated by newlines. */
void sd_notify(const char *state);
/* How often it wants to hear WATCHDOG=1 from this process, in ms; 0 = never. */
uint64_t sd_watchdog_ms(void);
#endif
