// SPDX-License-Identifier: Apache-2.0
#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/small_file.h"
#include "apps/common/stop.h"
#include "apps/hub/hub_address.h"
#include "apps/hub/hub_fetch.h"
#include "apps/hub/hub_hint.h"
#include "apps/hub/hub_lock.h"
#include "apps/hub/hub_record.h"
#include "apps/hub/hub_snapshot.h"
#include "apps/hub/hub_watch.h"
#include "apps/hub/pull_args.h"

typedef struct pull {
    const nb_pull_args *args;
    nb_hub_options options;
    char cache[PATH_MAX];
    nb_hub_place place;
    atomic_bool is_cancelled;
    nb_hub_pace pace;
    nb_http *http; // NULL: offline
    nb_hub_progress *progress;
    nb_hub_watch watch;
    nb_hub_lock lock;
    char commit[NB_MODEL_COMMIT_BYTES];
    nb_hub_listing listing;
    bool *is_taken;
    nb_hub_plan plan;
    uint64_t fetched_bytes;
} pull;

static int fail(const pull *p, const nb_hub_failure *failure, const nb_hub_file *file)
{
    nb_hub_subject subject = {&p->options, p->args->name.repository, p->args->name.revision, file ? file->path : NULL};
    nb_hub_progress_end(p->progress);
    if (failure->problem == NB_HUB_STOPPED)
        nb_note("%s", NB_HUB_STOPPED_TEXT);
    return nb_hub_fail(failure, &subject);
}

// ---- what there is -------------------------------------------------------------------------------------------------

static void tell_retry(void *user, const nb_hub_failure *failure, double wait_s)
{
    nb_hub_progress_retry(user, NULL, failure, wait_s);
}

static int ask_hub(pull *p)
{
    nb_hub_failure failure = {0};
    nb_hub_api api = {&p->options, p->http, &p->pace, &p->args->name, tell_retry, p->progress};
    if (!nb_hub_api_commit(&api, p->commit, &failure) || !nb_hub_api_list(&api, p->commit, &p->listing, &failure)) {
        nb_hub_hint(&api, &failure);
        return fail(p, &failure, NULL);
    }
    return NB_EXIT_OK;
}

static int ask_cache(pull *p)
{
    const nb_model_name *name = &p->args->name;
    nb_hub_failure failure = {0};
    size_t n_strange;
    char shard[64];
    if (!nb_hub_snapshot_find(p->commit, p->place.cache_folder, name->revision))
        return nb_fail(
            NB_EXIT_INPUT,
            "%s@%s is not here, and --offline (or HF_HUB_OFFLINE) forbids fetching it; expected it in %.300s, "
            "found nothing; try again with a connection",
            name->repository, name->revision, p->place.cache_folder);
    if (!nb_hub_snapshot_list(&p->place, p->commit, &p->listing, &n_strange, &failure))
        return fail(p, &failure, NULL);
    if (n_strange > 0)
        return nb_fail(NB_EXIT_INPUT,
                       "%s@%s is not whole; expected a blob behind every name, found %zu without; try again with a "
                       "connection",
                       name->repository, name->revision, n_strange);
    if (nb_hub_lacks_shard(&p->listing, shard))
        return nb_fail(NB_EXIT_INPUT, "%s@%s is not whole; expected %s, found none; try again with a connection",
                       name->repository, name->revision, shard);
    return NB_EXIT_OK;
}

// ---- what is taken -------------------------------------------------------------------------------------------------

static int fail_unmatched(const pull *p)
{
    const nb_option_texts *include = &p->args->globs.include;
    const char *near = include->n_items ? nb_hub_nearest(&p->listing, include->items[0]) : NULL;
    if (!include->n_items)
        return nb_fail(NB_EXIT_INPUT,
                       "%s has nothing that nibble reads; expected *.safetensors and config.json, found %zu "
                       "other files; try another repository",
                       p->args->name.repository, p->listing.n_files);
    return nb_fail(NB_EXIT_INPUT,
                   "no file of %s matches; expected one like \"%.100s\", found none among %zu; try %s%.200s%s",
                   p->args->name.repository, include->items[0], p->listing.n_files,
                   near ? "\"" : "--dry-run --include '*'", near ? near : "", near ? "\"" : "");
}

