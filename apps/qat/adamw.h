// SPDX-License-Identifier: Apache-2.0
// AdamW with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101) and clipping by the global norm. In step
// t (from 1), with the clipped gradient g:
//
//   m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
//   w = w (1 - rate * decay) - rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)
//
// in float, the factors computed in double. Decay applies to matrices of linear layers alone, not to the embedding,
// norms and biases. The bits of all results are the same with any number of threads.
#ifndef NB_APPS_ADAMW_H
#define NB_APPS_ADAMW_H

#include "apps/qat/net.h"

typedef struct nb_adamw_options {
    double beta1, beta2, epsilon;
    double weight_decay;
    double clip; // largest norm of the gradient; 0: any
} nb_adamw_options;

typedef struct nb_adamw nb_adamw;

// The moments, zero, and the division of the work. Pool and parameters are borrowed. NB_ERR_FIT.
NB_MUST_USE nb_status nb_adamw_create(nb_adamw **adamw, nb_pool *pool, const nb_param *params, size_t n_params,
                                      const nb_adamw_options *options, nb_error *error);
void nb_adamw_free(nb_adamw *adamw); // NULL is fine

// The moments, in the layout of the parameters: [n_params][n] one after another.
float *nb_adamw_first(nb_adamw *adamw);
float *nb_adamw_second(nb_adamw *adamw);
uint64_t nb_adamw_bytes(const nb_param *params, size_t n_params); // of both

// Norm of all gradients; not finite when one of them is not.
double nb_adamw_norm(nb_adamw *adamw);

// Step t (from 1) with a gradient of norm `norm`: changes values and moments. The norm is finite.
void nb_adamw_step(nb_adamw *adamw, uint64_t t, double rate, double norm);

#endif
