// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_http_state.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apps/common/cli.h"
#include "apps/common/stop.h"
#include "apps/hub/hub_header.h"

enum {
    MAX_HEADER_BYTES = 64 << 10,
    MAX_HEADER_LINES = 256,
    MAX_REDIRECTS = 10,
    MAX_DISCARDED_BYTES = 1 << 20, // of the body of an answer that is an error or a redirect
    BUFFER_BYTES = 128 << 10,
    POLL_MS = 200,
};
static const double TRICKLE_BYTES_S = 100; // less, over two stall times, counts as a stall too

// ---- headers -------------------------------------------------------------------------------------------------------

static void head_clear(nb_http *http)
{
    nb_http_head *head = http->head;
    char commit[sizeof head->commit];
    memcpy(commit, head->commit, sizeof commit); // a redirect's, which its target need not repeat
    memset(head, 0, sizeof *head);
    memcpy(head->commit, commit, sizeof commit);
    head->body_bytes = UINT64_MAX;
    head->date = (time_t)-1;
    http->retry_after[0] = 0;
}

static void take_text(char *to, size_t capacity, const char *value)
{
    if (strlen(value) < capacity)
        strcpy(to, value);
}

static void take_header(nb_http *http, const char *name, const char *value)
{
    nb_http_head *head = http->head;
    char *end;
    if (strcasecmp(name, "Location") == 0)
        take_text(head->location, sizeof head->location, value);
    else if (strcasecmp(name, "Content-Length") == 0)
        head->body_bytes = value[0] >= '0' && value[0] <= '9' ? strtoull(value, &end, 10) : UINT64_MAX;
    else if (strcasecmp(name, "Content-Range") == 0)
        head->has_range = nb_hub_content_range(value, &head->range_first, &head->range_last, &head->range_total);
    else if (strcasecmp(name, "Content-Encoding") == 0)
        head->is_encoded = strcasecmp(value, "identity") != 0;
    else if (strcasecmp(name, "Retry-After") == 0)
        take_text(http->retry_after, sizeof http->retry_after, value);
    else if (strcasecmp(name, "RateLimit") == 0)
        head->has_rate = nb_hub_rate_limit(value, &head->n_left, &head->reset_s);
    else if (strcasecmp(name, "Date") == 0)
        head->date = strlen(value) < 64 ? curl_getdate(value, NULL) : (time_t)-1;
    else if (!http->is_endpoint)
        return; // what follows is the endpoint's to say
    else if (strcasecmp(name, "Link") == 0)
        nb_hub_link_next(value, head->link_next, sizeof head->link_next);
    else if (strcasecmp(name, "X-Repo-Commit") == 0)
        take_text(head->commit, sizeof head->commit, value);
    else if (strcasecmp(name, "X-Error-Code") == 0)
        take_text(head->error_code, sizeof head->error_code, value);
    else if (strcasecmp(name, "X-Error-Message") == 0)
        snprintf(head->error_text, sizeof head->error_text, "%s", value);
}

static bool end_of_headers(nb_http *http)
{
    nb_http_head *head = http->head;
    long status = 0;
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    head->status = (int)status;
    if (http->retry_after[0])
        head->has_retry_after = nb_hub_retry_after(
            http->retry_after, head->date == (time_t)-1 ? time(NULL) : head->date, &head->retry_after_s);
    if (status < 200) // 100 Continue and the like: the answer is still to come
        return true;
    http->is_head_done = true;
    http->is_wanted = status == 200 || status == 206;
    return !http->is_wanted || !http->request->on_start ||
           http->request->on_start(http->request->user, head, http->failure);
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
    nb_http *http = user;
    size_t bytes = size * n;
    http->last_s = nb_now_s();
    http->window_bytes += bytes;
    http->header_bytes += bytes;
    http->n_header_lines++;
    if (http->header_bytes > MAX_HEADER_BYTES || http->n_header_lines > MAX_HEADER_LINES) {
        nb_hub_failure_set(http->failure, NB_HUB_HEADERS, "headers without end");
        return 0;
    }
    if (http->is_head_done) // trailers say nothing that matters here
        return bytes;
    char line[NB_HTTP_URL_BYTES];
    size_t end = bytes;
    while (end > 0 && (data[end - 1] == '\r' || data[end - 1] == '\n' || data[end - 1] == ' '))
        end--;
    if (end == 0)
        return end_of_headers(http) ? bytes : 0;
    if (end >= sizeof line || memchr(data, 0, end))
        return bytes;
    memcpy(line, data, end);
    line[end] = 0;
    char *colon = strchr(line, ':');
    if (strncasecmp(line, "HTTP/", 5) == 0) {
        head_clear(http);
    } else if (colon) {
        *colon = 0;
        take_header(http, line, colon + 1 + strspn(colon + 1, " \t"));
    }
    return bytes;
}

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
    nb_http *http = user;
    size_t bytes = size * n;
    bool goes_on;
    http->window_bytes += bytes;
    if (http->is_wanted)
        goes_on = http->request->on_bytes(http->request->user, data, bytes, http->failure);
    else
        goes_on = (http->discarded_bytes += bytes) <= MAX_DISCARDED_BYTES;
    http->last_s = nb_now_s(); // after a slow disk took its time
    return goes_on ? bytes : 0;
}

