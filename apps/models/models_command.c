// SPDX-License-Identifier: Apache-2.0
// nibble models: what a name can mean, with what it is and where it lies. `models add` is a command of its own.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/commands.h"
#include "apps/common/hub_cache.h"
#include "apps/common/model_store.h"
#include "apps/common/option_table.h"
#include "apps/models/model_table.h"
#include "apps/models/models.h"

typedef struct models_args {
    bool is_json;
} models_args;

static const nb_option options[] = {
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = offsetof(models_args, is_json), .help = "a JSON object a model"},
};

static const nb_command command = {
    .name = "models",
    .usage = "[OPTION]... | add DIR [OPTION]...",
    .summary = "What a name can mean: the models in nibble's store and in the Hugging Face cache.\n"
               "`nibble models add DIR` copies one into the store, `nibble pull` fetches, `nibble rm` removes.",
    .example = "nibble models",
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

static const char *const place_names[] = {
    [NB_PLACE_STORE] = "store", [NB_PLACE_LINK] = "link", [NB_PLACE_HUB] = "Hub cache"};
static const char *const place_words[] = {[NB_PLACE_STORE] = "store", [NB_PLACE_LINK] = "link", [NB_PLACE_HUB] = "hub"};

// ---- words ---------------------------------------------------------------------------------------------------------

static const char *count_text(char text[32], uint64_t n)
{
    if (n == 0)
        return "-";
    if (n >= 999500000)
        snprintf(text, 32, "%.2f B", (double)n / 1e9);
    else
        snprintf(text, 32, n >= 99950000 ? "%.0f M" : "%.1f M", (double)n / 1e6);
    return text;
}

static const char *ago_text(char text[32], time_t then, time_t now)
{
    static const struct {
        long seconds;
        const char *unit;
    } units[] = {{365 * 86400L, "year"}, {30 * 86400L, "month"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}};
    if (then == 0)
        return "-";
    for (size_t i = 0; i < NB_COUNT_OF(units); i++) {
        long n = (long)(now - then) / units[i].seconds;
        if (n > 0) {
            snprintf(text, 32, "%ld %s%s ago", n, units[i].unit, n > 1 ? "s" : "");
            return text;
        }
    }
    return "just now";
}

// ---- table ---------------------------------------------------------------------------------------------------------

static void print_row(const nb_model_row *row, int width, time_t now)
{
    char parameters[32], bytes[32], used[32];
    printf("%-*s  %-6s  %7s  %7s  %-8.8s  %-14s  %s%s%s%s\n", width, row->repository,
           row->format[0] ? row->format : "-", count_text(parameters, row->n_parameters),
           nb_bytes_text(bytes, (double)row->bytes), row->commit[0] ? row->commit : "-",
           ago_text(used, row->last_use, now), place_names[row->place], row->revisions[0] ? " (" : "", row->revisions,
           row->revisions[0] ? ")" : "");
    if (row->is_removed)
        printf("    its removal was begun; nibble rm %s@%s ends it\n", row->repository, row->commit);
    else if (row->is_incomplete && row->place != NB_PLACE_HUB)
        printf("    a copy that has not ended; nibble models add goes on, nibble rm %s removes it\n", row->repository);
    else if (row->is_incomplete)
        printf("    incomplete; nibble pull %s goes on\n", row->repository);
    if (row->why[0])
        printf("    not a model nibble runs: %s\n", row->why);
}

static int print_table(const nb_model_table *table, const char *home, const char *cache)
{
    char text[32];
    int width = 4;
    for (size_t i = 0; i < table->n_rows; i++)
        if ((int)strlen(table->rows[i].repository) > width)
            width = (int)strlen(table->rows[i].repository);
    if (table->n_rows)
        printf("%-*s  %-6s  %7s  %7s  %-8s  %-14s  %s\n", width, "NAME", "FORMAT", "PARAMS", "SIZE", "COMMIT",
               "LAST USE", "WHERE");
    time_t now = time(NULL);
    for (size_t i = 0; i < table->n_rows; i++)
        print_row(&table->rows[i], width, now);
    int code = nb_out_flush();
    if (code == NB_EXIT_OK)
        nb_note("%s in %.300s/models and %.300s%s", nb_bytes_text(text, (double)table->bytes), home, cache,
                table->n_rows ? "" : "; nibble pull ORG/NAME brings a model");
    return code;
}

// ---- JSON ----------------------------------------------------------------------------------------------------------

static json_t *text_or_null(const char *text)
{
    return text[0] ? nb_json_name(text) : json_null();
}

static json_t *time_json(time_t time)
{
    char text[32];
    struct tm parts;
    if (time == 0 || !gmtime_r(&time, &parts) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return json_null();
    return json_string(text);
}

static json_t *revisions_json(const char *revisions)
{
    json_t *list = json_array();
    while (*revisions) {
        size_t bytes = strcspn(revisions, " ");
        json_array_append_new(list, json_stringn(revisions, bytes));
        revisions += bytes + (revisions[bytes] == ' ');
    }
    return list;
}

static int print_json(const nb_model_table *table)
{
    int code = NB_EXIT_OK;
    for (size_t i = 0; i < table->n_rows && code == NB_EXIT_OK; i++) {
        const nb_model_row *row = &table->rows[i];
        json_t *object = json_object();
        json_object_set_new(object, "name", nb_json_name(row->repository));
        json_object_set_new(object, "commit", text_or_null(row->commit));
        json_object_set_new(object, "revisions", revisions_json(row->revisions));
        json_object_set_new(object, "format", text_or_null(row->format));
        json_object_set_new(object, "family", text_or_null(row->family));
        json_object_set_new(object, "parameters",
                            row->n_parameters ? json_integer((json_int_t)row->n_parameters) : json_null());
        json_object_set_new(object, "bytes", json_integer((json_int_t)row->bytes));
        json_object_set_new(object, "last_use", time_json(row->last_use));
        json_object_set_new(object, "where", json_string(place_words[row->place]));
        json_object_set_new(object, "complete", json_boolean(!row->is_incomplete));
        json_object_set_new(object, "runs", json_boolean(row->format[0] != 0));
        json_object_set_new(object, "why", text_or_null(row->why));
        json_object_set_new(object, "directory", text_or_null(row->directory));
        code = nb_out_json(object);
    }
    return code;
}

int nb_command_models(int argc, char **argv)
{
    char home[PATH_MAX], cache[PATH_MAX];
    models_args args = {0};
    int code;
    if (argc > 1 && strcmp(argv[1], "add") == 0)
        return nb_models_add(argc - 1, argv + 1);
    if (!nb_options_parse(&command, (void *[]){&args}, argc, argv, &code))
        return code;
    if (!nb_store_places(home, cache))
        return NB_EXIT_INPUT;
    nb_model_table table;
    nb_model_table_make(&table, home, cache);
    code = args.is_json ? print_json(&table) : print_table(&table, home, cache);
    nb_model_table_release(&table);
    return code;
}
