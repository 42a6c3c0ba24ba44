// SPDX-License-Identifier: Apache-2.0
// Removes a model from nibble's own store: moved out of sight first, so that no half of it is ever taken for a model.
#ifndef NB_APPS_STORE_REMOVE_H
#define NB_APPS_STORE_REMOVE_H

#include <stdbool.h>
#include <stdint.h>

// What removing a stored model frees; a link to a directory elsewhere frees nothing.
void nb_stored_bytes(const char *directory, uint64_t *bytes, bool *is_link);

// `repository` below HOME/models; also ends removals that were begun before. False with one line in `why`.
bool nb_stored_remove(const char *home, const char *repository, uint64_t *bytes_free, char why[256]);

#endif
