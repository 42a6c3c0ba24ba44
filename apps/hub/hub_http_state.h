// SPDX-License-Identifier: Apache-2.0
// The state of hub_http, for its own files alone.
#ifndef NB_APPS_HUB_HTTP_STATE_H
#define NB_APPS_HUB_HTTP_STATE_H

#include <curl/curl.h>

#include "apps/hub/hub_address.h"
#include "apps/hub/hub_http.h"
#include "apps/hub/hub_trust.h"

struct nb_http {
    const nb_hub_options *options;
    const atomic_bool *is_cancelled;
    nb_hub_origin endpoint;
    nb_hub_trust *trust; // NULL: libcurl reads the authorities itself
    CURLM *multi;
    CURL *easy;
    char error[CURL_ERROR_SIZE];
    // Of the request that runs.
    const nb_http_request *request;
    nb_http_head *head;
    nb_hub_failure *failure;
    nb_hub_origin origin;
    bool is_endpoint, is_head_done, is_wanted;
    char retry_after[64];
    size_t header_bytes, n_header_lines;
    uint64_t discarded_bytes, window_bytes;
    double last_s, window_s;
};

// What libcurl's verdict, or a status that is no success, means; into http->failure.
void nb_http_fail_transfer(nb_http *http, CURLcode code, const char *proxy);
void nb_http_fail_status(nb_http *http);

#endif
