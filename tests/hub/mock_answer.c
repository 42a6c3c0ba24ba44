// SPDX-License-Identifier: Apache-2.0
// Which answer a request gets: the routes of the Hub, who may read what, and the redirects.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hub/mock_state.h"

enum { TEXT_BYTES = 2048 };

typedef enum route { ROUTE_NONE, ROUTE_REVISION, ROUTE_TREE, ROUTE_RESOLVE, ROUTE_CACHE, ROUTE_CDN } route;

// What a request asks for, its escapes undone.
typedef struct target {
    route route;
    char id[256], revision[256], path[1024];
    const char *query; // "" when there is none
} target;

// ---- targets -----------------------------------------------------------------------------------------------------

static bool unescape(char *to, size_t capacity, const char *from, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        char pair[3] = {0}, *end = pair;
        to[bytes] = from[i];
        if (from[i] == '%' && i + 2 < n) {
            memcpy(pair, from + i + 1, 2);
            char byte = (char)strtoul(pair, &end, 16);
            if (end == pair + 2) {
                to[bytes] = byte;
                i += 2;
            }
        }
        if (++bytes == capacity)
            return false;
    }
    to[bytes] = 0;
    return true;
}

static void escape(char *to, size_t capacity, const char *from)
{
    size_t n = 0;
    for (; *from && n + 4 < capacity; from++) {
        bool is_plain = strchr("/-._~", *from) || (*from >= '0' && *from <= '9') || (*from >= 'A' && *from <= 'Z') ||
                        (*from >= 'a' && *from <= 'z');
        n += (size_t)snprintf(to + n, capacity - n, is_plain ? "%c" : "%%%02X", (unsigned char)*from);
    }
    to[n] = 0;
}

// "ID<word>REVISION[/PATH]"; revisions keep their slashes as %2F.
static bool split(target *t, const char *text, size_t n, const char *word, route as)
{
    const char *at = strstr(text, word);
    if (!at || at >= text + n)
        return false;
    const char *revision = at + strlen(word);
    size_t rest = n - (size_t)(revision - text), revision_bytes = strcspn(revision, "/?");
    const char *path = revision_bytes < rest ? revision + revision_bytes + 1 : revision + rest;
    t->route = as;
    return unescape(t->id, sizeof t->id, text, (size_t)(at - text)) &&
           unescape(t->revision, sizeof t->revision, revision, revision_bytes < rest ? revision_bytes : rest) &&
           unescape(t->path, sizeof t->path, path, (size_t)(text + n - path));
}

static void read_target(target *t, const mock_request *request)
{
    static const char api[] = "/api/models/", cache[] = "/api/resolve-cache/models/", signed_files[] = "/repos/";
    const char *text = request->path;
    size_t n = strcspn(text, "?");
    memset(t, 0, sizeof *t);
    t->query = text[n] ? text + n + 1 : "";
    bool is_read = false;
    if (strcmp(request->host, "cdn") == 0)
        is_read = strncmp(text, signed_files, sizeof signed_files - 1) == 0 &&
                  split(t, text + sizeof signed_files - 1, n - sizeof signed_files + 1, "/at/", ROUTE_CDN);
    else if (strncmp(text, cache, sizeof cache - 1) == 0)
        is_read = split(t, text + sizeof cache - 1, n - sizeof cache + 1, "/at/", ROUTE_CACHE);
    else if (strncmp(text, api, sizeof api - 1) == 0)
        is_read = split(t, text + sizeof api - 1, n - sizeof api + 1, "/revision/", ROUTE_REVISION) ||
                  split(t, text + sizeof api - 1, n - sizeof api + 1, "/tree/", ROUTE_TREE);
    else if (n > 1)
        is_read = split(t, text + 1, n - 1, "/resolve/", ROUTE_RESOLVE);
    if (!is_read)
        t->route = ROUTE_NONE;
}

// ---- refusals ----------------------------------------------------------------------------------------------------

static enum MHD_Result send_copy(mock_entry *entry, struct MHD_Connection *connection, unsigned status,
                                 const char *headers, const char *text, size_t bytes)
{
    char *copy = mock_memory(bytes + 1);
    if (bytes)
        memcpy(copy, text, bytes);
    return mock_send(entry, connection, status, headers, (mock_body){(uint8_t *)copy, bytes, true});
}

static enum MHD_Result refuse(mock_entry *entry, struct MHD_Connection *connection, unsigned status, const char *code,
                              const char *message)
{
    char headers[1024], body[1024];
    int n = snprintf(headers, sizeof headers, "Content-Type: application/json; charset=utf-8\nX-Error-Message: %s\n",
                     message);
    if (code)
        snprintf(headers + n, sizeof headers - (size_t)n, "X-Error-Code: %s\n", code);
    n = snprintf(body, sizeof body, "{\"error\":\"%s\"}", message);
    return send_copy(entry, connection, status, headers, body, (size_t)n);
}

