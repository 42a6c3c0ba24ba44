// SPDX-License-Identifier: Apache-2.0
// How alike two words are, for "did you mean".
#ifndef NB_APPS_WORD_DISTANCE_H
#define NB_APPS_WORD_DISTANCE_H

#include <stddef.h>

enum { NB_WORD_DISTANCE_MAX = 256 };

// Edit distance: insertions, deletions and replacements of bytes. NB_WORD_DISTANCE_MAX for longer words.
size_t nb_word_distance(const char *a, const char *b);

#endif
