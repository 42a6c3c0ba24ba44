// SPDX-License-Identifier: Apache-2.0
// nibble tokenize: lines of text to ids and back, and chat templates. Needs no weights.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/commands.h"
#include "apps/common/growing_text.h"
#include "apps/common/ids_file.h"
#include "apps/common/model_store.h"
#include "apps/common/option_table.h"

typedef struct tokenize_args {
    bool is_json, is_decode, is_template, no_special, add_special, skip_special, no_generation_prompt;
    int thinking; // 0 auto, 1 on, 2 off
} tokenize_args;

#define AT(field) offsetof(tokenize_args, field)
static const nb_option options[] = {
    {.name = "json",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_json),
     .help = "lines are JSON: a string in, an array out"},
    {.name = "decode", .letter = 'd', .kind = NB_OPTION_FLAG, .offset = AT(is_decode), .help = "ids in, text out"},
    {.name = "template",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_template),
     .help = "each line a JSON array of messages; the templated text out"},
    {.name = "no-special",
     .kind = NB_OPTION_FLAG,
     .offset = AT(no_special),
     .help = "text that looks like a special token stays text"},
    {.name = "add-special",
     .kind = NB_OPTION_FLAG,
     .offset = AT(add_special),
     .help = "add what the tokenizer's post-processor adds (BOS for Llama)"},
    {.name = "skip-special",
     .kind = NB_OPTION_FLAG,
     .offset = AT(skip_special),
     .help = "--decode: leave special tokens out"},
    {.name = "no-generation-prompt",
     .kind = NB_OPTION_FLAG,
     .offset = AT(no_generation_prompt),
     .help = "--template: do not open the assistant's answer"},
    {.name = "thinking",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(thinking),
     .value = "WHEN",
     .choices = "auto|on|off",
     .help = "--template: ask for reasoning: on, off or auto (default: auto)"},
};
#undef AT

static const nb_command command = {
    .name = "tokenize",
    .usage = "MODEL [OPTION]...",
    .summary = "Lines of standard input to token ids, one line each, separated by spaces.",
    .example = "echo 'Hello, world!' | nibble tokenize ./my-model",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

// Buffers that live over all lines.
typedef struct work {
    const tokenize_args *args;
    const nb_text *text;
    size_t line; // from 1
    int32_t *ids;
    char *string;
} work;

static int fail_line(const work *w, const char *expected, const char *found)
{
    return nb_fail(NB_EXIT_INPUT, "line %zu of standard input is wrong; expected %s, found %s", w->line, expected,
                   found);
}

static int fail_status(const work *w, nb_status status, const nb_error *error)
{
    if (status == NB_OK)
        return NB_EXIT_OK;
    nb_error with_line = {.status = status};
    snprintf(with_line.text, sizeof with_line.text, "line %zu: %.480s", w->line, error->text);
    return nb_fail_error(status == NB_ERR_ARGUMENT ? NB_ERR_INPUT : status, &with_line);
}

// Writes `string` as a result line.
static int print_string(const work *w, const char *string, size_t bytes)
{
    if (w->args->is_json)
        return nb_out_json(json_stringn(string, bytes));
    fwrite(string, 1, bytes, stdout);
    putchar('\n');
    return ferror(stdout) ? nb_out_flush() : NB_EXIT_OK;
}

static int print_ids(const work *w, size_t n_ids)
{
    if (w->args->is_json)
        putchar('[');
    for (size_t i = 0; i < n_ids; i++)
        printf(i == 0 ? "%d" : w->args->is_json ? ",%d" : " %d", w->ids[i]);
    puts(w->args->is_json ? "]" : "");
    return ferror(stdout) ? nb_out_flush() : NB_EXIT_OK;
}

static int encode(work *w, const char *string, size_t bytes)
{
    unsigned flags = (w->args->no_special ? 0 : NB_TEXT_SPECIAL) | (w->args->add_special ? NB_TEXT_ADD : 0);
    nb_room room = {.n = bytes + 16}; // nearly always suffices
    nb_error error;
    while (nb_room_short(&room, &error)) {
        w->ids = nb_resize(w->ids, room.size * sizeof *w->ids);
        room.status = nb_text_encode(w->text, string, bytes, flags, w->ids, room.size, &room.n, &error);
    }
    return room.status == NB_OK ? print_ids(w, room.n) : fail_status(w, room.status, &error);
}

static int decode(work *w, const int32_t *ids, size_t n_ids)
{
    nb_room room = {.n = 16 * (n_ids + 1)};
    nb_error error;
    while (nb_room_short(&room, &error)) {
        w->string = nb_resize(w->string, room.size);
        room.status = nb_text_decode(w->text, ids, n_ids, w->args->skip_special ? NB_TEXT_SKIP : 0, w->string,
                                     room.size, &room.n, &error);
    }
    return room.status == NB_OK ? print_string(w, w->string, room.n) : fail_status(w, room.status, &error);
}

static int render(work *w, const char *json, size_t json_bytes)
{
    nb_chat_options chat = nb_chat_defaults();
    chat.add_generation_prompt = !w->args->no_generation_prompt;
    if (w->args->thinking)
        chat.enable_thinking = w->args->thinking == 1;
    nb_room room = {.n = json_bytes + 1024};
    nb_error error;
    while (nb_room_short(&room, &error)) {
        w->string = nb_resize(w->string, room.size);
        room.status = nb_chat_render(w->text, json, json_bytes, &chat, w->string, room.size, &room.n, &error);
    }
    return room.status == NB_OK ? print_string(w, w->string, room.n) : fail_status(w, room.status, &error);
}

static json_t *parse(const work *w, const char *line, size_t bytes, int *code)
{
    json_error_t reason;
    json_t *value = json_loadb(line, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &reason);
    if (!value)
        *code = fail_line(w, w->args->is_decode ? "a JSON array of ids" : "a JSON string", reason.text);
    return value;
}

static int encode_json(work *w, const char *line, size_t bytes)
{
    int code = NB_EXIT_OK;
    json_t *value = parse(w, line, bytes, &code);
    if (value && !json_is_string(value))
        code = fail_line(w, "a JSON string", "another value");
    else if (value)
        code = encode(w, json_string_value(value), json_string_length(value));
    json_decref(value);
    return code;
}

static int decode_json(work *w, const char *line, size_t bytes)
{
    int code = NB_EXIT_OK;
    json_t *value = parse(w, line, bytes, &code);
    size_t n = json_array_size(value);
    w->ids = nb_resize(w->ids, n * sizeof *w->ids);
    for (size_t i = 0; i < n && code == NB_EXIT_OK; i++) {
        const json_t *item = json_array_get(value, i);
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id > INT32_MAX)
            code = fail_line(w, "a JSON array of ids", "an item that is none");
        else
            w->ids[i] = (int32_t)id;
    }
    if (value && !json_is_array(value))
        code = fail_line(w, "a JSON array of ids", "another value");
    if (value && code == NB_EXIT_OK)
        code = decode(w, w->ids, n);
    json_decref(value);
    return code;
}

