// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_address.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_loopback(const char *host)
{
    size_t n = strlen(host);
    if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
        return true;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n;
}

// Lower case, without the brackets of IPv6.
static bool set_host(nb_hub_origin *origin, const char *host)
{
    size_t n = strlen(host);
    bool is_bracketed = n > 1 && host[0] == '[' && host[n - 1] == ']';
    host += is_bracketed;
    n -= is_bracketed ? 2 : 0;
    if (n == 0 || n >= sizeof origin->host)
        return false;
    for (size_t i = 0; i < n; i++)
        origin->host[i] = (char)tolower((unsigned char)host[i]);
    origin->host[n] = 0;
    origin->is_loopback = is_loopback(origin->host);
    return true;
}

bool nb_hub_origin_of(nb_hub_origin *origin, const char *url)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    memset(origin, 0, sizeof *origin);
    bool is_good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                   set_host(origin, host) && strlen(port) < sizeof origin->port;
    if (is_good) {
        strcpy(origin->port, port);
        origin->is_secure = strcasecmp(scheme, "https") == 0;
        is_good = origin->is_secure || strcasecmp(scheme, "http") == 0;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
    return is_good;
}

bool nb_hub_origin_equal(const nb_hub_origin *a, const nb_hub_origin *b)
{
    return a->is_secure == b->is_secure && strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

const char *nb_hub_origin_text(const nb_hub_origin *origin, char *text, size_t capacity)
{
    bool is_usual = strcmp(origin->port, origin->is_secure ? "443" : "80") == 0;
    bool is_ipv6 = strchr(origin->host, ':') != NULL;
    snprintf(text, capacity, "%s%.100s%s%s%s", is_ipv6 ? "[" : "", origin->host, is_ipv6 ? "]" : "",
             is_usual ? "" : ":", is_usual ? "" : origin->port);
    return text;
}

bool nb_hub_address_join(char *url, size_t capacity, const char *base, const char *location)
{
    CURLU *parsed = curl_url();
    char *joined = NULL;
    bool is_good = parsed && curl_url_set(parsed, CURLUPART_URL, base, 0) == CURLUE_OK &&
                   curl_url_set(parsed, CURLUPART_URL, location, CURLU_URLENCODE) == CURLUE_OK &&
                   curl_url_get(parsed, CURLUPART_URL, &joined, 0) == CURLUE_OK && strlen(joined) < capacity;
    if (is_good)
        strcpy(url, joined);
    curl_free(joined);
    curl_url_cleanup(parsed);
    return is_good;
}

bool nb_hub_may_follow(const nb_hub_origin *endpoint, const nb_hub_origin *target)
{
    return target->is_secure || nb_hub_origin_equal(endpoint, target) ||
           (endpoint->is_loopback && target->is_loopback && !endpoint->is_secure);
}

// ---- proxy ---------------------------------------------------------------------------------------------------------

static const char *get(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    if (!value || !value[0])
        value = getenv(upper);
    return value && value[0] ? value : NULL;
}

// One entry of no_proxy: a host, or a domain with what is below it.
static bool covers(const char *entry, size_t n, const nb_hub_origin *origin)
{
    char pattern[256];
    if (n == 0 || n >= sizeof pattern)
        return false;
    for (size_t i = 0; i < n; i++)
        pattern[i] = (char)tolower((unsigned char)entry[i]);
    pattern[n] = 0;
    const char *domain = pattern;
    while (*domain == '.' || *domain == '*')
        domain++;
    size_t host_n = strlen(origin->host), domain_n = strlen(domain);
    if (domain_n == 0)
        return strcmp(pattern, "*") == 0;
    char whole[300];
    snprintf(whole, sizeof whole, "%s:%s", origin->host, origin->port);
    if (strcmp(domain, origin->host) == 0 || strcmp(domain, whole) == 0)
        return true;
    return host_n > domain_n && strcmp(origin->host + host_n - domain_n, domain) == 0 &&
           origin->host[host_n - domain_n - 1] == '.' && !origin->is_loopback;
}

static bool is_exempt(const nb_hub_origin *origin)
{
    const char *list = get("no_proxy", "NO_PROXY");
    while (list && *list) {
        list += strspn(list, ", ");
        size_t n = strcspn(list, ", ");
        if (covers(list, n, origin))
            return true;
        list += n;
    }
    return false;
}

const char *nb_hub_proxy_of(const nb_hub_origin *origin)
{
    const char *proxy = origin->is_secure ? get("https_proxy", "HTTPS_PROXY") : get("http_proxy", "HTTP_PROXY");
    if (!proxy)
        proxy = get("all_proxy", "ALL_PROXY");
    return proxy && !is_exempt(origin) ? proxy : NULL;
}
