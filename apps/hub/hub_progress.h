// SPDX-License-Identifier: Apache-2.0
// What a person or a script sees of a pull: on a terminal one line a file and a total with rate and time left, else one
// JSON object a line ({"event": "plan" | "file" | "progress" | "retry" | "note" | "done", ...}) on stderr, with --json
// on stdout. Amounts never fall. May be called from any thread.
#ifndef NB_APPS_HUB_PROGRESS_H
#define NB_APPS_HUB_PROGRESS_H

#include <jansson.h>

#include "apps/hub/hub_plan.h"

typedef struct nb_hub_progress nb_hub_progress;

nb_hub_progress *nb_hub_progress_create(bool is_json);
void nb_hub_progress_free(nb_hub_progress *progress);

// Begins to show a plan's files.
void nb_hub_progress_plan(nb_hub_progress *progress, const nb_hub_plan *plan, const nb_model_name *name,
                          const char *commit);
void nb_hub_progress_tick(nb_hub_progress *progress); // several times a second
// `how`: "fetched", "resumed", "present", "verified", "copied".
void nb_hub_progress_file(nb_hub_progress *progress, const nb_hub_blob *blob, const char *how);
// What was hashed or copied until now tells nothing of the rate of what comes.
void nb_hub_progress_rate_anew(nb_hub_progress *progress);
void nb_hub_progress_retry(nb_hub_progress *progress, const char *path, const nb_hub_failure *failure, double wait_s);
void nb_hub_progress_note(nb_hub_progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Any other event, where events are shown. Returns an exit code: 1 when standard output failed, now or before.
int nb_hub_progress_event(nb_hub_progress *progress, json_t *event);
void nb_hub_progress_end(nb_hub_progress *progress); // the lines are cleared; nothing is shown afterwards
// The same where nobody else is at it; false otherwise.
bool nb_hub_progress_try_end(nb_hub_progress *progress);

#endif
