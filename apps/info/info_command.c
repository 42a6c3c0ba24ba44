// SPDX-License-Identifier: Apache-2.0
// nibble info: what a model directory or a .safetensors file holds. Opening checks it as every other command would.
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/common/commands.h"
#include "apps/common/engine_args.h"
#include "apps/common/model_store.h"

typedef struct info_args {
    bool is_json;
} info_args;

static const nb_option options[] = {
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = offsetof(info_args, is_json), .help = "one JSON object"},
};

static const nb_command command = {
    .name = "info",
    .usage = "MODEL|FILE.safetensors [OPTION]...",
    .summary = "Family, sizes, formats, the table of tensors, and the memory a session would take.\n"
               "Every byte range and shape is checked.",
    .example = "nibble info ./my-model --ctx 4096",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

static json_t *tensor_json(const nb_tensor_info *tensor)
{
    json_t *shape = json_array();
    for (uint32_t i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(tensor->name));
    json_object_set_new(object, "dtype", json_string(tensor->dtype));
    json_object_set_new(object, "shape", shape);
    json_object_set_new(object, "file", nb_json_name(tensor->file));
    json_object_set_new(object, "begin", json_integer((json_int_t)tensor->begin));
    json_object_set_new(object, "end", json_integer((json_int_t)tensor->end));
    return object;
}

static json_t *tensors_json(const nb_listing *listing)
{
    json_t *list = json_array();
    for (size_t i = 0; i < nb_listing_count(listing); i++) {
        nb_tensor_info tensor;
        nb_listing_get(listing, i, &tensor);
        json_array_append_new(list, tensor_json(&tensor));
    }
    return list;
}

static uint64_t total_bytes(const nb_listing *listing)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < nb_listing_count(listing); i++) {
        nb_tensor_info tensor;
        nb_listing_get(listing, i, &tensor);
        sum += tensor.end - tensor.begin;
    }
    return sum;
}

static void print_tensor(const nb_tensor_info *tensor)
{
    char shape[128] = "", bytes[32];
    for (uint32_t i = 0; i < tensor->rank; i++) {
        size_t end = strlen(shape);
        snprintf(shape + end, sizeof shape - end, i ? ", %llu" : "%llu", (unsigned long long)tensor->shape[i]);
    }
    printf("  %-56s %-8s [%s]  %s  %s:%llu-%llu\n", tensor->name, tensor->dtype, shape,
           nb_bytes_text(bytes, (double)(tensor->end - tensor->begin)), tensor->file, (unsigned long long)tensor->begin,
           (unsigned long long)tensor->end);
}

static void print_tensors(const nb_listing *listing)
{
    char text[32];
    printf("Tensors: %zu, %s\n", nb_listing_count(listing), nb_bytes_text(text, (double)total_bytes(listing)));
    for (size_t i = 0; i < nb_listing_count(listing); i++) {
        nb_tensor_info tensor;
        nb_listing_get(listing, i, &tensor);
        print_tensor(&tensor);
    }
}

static int show_file(const info_args *args, const char *path, const nb_listing *listing)
{
    if (!args->is_json) {
        print_tensors(listing);
        return nb_out_flush();
    }
    json_t *object = json_object();
    json_object_set_new(object, "file", nb_json_name(path));
    json_object_set_new(object, "weight_bytes", json_integer((json_int_t)total_bytes(listing)));
    json_object_set_new(object, "tensors", tensors_json(listing));
    return nb_out_json(object);
}

