// SPDX-License-Identifier: Apache-2.0
// Saved sessions: the input edits a valid snapshot (first byte: whether the hash is made right again; then triples of a
// 16-bit offset and a byte to xor; a last odd byte cuts that many 64ths off). Refused, or a session that still
// computes.
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/snapshot.h"

static const char config[] =
    "{\"model_type\":\"qwen2\",\"architectures\":[\"Qwen2ForCausalLM\"],\"hidden_size\":32,\"intermediate_size\":32,"
    "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":1,\"vocab_size\":64,\"hidden_act\":"
    "\"silu\","
    "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-6,\"rope_theta\":10000.0,\"torch_dtype\":\"bfloat16\","
    "\"tie_word_embeddings\":true}";

static nb_session *session;
static uint8_t *valid;
static size_t valid_bytes;

static void must(nb_status status, const nb_error *error)
{
    if (status != NB_OK) {
        fprintf(stderr, "%s\n", error->text);
        abort();
    }
}

// The path of an anonymous file.
static const char *memory_file(const void *data, size_t bytes)
{
    static char path[64];
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static void prepare(void)
{
    nb_error error = {0};
    nb_engine *engine;
    nb_engine_options options = nb_engine_defaults();
    nb_session_options session_options = nb_session_defaults();
    char directory[] = "/tmp/nibble-fuzz-XXXXXX", path[64];
    int32_t ids[20];
    options.n_threads = 1;
    session_options.n_ctx = 16;
    session_options.n_sinks = 2;
    for (int i = 0; i < 20; i++)
        ids[i] = i * 3 % 64;
    must(nb_engine_open_shape(&engine, memory_file(config, sizeof config - 1), &options, &error), &error);
    must(nb_session_create(&session, engine, &session_options, &error), &error);
    must(nb_session_append(session, ids, 20, NULL, NULL, &error), &error);
    if (!mkdtemp(directory))
        abort();
    snprintf(path, sizeof path, "%s/s", directory);
    must(nb_session_save(session, path, &error), &error);
    FILE *file = fopen(path, "rb");
    valid = malloc(1 << 20);
    valid_bytes = file && valid ? fread(valid, 1, 1 << 20, file) : 0;
    if (valid_bytes == 0)
        abort();
    fclose(file);
    unlink(path);
    rmdir(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!session)
        prepare();
    uint8_t *bytes = malloc(valid_bytes);
    size_t n = valid_bytes, at = 1;
    memcpy(bytes, valid, n);
    for (; at + 2 < size; at += 3)
        bytes[(data[at] | data[at + 1] << 8) % n] ^= data[at + 2];
    if (at + 1 == size)
        n -= n * (data[at] % 64) / 64;
    if (size > 0 && data[0] % 2 && n > 32)
        EVP_Digest(bytes, n - 32, bytes + n - 32, NULL, EVP_sha256(), NULL);
    nb_error error = {0};
    const int32_t next = 5;
    if (nb_snapshot_read(session, bytes, n, &error) != NB_OK) {
        NB_ASSERT(error.text[0] != 0 && nb_session_length(session) == 0);
    } else {
        nb_status status = nb_session_append(session, &next, 1, NULL, NULL, NULL);
        NB_ASSERT(status == NB_OK || status == NB_ERR_LIMIT);
    }
    free(bytes);
    return 0;
}
