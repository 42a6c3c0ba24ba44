// SPDX-License-Identifier: Apache-2.0
// Accuracy and how sure it is.
#ifndef NB_APPS_EVAL_SCORE_H
#define NB_APPS_EVAL_SCORE_H

#include <stddef.h>
#include <stdint.h>

typedef struct nb_accuracy {
    double mean;      // of the problems' shares of right responses
    double error;     // standard error of the mean over problems
    double low, high; // 95 % confidence interval
} nb_accuracy;

// right[i] of n_samples responses to problem i are right; n_problems > 0.
// One sample: Wilson's interval. Several: responses to one problem are not independent, so the problems' means are what
// varies (clustered standard error), mean +- 1.96 errors within [0, 1]; where all problems have the same mean, Wilson's
// interval of as many single responses as there are problems.
nb_accuracy nb_accuracy_of(const uint32_t *right, size_t n_problems, uint32_t n_samples);

#endif
