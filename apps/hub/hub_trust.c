// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_trust.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

nb_hub_trust *nb_hub_trust_load(const nb_hub_options *options)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    const char *file = options->ca_file, *folder = options->ca_folder;
    if (!file && !folder && curl->age >= CURLVERSION_SEVENTH) { // the system's, as libcurl was built to find them
        file = curl->cainfo;
        folder = curl->capath;
    }
    X509_STORE *store = file || folder ? X509_STORE_new() : NULL;
    // As libcurl has it: an authority that is itself signed by another one will do.
    if (store && X509_STORE_load_locations(store, file, folder) == 1 &&
        X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) == 1)
        return store;
    ERR_clear_error();
    X509_STORE_free(store);
    return NULL;
}

nb_hub_trust *nb_hub_trust_share(nb_hub_trust *trust)
{
    return trust && X509_STORE_up_ref(trust) == 1 ? trust : NULL;
}

void nb_hub_trust_release(nb_hub_trust *trust)
{
    X509_STORE_free(trust);
}

static CURLcode give(CURL *easy, void *context, void *trust)
{
    (void)easy;
    SSL_CTX_set1_cert_store(context, trust);
    return CURLE_OK;
}

bool nb_hub_trust_use(nb_hub_trust *trust, CURL *easy)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    return curl->ssl_version && strncmp(curl->ssl_version, "OpenSSL/", 8) == 0 &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, give) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
}