static int choose(pull *p)
{
    p->is_taken = nb_alloc(p->listing.n_files * sizeof *p->is_taken);
    size_t n = nb_hub_select(&p->listing, &p->args->globs, p->is_taken);
    bool is_default = p->args->globs.include.n_items == 0;
    if (n == 0)
        return fail_unmatched(p);
    if (is_default && p->args->globs.exclude.n_items == 0 && !nb_hub_has_weights(&p->listing, p->is_taken))
        return nb_fail(NB_EXIT_INPUT,
                       "%s has no weights that nibble reads; expected *.safetensors, found %zu files without; try %s",
                       p->args->name.repository, p->listing.n_files,
                       p->http ? "a repository with safetensors, or --include '*' to take it all the same"
                               : "again with a connection, there may be more of it");
    (void)nb_hub_snapshot_path(p->place.snapshot, p->place.cache_folder, p->commit); // too long: there is none
    nb_hub_plan_make(&p->plan, &p->place, &p->listing, p->is_taken);
    return NB_EXIT_OK;
}

// ---- dry run -------------------------------------------------------------------------------------------------------

static const char *action_of(const nb_hub_plan *plan, const nb_hub_file *file)
{
    static const char *const actions[] = {
        [NB_HUB_ABSENT] = "fetch", [NB_HUB_PART] = "resume", [NB_HUB_PRESENT] = "present",
        [NB_HUB_UNSURE] = "check", [NB_HUB_CACHED] = "copy",
    };
    for (size_t i = 0; i < plan->n_blobs; i++)
        if (strcmp(plan->blobs[i].file->etag, file->etag) == 0)
            return actions[plan->blobs[i].state];
    return "fetch";
}

static int show_plan(pull *p)
{
    char text[32], left[32];
    nb_hub_plan *plan = &p->plan;
    int code = NB_EXIT_OK;
    nb_hub_plan_look(plan);
    if (p->args->is_json)
        nb_hub_progress_plan(p->progress, plan, &p->args->name, p->commit);
    for (size_t i = 0; i < plan->n_files && code == NB_EXIT_OK; i++) {
        const nb_hub_file *file = plan->files[i];
        if (p->args->is_json)
            code = nb_hub_progress_event(p->progress, json_pack("{s:s, s:s, s:I, s:s, s:s}", "event", "file", "path",
                                                                file->path, "bytes", (json_int_t)file->bytes, "etag",
                                                                file->etag, "how", action_of(plan, file)));
        else
            printf("%-8s %9s  %s\n", action_of(plan, file), nb_bytes_text(text, (double)file->bytes), file->path);
    }
    if (!p->args->is_json)
        printf("commit %s, %zu files, %s, of which %s to fetch\n", p->commit, plan->n_files,
               nb_bytes_text(text, (double)plan->total_bytes), nb_bytes_text(left, (double)plan->fetch_bytes));
    nb_hub_failure failure = {0};
    if (!nb_hub_plan_fits(plan, &failure))
        nb_note("%s", failure.detail);
    return code == NB_EXIT_OK ? nb_out_flush() : code;
}

// ---- the lock ------------------------------------------------------------------------------------------------------

// The lock's path, with its folder made. False with errno.
static bool lock_path(char path[PATH_MAX], const pull *p)
{
    char name[PATH_MAX], folder[PATH_MAX];
    if (p->place.is_directory)
        return nb_path_make(path, "%s/.cache/huggingface/nibble.lock", p->place.root);
    return nb_hub_folder_name(name, p->args->name.repository) && nb_path_make(folder, "%s/.locks/%s", p->cache, name) &&
           nb_path_make(path, "%s/nibble.lock", folder) && nb_folder_make(folder);
}

