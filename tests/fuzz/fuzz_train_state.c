// SPDX-License-Identifier: Apache-2.0
// The file of a training in the middle: the input edits a valid one (first byte: whether the hash is made right again;
// then triples of a 16-bit offset and a byte to xor; a last odd byte cuts that many 64ths off). Refused, or its tensors
// are those of the net.
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/qat/trainer_state.h"

enum { N = 20 };
static float values[N], first[N], second[N];
static nb_param params[2] = {{.name = "a.weight", .value = values, .n = 16, .rank = 2, .shape = {4, 4}},
                             {.name = "b", .value = values + 16, .n = 4, .rank = 1, .shape = {4, 1}}};
static uint8_t *valid;
static size_t valid_bytes, data_begin;

static void prepare(void)
{
    char path[] = "/tmp/nibble-fuzz-XXXXXX";
    nb_train_state state;
    json_t *record = json_pack("{s:i, s:{s:f}}", "step", 3, "recipe", "lr", 0.5);
    int fd = mkstemp(path);
    if (fd < 0 || nb_train_state_save(path, params, 2, first, second, record, NULL) != NB_OK)
        abort();
    FILE *file = fopen(path, "rb");
    valid = malloc(1 << 16);
    valid_bytes = file && valid ? fread(valid, 1, 1 << 16, file) : 0;
    if (valid_bytes == 0 || nb_train_state_parse(&state, valid, valid_bytes, "state", NULL) != NB_OK)
        abort();
    data_begin = state.header.tensors[0].begin;
    nb_train_state_close(&state);
    fclose(file);
    close(fd);
    unlink(path);
    json_decref(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!valid)
        prepare();
    uint8_t *bytes = malloc(valid_bytes);
    size_t n = valid_bytes, at = 1;
    memcpy(bytes, valid, n);
    for (; at + 2 < size; at += 3)
        bytes[(data[at] | data[at + 1] << 8) % n] ^= data[at + 2];
    if (at + 1 == size)
        n -= n * (data[at] % 64) / 64;
    if (size > 0 && data[0] % 2 && n > data_begin + 32)
        EVP_Digest(bytes + data_begin, n - 32 - data_begin, bytes + n - 32, NULL, EVP_sha256(), NULL);
    nb_train_state state;
    nb_error error = {0};
    if (nb_train_state_parse(&state, bytes, n, "state", &error) != NB_OK) {
        NB_ASSERT(error.text[0] != 0 && !state.record);
    } else {
        NB_ASSERT(json_is_object(state.record));
        nb_status status = nb_train_state_apply(&state, params, 2, first, second, NULL);
        NB_ASSERT(status == NB_OK || status == NB_ERR_INPUT);
    }
    nb_train_state_close(&state);
    free(bytes);
    return 0;
}
