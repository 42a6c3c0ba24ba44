// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/eval_score.h"

#include <math.h>

static const double z = 1.959963984540054; // 97.5 % quantile of the normal distribution

// Wilson 1927: the shares p for which the one observed is within z standard errors of p.
static void wilson(double mean, double n, nb_accuracy *accuracy)
{
    double centre = mean + z * z / (2 * n), spread = z * sqrt(mean * (1 - mean) / n + z * z / (4 * n * n));
    double below = 1 + z * z / n;
    accuracy->low = fmax(0, (centre - spread) / below);
    accuracy->high = fmin(1, (centre + spread) / below);
}

nb_accuracy nb_accuracy_of(const uint32_t *right, size_t n_problems, uint32_t n_samples)
{
    nb_accuracy accuracy = {0};
    double n = (double)n_problems, squares = 0;
    uint64_t n_right = 0;
    for (size_t i = 0; i < n_problems; i++)
        n_right += right[i];
    accuracy.mean = (double)n_right / (n * n_samples); // of equal shares exactly theirs, whose error is 0
    for (size_t i = 0; i < n_problems; i++)
        squares += pow((double)right[i] / n_samples - accuracy.mean, 2);
    accuracy.error = n_problems > 1 ? sqrt(squares / (n * (n - 1))) : 0;
    if (n_samples == 1 || squares < 1e-12) {
        wilson(accuracy.mean, n, &accuracy);
    } else {
        accuracy.low = fmax(0, accuracy.mean - z * accuracy.error);
        accuracy.high = fmin(1, accuracy.mean + z * accuracy.error);
    }
    return accuracy;
}
