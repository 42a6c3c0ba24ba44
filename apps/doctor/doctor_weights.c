// SPDX-License-Identifier: Apache-2.0
#include "apps/doctor/doctor_weights.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"
#include "apps/common/unfinished.h"

enum {
    HIDDEN = 1024,
    FFN = 4096,
    VOCAB = 256,
    LAYER_BYTES = 2 * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * FFN + 2 * HIDDEN),
    LEAST_BYTES = 256 << 20,
    MOST_BYTES = 1 << 30,
    BLOCK_BYTES = 1 << 20,
    N_LOADS = 2,
    N_ROUNDS = 6,
    N_DECODE = 8,
};
static const double SLOW_S = 0.5; // a token that takes so long is measured once

typedef struct trial {
    char folder[PATH_MAX - 32], config[PATH_MAX], weights[PATH_MAX];
    uint32_t n_layers;
    uint64_t bytes; // of the weights
    char *why;
    size_t capacity;
} trial;

static bool fail(const trial *t, const char *what, const char *reason)
{
    snprintf(t->why, t->capacity, "%s: %s", what, reason);
    return false;
}

// ---- the checkpoint ------------------------------------------------------------------------------------------------

static bool write_config(const trial *t)
{
    json_t *config =
        json_pack("{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b, s:s, s:s}", "architectures",
                  "LlamaForCausalLM", "model_type", "llama", "hidden_size", HIDDEN, "intermediate_size", FFN,
                  "num_hidden_layers", (int)t->n_layers, "num_attention_heads", HIDDEN / 128, "num_key_value_heads",
                  HIDDEN / 128, "vocab_size", VOCAB, "max_position_embeddings", 512, "rms_norm_eps", 1e-6, "rope_theta",
                  10000.0, "tie_word_embeddings", 1, "hidden_act", "silu", "torch_dtype", "bfloat16");
    bool is_written = config && json_dump_file(config, t->config, JSON_COMPACT) == 0;
    json_decref(config);
    return is_written;
}

static void add_tensor(json_t *header, uint64_t *end, const char *name, int rows, int cols)
{
    uint64_t begin = *end;
    *end += 2 * (uint64_t)rows * (uint64_t)(cols ? cols : 1);
    json_t *shape = cols ? json_pack("[i, i]", rows, cols) : json_pack("[i]", rows);
    json_object_set_new(header, name,
                        json_pack("{s:s, s:o, s:[I, I]}", "dtype", "BF16", "shape", shape, "data_offsets",
                                  (json_int_t)begin, (json_int_t)*end));
}

static void make_header(nb_growing *text, const trial *t, uint64_t *data_bytes)
{
    static const struct {
        const char *name;
        int rows, cols;
    } parts[] = {
        {"input_layernorm", HIDDEN, 0},       {"post_attention_layernorm", HIDDEN, 0},
        {"self_attn.q_proj", HIDDEN, HIDDEN}, {"self_attn.k_proj", HIDDEN, HIDDEN},
        {"self_attn.v_proj", HIDDEN, HIDDEN}, {"self_attn.o_proj", HIDDEN, HIDDEN},
        {"mlp.gate_proj", FFN, HIDDEN},       {"mlp.up_proj", FFN, HIDDEN},
        {"mlp.down_proj", HIDDEN, FFN},
    };
    json_t *header = json_object();
    *data_bytes = 0;
    add_tensor(header, data_bytes, "model.embed_tokens.weight", VOCAB, HIDDEN);
    add_tensor(header, data_bytes, "model.norm.weight", HIDDEN, 0);
    for (uint32_t layer = 0; layer < t->n_layers; layer++)
        for (size_t i = 0; i < NB_COUNT_OF(parts); i++) {
            char name[96];
            snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, parts[i].name);
            add_tensor(header, data_bytes, name, parts[i].rows, parts[i].cols);
        }
    nb_growing_add_json(text, header, JSON_COMPACT);
}

