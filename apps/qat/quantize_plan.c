// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/quantize_plan.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/nvfp4.h"
#include "runtime/family.h"

static const char shift_suffix[] = ".self_attn.k_shift";
static const char weight_suffix[] = ".weight";

static bool ends_with(const char *name, const char *suffix)
{
    size_t bytes = strlen(name), suffix_bytes = strlen(suffix);
    return bytes >= suffix_bytes && strcmp(name + bytes - suffix_bytes, suffix) == 0;
}

// "model.layers.12.self_attn.q_proj" -> layer and the rest; false for other names.
static bool split_layer_name(const char *name, unsigned long *layer, const char **rest)
{
    static const char prefix[] = "model.layers.";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    char *end;
    *layer = strtoul(name + sizeof prefix - 1, &end, 10);
    *rest = end + 1;
    return end != name + sizeof prefix - 1 && *end == '.';
}

// By where the family's table puts the matrix in a layer.
static nb_quant_group group_of(const nb_family_linear *linear)
{
    if (linear->slot == offsetof(nb_layer, o))
        return NB_QUANT_O;
    if (linear->slot == offsetof(nb_layer, down))
        return NB_QUANT_DOWN;
    bool is_gate_up = linear->slot == offsetof(nb_layer, gate) || linear->slot == offsetof(nb_layer, up);
    return is_gate_up ? NB_QUANT_GATE_UP : NB_QUANT_QKV;
}

static bool is_ignored(const char *module, const char *const *ignore, size_t n_ignore)
{
    for (size_t i = 0; i < n_ignore; i++)
        if (fnmatch(ignore[i], module, 0) == 0)
            return true;
    return false;
}

// ---- linears ------------------------------------------------------------------------------------------------------

typedef struct plan_build {
    nb_quant_plan *plan;
    const nb_family *family;
    const char *const *ignore;
    size_t n_ignore;
    nb_error *error;
} plan_build;

static const nb_family_linear *find_linear(const nb_family *family, const char *name)
{
    for (size_t i = 0; i < family->n_linears; i++) {
        size_t bytes = strlen(family->linears[i].name);
        if (strncmp(name, family->linears[i].name, bytes) == 0 && strcmp(name + bytes, weight_suffix) == 0)
            return &family->linears[i];
    }
    return NULL;
}

// Fills `linear` when the tensor is the weight of one that is to be quantised.
static bool read_linear(const plan_build *build, const nb_tensor *tensor, const uint8_t *data, nb_quant_linear *linear)
{
    unsigned long layer;
    const char *rest;
    if (!split_layer_name(tensor->name, &layer, &rest))
        return false;
    const nb_family_linear *entry = find_linear(build->family, rest);
    if (!entry || tensor->rank != 2)
        return false;
    *linear = (nb_quant_linear){.source = tensor,
                                .data = data,
                                .n_rows = tensor->shape[0],
                                .n_cols = tensor->shape[1],
                                .i_group = layer * NB_QUANT_GROUPS + group_of(entry)};
    int bytes = (int)(strlen(tensor->name) - strlen(weight_suffix));
    snprintf(linear->module, sizeof linear->module, "%.*s", bytes, tensor->name);
    return !is_ignored(linear->module, build->ignore, build->n_ignore);
}

// A fused group is quantised whole or not at all.
static nb_status check_groups(const plan_build *build)
{
    const nb_quant_plan *plan = build->plan;
    static const size_t members[NB_QUANT_GROUPS] = {3, 1, 2, 1};
    for (size_t i = 0; i < plan->n_linears; i++) {
        const nb_quant_linear *linear = &plan->linears[i];
        size_t n = 0;
        for (size_t j = 0; j < plan->n_linears; j++)
            n += plan->linears[j].i_group == linear->i_group;
        if (n != members[linear->i_group % NB_QUANT_GROUPS])
            return nb_error_set(
                build->error, NB_ERR_INPUT,
                "%s: its neighbours are ignored; expected q, k, v (and gate, up) to be ignored together, "
                "since other engines fuse them; try a wider --ignore pattern",
                linear->module);
    }
    return NB_OK;
}

// ---- items --------------------------------------------------------------------------------------------------------

static nb_quant_item *add_item(nb_quant_items *list, nb_quant_part part, nb_dtype dtype, uint64_t n_rows,
                               uint64_t n_cols)
{
    nb_quant_item *item = &list->items[list->n_items++];
    *item =
        (nb_quant_item){.part = part, .tensor = {.dtype = dtype, .rank = n_rows ? 2 : 0, .shape = {n_rows, n_cols}}};
    return item;
}

