// SPDX-License-Identifier: Apache-2.0
// nibble-qat tokenizer: trains the tokenizer that a new model begins with.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/option_table.h"
#include "apps/qat/qat_commands.h"
#include "apps/qat/staging.h"
#include "apps/qat/tokenizer_write.h"
#include "platform/path.h"
#include "runtime/json.h"

typedef struct tokenizer_options {
    const char *traces, *out;
    uint64_t size, n_max_positions;
    bool is_forced;
} tokenizer_options;

#define AT(field) offsetof(tokenizer_options, field)
static const nb_option tokenizer_table[] = {
    {.name = "traces",
     .kind = NB_OPTION_TEXT,
     .offset = AT(traces),
     .value = "FILE",
     .help = "the text to learn from, as `nibble-qat traces` writes it (required)"},
    {.name = "out",
     .letter = 'o',
     .kind = NB_OPTION_TEXT,
     .offset = AT(out),
     .value = "DIR",
     .help = "the new directory (required)"},
    {.name = "size",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(size),
     .value = "N",
     .help = "tokens in all, with 256 bytes and 5 special tokens (default 1024)",
     .whole_min = NB_TRAIN_BYTES + NB_N_SPECIAL,
     .whole_max = NB_TRAIN_MAX_TOKENS},
    {.name = "max-length",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_max_positions),
     .value = "N",
     .help = "model_max_length of tokenizer_config.json (default 512)",
     .whole_min = 1,
     .whole_max = 1 << 24},
    {.name = "force",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_forced),
     .help = "replace DIR when it is a tokenizer or model directory"},
};

static const nb_command tokenizer_command = {
    .program = "nibble-qat",
    .name = "tokenizer",
    .usage = "--traces FILE --out DIR [OPTION]...",
    .summary = "Trains a byte-level BPE tokenizer in which every digit is a token of its own, and writes\n"
               "tokenizer.json and tokenizer_config.json with a chat template that opens <think>.",
    .example = "nibble-qat tokenizer --traces train.jsonl --size 1024 --out tokenizer",
    .groups = {{"Options", tokenizer_table, NB_COUNT_OF(tokenizer_table)}},
};

static size_t special_at(const char *text)
{
    for (int i = 0; i < NB_N_SPECIAL; i++)
        if (strncmp(text, nb_special_tokens[i], strlen(nb_special_tokens[i])) == 0)
            return strlen(nb_special_tokens[i]);
    return 0;
}

// The text between special tokens.
static nb_status add_text(nb_bpe_trainer *trainer, const char *text, nb_error *error)
{
    while (*text) {
        size_t plain = 0;
        while (text[plain] && !special_at(text + plain))
            plain++;
        if (plain)
            NB_TRY(nb_bpe_trainer_add(trainer, text, plain, 1, error));
        text += plain;
        text += *text ? special_at(text) : 0;
    }
    return NB_OK;
}

static nb_status add_fields(nb_bpe_trainer *trainer, const json_t *object, nb_error *error)
{
    static const char *const fields[] = {"prompt", "response", "question", "steps", "content"};
    for (size_t i = 0; i < NB_COUNT_OF(fields); i++) {
        const char *text = json_string_value(json_object_get(object, fields[i]));
        if (text)
            NB_TRY(add_text(trainer, text, error));
    }
    const json_t *messages = json_object_get(object, "messages");
    for (size_t i = 0; i < json_array_size(messages); i++)
        NB_TRY(add_fields(trainer, json_array_get(messages, i), error));
    return NB_OK;
}

static nb_status add_line(nb_bpe_trainer *trainer, const char *line, size_t bytes, const char *where, nb_error *error)
{
    json_t *object;
    NB_TRY(nb_json_parse(&object, line, bytes, 10000, where, error));
    nb_status status = add_fields(trainer, object, error);
    json_decref(object);
    return status;
}

static nb_status read_traces(nb_bpe_trainer *trainer, const char *path, nb_error *error)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return nb_path_error("read", path, errno, error);
    char *line = NULL, where[256];
    size_t capacity = 0, n_lines = 0;
    nb_status status = NB_OK;
    for (ssize_t bytes; status == NB_OK && (bytes = getline(&line, &capacity, file)) > 0;) {
        snprintf(where, sizeof where, "%.200s:%zu", path, ++n_lines);
        status = add_line(trainer, line, (size_t)bytes, where, error);
    }
    if (status == NB_OK && ferror(file))
        status = nb_path_error("read", path, errno, error);
    free(line);
    fclose(file);
    if (status == NB_OK && n_lines == 0)
        status = nb_error_set(error, NB_ERR_INPUT, "%s: expected traces, found an empty file", path);
    // What the template writes around every message.
    if (status == NB_OK)
        status = nb_bpe_trainer_add(trainer, "user\nassistant\n", 15, n_lines, error);
    return status;
}

static nb_status train(const tokenizer_options *options, nb_bpe_trainer *trainer, nb_error *error)
{
    NB_TRY(nb_bpe_trainer_open(trainer, error));
    NB_TRY(read_traces(trainer, options->traces, error));
    return nb_bpe_trainer_run(trainer, (uint32_t)options->size - NB_TRAIN_BYTES - NB_N_SPECIAL, error);
}

// The place first: nothing is trained for one that cannot be had.
static nb_status make(const tokenizer_options *options, nb_bpe_trainer *trainer, nb_error *error)
{
    nb_staging staging;
    NB_TRY(nb_staging_open(&staging, options->out, options->is_forced, error));
    nb_status status = train(options, trainer, error);
    if (status == NB_OK)
        status = nb_tokenizer_write(trainer, (uint32_t)options->n_max_positions, staging.path, error);
    if (status == NB_OK)
        status = nb_staging_publish(&staging, error);
    nb_staging_discard(&staging);
    return status;
}

int nb_command_tokenizer(int argc, char **argv)
{
    tokenizer_options options = {.size = 1024, .n_max_positions = 512};
    int exit_code;
    if (!nb_options_parse(&tokenizer_command, (void *const[]){&options}, argc, argv, &exit_code))
        return exit_code;
    if (!options.traces || !options.out)
        return nb_fail(NB_EXIT_USAGE, "expected --traces FILE and --out DIR; try `nibble-qat tokenizer --help`");
    nb_bpe_trainer trainer = {0};
    nb_error error = {0};
    nb_status status = make(&options, &trainer, &error);
    size_t n_words = trainer.n_words;
    uint32_t n_tokens = NB_TRAIN_BYTES + NB_N_SPECIAL + trainer.n_merges;
    nb_bpe_trainer_release(&trainer);
    if (status != NB_OK)
        return nb_fail_error(status, &error);
    printf("%s: %u tokens from %zu different words\n", options.out, n_tokens, n_words);
    return nb_out_flush();
}