// BF16 of some hundredths, of either sign.
static void fill_block(uint8_t *block)
{
    uint64_t state = 1;
    for (size_t i = 0; i < BLOCK_BYTES; i += 8) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t word = ((state ^ state >> 29) & 0x80ff80ff80ff80ffu) | 0x3c003c003c003c00u;
        memcpy(block + i, &word, 8);
    }
}

static bool write_weights(const trial *t)
{
    uint64_t data_bytes, n_header;
    nb_growing header = {0};
    make_header(&header, t, &data_bytes);
    FILE *file = fopen(t->weights, "wb");
    uint8_t *block = nb_alloc(BLOCK_BYTES);
    n_header = header.bytes;
    bool is_written =
        file && fwrite(&n_header, sizeof n_header, 1, file) == 1 && fwrite(header.text, n_header, 1, file) == 1;
    fill_block(block);
    for (uint64_t done = 0, n; is_written && done < data_bytes; done += n) {
        n = data_bytes - done < BLOCK_BYTES ? data_bytes - done : BLOCK_BYTES;
        is_written = fwrite(block, n, 1, file) == 1;
    }
    is_written = is_written && fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (file)
        is_written = fclose(file) == 0 && is_written;
    free(block);
    nb_growing_release(&header);
    return is_written;
}

// ---- measuring -----------------------------------------------------------------------------------------------------