static int take_lock(pull *p)
{
    char path[PATH_MAX] = "";
    nb_hub_owner owner = {0};
    nb_hub_lock_state state = NB_HUB_LOCK_FAILED;
    bool is_told = false;
    if (lock_path(path, p))
        state = nb_hub_lock_try(&p->lock, path, &owner);
    while (state == NB_HUB_LOCK_BUSY) {
        if (!is_told)
            nb_hub_progress_note(p->progress, "another pull of %s is running (process %llu); waiting until it is done",
                                 p->args->name.repository, (unsigned long long)owner.process);
        is_told = true;
        if (!nb_hub_pace_sleep(&p->pace, 0.2))
            return fail(p, &(nb_hub_failure){.problem = NB_HUB_STOPPED}, NULL);
        state = nb_hub_lock_try(&p->lock, path, &owner);
    }
    if (state == NB_HUB_LOCK_FAILED)
        return nb_fail(errno == ENOSPC ? NB_EXIT_FIT : NB_EXIT_FAILED,
                       "cannot lock %.300s; expected a folder that can be written, found: %s; try another HF_HOME, "
                       "--to DIR, or --offline for what is here",
                       path, strerror(errno));
    if (owner.process != 0 && !is_told)
        nb_hub_progress_note(p->progress, "process %llu did not finish its pull of %s; going on with what it left",
                             (unsigned long long)owner.process, p->args->name.repository);
    return NB_EXIT_OK;
}

// ---- doing it ------------------------------------------------------------------------------------------------------

static int prepare(pull *p)
{
    nb_hub_failure failure = {0};
    if (p->place.is_directory && !nb_hub_record_prepare(&p->place)) {
        nb_hub_failure_errno(&failure, "write to", p->place.root);
        return fail(p, &failure, NULL);
    }
    int code = take_lock(p); // whose earlier owner may have removed the repository's folder
    if (code == NB_EXIT_OK && !p->place.is_directory && !nb_hub_repository_prepare(&p->place, p->cache, &failure))
        code = fail(p, &failure, NULL);
    return code;
}

static int fetch(pull *p)
{
    nb_hub_fetch job = {.options = &p->options,
                        .name = &p->args->name,
                        .commit = p->commit,
                        .plan = &p->plan,
                        .progress = p->progress,
                        .pace = &p->pace,
                        .http = p->http,
                        .is_cancelled = &p->is_cancelled,
                        .n_jobs = (uint32_t)p->args->n_jobs,
                        .does_verify = p->args->does_verify};
    nb_hub_failure failure = {0};
    nb_hub_plan_look(&p->plan);
    if (!nb_hub_plan_fits(&p->plan, &failure))
        return fail(p, &failure, NULL);
    nb_hub_progress_plan(p->progress, &p->plan, &p->args->name, p->commit);
    if (p->place.is_directory && p->plan.disk_bytes > 0)
        nb_hub_mark_remove(&p->place);
    bool is_done = nb_hub_fetch_run(&job);
    p->fetched_bytes = job.fetched_bytes;
    return is_done ? NB_EXIT_OK : fail(p, &job.failure, job.failed_file);
}

static int publish(pull *p)
{
    nb_hub_failure failure = {0};
    if (!p->place.is_directory && !nb_hub_snapshot_publish(&p->plan, &p->args->name, p->commit, &failure))
        return fail(p, &failure, NULL);
    if (!p->place.is_directory)
        nb_hub_plan_leftovers(&p->plan, true);
    if (p->place.is_directory && !nb_hub_mark_write(&p->plan, &p->args->name, p->commit)) {
        nb_hub_failure_errno(&failure, "write to", p->place.root);
        return fail(p, &failure, NULL);
    }
    return NB_EXIT_OK;
}

static int tell_done(pull *p)
{
    char path[PATH_MAX];
    nb_hub_progress_end(p->progress);
    if (p->place.is_directory)
        strcpy(path, p->place.root);
    else
        nb_hub_snapshot_path(path, p->place.root, p->commit);
    if (p->args->is_json)
        return nb_hub_progress_event(
            p->progress,
            json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:I}", "event", "done", "path", nb_json_name(path), "repository",
                      p->args->name.repository, "commit", p->commit, "files", (json_int_t)p->plan.n_files, "bytes",
                      (json_int_t)p->plan.total_bytes, "fetched_bytes", (json_int_t)p->fetched_bytes));
    puts(path);
    return nb_out_flush();
}