// ---- set-up --------------------------------------------------------------------------------------------------------

static bool set_up(nb_http *http)
{
    const nb_hub_options *options = http->options;
    CURL *easy = http->easy;
    bool is_good = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); // no waiting for a resolver that still asks when all is given up
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    // Asked for as it is; what is encoded all the same is decoded.
    is_good = is_good && curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity") == CURLE_OK;
    is_good = is_good && curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * options->connect_s));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); // decided here
    if (http->trust && nb_hub_trust_use(http->trust, easy))
        return is_good;
    if (options->ca_file || options->ca_folder) { // instead of the system's, as with the official client
        is_good = is_good && curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) == CURLE_OK;
        is_good = is_good && curl_easy_setopt(easy, CURLOPT_CAPATH, options->ca_folder) == CURLE_OK;
        is_good = is_good && curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, options->ca_file) == CURLE_OK;
        is_good = is_good && curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, options->ca_folder) == CURLE_OK;
    }
    return is_good;
}

static nb_http *create(const nb_hub_options *options, const atomic_bool *is_cancelled, nb_hub_trust *trust)
{
    nb_http *http = nb_alloc(sizeof *http);
    http->options = options;
    http->is_cancelled = is_cancelled;
    http->trust = trust;
    http->multi = curl_multi_init();
    http->easy = curl_easy_init();
    if (http->multi && http->easy && nb_hub_origin_of(&http->endpoint, options->endpoint) && set_up(http))
        return http;
    nb_http_free(http);
    return NULL;
}

nb_http *nb_http_create(const nb_hub_options *options, const atomic_bool *is_cancelled)
{
    nb_hub_origin endpoint;
    bool is_secure = nb_hub_origin_of(&endpoint, options->endpoint) && endpoint.is_secure;
    return create(options, is_cancelled, is_secure ? nb_hub_trust_load(options) : NULL);
}

nb_http *nb_http_create_beside(const nb_http *other)
{
    return create(other->options, other->is_cancelled, nb_hub_trust_share(other->trust));
}

void nb_http_free(nb_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->easy);
    curl_multi_cleanup(http->multi);
    nb_hub_trust_release(http->trust);
    free(http);
}

// The token is for the endpoint alone, and never in clear through a proxy.
static bool gets_token(const nb_http *http, const char *proxy)
{
    return http->options->token && http->is_endpoint &&
           (http->origin.is_secure || (http->origin.is_loopback && !proxy));
}

