// SPDX-License-Identifier: Apache-2.0
#include "runtime/model.h"

#include <stdlib.h>

#include "platform/memory.h"
#include "runtime/model_bind.h"

nb_status nb_model_allocate(nb_model *model, nb_error *error)
{
    model->storage = calloc(1, sizeof *model->storage);
    model->layers = calloc(model->config.n_layers, sizeof *model->layers);
    if (!model->storage || !model->layers)
        return nb_error_set(error, NB_ERR_SYSTEM, "out of memory for %u layers", model->config.n_layers);
    nb_arena_init(&model->storage->weights, NB_MEMORY_WEIGHTS);
    nb_arena_init(&model->storage->tables, NB_MEMORY_HOST);
    return NB_OK;
}

nb_status nb_model_place(nb_model *model, nb_error *error)
{
    struct nb_model_storage *storage = model->storage;
    nb_memory memory;
    nb_memory_probe(&memory);
    uint64_t bytes = storage->weights.counted_bytes + storage->tables.counted_bytes;
    if (memory.total_bytes > 0 && bytes > nb_memory_takeable(&memory)) // 0: unknown, the system has the last word
        return nb_error_set(error, NB_ERR_FIT,
                            "weights do not fit; expected at most %llu bytes (available less a floor), found %llu; try "
                            "mapped weights or a smaller model",
                            (unsigned long long)nb_memory_takeable(&memory), (unsigned long long)bytes);
    NB_TRY(nb_arena_place(&storage->weights, error));
    NB_TRY(nb_arena_place(&storage->tables, error));
    return NB_OK;
}

void nb_model_note_counted(nb_model *model)
{
    model->host_bytes = model->storage->tables.counted_bytes;
    model->resident_bytes = model->storage->weights.counted_bytes;
}

static nb_status check_unchanged(const nb_checkpoint *checkpoint, nb_error *error)
{
    for (size_t i = 0; i < checkpoint->n_shards; i++)
        NB_TRY(nb_map_check(&checkpoint->shards[i].map, checkpoint->shards[i].path, error));
    return NB_OK;
}

// The copy is to be the only one: headers and tables were read through the maps, and their pages go too.
static void forget_files(nb_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->n_shards; i++) {
        nb_map_close(&checkpoint->shards[i].map);
        nb_file_forget(checkpoint->shards[i].path);
    }
    nb_checkpoint_close(checkpoint);
}

static nb_binder make_binder(nb_model *model, nb_error *error)
{
    return (nb_binder){.model = model,
                       .family = nb_family_find(model->config.model_type),
                       .checkpoint = &model->storage->checkpoint,
                       .weights = &model->storage->weights,
                       .tables = &model->storage->tables,
                       .resident = model->is_resident,
                       .error = error};
}

static nb_status count(nb_model *model, const char *directory, nb_error *error)
{
    NB_TRY(nb_config_open(&model->config, directory, error));
    NB_TRY(nb_model_allocate(model, error));
    NB_TRY(nb_checkpoint_open(&model->storage->checkpoint, directory, error));
    nb_binder binder = make_binder(model, error);
    model->family = binder.family->model_type;
    NB_TRY(nb_bind_model(&binder));
    nb_model_note_counted(model);
    return nb_bind_check_unused(&binder);
}

nb_status nb_model_count(nb_model *model, const char *directory, bool resident, nb_error *error)
{
    *model = (nb_model){.is_resident = resident};
    nb_status status = count(model, directory, error);
    if (status != NB_OK)
        nb_model_close(model);
    return status;
}

enum { FAULT_BYTES = 16 << 20 };

// Chunk after chunk of all shards; the embedding, of which a token reads one row, is left out.
static void fault_in_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    (void)worker;
    const nb_model *model = context;
    const nb_checkpoint *checkpoint = &model->storage->checkpoint;
    const uint8_t *rows = model->embedding.data;
    size_t rows_bytes =
        (size_t)model->embedding.n_rows * model->embedding.n_cols * (model->embedding.format == NB_FORMAT_F32 ? 4 : 2);
    for (size_t i = 0; i < checkpoint->n_shards; i++) {
        const nb_map *map = &checkpoint->shards[i].map;
        uint32_t n_chunks = (uint32_t)nb_div_ceil(map->bytes, FAULT_BYTES);
        if (chunk < n_chunks) {
            uint64_t begin = (uint64_t)chunk * FAULT_BYTES, end = nb_min(begin + FAULT_BYTES, map->bytes);
            bool is_embedding = map->data + begin >= rows && map->data + end <= rows + rows_bytes;
            if (!is_embedding || model->config.tied_head)
                nb_map_fault_in(map, begin, end - begin);
            return;
        }
        chunk -= n_chunks;
    }
}

void nb_model_fault_in(const nb_model *model, nb_pool *pool)
{
    nb_memory memory;
    nb_memory_probe(&memory);
    const nb_checkpoint *checkpoint = &model->storage->checkpoint;
    uint64_t n_chunks = 0;
    for (size_t i = 0; i < checkpoint->n_shards; i++)
        n_chunks += nb_div_ceil(checkpoint->shards[i].map.bytes, FAULT_BYTES);
    if (!model->is_resident && model->weight_bytes < nb_memory_takeable(&memory) && n_chunks <= UINT32_MAX)
        nb_pool_run(pool, (uint32_t)n_chunks, fault_in_chunk, (void *)(uintptr_t)model);
}

static nb_status load(nb_model *model, nb_model_progress_fn on_progress, void *progress_user, nb_error *error)
{
    struct nb_model_storage *storage = model->storage;
    nb_binder binder = make_binder(model, error);
    binder.on_progress = on_progress;
    binder.progress_user = progress_user;
    binder.total_bytes = model->weight_bytes;
    NB_TRY(nb_model_place(model, error));
    nb_status status = nb_bind_model(&binder);
    if (status == NB_OK)
        status = nb_bind_read(&binder);
    nb_buffer_free(&binder.requests);
    NB_TRY(status);
    nb_arena_seal(&storage->weights);
    nb_arena_seal(&storage->tables);
    if (model->is_resident) {
        forget_files(&storage->checkpoint);
        return NB_OK;
    }
    nb_checkpoint_keep_maps(&storage->checkpoint);
    return check_unchanged(&storage->checkpoint, error);
}

nb_status nb_model_load(nb_model *model, nb_model_progress_fn on_progress, void *progress_user, nb_error *error)
{
    bool has_files = model->storage->checkpoint.n_shards > 0;
    nb_status status = has_files ? load(model, on_progress, progress_user, error) : nb_model_fill_shape(model, error);
    if (status != NB_OK)
        nb_model_close(model);
    return status;
}

nb_status nb_model_open(nb_model *model, const char *directory, bool resident, nb_model_progress_fn on_progress,
                        void *progress_user, nb_error *error)
{
    NB_TRY(nb_model_count(model, directory, resident, error));
    return nb_model_load(model, on_progress, progress_user, error);
}

void nb_model_close(nb_model *model)
{
    if (model->storage) {
        nb_checkpoint_close(&model->storage->checkpoint);
        nb_arena_release(&model->storage->weights);
        nb_arena_release(&model->storage->tables);
    }
    free(model->storage);
    free(model->layers);
    nb_config_release(&model->config);
    *model = (nb_model){0};
}
