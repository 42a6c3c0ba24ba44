// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/trainer_record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"
#include "apps/qat/json_file.h"
#include "platform/file.h"
#include "platform/path.h"
#include "runtime/json.h"

enum { MAX_BYTES = 1 << 20, MAX_VALUES = 1 << 14 };
static const char file_name[] = "training.json";

static nb_status name_file(char path[PATH_MAX], const char *directory, nb_error *error)
{
    if (snprintf(path, PATH_MAX, "%s/%s", directory, file_name) < PATH_MAX)
        return NB_OK;
    return nb_path_error("read", directory, ENAMETOOLONG, error);
}

static nb_status check_stages(json_t *record, nb_error *error)
{
    nb_json_reader reader = {record, file_name, error};
    const json_t *stages;
    NB_TRY(nb_json_array(&reader, "stages", NB_JSON_REQUIRED, &stages));
    for (size_t i = 0; i < json_array_size(stages); i++)
        if (!json_is_object(json_array_get(stages, i)))
            return nb_json_unexpected(&reader, "stages", "objects", json_array_get(stages, i));
    return NB_OK;
}

nb_status nb_training_read(json_t **record, const char *directory, nb_error *error)
{
    char path[PATH_MAX], *text;
    size_t bytes;
    *record = NULL;
    NB_TRY(name_file(path, directory, error));
    if (!nb_file_exists(path)) {
        *record = json_pack("{s:[]}", "stages");
        return NB_OK;
    }
    NB_TRY(nb_file_read(path, MAX_BYTES, &text, &bytes, error));
    nb_status status = nb_json_parse(record, text, bytes, MAX_VALUES, file_name, error);
    free(text);
    if (status == NB_OK)
        status = check_stages(*record, error);
    if (status != NB_OK) {
        json_decref(*record);
        *record = NULL;
    }
    return status;
}

const char *nb_training_traces(const json_t *record)
{
    const json_t *stages = json_object_get(record, "stages");
    for (size_t i = json_array_size(stages); i > 0; i--) {
        const json_t *stage = json_array_get(stages, i - 1);
        const char *command = json_string_value(json_object_get(stage, "command"));
        if (command && strcmp(command, "sft") == 0)
            return json_string_value(json_object_get(json_object_get(stage, "traces"), "sha256"));
    }
    return NULL;
}

void nb_training_add(json_t *record, json_t *stage)
{
    json_array_append_new(json_object_get(record, "stages"), stage);
}

nb_status nb_training_write(const json_t *record, const char *directory, nb_error *error)
{
    return nb_json_file_write(directory, file_name, json_incref((json_t *)record), error);
}

static nb_status differ(const char *key, const json_t *kept, const json_t *asked, nb_error *error)
{
    nb_growing texts[2] = {0};
    if (kept)
        nb_growing_add_json(&texts[0], json_incref((json_t *)kept), JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    nb_growing_add_json(&texts[1], json_incref((json_t *)asked), JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    nb_status status = nb_error_set(error, NB_ERR_INPUT,
                                    "cannot resume with another %s; expected %.80s, found %.80s; try the options of "
                                    "the first run, or --force to begin anew",
                                    key, kept ? texts[0].text : "none", texts[1].text);
    nb_growing_release(&texts[0]);
    nb_growing_release(&texts[1]);
    return status;
}

nb_status nb_recipe_compare(const json_t *kept, const json_t *asked, nb_error *error)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)asked, key, value)
    {
        const json_t *other = json_object_get(kept, key);
        if (!other || !json_equal(other, value))
            return differ(key, other, value, error);
    }
    return NB_OK;
}
