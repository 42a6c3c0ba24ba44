// SPDX-License-Identifier: Apache-2.0
// nibble rm: removes models from the store and the Hub cache, after a question.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/commands.h"
#include "apps/common/model_store.h"
#include "apps/common/model_use.h"
#include "apps/common/option_table.h"
#include "apps/common/small_file.h"
#include "apps/common/tree_walk.h"
#include "apps/hub/hub_lock.h"
#include "apps/models/hub_remove.h"
#include "apps/models/store_add.h"
#include "apps/models/store_remove.h"

enum { ARGS_MAX = 1000 };

typedef struct rm_args {
    bool is_yes, is_dry;
} rm_args;

static const nb_option options[] = {
    {.name = "yes", .letter = 'y', .kind = NB_OPTION_FLAG, .offset = offsetof(rm_args, is_yes), .help = "do not ask"},
    {.name = "dry-run",
     .letter = 'n',
     .kind = NB_OPTION_FLAG,
     .offset = offsetof(rm_args, is_dry),
     .help = "say what would go, and change nothing"},
};

static const nb_command command = {
    .name = "rm",
    .usage = "NAME[@REVISION]... [OPTION]...",
    .summary = "Removes models from nibble's store and the Hugging Face cache; NAME alone: all its revisions there.\n"
               "Bytes that another model needs stay.",
    .example = "nibble rm acme/tiny@v1",
    .n_args_min = 1,
    .n_args_max = ARGS_MAX,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

// One NAME of the command line.
typedef struct job {
    nb_store_hit hit;
    nb_hub_removal removal; // of the Hub cache
    uint64_t bytes_free;    // expected
    bool is_link;           // of the store, to a directory elsewhere, which stays
    bool is_copy;           // into the store, that has not ended
} job;

static void name_of(const job *j, char text[NB_MODEL_REPOSITORY_BYTES + NB_MODEL_COMMIT_BYTES])
{
    bool is_one = j->hit.in_hub && j->removal.commit[0];
    sprintf(text, "%s%s%.12s", j->hit.repository, is_one ? "@" : "", is_one ? j->removal.commit : "");
}

// A copy into the store that has not ended, by its full name.
static bool plan_copy(job *j, const char *text, const char *home)
{
    nb_model_name name;
    char path[PATH_MAX];
    nb_store_hit *hit = &j->hit;
    if (!nb_model_name_parse(&name, text) || name.revision[0] ||
        !nb_path_make(path, "%s/models/%s", home, name.repository) || nb_is_directory(path) ||
        !nb_add_staging(hit->directory, home, name.repository) || !nb_is_directory(hit->directory))
        return false;
    strcpy(hit->repository, name.repository);
    j->bytes_free = nb_tree_bytes(hit->directory);
    j->is_copy = true;
    return true;
}

static int plan(job *j, const char *name, const char *home, const char *cache)
{
    char why[256];
    if (plan_copy(j, name, home))
        return NB_EXIT_OK;
    int code = nb_store_resolve(&j->hit, name, true);
    if (code != NB_EXIT_OK)
        return code;
    if (!j->hit.in_hub) {
        nb_stored_bytes(j->hit.directory, &j->bytes_free, &j->is_link);
        return NB_EXIT_OK;
    }
    char folder[PATH_MAX], *commit = j->hit.commit;
    if (!j->hit.revision[0])
        commit[0] = 0; // all of it
    else if (!commit[0] && (!nb_hub_folder(folder, cache, j->hit.repository) ||
                            !nb_hub_removed_find(commit, folder, j->hit.revision)))
        return nb_store_resolve(&j->hit, name, false); // for its error line
    if (!nb_hub_removal_plan(&j->removal, cache, j->hit.repository, commit, why))
        return nb_fail(NB_EXIT_FAILED,
                       "cannot remove %.200s; expected a folder of the cache that can be read, found %.200s", name,
                       why);
    j->bytes_free = j->removal.bytes_free;
    return NB_EXIT_OK;
}

// ---- what is said --------------------------------------------------------------------------------------------------

static void describe(FILE *file, const job *j)
{
    char name[NB_MODEL_REPOSITORY_BYTES + NB_MODEL_COMMIT_BYTES], bytes[32], other[32];
    name_of(j, name);
    fprintf(file, "%s", name);
    if (!j->hit.in_hub) {
        fprintf(file, j->is_link ? ": a link in the store; the directory stays\n" : ": in the store, %s\n",
                nb_bytes_text(bytes, (double)j->bytes_free));
        return;
    }
    const nb_hub_scan *scan = &j->removal.scan;
    fprintf(file, ": in the Hub cache, %s", nb_bytes_text(bytes, (double)j->bytes_free));
    if (!j->removal.commit[0] && scan->n_snapshots > 1)
        fprintf(file, ", all %zu revisions", scan->n_snapshots);
    const char *separator = "; revision ";
    for (size_t i = 0; i < scan->n_refs; i++)
        if (!j->removal.commit[0] || strcmp(scan->refs[i].commit, j->removal.commit) == 0) {
            fprintf(file, "%s%s", separator, scan->refs[i].revision);
            separator = ", ";
        }
    if (j->removal.bytes_other)
        fprintf(file, "; %s more stay, because another model needs them",
                nb_bytes_text(other, (double)j->removal.bytes_other));
    fprintf(file, "\n");
}

static bool ask(const job *jobs, int n)
{
    char answer[16] = "", bytes[32];
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        describe(stderr, &jobs[i]);
        sum += jobs[i].bytes_free;
    }
    fprintf(stderr, "Remove %s? [y/N] ", nb_bytes_text(bytes, (double)sum));
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    nb_note("nothing was removed");
    return false;
}

