// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_api.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/hub/hub_address.h"

static void add(nb_growing *url, const char *text)
{
    nb_growing_add(url, text, strlen(text));
}

void nb_hub_file_url(nb_growing *url, const nb_hub_options *options, const char *repository, const char *commit,
                     const char *path)
{
    nb_growing_clear(url);
    add(url, options->endpoint);
    add(url, "/");
    add(url, repository);
    add(url, "/resolve/");
    nb_hub_quote(url, commit, false);
    add(url, "/");
    nb_hub_quote(url, path, true);
}

// One answer, tried as often as it makes sense.
static bool ask(const nb_hub_api *api, const char *url, nb_growing *text, nb_http_head *head, nb_hub_failure *failure)
{
    nb_hub_tries tries = {.options = api->options, .is_first_contact = true};
    double wait_s;
    for (;;) {
        memset(failure, 0, sizeof *failure);
        if (!nb_hub_pace_wait(api->pace, NB_HUB_ASK_API)) {
            failure->problem = NB_HUB_STOPPED;
            return false;
        }
        bool is_answered = nb_http_get_text(api->http, url, NB_HUB_PAGE_BYTES, text, head, failure);
        double delay_s = nb_hub_pace_learn(api->pace, NB_HUB_ASK_API, head);
        if (is_answered && delay_s >= 1 && head->link_next[0] && api->on_retry)
            api->on_retry(api->user, &(nb_hub_failure){.problem = NB_HUB_RATE_LIMITED}, delay_s);
        if (is_answered)
            return true;
        if (!nb_hub_tries_next(&tries, failure, &wait_s))
            return false;
        if (api->on_retry)
            api->on_retry(api->user, failure, wait_s);
        if (!nb_hub_pace_sleep(api->pace, wait_s)) {
            failure->problem = NB_HUB_STOPPED;
            return false;
        }
    }
}

static void start_url(const nb_hub_api *api, nb_growing *url, const char *what, const char *revision)
{
    add(url, api->options->endpoint);
    add(url, "/api/models/");
    add(url, api->name->repository);
    add(url, what);
    nb_hub_quote(url, revision, false);
}

static void fail_listing(const nb_hub_api *api, nb_hub_failure *failure, const char *why)
{
    nb_hub_origin origin;
    nb_hub_failure_set(failure, NB_HUB_LISTING, "%s", why);
    if (nb_hub_origin_of(&origin, api->options->endpoint))
        nb_hub_origin_text(&origin, failure->host, sizeof failure->host);
}

bool nb_hub_api_commit(const nb_hub_api *api, char commit[NB_MODEL_COMMIT_BYTES], nb_hub_failure *failure)
{
    if (nb_hub_is_commit(api->name->revision)) {
        strcpy(commit, api->name->revision);
        return true;
    }
    nb_growing url = {0}, text = {0};
    nb_http_head *head = nb_alloc(sizeof *head);
    char why[256];
    start_url(api, &url, "/revision/", api->name->revision);
    bool is_good = ask(api, url.text, &text, head, failure);
    if (is_good && !nb_hub_commit_parse(commit, nb_growing_text(&text), text.bytes, why, sizeof why)) {
        fail_listing(api, failure, why);
        is_good = false;
    }
    nb_growing_release(&url);
    nb_growing_release(&text);
    free(head);
    return is_good;
}

// Where the next page is; false when it is not the endpoint's to give.
static bool next_page(const nb_hub_api *api, nb_growing *url, const char *link, nb_hub_failure *failure)
{
    char joined[NB_HTTP_URL_BYTES];
    nb_hub_origin endpoint, target;
    if (!nb_hub_address_join(joined, sizeof joined, url->text, link) || !nb_hub_origin_of(&target, joined) ||
        !nb_hub_origin_of(&endpoint, api->options->endpoint) || !nb_hub_may_follow(&endpoint, &target)) {
        fail_listing(api, failure, "a next page at another place");
        return false;
    }
    nb_growing_clear(url);
    add(url, joined);
    return true;
}

bool nb_hub_api_list(const nb_hub_api *api, const char *commit, nb_hub_listing *listing, nb_hub_failure *failure)
{
    nb_growing url = {0}, text = {0};
    nb_http_head *head = nb_alloc(sizeof *head);
    char why[256] = "";
    memset(listing, 0, sizeof *listing);
    start_url(api, &url, "/tree/", commit);
    add(&url, "?recursive=true");
    bool is_good = true, is_last = false;
    for (int page = 0; is_good && !is_last; page++) {
        is_good = ask(api, url.text, &text, head, failure);
        if (is_good && page == NB_HUB_MAX_PAGES)
            snprintf(why, sizeof why, "more than %d pages", NB_HUB_MAX_PAGES);
        else if (is_good)
            nb_hub_listing_add(listing, nb_growing_text(&text), text.bytes, why, sizeof why);
        if (is_good && why[0]) {
            fail_listing(api, failure, why);
            is_good = false;
        }
        is_last = head->link_next[0] == 0;
        is_good = is_good && (is_last || next_page(api, &url, head->link_next, failure));
    }
    if (is_good && !nb_hub_listing_finish(listing, why, sizeof why)) {
        fail_listing(api, failure, why);
        is_good = false;
    }
    if (!is_good)
        nb_hub_listing_release(listing);
    nb_growing_release(&url);
    nb_growing_release(&text);
    free(head);
    return is_good;
}