// Takes the file out of the page cache, or reads it into it.
static void set_cache(const trial *t, bool is_warm)
{
    int fd = open(t->weights, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    char *block = nb_alloc(BLOCK_BYTES);
    if (!is_warm)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    while (is_warm && read(fd, block, BLOCK_BYTES) > 0)
        ;
    free(block);
    close(fd);
}

typedef struct opened {
    nb_engine *engine;
    nb_session *session;
} opened;

static void close_model(opened *model)
{
    nb_session_free(model->session);
    nb_engine_close(model->engine);
    *model = (opened){0};
}

static nb_status decode(const opened *model, size_t n_tokens, nb_error *error)
{
    nb_status status = nb_session_rewind(model->session, 0, error);
    for (int32_t id = 0; id < (int32_t)n_tokens && status == NB_OK; id++)
        status = nb_session_append(model->session, &id, 1, NULL, NULL, error);
    return status;
}

static bool open_model(const trial *t, opened *model, nb_weights weights)
{
    nb_engine_options options = nb_engine_defaults();
    nb_session_options session = nb_session_defaults();
    nb_error error = {0};
    *model = (opened){0};
    options.weights = weights;
    session.n_ctx = 64;
    nb_status status = nb_engine_open(&model->engine, t->folder, &options, &error);
    if (status == NB_OK)
        status = nb_session_create(&model->session, model->engine, &session, &error);
    if (status == NB_OK)
        status = decode(model, 1, &error);
    if (status == NB_OK)
        return true;
    close_model(model);
    return fail(t, "cannot open the trial model", error.text);
}

// The best of some openings, bytes a second in GB/s.
static bool measure_load(const trial *t, nb_weights weights, bool is_warm, double *rate)
{
    *rate = 0;
    for (int i = 0; i < N_LOADS; i++) {
        opened model;
        set_cache(t, is_warm);
        double start = nb_now_s();
        if (!open_model(t, &model, weights))
            return false;
        double now = (double)t->bytes / 1e9 / (nb_now_s() - start);
        *rate = now > *rate ? now : *rate;
        close_model(&model);
    }
    return true;
}

// By turns, since the machine's own speed moves.
static bool measure_decode(const trial *t, double rates[2])
{
    opened models[2] = {0};
    nb_error error = {0};
    bool is_good = open_model(t, &models[0], NB_WEIGHTS_MAPPED) && open_model(t, &models[1], NB_WEIGHTS_RESIDENT);
    size_t n_tokens = 1;
    for (int i = 0; i < 2 * N_ROUNDS && is_good; i++) {
        double start = nb_now_s();
        is_good = decode(&models[i % 2], n_tokens, &error) == NB_OK || fail(t, "cannot decode", error.text);
        double seconds = nb_now_s() - start, now = (double)(t->bytes * n_tokens) / 1e9 / seconds;
        rates[i % 2] = now > rates[i % 2] ? now : rates[i % 2];
        if (i == 1 && seconds > SLOW_S)
            break;
        n_tokens = i == 0 ? 1 : N_DECODE;
    }
    close_model(&models[0]);
    close_model(&models[1]);
    return is_good;
}

static bool measure(const trial *t, nb_placement_rates *rates)
{
    double decode_rates[2] = {0};
    bool is_good = measure_load(t, NB_WEIGHTS_RESIDENT, false, &rates->load_resident_cold) &&
                   measure_load(t, NB_WEIGHTS_MAPPED, false, &rates->load_mapped_cold) &&
                   measure_load(t, NB_WEIGHTS_RESIDENT, true, &rates->load_resident_warm) &&
                   measure_load(t, NB_WEIGHTS_MAPPED, true, &rates->load_mapped_warm) &&
                   measure_decode(t, decode_rates);
    rates->decode_mapped = decode_rates[0];
    rates->decode_resident = decode_rates[1];
    return is_good;
}

// ---- the whole -----------------------------------------------------------------------------------------------------

// Four times the last cache, as layers.
static bool choose_size(trial *t)
{
    nb_machine machine;
    nb_machine_probe(&machine);
    uint64_t bytes = 4 * machine.l3_bytes;
    bytes = bytes < LEAST_BYTES ? LEAST_BYTES : bytes > MOST_BYTES ? MOST_BYTES : bytes;
    t->n_layers = (uint32_t)((bytes + LAYER_BYTES - 1) / LAYER_BYTES);
    t->bytes = (uint64_t)t->n_layers * LAYER_BYTES;
    struct statvfs disk;
    if (machine.memory_available < 4 * t->bytes)
        return fail(t, "cannot measure the weights", "too little memory is available");
    if (statvfs(t->folder, &disk) != 0 || (uint64_t)disk.f_bavail * disk.f_frsize < 2 * t->bytes)
        return fail(t, "cannot measure the weights", "too little room on the disk of the model store");
    return true;
}

static bool make_folder(trial *t)
{
    if (!nb_machine_file_folder(t->folder, sizeof t->folder - 16, t->why, t->capacity))
        return false;
    strcat(t->folder, "/doctor.XXXXXX");
    if (!mkdtemp(t->folder))
        return fail(t, "cannot write to the model store", strerror(errno));
    snprintf(t->config, sizeof t->config, "%s/config.json", t->folder);
    snprintf(t->weights, sizeof t->weights, "%s/model.safetensors", t->folder);
    return true;
}

static void remove_trial(void *user)
{
    const trial *t = user;
    unlink(t->config);
    unlink(t->weights);
    rmdir(t->folder);
}

bool nb_doctor_measure_weights(nb_placement_rates *rates, char *why, size_t capacity)
{
    trial t = {.why = why, .capacity = capacity};
    sigset_t keyboard, before;
    sigemptyset(&keyboard);
    sigaddset(&keyboard, SIGINT);
    sigaddset(&keyboard, SIGTERM);
    sigaddset(&keyboard, SIGHUP);
    sigprocmask(SIG_BLOCK, &keyboard, &before); // or a large file would be left behind
    bool is_good = make_folder(&t);
    if (is_good) {
        nb_unfinished_add(remove_trial, &t);
        is_good = choose_size(&t);
        if (is_good && !(write_config(&t) && write_weights(&t)))
            is_good = fail(&t, "cannot write to the model store", strerror(errno));
        is_good = is_good && measure(&t, rates);
        remove_trial(&t);
        nb_unfinished_remove(&t);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return is_good;
}