static void add_copy(nb_quant_items *list, const nb_tensor *tensor, const uint8_t *data)
{
    nb_quant_item *item = add_item(list, NB_QUANT_COPY, tensor->dtype, 0, 0);
    item->tensor = *tensor;
    item->data = data;
    snprintf(item->name, sizeof item->name, "%s", tensor->name);
}

static void add_linear(nb_quant_items *list, const nb_quant_linear *linear)
{
    static const char *const suffixes[] = {
        [NB_QUANT_GLOBAL] = ".weight_scale_2",
        [NB_QUANT_INPUT] = ".input_scale",
        [NB_QUANT_CODES] = ".weight",
        [NB_QUANT_SCALES] = ".weight_scale",
    };
    nb_quant_item *first = &list->items[list->n_items];
    add_item(list, NB_QUANT_GLOBAL, NB_DTYPE_F32, 0, 0);
    add_item(list, NB_QUANT_INPUT, NB_DTYPE_F32, 0, 0);
    add_item(list, NB_QUANT_CODES, NB_DTYPE_U8, linear->n_rows, linear->n_cols / 2);
    add_item(list, NB_QUANT_SCALES, NB_DTYPE_F8_E4M3, linear->n_rows, linear->n_cols / NB_NVFP4_BLOCK);
    for (nb_quant_item *item = first; item < first + 4; item++) {
        item->linear = linear;
        snprintf(item->name, sizeof item->name, "%s%s", linear->module, suffixes[item->part]);
    }
}

// Names move with the array, so they are pointed to once it stands.
static void point_to_names(nb_quant_items *list)
{
    for (size_t i = 0; i < list->n_items; i++)
        list->items[i].tensor.name = list->items[i].name;
}

// Decides about one tensor of the source.
static nb_status add_tensor(const plan_build *build, const nb_tensor *tensor, const uint8_t *data)
{
    nb_quant_plan *plan = build->plan;
    if (strlen(tensor->name) >= NB_QUANT_MODULE_BYTES)
        return nb_error_set(build->error, NB_ERR_INPUT,
                            "tensor %.150s: expected a name of less than %d bytes, found %zu", tensor->name,
                            NB_QUANT_MODULE_BYTES, strlen(tensor->name));
    if (plan->model.config.tied_head && strcmp(tensor->name, "lm_head.weight") == 0)
        return NB_OK; // the embedding is the head; a copy of it would only puzzle other loaders
    nb_quant_linear *linear = &plan->linears[plan->n_linears];
    bool is_linear = read_linear(build, tensor, data, linear);
    if (is_linear && linear->n_cols % NB_NVFP4_BLOCK != 0)
        return nb_error_set(build->error, NB_ERR_INPUT, "tensor %s: expected columns in blocks of %d, found %zu",
                            tensor->name, NB_NVFP4_BLOCK, linear->n_cols);
    if (ends_with(tensor->name, shift_suffix)) {
        add_copy(&plan->shifts, tensor, data);
    } else if (is_linear) {
        plan->n_linears++;
        add_linear(&plan->weights, linear);
    } else {
        add_copy(&plan->weights, tensor, data);
    }
    return NB_OK;
}

static nb_status allocate(const plan_build *build)
{
    nb_quant_plan *plan = build->plan;
    size_t n = plan->source.n_entries;
    plan->n_groups = (size_t)plan->model.config.n_layers * NB_QUANT_GROUPS;
    plan->linears = calloc(n + 1, sizeof *plan->linears);
    plan->weights.items = calloc(4 * n + 1, sizeof *plan->weights.items);
    plan->shifts.items = calloc(n + 1, sizeof *plan->shifts.items);
    plan->global_scales = calloc(plan->n_groups, sizeof(float));
    plan->input_scales = calloc(plan->n_groups, sizeof(float));
    if (plan->linears && plan->weights.items && plan->shifts.items && plan->global_scales && plan->input_scales)
        return NB_OK;
    return nb_error_set(build->error, NB_ERR_FIT, "out of memory for %zu tensors", n);
}

