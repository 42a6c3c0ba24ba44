// SPDX-License-Identifier: Apache-2.0
// GET over HTTP(S) through libcurl, for one thread: its connections are kept from request to request. Redirects are
// followed here, one at a time, to https only (to http only from and to a loopback address, or within the endpoint's
// own origin), and the token goes to the endpoint's scheme, host and port alone.
#ifndef NB_APPS_HUB_HTTP_H
#define NB_APPS_HUB_HTTP_H

#include <stdatomic.h>
#include <time.h>

#include "apps/common/growing_text.h"
#include "apps/hub/hub_errors.h"

typedef struct nb_http nb_http;

enum { NB_HTTP_URL_BYTES = 8192 };

// What the headers of the last answer said; commit and etag as the endpoint itself gave them, whoever answered last.
typedef struct nb_http_head {
    int status;
    char location[NB_HTTP_URL_BYTES];
    char link_next[NB_HTTP_URL_BYTES];
    char commit[65];     // X-Repo-Commit
    uint64_t body_bytes; // Content-Length; UINT64_MAX: not given
    bool is_encoded;     // gzip or the like, decoded on the way
    bool has_range;      // Content-Range was there and understood
    uint64_t range_first, range_last, range_total;
    bool has_retry_after, has_rate;
    uint64_t retry_after_s, n_left, reset_s;
    time_t date;          // (time_t)-1: not given
    char error_code[48];  // X-Error-Code
    char error_text[160]; // X-Error-Message
} nb_http_head;

typedef struct nb_http_request {
    const char *url;
    uint64_t range_from; // 0: all of it
    double stall_s;
    // Called once before the first byte of a 200 or 206; false ends the request, with `failure` set by the callee.
    bool (*on_start)(void *user, const nb_http_head *head, nb_hub_failure *failure);
    bool (*on_bytes)(void *user, const void *data, size_t bytes, nb_hub_failure *failure);
    void *user;
} nb_http_request;

// `is_cancelled` ends requests within a moment (as does nb_stop_requested). NULL when libcurl can't.
nb_http *nb_http_create(const nb_hub_options *options, const atomic_bool *is_cancelled);
// One more, for another thread, with the same options.
nb_http *nb_http_create_beside(const nb_http *other);
void nb_http_free(nb_http *http);

// True when a 200 or 206 came whole. `head` tells what the headers were either way.
bool nb_http_get(nb_http *http, const nb_http_request *request, nb_http_head *head, nb_hub_failure *failure);

// The same with a body of at most `bytes_max` as text.
bool nb_http_get_text(nb_http *http, const char *url, size_t bytes_max, nb_growing *text, nb_http_head *head,
                      nb_hub_failure *failure);

#endif
