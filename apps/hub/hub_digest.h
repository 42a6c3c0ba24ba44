// SPDX-License-Identifier: Apache-2.0
// The hash by which a Hub knows a file: SHA-256 of an LFS file, the git blob SHA-1 ("blob SIZE\0" and the bytes) of
// another. The length of the name tells which: 64 or 40 hexadecimal digits.
#ifndef NB_APPS_HUB_DIGEST_H
#define NB_APPS_HUB_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nb_hub_digest nb_hub_digest;

// NULL when libcrypto has not the algorithm (a restricted build) or no memory.
nb_hub_digest *nb_hub_digest_create(void);
void nb_hub_digest_free(nb_hub_digest *digest);

// Begins the hash of a file of `bytes` bytes that should come to `etag`. False when it can't.
bool nb_hub_digest_start(nb_hub_digest *digest, const char *etag, uint64_t bytes);
bool nb_hub_digest_add(nb_hub_digest *digest, const void *data, size_t bytes);
// The hash of all that was added equals `etag`.
bool nb_hub_digest_equals(nb_hub_digest *digest, const char *etag);

#endif
