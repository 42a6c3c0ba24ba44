// SPDX-License-Identifier: Apache-2.0
// nibble tutor --practice, --progress, --export, --delete-learner: what is done with learners' records.
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "apps/tutor/traces/traces.h"
#include "apps/tutor/tutor_args.h"
#include "apps/tutor/tutor_practice.h"

static const char *own_name(void)
{
    const struct passwd *user = getpwuid(getuid());
    return user && nb_learner_name_is_valid(user->pw_name) ? user->pw_name : "learner";
}

static int fail_name(const char *name)
{
    return nb_fail(NB_EXIT_USAGE, "not a learner's name; expected 1 to %d bytes of text, found \"%.100s\"",
                   NB_LEARNER_NAME_BYTES - 1, name);
}

static int fail_topic(const char *bad, size_t bytes)
{
    char names[512] = "";
    for (unsigned i = 0; i < nb_n_kinds; i++) {
        size_t end = strlen(names);
        snprintf(names + end, sizeof names - end, "%s%s", i ? " " : "", nb_kinds[i].name);
    }
    return nb_fail(NB_EXIT_USAGE, "unknown topic; expected of: %s; found \"%.*s\"", names,
                   (int)(bytes < 60 ? bytes : 60), bad);
}

static int practise(const nb_tutor_args *args, const char *topics, nb_learners *learners, const char *learner)
{
    nb_practice_args practice = {
        .learner = learner, .seed = nb_seed_or_new(args->seed), .n_problems = args->n_problems};
    const char *bad;
    size_t bad_bytes;
    if (topics && strcmp(topics, "all") != 0 && !nb_kinds_parse(topics, &practice.kinds, &bad, &bad_bytes))
        return fail_topic(bad, bad_bytes);
    return nb_practice(learners, &practice);
}

static int delete_learner(const nb_tutor_args *args, nb_learners *learners)
{
    char reply[16] = "";
    if (!args->is_sure) {
        if (!isatty(STDIN_FILENO))
            return nb_fail(NB_EXIT_USAGE, "deleting asks first; expected a terminal or --yes, found neither");
        fprintf(stderr, "Delete all records of this learner? They cannot be brought back. [y/N] ");
        if (!fgets(reply, sizeof reply, stdin) || (reply[0] != 'y' && reply[0] != 'Y')) {
            nb_note("nothing was deleted");
            return NB_EXIT_OK;
        }
    }
    int code = nb_learners_delete(learners, args->delete_name);
    if (code == NB_EXIT_OK)
        nb_note("the records of \"%s\" were deleted", args->delete_name);
    return code;
}

int nb_tutor_records(const nb_tutor_args *args, const char *topics)
{
    char path[PATH_MAX];
    nb_learners *learners;
    const char *learner = args->learner ? args->learner : own_name();
    const char *named = args->delete_name ? args->delete_name : learner;
    if (!nb_learner_name_is_valid(named))
        return fail_name(named);
    int code = nb_learners_path(path);
    if (code == NB_EXIT_OK)
        code = nb_learners_open(&learners, path, args->is_practice);
    if (code != NB_EXIT_OK)
        return code;
    if (args->is_practice)
        code = practise(args, topics, learners, learner);
    else if (args->is_progress)
        code = nb_practice_progress(learners, learner);
    else if (args->export_path)
        code = nb_practice_export(learners, args->learner, args->export_path);
    else
        code = delete_learner(args, learners);
    nb_learners_close(learners);
    return code;
}
