// SPDX-License-Identifier: Apache-2.0
// nibble models add: a model directory, checked, into nibble's own store.
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/model_store.h"
#include "apps/common/option_table.h"
#include "apps/common/small_file.h"
#include "apps/hub/hub_select.h"
#include "apps/models/models.h"
#include "apps/models/pull_mark.h"
#include "apps/models/store_add.h"

typedef struct add_args {
    const char *name;
    bool does_move, does_link;
} add_args;

static const nb_option options[] = {
    {.name = "name",
     .kind = NB_OPTION_TEXT,
     .offset = offsetof(add_args, name),
     .value = "ORG/NAME",
     .help = "its name in the store (the one that was pulled, else the directory's)"},
    {.name = "move",
     .kind = NB_OPTION_FLAG,
     .offset = offsetof(add_args, does_move),
     .help = "the directory becomes the model, or goes once a copy is whole"},
    {.name = "link",
     .kind = NB_OPTION_FLAG,
     .offset = offsetof(add_args, does_link),
     .help = "only a link to the directory, which has to stay"},
};

static const nb_command command = {
    .name = "models add",
    .usage = "DIR [OPTION]...",
    .summary = "Copies a model directory into nibble's store, checked, so that it can be called by its name.\n"
               "It appears whole or not at all; an interrupted copy goes on when the command is repeated.",
    .example = "nibble models add /media/usb/tiny --name acme/tiny",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

// What is known of the directory.
typedef struct subject {
    char source[PATH_MAX];
    char repository[NB_MODEL_REPOSITORY_BYTES];
    bool has_mark;
    nb_pull_mark mark;
    nb_hub_listing all, files; // of the directory; of those what is taken
} subject;

// ---- checks --------------------------------------------------------------------------------------------------------

// As every command would when it opens it.
static int check_model(const char *directory)
{
    nb_engine_options counting = nb_engine_defaults();
    nb_engine *engine;
    nb_error error = {0};
    counting.count_only = true;
    nb_status status = nb_engine_open(&engine, directory, &counting, &error);
    if (status != NB_OK)
        return nb_fail_error(status, &error);
    nb_engine_close(engine);
    return NB_EXIT_OK;
}

static int choose_name(subject *s, const char *asked)
{
    nb_model_name name;
    const char *slash = strrchr(s->source, '/');
    const char *text = asked ? asked : s->has_mark ? s->mark.repository : slash ? slash + 1 : s->source;
    if (!nb_model_name_parse(&name, text) || name.revision[0])
        return nb_fail(NB_EXIT_USAGE,
                       "no name for the model; expected ORG/NAME of letters, digits and \"._-\", found \"%.200s\"; try "
                       "--name ORG/NAME",
                       text);
    strcpy(s->repository, name.repository);
    return NB_EXIT_OK;
}

// The name must not be taken, as a model or as the ORG of one.
static int check_free(const subject *s, const char *home)
{
    char path[PATH_MAX];
    const char *slash = strchr(s->repository, '/');
    struct stat info;
    if (nb_path_make(path, "%s/models/%s", home, s->repository) && lstat(path, &info) == 0)
        return nb_fail(NB_EXIT_INPUT,
                       "the store has %.200s already; expected a name that is free, found %.300s; try nibble rm, or "
                       "--name",
                       s->repository, path);
    if (slash && nb_path_make(path, "%s/models/%.*s", home, (int)(slash - s->repository), s->repository) &&
        nb_store_is_model(path))
        return nb_fail(NB_EXIT_INPUT,
                       "the store has a model %.*s; expected a folder for models there, found a model; try another "
                       "--name",
                       (int)(slash - s->repository), s->repository);
    return NB_EXIT_OK;
}

// ---- files ---------------------------------------------------------------------------------------------------------

static int list_directory(subject *s)
{
    char path[PATH_MAX], why[256];
    DIR *folder = opendir(s->source);
    if (!folder)
        return nb_fail(NB_EXIT_INPUT, "cannot read %.300s: %s", s->source, strerror(errno));
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat info;
        if (entry->d_name[0] != '.' && !nb_hub_path_refusal(entry->d_name) &&
            nb_path_make(path, "%s/%s", s->source, entry->d_name) && stat(path, &info) == 0 && S_ISREG(info.st_mode))
            nb_hub_listing_put(&s->all, entry->d_name, (uint64_t)info.st_size, "");
    }
    closedir(folder);
    return nb_hub_listing_finish(&s->all, why, sizeof why) ? NB_EXIT_OK : nb_fail(NB_EXIT_INPUT, "%s", why);
}

