// SPDX-License-Identifier: Apache-2.0
// Addresses: where one leads, whether a redirect may be followed there, which proxy the environment names for it.
#ifndef NB_APPS_HUB_ADDRESS_H
#define NB_APPS_HUB_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct nb_hub_origin {
    bool is_secure;   // https
    bool is_loopback; // localhost, 127.0.0.0/8, ::1
    char host[256];   // lower case, IPv6 without brackets
    char port[8];
} nb_hub_origin;

// False when `url` is no http or https address.
bool nb_hub_origin_of(nb_hub_origin *origin, const char *url);
bool nb_hub_origin_equal(const nb_hub_origin *a, const nb_hub_origin *b);
// host:port, as messages say it; `text` is returned.
const char *nb_hub_origin_text(const nb_hub_origin *origin, char *text, size_t capacity);

// Joins a Location to the address it came from. False when that makes no address or it does not fit.
bool nb_hub_address_join(char *url, size_t capacity, const char *base, const char *location);

// A redirect from a request that began at `endpoint` may lead to `target`.
bool nb_hub_may_follow(const nb_hub_origin *endpoint, const nb_hub_origin *target);

// The proxy for an origin by http_proxy, https_proxy, all_proxy and no_proxy (capitals too); NULL: none.
const char *nb_hub_proxy_of(const nb_hub_origin *origin);

#endif
