// SPDX-License-Identifier: Apache-2.0
// The network in double precision by plain loops, written from the papers' formulas: what losses and gradients of
// apps/qat/net.h are compared with. Full precision only.
#ifndef NB_TESTS_NET_F64_H
#define NB_TESTS_NET_F64_H

#include "apps/qat/net.h"

typedef struct oracle_net {
    const nb_config *config;
    const nb_param *params; // names and shapes
    size_t n_params;
    double **values; // [n_params]
    double *weights; // [rows] w_t of SEM by row; filled when `weigh`
} oracle_net;

// Copies the parameters' values.
void oracle_net_make(oracle_net *net, const nb_config *config, const nb_param *params, size_t n_params,
                     uint32_t n_rows);
void oracle_net_free(oracle_net *net);

// The loss of nb_net_step. `weigh`: computes the SEM weights first; else those of before are kept, as they are no part
// of the gradient.
double oracle_net_loss(const oracle_net *net, const nb_batch *batch, const nb_net_loss *loss, bool weigh);

#endif
