// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_options.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"
#include "apps/common/hub_cache.h"
#include "apps/common/small_file.h"

static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

// As the official client reads a switch.
static bool is_on(const char *name)
{
    static const char *const words[] = {"1", "on", "yes", "true"};
    const char *value = get(name);
    for (size_t i = 0; value && i < NB_COUNT_OF(words); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

static double seconds_of(const char *name, double otherwise)
{
    const char *value = get(name);
    char *end;
    double seconds = value ? strtod(value, &end) : 0;
    return value && *end == 0 && seconds > 0 && seconds < 86400 ? seconds : otherwise;
}

// ---- token ---------------------------------------------------------------------------------------------------------

// Without the spaces and line ends around it; NULL when nothing is left.
static char *trim(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    char *copy = n ? nb_copy_text(text) : NULL;
    if (copy)
        copy[n] = 0;
    return copy;
}

static char *read_token_file(void)
{
    const char *named = get("HF_TOKEN_PATH");
    char path[PATH_MAX], home[PATH_MAX];
    size_t bytes;
    bool is_named = named ? nb_hub_expand(path, named) : nb_hub_home(home) && nb_path_make(path, "%s/token", home);
    char *text = is_named ? nb_small_file_read(path, 4096, &bytes) : NULL;
    char *token = text ? trim(text) : NULL;
    free(text);
    return token;
}

static char *find_token(void)
{
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    if (is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return NULL;
    for (size_t i = 0; i < NB_COUNT_OF(names); i++) {
        const char *value = get(names[i]);
        char *token = value ? trim(value) : NULL;
        if (token)
            return token;
    }
    return read_token_file();
}

// It goes into a header line, and must not end it.
static bool is_token(const char *token)
{
    for (; *token; token++)
        if (*token <= 0x20 || *token == 0x7f)
            return false;
    return true;
}

// ---- endpoint ------------------------------------------------------------------------------------------------------

static bool is_endpoint(const char *endpoint)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *user = NULL, *query = NULL;
    bool is_good = url && curl_url_set(url, CURLUPART_URL, endpoint, 0) == CURLUE_OK &&
                   curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                   curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
                   curl_url_get(url, CURLUPART_QUERY, &query, 0) == CURLUE_NO_QUERY &&
                   (strcasecmp(scheme, "https") == 0 || strcasecmp(scheme, "http") == 0);
    curl_free(scheme);
    curl_free(user);
    curl_free(query);
    curl_url_cleanup(url);
    return is_good;
}

static char *make_user_agent(void)
{
    nb_growing text = {0};
    struct utsname os;
    bool is_silent = is_on("HF_HUB_DISABLE_TELEMETRY") || is_on("DISABLE_TELEMETRY") || is_on("DO_NOT_TRACK");
    nb_growing_add(&text, "nibble/", 7);
    nb_growing_add(&text, nb_version(), strlen(nb_version()));
    if (!is_silent && uname(&os) == 0) {
        char more[160];
        int n = snprintf(more, sizeof more, "; %.64s/%.64s", os.sysname, os.machine);
        nb_growing_add(&text, more, (size_t)n);
    }
    return text.text;
}

bool nb_hub_options_read(nb_hub_options *options, char *why, size_t capacity)
{
    static const char *const ca_names[] = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"};
    const char *endpoint = get("HF_ENDPOINT");
    *options = (nb_hub_options){.retry_wait_s = 1, .n_retries = 5};
    options->endpoint = nb_copy_text(endpoint ? endpoint : "https://huggingface.co");
    for (size_t n = strlen(options->endpoint); n > 0 && options->endpoint[n - 1] == '/'; n--)
        options->endpoint[n - 1] = 0;
    options->token = find_token();
    options->user_agent = make_user_agent();
    for (size_t i = 0; i < NB_COUNT_OF(ca_names) && !options->ca_file; i++)
        options->ca_file = get(ca_names[i]);
    options->ca_folder = get("SSL_CERT_DIR");
    if (options->ca_file && nb_is_directory(options->ca_file)) { // a bundle may be either
        options->ca_folder = options->ca_file;
        options->ca_file = NULL;
    }
    options->is_offline = is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE");
    options->stall_s = seconds_of("HF_HUB_DOWNLOAD_TIMEOUT", 30);
    options->api_stall_s = seconds_of("HF_HUB_ETAG_TIMEOUT", options->stall_s);
    options->connect_s = seconds_of("HF_HUB_DOWNLOAD_TIMEOUT", 10);
    if (!is_endpoint(options->endpoint))
        snprintf(why, capacity, "wrong HF_ENDPOINT; expected https://HOST, found \"%.100s\"; try without it",
                 options->endpoint);
    else if (options->token && !is_token(options->token))
        snprintf(why, capacity,
                 "the token cannot be one; expected one word, found spaces or control characters in it; "
                 "try HF_TOKEN");
    else
        return true;
    return false;
}

void nb_hub_options_release(nb_hub_options *options)
{
    free(options->endpoint);
    free(options->token);
    free(options->user_agent);
    *options = (nb_hub_options){0};
}
