// SPDX-License-Identifier: Apache-2.0
// Values of the response headers that a Hub and its CDN send. Pure functions over zero-terminated text; what does not
// follow the form is passed over, never guessed at.
#ifndef NB_APPS_HUB_HEADER_H
#define NB_APPS_HUB_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

// Link (RFC 8288): the target whose rel is "next". False when there is none or it does not fit.
bool nb_hub_link_next(const char *value, char *url, size_t capacity);

// RateLimit: "api";r=0;t=55 -> requests left and seconds until the window ends.
bool nb_hub_rate_limit(const char *value, uint64_t *n_left, uint64_t *reset_s);

// Retry-After: seconds, or a date of which `now` is subtracted.
bool nb_hub_retry_after(const char *value, time_t now, uint64_t *wait_s);

// Content-Range: bytes FIRST-LAST/TOTAL; `total` is UINT64_MAX for "*".
bool nb_hub_content_range(const char *value, uint64_t *first, uint64_t *last, uint64_t *total);

#endif