static int decode_plain(work *w, const char *line, size_t bytes)
{
    nb_ids_file file;
    nb_error error = {0};
    if (!nb_ids_parse(&file, line, bytes, &error))
        return fail_line(w, "decimal ids separated by spaces", error.text);
    int code = decode(w, file.ids, file.n_ids);
    nb_ids_release(&file);
    return code;
}

static int do_line(work *w, const char *line, size_t bytes)
{
    if (w->args->is_template)
        return render(w, line, bytes);
    if (w->args->is_decode)
        return w->args->is_json ? decode_json(w, line, bytes) : decode_plain(w, line, bytes);
    return w->args->is_json ? encode_json(w, line, bytes) : encode(w, line, bytes);
}

static int do_lines(work *w)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t bytes;
    int code = NB_EXIT_OK;
    while (code == NB_EXIT_OK && (bytes = getline(&line, &capacity, stdin)) > 0) {
        w->line++;
        code = do_line(w, line, (size_t)bytes - (line[bytes - 1] == '\n'));
    }
    if (code == NB_EXIT_OK && ferror(stdin))
        code = nb_fail(NB_EXIT_INPUT, "cannot read standard input: %s", strerror(errno));
    free(line);
    int flushed = nb_out_flush();
    return code != NB_EXIT_OK ? code : flushed;
}

int nb_command_tokenize(int argc, char **argv)
{
    tokenize_args args = {0};
    int code;
    if (!nb_options_parse(&command, (void *const[]){&args}, argc, argv, &code))
        return code;
    if (args.is_decode && args.is_template)
        return nb_fail(NB_EXIT_USAGE, "two ways given; expected --decode or --template, found both");
    char directory[PATH_MAX];
    code = nb_store_find(directory, argv[optind]);
    if (code != NB_EXIT_OK)
        return code;
    nb_text *text;
    nb_error error = {0};
    nb_status status = nb_text_open(&text, directory, &error);
    if (status != NB_OK)
        return nb_fail_error(status, &error);
    work w = {.args = &args, .text = text};
    code = do_lines(&w);
    free(w.ids);
    free(w.string);
    nb_text_close(text);
    return code;
}