// All is here, so nothing is written: the cache may be read-only, or its disk full.
static bool is_done_already(pull *p)
{
    if (p->place.is_directory || p->args->does_verify)
        return false;
    nb_hub_plan_look(&p->plan);
    return p->plan.disk_bytes == 0 && nb_hub_plan_leftovers(&p->plan, false) == 0 &&
           nb_hub_snapshot_is_published(&p->plan, &p->args->name, p->commit);
}

static int run(pull *p)
{
    int code = p->http ? ask_hub(p) : ask_cache(p);
    if (code == NB_EXIT_OK)
        code = choose(p);
    if (code == NB_EXIT_OK && p->args->is_dry)
        return show_plan(p);
    bool does_write = code == NB_EXIT_OK && (p->http || p->place.is_directory) && !is_done_already(p);
    if (does_write)
        code = prepare(p);
    if (code == NB_EXIT_OK)
        code = fetch(p);
    if (code == NB_EXIT_OK && does_write)
        code = publish(p);
    return code == NB_EXIT_OK ? tell_done(p) : code;
}

// ---- set-up --------------------------------------------------------------------------------------------------------

static int find_place(pull *p)
{
    const nb_pull_args *args = p->args;
    char here[PATH_MAX] = "";
    if (!nb_hub_cache(p->cache) || !nb_hub_folder(p->place.cache_folder, p->cache, args->name.repository))
        return nb_fail(NB_EXIT_FAILED, "the path of the cache is too long; try a shorter HF_HOME");
    p->place.is_directory = args->directory != NULL;
    if (!args->directory) {
        strcpy(p->place.root, p->place.cache_folder);
        return NB_EXIT_OK;
    }
    bool is_absolute = args->directory[0] == '/';
    if ((!is_absolute && !getcwd(here, sizeof here)) ||
        !nb_path_make(p->place.root, "%s%s%s", here, is_absolute ? "" : "/", args->directory))
        return nb_fail(NB_EXIT_FAILED, "cannot use %.300s: %s", args->directory, strerror(errno));
    for (size_t n = strlen(p->place.root); n > 1 && p->place.root[n - 1] == '/'; n--)
        p->place.root[n - 1] = 0;
    return NB_EXIT_OK;
}

static int set_up(pull *p)
{
    char why[256];
    if (!nb_hub_options_read(&p->options, why, sizeof why))
        return nb_fail(NB_EXIT_USAGE, "%s", why);
    p->options.is_offline |= p->args->is_offline;
    p->options.n_retries = (uint32_t)p->args->n_retries;
    p->options.retry_wait_s = p->args->retry_wait_s;
    if (p->args->stall_s > 0)
        p->options.stall_s = p->options.api_stall_s = p->args->stall_s;
    nb_hub_origin endpoint;
    if (p->options.token && nb_hub_origin_of(&endpoint, p->options.endpoint) && !endpoint.is_secure &&
        !endpoint.is_loopback)
        nb_note("the token is not sent to %.200s: only https keeps it to itself", p->options.endpoint);
    int code = find_place(p);
    if (code != NB_EXIT_OK || p->options.is_offline)
        return code;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(p->http = nb_http_create(&p->options, &p->is_cancelled)))
        return nb_fail(NB_EXIT_FAILED, "libcurl cannot start");
    return NB_EXIT_OK;
}

int nb_pull(const nb_pull_args *args)
{
    pull *p = nb_alloc(sizeof *p);
    // A worker without memory ends the process; at its exit the others may still hash, so libcrypto stays as it is.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    p->args = args;
    p->lock.fd = -1;
    p->progress = nb_hub_progress_create(args->is_json);
    nb_hub_pace_init(&p->pace, &p->is_cancelled);
    nb_hub_watch_start(&p->watch, p->progress);
    int code = set_up(p);
    if (code == NB_EXIT_OK)
        code = run(p);
    nb_hub_lock_release(&p->lock);
    nb_http_free(p->http);
    if (!p->options.is_offline)
        curl_global_cleanup();
    nb_hub_plan_release(&p->plan);
    nb_hub_listing_release(&p->listing);
    free(p->is_taken);
    nb_hub_pace_free(&p->pace);
    nb_hub_watch_end(&p->watch);
    nb_hub_progress_free(p->progress);
    nb_hub_options_release(&p->options);
    free(p);
    return code;
}