static struct curl_slist *make_headers(const nb_http *http, const char *proxy)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: */*");
    if (!headers || !gets_token(http, proxy))
        return headers;
    nb_growing line = {0};
    static const char start[] = "Authorization: Bearer ";
    nb_growing_add(&line, start, sizeof start - 1);
    nb_growing_add(&line, http->options->token, strlen(http->options->token));
    struct curl_slist *longer = curl_slist_append(headers, line.text);
    nb_growing_release(&line);
    if (!longer)
        curl_slist_free_all(headers);
    return longer;
}

// ---- one exchange --------------------------------------------------------------------------------------------------

static bool is_stopped(const nb_http *http)
{
    return nb_stop_requested() || atomic_load_explicit(http->is_cancelled, memory_order_relaxed);
}

static bool is_stalled(nb_http *http, double stall_s)
{
    double now = nb_now_s();
    if (now - http->last_s >= stall_s)
        return true;
    if (now - http->window_s < 2 * stall_s)
        return false;
    bool is_trickle = (double)http->window_bytes < TRICKLE_BYTES_S * (now - http->window_s);
    http->window_s = now;
    http->window_bytes = 0;
    return is_trickle;
}

// Runs the transfer to its end. False when it was given up, with the reason set.
static bool drive(nb_http *http, CURLcode *code)
{
    double stall_s = http->request->stall_s;
    http->last_s = http->window_s = nb_now_s();
    http->window_bytes = 0;
    for (int n_running = 1;;) {
        if (curl_multi_perform(http->multi, &n_running) != CURLM_OK) {
            *code = CURLE_OUT_OF_MEMORY;
            return true;
        }
        if (n_running == 0)
            break;
        if (is_stopped(http)) {
            http->failure->problem = NB_HUB_STOPPED;
            return false;
        }
        if (is_stalled(http, stall_s)) {
            nb_hub_failure_set(http->failure, NB_HUB_STALLED, "(almost) no bytes for %g seconds", stall_s);
            nb_hub_origin_text(&http->origin, http->failure->host, sizeof http->failure->host);
            return false;
        }
        curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL);
    }
    int n_left;
    const CURLMsg *message = curl_multi_info_read(http->multi, &n_left);
    *code = message ? message->data.result : CURLE_RECV_ERROR;
    return true;
}

// One request to one address, without following anywhere. False when no answer came whole.
static bool exchange(nb_http *http, const char *url)
{
    const char *proxy = nb_hub_proxy_of(&http->origin);
    struct curl_slist *headers = make_headers(http, proxy);
    char range[32];
    CURLcode code = CURLE_OUT_OF_MEMORY;
    http->is_head_done = http->is_wanted = false;
    http->header_bytes = http->n_header_lines = http->discarded_bytes = 0;
    http->error[0] = 0;
    head_clear(http);
    snprintf(range, sizeof range, "%llu-", (unsigned long long)http->request->range_from);
    curl_easy_setopt(http->easy, CURLOPT_RANGE, http->request->range_from ? range : NULL);
    curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, headers);
    bool is_run = true;
    if (headers && curl_easy_setopt(http->easy, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(http->easy, CURLOPT_PROXY, proxy ? proxy : "") == CURLE_OK &&
        curl_multi_add_handle(http->multi, http->easy) == CURLM_OK) {
        is_run = drive(http, &code);
        curl_multi_remove_handle(http->multi, http->easy);
    }
    curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (is_run && code != CURLE_OK && http->failure->problem == NB_HUB_FINE)
        nb_http_fail_transfer(http, code, proxy);
    if (http->failure->problem != NB_HUB_FINE && http->failure->host[0] == 0)
        nb_hub_origin_text(&http->origin, http->failure->host, sizeof http->failure->host);
    return is_run && code == CURLE_OK;
}

static bool is_redirect(const nb_http_head *head)
{
    int status = head->status;
    return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) && head->location[0];
}

// Sets origin for the address of a redirect; false when it may not be followed.
static bool turn_to(nb_http *http, char *url, const char *location)
{
    char next[NB_HTTP_URL_BYTES], from[160];
    nb_hub_origin target;
    nb_hub_origin_text(&http->origin, from, sizeof from);
    bool is_address = nb_hub_address_join(next, sizeof next, url, location) && nb_hub_origin_of(&target, next);
    if (!is_address || !nb_hub_may_follow(&http->endpoint, &target)) {
        char to[160] = "no address";
        if (is_address)
            nb_hub_origin_text(&target, to, sizeof to);
        nb_hub_failure_set(http->failure, NB_HUB_REDIRECT, "%s%s", is_address ? "unprotected http to " : "", to);
        snprintf(http->failure->host, sizeof http->failure->host, "%.120s", from);
        return false;
    }
    http->origin = target;
    strcpy(url, next);
    return true;
}

bool nb_http_get(nb_http *http, const nb_http_request *request, nb_http_head *head, nb_hub_failure *failure)
{
    char url[NB_HTTP_URL_BYTES];
    http->request = request;
    http->head = head;
    http->failure = failure;
    memset(head, 0, sizeof *head);
    memset(failure, 0, sizeof *failure);
    int n = snprintf(url, sizeof url, "%s", request->url);
    if (n < 0 || (size_t)n >= sizeof url || !nb_hub_origin_of(&http->origin, url)) {
        nb_hub_failure_set(failure, NB_HUB_REDIRECT, "no address");
        return false;
    }
    for (int i = 0; i <= MAX_REDIRECTS; i++) {
        http->is_endpoint = nb_hub_origin_equal(&http->origin, &http->endpoint);
        if (!exchange(http, url))
            return false;
        if (!is_redirect(head)) {
            if (!http->is_wanted)
                nb_http_fail_status(http);
            else // the caller may find fault with what came
                nb_hub_origin_text(&http->origin, failure->host, sizeof failure->host);
            return http->is_wanted;
        }
        if (!turn_to(http, url, head->location))
            return false;
    }
    nb_hub_failure_set(failure, NB_HUB_REDIRECT, "more than %d redirects", MAX_REDIRECTS);
    return false;
}

// ---- text ----------------------------------------------------------------------------------------------------------

typedef struct text_sink {
    nb_growing *text;
    size_t bytes_max;
} text_sink;

static bool add_text(void *user, const void *data, size_t bytes, nb_hub_failure *failure)
{
    text_sink *sink = user;
    if (bytes > sink->bytes_max - sink->text->bytes) {
        nb_hub_failure_set(failure, NB_HUB_LISTING, "an answer of more than %zu bytes", sink->bytes_max);
        return false;
    }
    nb_growing_add(sink->text, data, bytes);
    return true;
}

bool nb_http_get_text(nb_http *http, const char *url, size_t bytes_max, nb_growing *text, nb_http_head *head,
                      nb_hub_failure *failure)
{
    text_sink sink = {text, bytes_max};
    nb_http_request request = {.url = url, .stall_s = http->options->api_stall_s, .on_bytes = add_text, .user = &sink};
    nb_growing_clear(text);
    return nb_http_get(http, &request, head, failure);
}
