// SPDX-License-Identifier: Apache-2.0
// input_scale, the static g of activations that other engines want: g = A / 2688, A the largest activation expected.
#ifndef NB_APPS_QUANTIZE_CALIB_H
#define NB_APPS_QUANTIZE_CALIB_H

#include "apps/qat/quantize_write.h"

// Without calibration: 1/8. A block of activations then saturates beyond 2688 / 8 = 336, and keeps the full precision
// of its scale down to a maximum of 6 / 8 * 2^-6 = 0.012; inputs of linear layers lie well inside in common models. A
// power of two, so that its reciprocal (compressed-tensors) is exact.
#define NB_QUANTIZE_ASSUMED_SCALE 0.125f

// Fills the plan's input_scales. With `ids_path` (one sequence of ids a line) the full-precision model is run over the
// sequences and A measured for each fused group; a group that never sees anything but 0 gets the assumed scale.
// Errors: NB_ERR_INPUT (the file, an id outside the vocabulary, a sequence longer than the model allows), NB_ERR_FIT,
// NB_ERR_STOPPED.
NB_MUST_USE nb_status nb_quantize_calibrate(nb_quantize_run *run, const char *ids_path);

#endif
