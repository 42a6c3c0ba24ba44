// SPDX-License-Identifier: Apache-2.0
// What can go wrong between here and a Hub, and the one sentence for each.
#ifndef NB_APPS_HUB_ERRORS_H
#define NB_APPS_HUB_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

#include "apps/hub/hub_options.h"

typedef enum nb_hub_problem {
    NB_HUB_FINE,
    NB_HUB_STOPPED, // on request; nothing is said
    // What the Hub says.
    NB_HUB_UNAUTHORIZED,
    NB_HUB_GATED,
    NB_HUB_FORBIDDEN,
    NB_HUB_NO_REPOSITORY,
    NB_HUB_NO_REVISION,
    NB_HUB_NO_FILE,
    NB_HUB_RATE_LIMITED,
    NB_HUB_SERVER,  // 408, 5xx
    NB_HUB_EXPIRED, // a signed address is refused
    NB_HUB_STATUS,  // any other status
    // On the way there.
    NB_HUB_DNS,
    NB_HUB_CONNECT,
    NB_HUB_PROXY,
    NB_HUB_TLS,
    NB_HUB_AUTHORITIES, // the certificate authorities cannot be read
    NB_HUB_CLOCK,
    NB_HUB_CUT,
    NB_HUB_STALLED,
    // What came is not what was asked for.
    NB_HUB_REDIRECT,
    NB_HUB_HEADERS,
    NB_HUB_LISTING,
    NB_HUB_COMMIT,
    NB_HUB_RANGE,
    NB_HUB_LENGTH,
    NB_HUB_HASH,
    // Here.
    NB_HUB_DAMAGED, // what is in the cache
    NB_HUB_DISK_FULL,
    NB_HUB_DISK,
    NB_HUB_CRYPTO,
} nb_hub_problem;

typedef struct nb_hub_failure {
    nb_hub_problem problem;
    int status;    // of HTTP, 0: none
    bool has_wait; // the Hub said how long to wait

    uint64_t wait_s;
    char host[128];   // whom it concerns: host:port, or the proxy
    char detail[256]; // what is known besides; may be empty
    char hint[200];   // what to try instead; may be empty
} nb_hub_failure;

// Whom and what an operation was about.
typedef struct nb_hub_subject {
    const nb_hub_options *options;
    const char *repository, *revision;
    const char *file; // NULL: none in particular
} nb_hub_subject;

// Sets problem and detail (printf form).
void nb_hub_failure_set(nb_hub_failure *failure, nb_hub_problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// DISK_FULL or DISK by errno; `what` says what was tried on `path`.
void nb_hub_failure_errno(nb_hub_failure *failure, const char *what, const char *path);

// Trying again may help.
bool nb_hub_is_worth_retrying(const nb_hub_failure *failure);
// What came is not what the list says: its range, length or hash.
bool nb_hub_is_bad_content(const nb_hub_failure *failure);
// A few words for a note between two tries.
const char *nb_hub_problem_text(const nb_hub_failure *failure, char *text, size_t capacity);
// Prints the sentence and returns the exit code.
int nb_hub_fail(const nb_hub_failure *failure, const nb_hub_subject *subject);

#endif
