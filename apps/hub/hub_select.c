// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_select.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apps/common/cli.h"
#include "apps/common/word_distance.h"

static const char index_name[] = "model.safetensors.index.json", single_name[] = "model.safetensors";
static const char shard_glob[] = "model-*-of-*.safetensors";

static const char *const side_globs[] = {
    "config.json",           "generation_config.json",
    "hf_quant_config.json",  "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json",     "chat_template.jinja",
    "chat_template.json",    "k_shift.st",
    "LICEN[SC]E*",           "NOTICE*",
    "USE_POLICY*",           "README.md",
};

bool nb_hub_glob_match(const char *glob, const char *path)
{
    char pattern[NB_HUB_PATH_BYTES];
    size_t n = strlen(glob);
    if (n + 2 > sizeof pattern)
        return false;
    strcpy(pattern, glob);
    if (n > 0 && pattern[n - 1] == '/')
        strcpy(pattern + n, "*");
    return fnmatch(pattern, path, FNM_NOESCAPE) == 0;
}

static bool matches_any(const nb_option_texts *globs, const char *path)
{
    for (uint32_t i = 0; i < globs->n_items; i++)
        if (nb_hub_glob_match(globs->items[i], path))
            return true;
    return false;
}

static bool is_weights(const char *path)
{
    return nb_hub_glob_match("*.safetensors", path);
}

// The one form in which a repository's weights are taken.
typedef enum weight_form { FORM_SHARDS, FORM_SINGLE, FORM_ANY } weight_form;

static weight_form find_form(const nb_hub_listing *listing)
{
    bool has_shards = false;
    for (size_t i = 0; i < listing->n_files; i++)
        has_shards |= !strchr(listing->files[i].path, '/') && nb_hub_glob_match(shard_glob, listing->files[i].path);
    if (has_shards && nb_hub_listing_find(listing, index_name))
        return FORM_SHARDS;
    return nb_hub_listing_find(listing, single_name) ? FORM_SINGLE : FORM_ANY;
}

static bool is_default(const char *path, weight_form form)
{
    if (strchr(path, '/'))
        return false;
    if (form != FORM_SINGLE && strcmp(path, index_name) == 0)
        return true;
    if (is_weights(path))
        return form == FORM_SHARDS   ? nb_hub_glob_match(shard_glob, path)
               : form == FORM_SINGLE ? strcmp(path, single_name) == 0
                                     : strncmp(path, "consolidated", 12) != 0;
    for (size_t i = 0; i < NB_COUNT_OF(side_globs); i++)
        if (nb_hub_glob_match(side_globs[i], path))
            return true;
    return false;
}

size_t nb_hub_select(const nb_hub_listing *listing, const nb_hub_globs *globs, bool *is_taken)
{
    weight_form form = find_form(listing);
    size_t n_taken = 0;
    for (size_t i = 0; i < listing->n_files; i++) {
        const char *path = listing->files[i].path;
        is_taken[i] = globs->include.n_items ? matches_any(&globs->include, path) : is_default(path, form);
        is_taken[i] = is_taken[i] && !matches_any(&globs->exclude, path);
        n_taken += is_taken[i];
    }
    return n_taken;
}

bool nb_hub_lacks_shard(const nb_hub_listing *listing, char name[64])
{
    for (size_t i = 0; i < listing->n_files; i++) {
        unsigned shard, n_shards;
        char rest;
        if (sscanf(listing->files[i].path, "model-%5u-of-%5u.safetensor%c", &shard, &n_shards, &rest) != 3)
            continue;
        for (unsigned k = 1; k <= n_shards; k++) {
            snprintf(name, 64, "model-%05u-of-%05u.safetensors", k, n_shards);
            if (!nb_hub_listing_find(listing, name))
                return true;
        }
        return false;
    }
    return false;
}

bool nb_hub_has_weights(const nb_hub_listing *listing, const bool *is_taken)
{
    for (size_t i = 0; i < listing->n_files; i++)
        if (is_taken[i] && is_weights(listing->files[i].path))
            return true;
    return false;
}

// Of a pattern that begins with a star only the rest is compared, with ends of about its length.
static size_t distance_of(const char *glob, const char *path)
{
    if (glob[0] != '*')
        return nb_word_distance(glob, path);
    size_t n = strlen(glob + 1), path_n = strlen(path), best = NB_WORD_DISTANCE_MAX;
    for (size_t m = n > 1 ? n - 1 : 1; m <= n + 1 && m <= path_n; m++) {
        size_t distance = nb_word_distance(glob + 1, path + path_n - m);
        best = distance < best ? distance : best;
    }
    return best;
}

const char *nb_hub_nearest(const nb_hub_listing *listing, const char *glob)
{
    const char *nearest = NULL;
    size_t best = strlen(glob) / 3 + 2;
    for (size_t i = 0; i < listing->n_files; i++) {
        size_t distance = distance_of(glob, listing->files[i].path);
        if (distance < best) {
            best = distance;
            nearest = listing->files[i].path;
        }
    }
    return nearest;
}