// What nibble reads of it, each file with its hash where one is known.
static int choose_files(subject *s)
{
    const nb_hub_globs globs = {.include = {.n_items = 0}};
    bool *is_taken = nb_alloc(s->all.n_files * sizeof *is_taken);
    char why[256];
    nb_hub_select(&s->all, &globs, is_taken);
    for (size_t i = 0; i < s->all.n_files; i++) {
        const nb_hub_file *file = &s->all.files[i];
        const nb_hub_file *pulled = s->has_mark ? nb_hub_listing_find(&s->mark.files, file->path) : NULL;
        char etag[65] = "";
        if (pulled)
            strcpy(etag, pulled->etag);
        else if (!nb_pull_metadata_read(etag, s->source, file->path))
            etag[0] = 0;
        if (is_taken[i])
            nb_hub_listing_put(&s->files, file->path, file->bytes, etag);
    }
    free(is_taken);
    return nb_hub_listing_finish(&s->files, why, sizeof why) ? NB_EXIT_OK : nb_fail(NB_EXIT_INPUT, "%s", why);
}

// What the mark names has to be there and as long as it says; the mark is the last thing a pull writes.
static int check_mark(const subject *s)
{
    char lock[PATH_MAX];
    if (!s->has_mark && nb_path_make(lock, "%s/.cache/huggingface/nibble.lock", s->source) && access(lock, F_OK) == 0)
        return nb_fail(NB_EXIT_INPUT,
                       "the pull into %.300s has not ended; expected a whole model, found a part; try nibble pull NAME "
                       "--to %.300s, which goes on where it stopped",
                       s->source, s->source);
    for (size_t i = 0; s->has_mark && i < s->mark.files.n_files; i++) {
        const nb_hub_file *pulled = &s->mark.files.files[i];
        const nb_hub_file *file = nb_hub_listing_find(&s->all, pulled->path);
        if (strchr(pulled->path, '/') || (file && file->bytes == pulled->bytes))
            continue;
        return nb_fail(
            NB_EXIT_INPUT,
            "%.300s/%.200s is not what was pulled; expected %llu bytes, found %lld; try a copy that is whole",
            s->source, pulled->path, (unsigned long long)pulled->bytes, file ? (long long)file->bytes : 0LL);
    }
    return NB_EXIT_OK;
}

// What a link leads to does not move with it: a snapshot of the Hub cache, say, would lead nowhere.
static int check_movable(const subject *s)
{
    char path[PATH_MAX];
    struct stat info;
    for (size_t i = 0; i < s->files.n_files; i++)
        if (nb_path_make(path, "%s/%s", s->source, s->files.files[i].path) && lstat(path, &info) == 0 &&
            S_ISLNK(info.st_mode))
            return nb_fail(NB_EXIT_INPUT,
                           "%.300s cannot be moved; expected files, found a link to one elsewhere; try without --move",
                           path);
    return NB_EXIT_OK;
}

// ---- command -------------------------------------------------------------------------------------------------------

static int add(subject *s, const add_args *args, const char *directory)
{
    char home[PATH_MAX], cache[PATH_MAX], bytes[32];
    uint64_t sum = 0;
    if (!nb_is_directory(directory) || !realpath(directory, s->source))
        return nb_fail(NB_EXIT_INPUT, "cannot add %.300s; expected a model directory, found none; try the path of one",
                       directory);
    s->has_mark = nb_pull_mark_read(&s->mark, s->source);
    int code = nb_store_places(home, cache) ? choose_name(s, args->name) : NB_EXIT_INPUT;
    code = code ? code : check_free(s, home);
    code = code ? code : list_directory(s);
    code = code ? code : check_mark(s);
    code = code ? code : check_model(s->source);
    code = code ? code : choose_files(s);
    if (code == NB_EXIT_OK && args->does_move)
        code = check_movable(s);
    if (code != NB_EXIT_OK)
        return code;
    const nb_add job = {
        .source = s->source,
        .home = home,
        .repository = s->repository,
        .files = &s->files,
        .way = args->does_move   ? NB_ADD_MOVE
               : args->does_link ? NB_ADD_LINK
                                 : NB_ADD_COPY,
    };
    code = nb_add_run(&job);
    if (code != NB_EXIT_OK)
        return code;
    for (size_t i = 0; i < s->files.n_files; i++)
        sum += s->files.files[i].bytes;
    printf("%s: %s in the store\n", s->repository, nb_bytes_text(bytes, (double)sum));
    return nb_out_flush();
}

int nb_models_add(int argc, char **argv)
{
    add_args args = {0};
    int code;
    if (!nb_options_parse(&command, (void *[]){&args}, argc, argv, &code))
        return code;
    if (args.does_move && args.does_link)
        return nb_fail(NB_EXIT_USAGE, "two ways to add; expected --move or --link, found both");
    subject *s = nb_alloc(sizeof *s);
    code = add(s, &args, argv[optind]);
    nb_pull_mark_release(&s->mark);
    nb_hub_listing_release(&s->all);
    nb_hub_listing_release(&s->files);
    free(s);
    return code;
}
