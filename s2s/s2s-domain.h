#ifndef S2S_S2S_DOMAIN_H
#define S2S_S2S_DOMAIN_H
/* What is known about one remote domain: is it reached, since when not, why, when it is tried
 * again, and the outcomes so far. One record per domain and shard, made with the first stanza or
 * stream; at most S2S_DOMAINS_MAX, those that nothing waits for go first. Retry: jittered
 * exponential back-off from retry_min_ms to retry_max_ms, ended at once by a sign of life. */
#include "lib/loop/timer.h"
#include "lib/xmpp/jid.h"
#include "s2s/s2s-cause.h"

struct s2s;
struct s2s_outbox;
enum { S2S_DOMAINS_MAX = 10000, S2S_OUTCOMES_MAX = 8, S2S_TEXT_MAX = 256 };

struct s2s_outcome {
    enum s2s_cause cause; /* S2S_CAUSE_NONE: it worked */
    bool is_inbound;
    uint64_t count, last_wall_us;
    char text[S2S_TEXT_MAX]; /* of the last one */
};
/* Does it answer pings? Then an answer acknowledges what went before it (s2s-line-acks.c). */
enum s2s_pings { S2S_PINGS_UNKNOWN, S2S_PINGS_ANSWERED, S2S_PINGS_NEVER };
struct s2s_domain {
    struct s2s *s2s;
    char *remote;
    struct list lru;
    struct list boxes;       /* struct s2s_outbox.of_domain */
    enum s2s_cause cause;    /* of the last attempt; NONE: it worked, or none was made */
    char text[S2S_TEXT_MAX]; /* the same in words */
    unsigned failures;       /* attempts that failed since the last that worked */
    uint64_t down_since_us;  /* loop time of the first of them */
    uint64_t failed_us;      /* loop time of the last of them */
    uint64_t next_try_us;    /* loop time; 0: now */
    struct timer retry;
    enum s2s_pings pings;
    bool was_up;       /* no attempt since a stream worked */
    signed char early; /* going ahead of its answers (s2s-out-stream.c): 1 worked, -1 did not */
    struct s2s_outcome
        *outcomes[S2S_OUTCOMES_MAX]; /* the most recent kinds, NULL behind the last */
};
struct s2s_domain *s2s_domain_get(struct s2s *s, struct str remote); /* never NULL */
struct s2s_domain *s2s_domain_find(const struct s2s *s,
                                   struct str remote);              /* NULL: nothing known */
struct s2s_domain *s2s_domain_any(const struct s2s *s, size_t *it); /* iterate */
/* An attempt to reach it may be made now. */
bool s2s_domain_may_try(const struct s2s_domain *d);
/* Something came while it may not be tried: it is when the time has come. */
void s2s_domain_wait(struct s2s_domain *d);
/* An attempt ended, or a ready stream died, for this cause (one log line when the state changes,
 * none per retry): the next attempt is scheduled when something waits. Final causes: everything
 * that waits is bounced; others: requests that would time out before the next attempt. local NULL:
 * the cause is about the remote domain, whoever asks; else only that domain's outbox is bounced. */
void s2s_domain_failed(struct s2s_domain *d, const char *local_or_null, enum s2s_cause c,
                       const char *text);
/* A stream to it (or a bidirectional one from it) is ready. */
void s2s_domain_up(struct s2s_domain *d);
/* A stream to it ended in order: what waits goes on with the next. */
void s2s_domain_retry(struct s2s_domain *d);
/* A sign of life: an incoming stream, dialback, a DNS change. Back-off ends, what waits is tried
 * now. */
void s2s_domain_alive(struct s2s *s, struct str remote);
/* Count an outcome that changes no state (inbound ones, mostly). */
void s2s_domain_note(struct s2s *s, struct str remote, bool is_inbound, enum s2s_cause c,
                     const char *text);
/* Of the last stream that failed, though one may work now; NONE: none did. */
enum s2s_cause s2s_domain_last_wrong(const struct s2s_domain *d);
void s2s_domains_fini(struct s2s *s);
#endif
