// SPDX-License-Identifier: Apache-2.0
// Small exact fractions for the generator: 64-bit numerator and denominator in lowest terms. A result that does not fit
// is "bad", which every operation passes on, so a formula is checked once at its end.
#ifndef NB_TUTOR_RATIO_H
#define NB_TUTOR_RATIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nb_ratio {
    int64_t num;
    int64_t den; // > 0; 0: bad
} nb_ratio;

nb_ratio nb_ratio_of(int64_t num, int64_t den); // in lowest terms; bad when den is 0
// op: '+' '-' '*' '/', ':' (the same as '/'), '\\' (quotient of a division with remainder), '%' (its remainder; both of
// whole numbers).
nb_ratio nb_ratio_apply(nb_ratio a, char op, nb_ratio b);
int nb_ratio_compare(nb_ratio a, nb_ratio b); // -1, 0, 1; neither may be bad
bool nb_ratio_is_whole(nb_ratio a);

enum { NB_RATIO_TEXT_BYTES = 48, NB_RATIO_MAX_PLACES = 4, NB_RATIO_MAX_PARTS = 20 };

// Decimal places that write it exactly (0..NB_RATIO_MAX_PLACES), or -1: it needs a fraction.
int nb_ratio_places(nb_ratio a);

// "12", "2.5" or "5/12" (always a fraction when `as_fraction` and not whole). Returns `text`.
const char *nb_ratio_text(nb_ratio a, bool as_fraction, char text[NB_RATIO_TEXT_BYTES]);

// The non-zero decimal digits at their places, large first: 305.2 -> 300, 5, 0.2. Returns their number, 0 for zero,
// -1 when it is negative or needs a fraction.
int nb_ratio_parts(nb_ratio a, nb_ratio parts[NB_RATIO_MAX_PARTS]);

#endif
