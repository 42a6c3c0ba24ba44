// SPDX-License-Identifier: Apache-2.0
#include "apps/common/word_distance.h"

#include <string.h>

size_t nb_word_distance(const char *a, const char *b)
{
    size_t row[NB_WORD_DISTANCE_MAX], n_b = strlen(b);
    if (n_b >= NB_WORD_DISTANCE_MAX || strlen(a) >= NB_WORD_DISTANCE_MAX)
        return NB_WORD_DISTANCE_MAX;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n_b];
}
