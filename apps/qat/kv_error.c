// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/kv_error.h"

#include "kernels/floats.h"
#include "kernels/fp4.h"

enum { BLOCK = 16, HEAD_DIM_MAX = 256 };

void nb_kv_error_add(nb_kv_error *sums, const nb_cpu_kernels *cpu, const float *x, const float *shift,
                     uint32_t head_dim)
{
    NB_ASSERT(head_dim % BLOCK == 0 && head_dim <= HEAD_DIM_MAX);
    uint8_t vector[HEAD_DIM_MAX / 2 + HEAD_DIM_MAX / BLOCK];
    float stored[HEAD_DIM_MAX] = {0};
    for (uint32_t d = 0; d < head_dim; d++)
        stored[d] = shift ? x[d] - shift[d] : x[d];
    cpu->store_v(NB_KV_FORMAT_E1M2, stored, 1.0f, head_dim, 0, vector); // blocks as in K, in a plainer order
    for (uint32_t d = 0; d < head_dim; d++) {
        uint8_t nibble = vector[d / 2] >> (d % 2 ? 4 : 0) & 15;
        double scale = (double)nb_e4m3_decode(vector[head_dim / 2 + d / BLOCK]);
        double difference = (double)stored[d] - 0.5 * nb_e1m2_from_nibble(nibble) * scale;
        sums->error += difference * difference;
        sums->square += (double)x[d] * (double)x[d];
    }
    sums->n += head_dim;
}