static nb_status build_plan(const plan_build *build)
{
    nb_quant_plan *plan = build->plan;
    NB_TRY(allocate(build));
    for (size_t i = 0; i < plan->source.n_shards; i++) {
        const nb_shard *shard = &plan->source.shards[i];
        for (size_t j = 0; j < shard->header.n_tensors; j++) {
            const nb_tensor *tensor = &shard->header.tensors[j];
            plan->source_bytes += tensor->end - tensor->begin;
            NB_TRY(add_tensor(build, tensor, shard->map.data + tensor->begin));
        }
    }
    point_to_names(&plan->weights);
    point_to_names(&plan->shifts);
    return check_groups(build);
}

nb_status nb_quant_plan_open(nb_quant_plan *plan, const char *directory, const char *const *ignore, size_t n_ignore,
                             nb_error *error)
{
    memset(plan, 0, sizeof *plan);
    NB_TRY(nb_model_open(&plan->model, directory, false, NULL, NULL, error));
    plan_build build = {plan, nb_family_find(plan->model.config.model_type), ignore, n_ignore, error};
    nb_status status = nb_checkpoint_open(&plan->source, directory, error);
    if (status == NB_OK && plan->model.is_quantised)
        status = nb_error_set(error, NB_ERR_INPUT, "%s: expected a full-precision model (BF16, F16 or F32), found %s",
                              directory, plan->model.format);
    if (status == NB_OK)
        status = build_plan(&build);
    if (status != NB_OK)
        nb_quant_plan_close(plan);
    return status;
}

void nb_quant_plan_close(nb_quant_plan *plan)
{
    free(plan->linears);
    free(plan->weights.items);
    free(plan->shifts.items);
    free(plan->global_scales);
    free(plan->input_scales);
    nb_checkpoint_close(&plan->source);
    nb_model_close(&plan->model);
    memset(plan, 0, sizeof *plan);
}

// ---- shifts -------------------------------------------------------------------------------------------------------

// [G, E] or [1, G, 1, E].
static bool is_shift_shape(const nb_config *config, const nb_tensor *tensor)
{
    const uint64_t *shape = tensor->shape;
    if (tensor->rank == 2)
        return shape[0] == config->n_kv_heads && shape[1] == config->head_dim;
    return tensor->rank == 4 && shape[0] == 1 && shape[1] == config->n_kv_heads && shape[2] == 1 &&
           shape[3] == config->head_dim;
}

static nb_status check_shift(const nb_quant_plan *plan, const nb_tensor *tensor, nb_error *error)
{
    const nb_config *config = &plan->model.config;
    unsigned long layer;
    const char *rest;
    if (!split_layer_name(tensor->name, &layer, &rest) || layer >= config->n_layers ||
        strcmp(rest, shift_suffix + 1) != 0)
        return nb_error_set(error, NB_ERR_INPUT,
                            "key shift: expected tensors model.layers.0%s to model.layers.%u%s, found %.100s",
                            shift_suffix, config->n_layers - 1, shift_suffix, tensor->name);
    bool is_float = tensor->dtype == NB_DTYPE_F32 || tensor->dtype == NB_DTYPE_F16 || tensor->dtype == NB_DTYPE_BF16;
    if (is_float && is_shift_shape(config, tensor))
        return NB_OK;
    char shape[128];
    return nb_error_set(error, NB_ERR_INPUT, "key shift %.100s: expected F32, F16 or BF16 [%u, %u], found %s %s",
                        tensor->name, config->n_kv_heads, config->head_dim, nb_dtype_name(tensor->dtype),
                        nb_shape_text(tensor->shape, tensor->rank, shape, sizeof shape));
}

nb_status nb_quant_plan_shift(nb_quant_plan *plan, const nb_checkpoint *file, nb_error *error)
{
    free(plan->shifts.items);
    plan->shifts = (nb_quant_items){calloc(file->n_entries + 1, sizeof *plan->shifts.items), 0};
    if (!plan->shifts.items)
        return nb_error_set(error, NB_ERR_FIT, "out of memory for the key shift");
    if (file->n_entries == 0)
        return nb_error_set(error, NB_ERR_INPUT, "key shift: expected a tensor for each layer, found none");
    for (size_t i = 0; i < file->n_entries; i++) {
        const nb_tensor *tensor = file->entries[i].tensor;
        NB_TRY(check_shift(plan, tensor, error));
        add_copy(&plan->shifts, tensor, file->shards[file->entries[i].shard].map.data + tensor->begin);
    }
    point_to_names(&plan->shifts);
    return NB_OK;
}
