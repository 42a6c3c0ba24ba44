// SPDX-License-Identifier: Apache-2.0
// The certificate authorities, read once and shared by all connections of all threads: libcurl on its own reads them
// for each thread or connection anew, which takes some megabytes each time.
#ifndef NB_APPS_HUB_TRUST_H
#define NB_APPS_HUB_TRUST_H

#include <curl/curl.h>

#include "apps/hub/hub_options.h"

typedef struct x509_store_st nb_hub_trust;

// NULL when they cannot be read; then it is for libcurl to try, and to say why.
nb_hub_trust *nb_hub_trust_load(const nb_hub_options *options);
// Another owner of the same; may be NULL.
nb_hub_trust *nb_hub_trust_share(nb_hub_trust *trust);
void nb_hub_trust_release(nb_hub_trust *trust);

// From now on the handle trusts these instead of reading any. False when its libcurl has another TLS library.
bool nb_hub_trust_use(nb_hub_trust *trust, CURL *easy);

#endif
