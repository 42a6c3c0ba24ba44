// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fixtures.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/floats.h"

uint32_t fixture_u32(fixture_rng *rng)
{
    rng->state ^= rng->state >> 12;
    rng->state ^= rng->state << 25;
    rng->state ^= rng->state >> 27;
    return (uint32_t)(rng->state * 0x2545f4914f6cdd1dull >> 32);
}

uint32_t fixture_below(fixture_rng *rng, uint32_t n)
{
    return (uint32_t)((uint64_t)fixture_u32(rng) * n >> 32);
}

float fixture_float(fixture_rng *rng)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += fixture_u32(rng) * 0x1p-32;
    return (float)(sum - 6);
}

static struct {
    void *base;
    size_t bytes;
} mapped[4096];
static size_t n_mapped;

void *fixture_memory(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = nb_align_up(nb_max(bytes, 1), page);
    uint8_t *base = mmap(NULL, body + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base, body, PROT_READ | PROT_WRITE) != 0 || n_mapped == NB_COUNT(mapped))
        abort();
    mapped[n_mapped].base = base;
    mapped[n_mapped++].bytes = body + page;
    return base + body - bytes;
}

void fixture_release(void)
{
    while (n_mapped > 0) {
        n_mapped--;
        munmap(mapped[n_mapped].base, mapped[n_mapped].bytes);
    }
}

static void fill_nvfp4(fixture_rng *rng, nb_weight *w, uint8_t *data, uint8_t *scales)
{
    size_t n = (size_t)w->n_rows * w->n_cols;
    for (size_t i = 0; i < n / 2; i++)
        data[i] = (uint8_t)fixture_u32(rng);
    for (size_t i = 0; i < n / 16; i++) { // every valid byte, half of them small: 0, denormals, the first normals
        scales[i] = (uint8_t)fixture_below(rng, fixture_below(rng, 2) ? 0x7f : 0x10);
        if (scales[i] == 0 && fixture_below(rng, 2)) // a dead block, as the project's quantiser writes it
            memset(data + i * 8, 0, 8);
    }
    w->global_scale = ldexpf(1 + fixture_float(rng) * 0.1f, -10);
}

static void fill_element(fixture_rng *rng, nb_format format, uint8_t *data, size_t i)
{
    float x = fixture_float(rng);
    if (fixture_below(rng, 32) == 0)
        x = fixture_below(rng, 2) ? -0.0f : ldexpf(x, -(int)fixture_below(rng, 150));
    uint16_t half = format == NB_FORMAT_F16 ? nb_f16_encode(x) : nb_bf16_encode(x);
    if (format == NB_FORMAT_F32)
        memcpy(data + 4 * i, &x, 4);
    else
        memcpy(data + 2 * i, &half, 2);
}

nb_weight fixture_weight(fixture_rng *rng, nb_format format, uint32_t n_rows, uint32_t n_cols, bool with_bias)
{
    nb_weight w = {.format = format, .n_rows = n_rows, .n_cols = n_cols, .global_scale = 1};
    size_t n = (size_t)n_rows * n_cols;
    uint8_t *data = fixture_memory(format == NB_FORMAT_NVFP4 ? n / 2 : format == NB_FORMAT_F32 ? 4 * n : 2 * n);
    uint8_t *scales = format == NB_FORMAT_NVFP4 ? fixture_memory(n / 16) : NULL;
    if (format == NB_FORMAT_NVFP4)
        fill_nvfp4(rng, &w, data, scales);
    else
        for (size_t i = 0; i < n; i++)
            fill_element(rng, format, data, i);
    if (with_bias) {
        float *bias = fixture_memory(n_rows * sizeof *bias);
        for (uint32_t i = 0; i < n_rows; i++)
            bias[i] = fixture_float(rng);
        w.bias = bias;
    }
    w.data = data;
    w.scales = scales;
    return w;
}

nb_act fixture_act(fixture_rng *rng, uint32_t n_rows, uint32_t n_cols,
                   void (*pack)(const nb_act *act, uint32_t row, float static_scale))
{
    uint32_t n_steps = nb_act_steps(n_cols);
    nb_act act = {.n_rows = n_rows, .n_cols = n_cols, .is_packed = pack != NULL};
    act.x = fixture_memory((size_t)n_rows * n_cols * sizeof(float));
    for (uint32_t t = 0; t < n_rows; t++) {
        bool zero_row = fixture_below(rng, 16) == 0;
        float factor = 1;
        for (uint32_t k = 0; k < n_cols; k++) {
            if (k % 16 == 0) // now and then a block of zeros, or one so small that its scale rounds to 0 or a denormal
                factor = fixture_below(rng, 8)   ? 1.0f
                         : fixture_below(rng, 2) ? 0.0f
                                                 : ldexpf(1, -(int)(fixture_u32(rng) % 24));
            act.x[(size_t)t * n_cols + k] = zero_row ? 0.0f : fixture_float(rng) * factor;
        }
    }
    if (!pack)
        return act;
    act.steps = fixture_memory((size_t)n_rows * n_steps * sizeof(nb_act_step));
    act.globals = fixture_memory(n_rows * sizeof(float));
    for (uint32_t t = 0; t < n_rows; t++)
        pack(&act, t, 0.0f);
    return act;
}

const nb_cpu_kernels *fixture_scalar(void)
{
    return nb_cpu_tables[0];
}

int fixture_tables(void (*visit)(const nb_cpu_kernels *table, void *user), void *user)
{
    int n = 0;
    for (const nb_cpu_kernels *const *table = nb_cpu_tables + 1; *table; table++)
        if (nb_cpu_table_runs(*table)) {
            visit(*table, user);
            n++;
        }
    return n;
}
