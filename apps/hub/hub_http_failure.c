// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_http_state.h"

#include <stdio.h>
#include <string.h>

// Whom a failure of the connection concerns: the proxy, where there is one.
static void name_host(const nb_http *http, const char *proxy, nb_hub_failure *failure)
{
    nb_hub_origin origin;
    char with_scheme[512];
    snprintf(with_scheme, sizeof with_scheme, "%s%.500s", proxy && strstr(proxy, "://") ? "" : "http://",
             proxy ? proxy : "");
    if (proxy && nb_hub_origin_of(&origin, with_scheme))
        nb_hub_origin_text(&origin, failure->host, sizeof failure->host);
    else if (proxy)
        snprintf(failure->host, sizeof failure->host, "of this machine's settings");
    else
        nb_hub_origin_text(&http->origin, failure->host, sizeof failure->host);
}

static void fail_certificate(nb_http *http, CURLcode code)
{
    enum { NOT_YET_VALID = 9, EXPIRED = 10 }; // OpenSSL's X509_V_ERR_CERT_...
    long verdict = 0;
    curl_easy_getinfo(http->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    const char *words = http->error[0] ? http->error : curl_easy_strerror(code);
    if (verdict == NOT_YET_VALID || verdict == EXPIRED)
        nb_hub_failure_set(http->failure, NB_HUB_CLOCK, "%s",
                           verdict == EXPIRED ? "it has expired" : "it begins later");
    else if (code == CURLE_SSL_CONNECT_ERROR && verdict == 0)
        nb_hub_failure_set(http->failure, NB_HUB_CONNECT, "%s", words);
    else
        nb_hub_failure_set(http->failure, NB_HUB_TLS, "%s", words);
}

void nb_http_fail_transfer(nb_http *http, CURLcode code, const char *proxy)
{
    nb_hub_failure *failure = http->failure;
    const char *words = http->error[0] ? http->error : curl_easy_strerror(code);
    long connect_status = 0;
    curl_easy_getinfo(http->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        nb_hub_failure_set(failure, NB_HUB_DNS, "%s", words);
        break;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        nb_hub_failure_set(failure, NB_HUB_PROXY, "%s", words);
        break;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: // of the connection, or of looking up the name
        nb_hub_failure_set(failure,
                           proxy                                 ? NB_HUB_PROXY
                           : strncmp(words, "Resolving", 9) == 0 ? NB_HUB_DNS
                                                                 : NB_HUB_CONNECT,
                           "%s", words);
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        fail_certificate(http, code);
        break;
    case CURLE_SSL_CACERT_BADFILE:
        nb_hub_failure_set(failure, NB_HUB_AUTHORITIES, "%s", words);
        break;
    case CURLE_OUT_OF_MEMORY: // libcurl's word for a line of more than 100 kB
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        nb_hub_failure_set(failure, NB_HUB_HEADERS, "%s",
                           code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL
                               ? "none"
                               : "a header line without end, or no memory for it");
        break;
    default: {
        bool is_proxy = proxy && connect_status != 0 && connect_status != 200;
        nb_hub_failure_set(failure, is_proxy ? NB_HUB_PROXY : NB_HUB_CUT, "%s", words);
    }
    }
    name_host(http, failure->problem == NB_HUB_PROXY ? proxy : NULL, failure);
}

static nb_hub_problem problem_of_status(const nb_http *http, int status)
{
    const char *code = http->head->error_code;
    if (status == 429)
        return NB_HUB_RATE_LIMITED;
    if (status == 408 || status >= 500)
        return NB_HUB_SERVER;
    if (status == 407)
        return NB_HUB_PROXY;
    if (status == 416)
        return NB_HUB_RANGE;
    if (!http->is_endpoint)
        return NB_HUB_EXPIRED;
    if ((status == 401 || status == 403) && strcmp(code, "GatedRepo") == 0)
        return NB_HUB_GATED;
    if (status == 401 || status == 403)
        return status == 401 ? NB_HUB_UNAUTHORIZED : NB_HUB_FORBIDDEN;
    if (status != 404)
        return NB_HUB_STATUS;
    if (strcmp(code, "RevisionNotFound") == 0)
        return NB_HUB_NO_REVISION;
    return strcmp(code, "EntryNotFound") == 0 ||
                   (strcmp(code, "RepoNotFound") != 0 && strstr(http->request->url, "/resolve/"))
               ? NB_HUB_NO_FILE
               : NB_HUB_NO_REPOSITORY;
}

void nb_http_fail_status(nb_http *http)
{
    const nb_http_head *head = http->head;
    nb_hub_failure *failure = http->failure;
    failure->status = head->status;
    nb_hub_failure_set(failure, problem_of_status(http, head->status), "%s",
                       head->status == 407   ? "it asks for a password (407)"
                       : head->status == 404 ? ""
                                             : head->error_text);
    nb_hub_origin_text(&http->origin, failure->host, sizeof failure->host);
    failure->has_wait = head->has_retry_after;
    failure->wait_s = head->retry_after_s;
    if (head->status == 429 && head->has_rate && head->n_left == 0) {
        failure->has_wait = true;
        if (failure->wait_s <= head->reset_s)
            failure->wait_s = head->reset_s + 1; // both ends count whole seconds
    }
}
