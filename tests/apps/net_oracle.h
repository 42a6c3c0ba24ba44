// SPDX-License-Identifier: Apache-2.0
// The reference batch of a trainer: losses and gradients that PyTorch computed in double.
#ifndef NB_TESTS_NET_ORACLE_H
#define NB_TESTS_NET_ORACLE_H

#include "tests/apps/net_batches.h"
#include "tests/support/oracle_tensors.h"

// The path of a reference file; skips the test without it.
static inline const char *data(const char *relative)
{
    const char *path = nb_test_data(relative);
    if (!path)
        skip();
    return path ? path : "";
}

#define TINY "models/oracle/train-tiny"

typedef struct oracle_run {
    const char *gradients;
    nb_net_quant quant;
    nb_net_loss_kind kind;
    double ce, sem; // of train.json
} oracle_run;

static const oracle_run oracle_runs[] = {
    {"grads_ce.st", NB_NET_PLAIN, NB_LOSS_CE, 5.590408922890343, 0.754191997705583},
    {"grads_ce_sem.st", NB_NET_PLAIN, NB_LOSS_SEM, 5.590408922890343, 0.754191997705583},
    {"grads_qat_ce.st", NB_NET_W4A4KV4, NB_LOSS_CE, 5.619598302397556, 0.8751931801065784},
    {"grads_qat_ce_sem.st", NB_NET_W4A4KV4, NB_LOSS_SEM, 5.619598302397556, 0.8751931801065784},
};

// Relative RMS error of all gradients.
static inline double oracle_gradient_error(nb_net *net, const char *directory, const char *file)
{
    oracle_tensors tensors;
    char path[128];
    snprintf(path, sizeof path, "oracle/%s", file);
    oracle_tensors_open(&tensors, directory, path);
    size_t n;
    const nb_param *params = nb_net_params(net, &n);
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        size_t n_elements, n_rows;
        float *expected = oracle_tensor_copy(&tensors, params[i].name, &n_elements, &n_rows);
        assert_non_null(expected);
        assert_int_equal(n_elements, params[i].n);
        for (size_t j = 0; j < n_elements; j++) {
            double difference = (double)params[i].grad[j] - (double)expected[j];
            error += difference * difference;
            norm += (double)expected[j] * (double)expected[j];
        }
        free(expected);
    }
    oracle_tensors_close(&tensors);
    return sqrt(error / norm);
}

#endif
