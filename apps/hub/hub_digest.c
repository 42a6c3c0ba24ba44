// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"

struct nb_hub_digest {
    EVP_MD_CTX *context;
    EVP_MD *sha256, *sha1; // fetched once; a start must not look them up
};

nb_hub_digest *nb_hub_digest_create(void)
{
    nb_hub_digest *digest = nb_alloc(sizeof *digest);
    digest->context = EVP_MD_CTX_new();
    digest->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    if (digest->context && digest->sha256 && digest->sha1)
        return digest;
    nb_hub_digest_free(digest);
    return NULL;
}

void nb_hub_digest_free(nb_hub_digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    EVP_MD_free(digest->sha256);
    EVP_MD_free(digest->sha1);
    free(digest);
}

bool nb_hub_digest_start(nb_hub_digest *digest, const char *etag, uint64_t bytes)
{
    bool is_lfs = strlen(etag) == 64;
    if (EVP_DigestInit_ex(digest->context, is_lfs ? digest->sha256 : digest->sha1, NULL) != 1)
        return false;
    if (is_lfs)
        return true;
    char header[32];
    int n = snprintf(header, sizeof header, "blob %llu", (unsigned long long)bytes);
    return nb_hub_digest_add(digest, header, (size_t)n + 1);
}

bool nb_hub_digest_add(nb_hub_digest *digest, const void *data, size_t bytes)
{
    return EVP_DigestUpdate(digest->context, data, bytes) == 1;
}

bool nb_hub_digest_equals(nb_hub_digest *digest, const char *etag)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char text[2 * EVP_MAX_MD_SIZE + 1];
    if (EVP_DigestFinal_ex(digest->context, raw, &n) != 1)
        return false;
    for (unsigned i = 0; i < n; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", raw[i]);
    return strcmp(text, etag) == 0;
}