typedef enum reader { READER_ANONYMOUS, READER_INVALID, READER_OTHER, READER_OWNER } reader;

// Tokens of a repository belong to who may read it; hf_other to somebody else; others are nobody's.
static reader reader_of(struct MHD_Connection *connection, mock_hub *hub, const mock_repo *repo)
{
    const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    if (!header)
        return READER_ANONYMOUS;
    const char *token = strncmp(header, "Bearer ", 7) == 0 ? header + 7 : "";
    if (repo && repo->token[0] && strcmp(token, repo->token) == 0)
        return READER_OWNER;
    bool is_known = strcmp(token, "hf_other") == 0;
    for (const mock_repo *r = hub->repos; r && !is_known; r = r->next)
        is_known = r->token[0] && strcmp(token, r->token) == 0;
    return is_known ? READER_OTHER : READER_INVALID;
}

// Whether it was refused; then `*result` is what to return.
static bool is_refused(mock_entry *entry, struct MHD_Connection *connection, const target *t, const mock_repo *repo,
                       bool has_name, enum MHD_Result *result)
{
    char message[512];
    pthread_mutex_lock(&entry->hub->lock); // a test may change the repository between two pulls
    reader who = reader_of(connection, entry->hub, repo);
    bool is_private = repo && repo->is_private && who != READER_OWNER;
    bool is_gated = repo && repo->is_gated && (who != READER_OWNER || !repo->is_accepted);
    pthread_mutex_unlock(&entry->hub->lock);
    if (who == READER_INVALID)
        *result = refuse(entry, connection, 401, NULL, "Invalid credentials in Authorization header");
    else if (!has_name || is_private)
        *result = who == READER_ANONYMOUS
                      ? refuse(entry, connection, 401, "RepoNotFound", "Invalid username or password.")
                      : refuse(entry, connection, 404, "RepoNotFound", "Repository not found");
    else if (!repo) {
        snprintf(message, sizeof message, "Invalid rev id: %.200s", t->revision);
        *result = refuse(entry, connection, 404, "RevisionNotFound", message);
    } else if (is_gated && t->route == ROUTE_RESOLVE) {
        snprintf(message, sizeof message,
                 who == READER_ANONYMOUS ? "Access to model %s is restricted. You must have access to it and be "
                                           "authenticated to access it. Please log in."
                                         : "Access to model %s is restricted and you are not in the authorized list. "
                                           "Visit the model's page to ask for access.",
                 repo->id);
        *result = refuse(entry, connection, who == READER_ANONYMOUS ? 401 : 403, "GatedRepo", message);
    } else
        return false;
    return true;
}

// ---- answers -----------------------------------------------------------------------------------------------------

static enum MHD_Result send_revision(mock_entry *entry, struct MHD_Connection *connection, mock_repo *repo)
{
    pthread_mutex_lock(&entry->hub->lock);
    char *text = mock_repo_describe(repo);
    pthread_mutex_unlock(&entry->hub->lock);
    return mock_send(entry, connection, 200, "Content-Type: application/json; charset=utf-8\n",
                     (mock_body){(uint8_t *)text, strlen(text), true});
}

static enum MHD_Result send_tree(mock_entry *entry, struct MHD_Connection *connection, const target *t, mock_repo *repo)
{
    char headers[TEXT_BYTES] = "Content-Type: application/json; charset=utf-8\n";
    const char *cursor = strstr(t->query, "cursor=");
    size_t begin = cursor ? strtoull(cursor + 7, NULL, 10) : 0, next, n = strlen(headers);
    bool is_for_ever = entry->is_struck && entry->fault.kind == MOCK_LINK_FOR_EVER;
    pthread_mutex_lock(&entry->hub->lock);
    char *text = mock_repo_page(repo, is_for_ever ? 0 : begin, entry->hub->options.page_files, &next);
    pthread_mutex_unlock(&entry->hub->lock);
    if (is_for_ever)
        next = begin + 1;
    if (next)
        snprintf(headers + n, sizeof headers - n,
                 "Link: <%s/api/models/%s/tree/%s?recursive=true&expand=false&cursor=%zu>; rel=\"next\"\n",
                 entry->hub->endpoint, t->id, t->revision, next);
    return mock_send(entry, connection, 200, headers, (mock_body){(uint8_t *)text, strlen(text), true});
}