static int show_json(const char *directory, const nb_engine_info *info, const char *why, const nb_listing *listing,
                     const nb_plan *plan)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/config.json", directory);
    json_error_t reason;
    json_t *config = json_load_file(path, JSON_REJECT_DUPLICATES, &reason);
    if (!config)
        return nb_fail(NB_EXIT_INPUT, "%s: %s", path, reason.text);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"layers", info->n_layers},
        {"heads", info->n_heads},
        {"kv_heads", info->n_kv_heads},
        {"head_dim", info->head_dim},
        {"hidden_size", info->hidden_size},
        {"ffn_size", info->ffn_size},
        {"vocab_size", info->vocab_size},
        {"max_positions", info->max_positions},
        {"parameters", info->n_parameters},
        {"weight_bytes", info->weight_bytes},
        {"weight_bytes_per_token", info->weight_bytes_per_token},
    };
    json_t *object = json_object();
    json_object_set_new(object, "directory", nb_json_name(directory));
    json_object_set_new(object, "family", json_string(info->family));
    json_object_set_new(object, "format", json_string(info->format));
    for (size_t i = 0; i < NB_COUNT_OF(numbers); i++)
        json_object_set_new(object, numbers[i].name, json_integer((json_int_t)numbers[i].value));
    json_object_set_new(object, "key_shift", json_boolean(info->has_key_shift));
    json_object_set_new(object, "tokenizer", json_boolean(info->text != NULL));
    json_object_set_new(object, "ops", json_string(info->ops));
    json_object_set_new(object, "weights", json_string(nb_weights_name(info->weights)));
    json_object_set_new(object, "weights_why", json_string(why));
    json_object_set_new(object, "act", json_string(nb_act_name(info->act)));
    json_object_set_new(object, "kv", json_string(nb_kv_name(info->kv_default)));
    json_object_set_new(object, "config", config);
    json_object_set_new(object, "plan", nb_plan_json(plan));
    json_object_set_new(object, "tensors", tensors_json(listing));
    return nb_out_json(object);
}

static int show_table(const char *directory, const nb_engine_info *info, const char *why, const nb_listing *listing,
                      const nb_plan *plan)
{
    char a[32], b[32];
    nb_text_info text = {0};
    if (info->text)
        nb_text_info_get(info->text, &text);
    printf("directory   %s\n", directory);
    printf("family      %s, %.3f M parameters, %u layers\n", info->family, (double)info->n_parameters / 1e6,
           info->n_layers);
    printf("format      %s%s; activations %s, cache %s by default\n", info->format,
           info->has_key_shift ? " with key shift" : "", nb_act_name(info->act), nb_kv_name(info->kv_default));
    printf("shape       hidden %u, ffn %u, %u heads of %u, %u key/value heads, vocabulary %u\n", info->hidden_size,
           info->ffn_size, info->n_heads, info->head_dim, info->n_kv_heads, info->vocab_size);
    printf("positions   %u\n", info->max_positions);
    printf("weights     %s as stored, %s read for a token\n", nb_bytes_text(a, (double)info->weight_bytes),
           nb_bytes_text(b, (double)info->weight_bytes_per_token));
    printf("text        %s%s\n", info->text ? "tokenizer" : "no tokenizer",
           info->text ? text.has_chat_template ? ", chat template" : ", no chat template" : "");
    printf("ops         %s, weights %s%s%s\n\n", info->ops, nb_weights_name(info->weights), why[0] ? ": " : "", why);
    nb_plan_print(stdout, plan);
    printf("\n");
    print_tensors(listing);
    return nb_out_flush();
}

static int show_model(const info_args *args, const nb_engine_args *engine_args, const char *directory,
                      const nb_listing *listing)
{
    nb_engine *engine;
    int code = nb_engine_args_open(&engine, directory, engine_args, NULL);
    if (code != NB_EXIT_OK)
        return code;
    nb_session_options session_options = nb_engine_args_session(engine_args);
    nb_engine_info info;
    nb_plan plan;
    nb_error error = {0};
    nb_engine_info_get(engine, &info);
    nb_status status = nb_session_plan(engine, &session_options, &plan, &error);
    if (status != NB_OK)
        code = nb_fail_error(status, &error);
    else if (engine_args->is_plan_only)
        code = nb_plan_show(engine, engine_args, &session_options, args->is_json);
    else
        code = (args->is_json ? show_json : show_table)(directory, &info, nb_engine_args_why(engine_args, info.weights),
                                                        listing, &plan);
    nb_engine_close(engine);
    return code;
}

int nb_command_info(int argc, char **argv)
{
    info_args args = {0};
    nb_engine_args engine_args;
    int code;
    if (!nb_options_parse_with_engine(&command, &args, &engine_args, argc, argv, &code))
        return code;
    char path[PATH_MAX];
    struct stat stats;
    const char *name = argv[optind];
    bool is_file = stat(name, &stats) == 0 && !S_ISDIR(stats.st_mode) && strlen(name) < sizeof path;
    if (is_file)
        strcpy(path, name);
    else if ((code = nb_store_find(path, name)) != NB_EXIT_OK)
        return code;
    nb_listing *listing;
    nb_error error = {0};
    nb_status status = nb_listing_open(&listing, path, &error);
    if (status != NB_OK)
        return nb_fail_error(status, &error);
    code = is_file ? show_file(&args, path, listing) : show_model(&args, &engine_args, path, listing);
    nb_listing_close(listing);
    return code;
}
