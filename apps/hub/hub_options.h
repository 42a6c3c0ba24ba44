// SPDX-License-Identifier: Apache-2.0
// How a Hub is reached: the environment as the official client reads it, and the command's own options.
#ifndef NB_APPS_HUB_OPTIONS_H
#define NB_APPS_HUB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nb_hub_options {
    char *endpoint;        // HF_ENDPOINT without a slash at its end; https, or any http a person asked for
    char *token;           // HF_TOKEN, else the file HF_TOKEN_PATH, else $HF_HOME/token; NULL: none
    char *user_agent;      // the version alone under DO_NOT_TRACK and the like
    const char *ca_file;   // SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE; NULL: the system's
    const char *ca_folder; // SSL_CERT_DIR
    bool is_offline;       // HF_HUB_OFFLINE or --offline
    double connect_s;      // HF_HUB_DOWNLOAD_TIMEOUT, 10
    double api_stall_s;    // HF_HUB_ETAG_TIMEOUT, else as below
    double stall_s;        // --stall-timeout
    double retry_wait_s;   // --retry-wait: before the first retry, doubled after each up to eightfold
    uint32_t n_retries;    // --retries
} nb_hub_options;

// From the environment; stall_s 30, retry_wait_s 1, n_retries 5. False with one line in `why`: an endpoint that is no
// address, a token that cannot be one.
bool nb_hub_options_read(nb_hub_options *options, char *why, size_t capacity);
void nb_hub_options_release(nb_hub_options *options);

#endif
