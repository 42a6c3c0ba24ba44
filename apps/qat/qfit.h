// SPDX-License-Identifier: Apache-2.0
// Q-FIT (docs/REQAT.md): a scale for each RoPE pair and a shift of the keys that suit the 4-bit cache, found on
// calibration tokens layer by layer and folded into the weights. Letters as in runtime/config.h; N: calibration rows,
// the tokens of all sequences one after another.
//
//   s[g, i] = r[g, i]^alpha      on both members i, i + E/2 of a pair; r: maximum of |K| before RoPE
//   K / s, Q * s                 leaves every score as it was
//   m[g, :] = beta * mean K      subtracted from the keys behind RoPE, which leaves every softmax as it was
//
// alpha and beta: the point of a grid with the least mean squared difference between the attention output of the exact
// K, V and that of K, V as the E1M2 cache gives them back.
#ifndef NB_APPS_QFIT_H
#define NB_APPS_QFIT_H

#include "runtime/model.h"
#include "runtime/plan.h"

// Called now and then with what is done of the running layer, 0..1. Returns false to stop (NB_ERR_STOPPED).
typedef bool (*nb_qfit_progress_fn)(void *user, double done);

typedef struct nb_qfit_variant {
    const char *name;
    uint32_t n_grid;   // values of alpha and of beta: 0, 0.05, 0.1, ...
    bool is_causal;    // a query sees the keys up to its own
    bool is_scaled;    // scores are divided by sqrt(E)
    bool means_behind; // m is the mean of the scaled keys behind RoPE; else of the keys before RoPE and scale
    float r_min;       // r below this counts as this; 0: r = 0 counts as 1
} nb_qfit_variant;

extern const nb_qfit_variant nb_qfit_nibble, nb_qfit_reference;

// What calibration saw of one layer.
typedef struct nb_qfit_data {
    uint32_t n_heads, n_kv_heads, head_dim;
    bool is_shared; // one s for all heads: it goes into the weights of q_norm and k_norm
    size_t n_rows;  // N
    size_t n_sequences;
    const size_t *starts;  // [n_sequences + 1] row each sequence begins at
    float *q, *k, *v;      // [N, H, E], [N, G, E], [N, G, E]; q and k behind RoPE
    float *k_absmax;       // [G, E] of k before RoPE
    double *k_mean_before; // [G, E] of k before RoPE
} nb_qfit_data;

// ---- calibration: qfit_capture.c ----------------------------------------------------------------------------------

typedef struct nb_qfit_capture {
    nb_model view; // the model with one layer, whose embedding table is the residual stream
    nb_machinery machinery;
    nb_ops ops;
    nb_exec exec;
    nb_rope_table rope;
    nb_session_buffers buffers;
    nb_qfit_data data;
    float *x;   // [N, D] residual stream
    float *raw; // [chunk, G*E] keys before RoPE
    size_t row; // that the running pass begins with
} nb_qfit_capture;

// Takes the memory and embeds the tokens. `starts` lives as long as the capture; the model too. NB_ERR_FIT.
NB_MUST_USE nb_status nb_qfit_capture_open(nb_qfit_capture *capture, const nb_model *model, nb_pool *pool,
                                           const int32_t *ids, const size_t *starts, size_t n_sequences,
                                           nb_error *error);
void nb_qfit_capture_close(nb_qfit_capture *capture); // harmless on a zeroed one

// Runs all rows through layer `i` in full precision and fills capture->data; layers in order.
NB_MUST_USE nb_status nb_qfit_capture_layer(nb_qfit_capture *capture, const nb_model *model, uint32_t i,
                                            nb_qfit_progress_fn on_progress, void *user, nb_error *error);

// ---- search: qfit_search.c ----------------------------------------------------------------------------------------

typedef struct nb_qfit_result {
    double alpha, beta;
    double objective, objective_00; // mean squared difference at (alpha, beta) and at (0, 0)
    double k_error, k_error_00;     // ||K - K^||^2 / ||K||^2 of the cache, K the keys with their scale
    double v_error;                 // the same of V, which does not depend on alpha and beta
    double work;                    // share of the whole grid that had to be computed
    double *scales;                 // [G, E/2] s; one malloc with shift, owned by the result
    float *shift;                   // [G, E] m
} nb_qfit_result;

// NB_ERR_FIT, NB_ERR_STOPPED. The same bits with any number of threads.
NB_MUST_USE nb_status nb_qfit_search(const nb_qfit_data *data, const nb_qfit_variant *variant, const nb_exec *exec,
                                     nb_qfit_progress_fn on_progress, void *user, nb_qfit_result *result,
                                     nb_error *error);
void nb_qfit_result_release(nb_qfit_result *result);

#endif
