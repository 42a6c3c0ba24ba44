// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_hint.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/word_distance.h"

// The most alike of what was heard.
typedef struct nearest {
    const char *wanted;
    char word[160];
    size_t distance;
} nearest;

static void hear(nearest *n, const char *word)
{
    size_t distance = word ? nb_word_distance(n->wanted, word) : NB_WORD_DISTANCE_MAX;
    if (distance >= n->distance || strlen(word) >= sizeof n->word)
        return;
    strcpy(n->word, word);
    n->distance = distance;
}

static void hear_all(nearest *n, const json_t *list, const char *key)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        hear(n, json_string_value(json_object_get(json_array_get(list, i), key)));
}

static json_t *ask(const nb_hub_api *api, const char *url)
{
    nb_growing text = {0};
    nb_hub_failure ignored;
    nb_http_head *head = nb_alloc(sizeof *head);
    json_t *root = NULL;
    if (nb_http_get_text(api->http, url, NB_HUB_PAGE_BYTES, &text, head, &ignored))
        root = json_loadb(nb_growing_text(&text), text.bytes, JSON_REJECT_DUPLICATES, NULL);
    free(head);
    nb_growing_release(&text);
    return root;
}

static json_t *ask_refs(const nb_hub_api *api)
{
    char url[1024];
    int n = snprintf(url, sizeof url, "%s/api/models/%s/refs", api->options->endpoint, api->name->repository);
    return n > 0 && (size_t)n < sizeof url ? ask(api, url) : NULL;
}

static json_t *ask_models(const nb_hub_api *api)
{
    char url[1024];
    int n = snprintf(url, sizeof url, "%s/api/models?author=%s&limit=500", api->options->endpoint, api->name->org);
    return n > 0 && (size_t)n < sizeof url && api->name->org[0] ? ask(api, url) : NULL;
}

void nb_hub_hint(const nb_hub_api *api, nb_hub_failure *failure)
{
    bool is_revision = failure->problem == NB_HUB_NO_REVISION;
    if (!is_revision && failure->problem != NB_HUB_NO_REPOSITORY && failure->problem != NB_HUB_UNAUTHORIZED)
        return;
    nearest n = {.wanted = is_revision ? api->name->revision : api->name->repository};
    n.distance = is_revision ? NB_WORD_DISTANCE_MAX : strlen(n.wanted) / 4 + 1;
    json_t *root = is_revision ? ask_refs(api) : ask_models(api);
    hear_all(&n, json_object_get(root, "branches"), "name");
    hear_all(&n, json_object_get(root, "tags"), "name");
    hear_all(&n, root, "id");
    json_decref(root);
    if (n.word[0] && n.distance > 0)
        snprintf(failure->hint, sizeof failure->hint, "try %s%s", is_revision ? "@" : "", n.word);
}