// Small files by a relative redirect, large ones by a signed URL of the second host.
static enum MHD_Result send_redirect(mock_entry *entry, struct MHD_Connection *connection, const mock_repo *repo,
                                     const mock_item *item)
{
    char headers[2 * TEXT_BYTES], path[TEXT_BYTES];
    const char *etag = item->store == MOCK_LFS ? item->sha256 : item->git;
    escape(path, sizeof path, item->path);
    int n = snprintf(headers, sizeof headers,
                     "X-Repo-Commit: %s\nAccept-Ranges: bytes\nX-Linked-Size: %llu\nX-Linked-ETag: \"%s\"\n"
                     "ETag: \"%s\"\nVary: Origin, Accept\n",
                     repo->commit, (unsigned long long)item->bytes, etag, etag);
    if (item->store == MOCK_LFS)
        snprintf(headers + n, sizeof headers - (size_t)n,
                 "Location: %s/repos/%s/at/%s/%s?Expires=%u&Signature=g%uz&Key-Pair-Id=K\n", entry->hub->cdn_endpoint,
                 repo->id, repo->commit, path, 4000000000u, entry->hub->generation);
    else
        snprintf(headers + n, sizeof headers - (size_t)n,
                 "Location: /api/resolve-cache/models/%s/at/%s/%s?%%2F=&etag=%%22%s%%22\n", repo->id, repo->commit,
                 path, etag);
    static const char text[] = "Redirecting";
    return send_copy(entry, connection, item->store == MOCK_LFS ? 302 : 307, headers, text, sizeof text - 1);
}

static enum MHD_Result send_file(mock_entry *entry, struct MHD_Connection *connection, const mock_repo *repo,
                                 const mock_item *item)
{
    char headers[512];
    snprintf(headers, sizeof headers,
             "Content-Type: application/octet-stream\nAccept-Ranges: bytes\nETag: W/\"%s\"\nX-Repo-Commit: %s\n",
             item->store == MOCK_LFS ? item->sha256 : item->git, repo->commit);
    return mock_send_item(entry, connection, item, headers);
}

static bool is_expired(mock_hub *hub, const char *query)
{
    const char *signature = strstr(query, "Signature=g");
    pthread_mutex_lock(&hub->lock);
    bool is = !signature || strtoul(signature + 11, NULL, 10) != hub->generation;
    pthread_mutex_unlock(&hub->lock);
    return is;
}

static enum MHD_Result route_to(mock_entry *entry, struct MHD_Connection *connection, const target *t)
{
    enum MHD_Result result;
    bool has_name;
    if (t->route == ROUTE_NONE)
        return refuse(entry, connection, 404, NULL, "Sorry, we can't find the page you are looking for.");
    mock_repo *repo = mock_repo_find(entry->hub, t->id, t->revision, &has_name);
    if (t->route == ROUTE_CDN && is_expired(entry->hub, t->query))
        return send_copy(entry, connection, 403, "Content-Type: application/xml\n",
                         "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", 78);
    if (t->route != ROUTE_CDN && is_refused(entry, connection, t, repo, has_name, &result))
        return result;
    if (t->route == ROUTE_REVISION)
        return send_revision(entry, connection, repo);
    if (t->route == ROUTE_TREE)
        return send_tree(entry, connection, t, repo);
    const mock_item *item = repo ? mock_repo_item(repo, t->path) : NULL;
    if (!item)
        return refuse(entry, connection, 404, "EntryNotFound", "Entry not found");
    if (t->route == ROUTE_RESOLVE)
        return send_redirect(entry, connection, repo, item);
    return send_file(entry, connection, repo, item);
}

enum MHD_Result mock_answer(mock_entry *entry, struct MHD_Connection *connection)
{
    target t;
    read_target(&t, &entry->request);
    pthread_mutex_lock(&entry->hub->lock);
    if (t.path[0] && t.route != ROUTE_TREE)
        snprintf(entry->request.file, sizeof entry->request.file, "%s/%.700s", t.id, t.path);
    void (*watch)(void *user, const mock_request *request) = entry->hub->watch;
    void *user = entry->hub->watch_user;
    pthread_mutex_unlock(&entry->hub->lock);
    if (watch)
        watch(user, &entry->request);
    mock_fault_meet(entry);
    if (entry->is_struck) {
        const mock_fault *fault = &entry->fault;
        switch (fault->kind) {
        case MOCK_ANSWER:
            return send_copy(entry, connection, fault->status, fault->headers, fault->body, fault->body_bytes);
        case MOCK_RAW:
        case MOCK_RAW_TRICKLE:
        case MOCK_SILENCE:
            return mock_send_raw(entry, connection);
        case MOCK_ENDLESS:
            return mock_send_endless(entry, connection);
        default:
            break;
        }
    }
    return route_to(entry, connection, &t);
}
