#ifndef GLOBAL_REGISTRY_REG_FAKE_INT_H
#define GLOBAL_REGISTRY_REG_FAKE_INT_H
/* What only this folder's tests want of the fake. */
#include "global-registry/reg-driver.h"

/* Behave like a registry without fencing: one value per bare JID, set whatever is there, deleted
 * whoever wrote it. */
void reg_fake_naive(struct reg_fake_world *w, bool yes);
/* Requests executed so far, a batch of n rows counting n. */
uint64_t reg_fake_requests(const struct reg_fake_world *w);
/* Rows that stand (withdrawals not counted), of live and dead members alike. */
size_t reg_fake_rows(const struct reg_fake_world *w);
/* The next request of this host arrives delay_ms late, even if its link is lost meanwhile. */
void reg_fake_delay_next(struct reg_fake_world *w, const char *host, uint64_t delay_ms);
#endif