// ---- removing ------------------------------------------------------------------------------------------------------

static void forget(const job *j)
{
    char key[NAME_MAX + 1];
    nb_model_use_key(key, j->hit.repository, "");
    if (!j->hit.in_hub)
        nb_model_use_forget(key);
    for (size_t i = 0; j->hit.in_hub && i < j->removal.scan.n_snapshots; i++) {
        const char *commit = j->removal.scan.snapshots[i].commit;
        nb_model_use_key(key, j->hit.repository, commit);
        if (!j->removal.commit[0] || strcmp(commit, j->removal.commit) == 0)
            nb_model_use_forget(key);
    }
}

// The lock of `nibble pull`: while somebody has it, nothing is removed.
static int take_lock(nb_hub_lock *lock, const char *repository, const char *cache)
{
    char name[PATH_MAX], path[PATH_MAX], folder[PATH_MAX];
    nb_hub_owner owner = {0};
    if (!nb_hub_folder_name(name, repository) || !nb_path_make(folder, "%s/.locks/%s", cache, name) ||
        !nb_folder_make(folder) || !nb_path_make(path, "%s/nibble.lock", folder))
        return nb_fail(NB_EXIT_FAILED, "cannot lock %.200s in %.300s: %s", repository, cache, strerror(errno));
    nb_hub_lock_state state = nb_hub_lock_try(lock, path, &owner);
    if (state == NB_HUB_LOCK_BUSY)
        return nb_fail(
            NB_EXIT_FAILED,
            "%.200s is being pulled; expected to be alone, found process %llu at work; try again when it has "
            "ended",
            repository, (unsigned long long)owner.process);
    if (state == NB_HUB_LOCK_FAILED)
        return nb_fail(NB_EXIT_FAILED, "cannot lock %.300s; expected a cache that can be written, found: %s", path,
                       strerror(errno));
    return NB_EXIT_OK;
}

static int run_now(job *j, const char *home, const char *cache)
{
    char name[NB_MODEL_REPOSITORY_BYTES + NB_MODEL_COMMIT_BYTES], why[256] = "", bytes[32];
    uint64_t bytes_free = 0;
    if (j->hit.in_hub) { // what went before may have been of the same repository
        nb_hub_removal_release(&j->removal);
        if (!nb_hub_removal_plan(&j->removal, cache, j->hit.repository, j->hit.commit, why))
            return nb_is_directory(j->removal.scan.folder) ? nb_fail(NB_EXIT_FAILED, "%s", why) : NB_EXIT_OK;
    }
    name_of(j, name);
    bool is_done = j->is_copy      ? nb_tree_remove(AT_FDCWD, j->hit.directory, &bytes_free, why)
                   : j->hit.in_hub ? nb_hub_removal_run(&j->removal, cache, &bytes_free, why)
                                   : nb_stored_remove(home, j->hit.repository, &bytes_free, why);
    nb_bytes_text(bytes, (double)bytes_free);
    if (!is_done)
        return nb_fail(NB_EXIT_FAILED, "%s is removed in part, %s came free; expected all of it, found %s; try again",
                       name, bytes, why);
    forget(j);
    printf("%s: %s came free\n", name, bytes);
    return nb_out_flush();
}

static int run(job *j, const char *home, const char *cache)
{
    nb_hub_lock lock = {.fd = -1};
    int code = j->hit.in_hub ? take_lock(&lock, j->hit.repository, cache) : NB_EXIT_OK;
    if (code == NB_EXIT_OK)
        code = run_now(j, home, cache);
    nb_hub_lock_release(&lock);
    return code;
}

int nb_command_rm(int argc, char **argv)
{
    char home[PATH_MAX], cache[PATH_MAX];
    rm_args args = {0};
    int code = NB_EXIT_OK;
    if (!nb_options_parse(&command, (void *[]){&args}, argc, argv, &code))
        return code;
    if (!nb_store_places(home, cache))
        return NB_EXIT_INPUT;
    int n = argc - optind;
    job *jobs = nb_alloc((size_t)n * sizeof *jobs);
    for (int i = 0; i < n && code == NB_EXIT_OK; i++)
        code = plan(&jobs[i], argv[optind + i], home, cache);
    if (code == NB_EXIT_OK && args.is_dry) {
        for (int i = 0; i < n; i++)
            describe(stdout, &jobs[i]);
        code = nb_out_flush();
    } else if (code == NB_EXIT_OK && !args.is_yes && !isatty(STDIN_FILENO)) {
        code = nb_fail(NB_EXIT_USAGE, "nobody is there to be asked; expected --yes, found no terminal; try nibble rm "
                                      "--dry-run first");
    } else if (code == NB_EXIT_OK && (args.is_yes || ask(jobs, n))) {
        for (int i = 0; i < n && code == NB_EXIT_OK; i++)
            code = run(&jobs[i], home, cache);
    }
    for (int i = 0; i < n; i++)
        nb_hub_removal_release(&jobs[i].removal);
    free(jobs);
    return code;
}
