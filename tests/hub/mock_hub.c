// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/hub/mock_state.h"

void mock_die(const char *why)
{
    fprintf(stderr, "test Hub: %s\n", why);
    abort();
}

void *mock_memory(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        mock_die("out of memory");
    return memory;
}

// ---- requests ----------------------------------------------------------------------------------------------------

// "GET hub /path", the path without its query, of a file on the second host that file's name.
static void line_of(const mock_request *request, char line[2200])
{
    bool is_cdn_file = strcmp(request->host, "cdn") == 0 && request->file[0];
    snprintf(line, 2200, "%s %s %s%.*s", request->method, request->host, is_cdn_file ? "/" : "",
             is_cdn_file ? (int)sizeof request->file : (int)strcspn(request->path, "?"),
             is_cdn_file ? request->file : request->path);
}

static bool matches(const mock_request *request, const char *pattern)
{
    char line[2200];
    line_of(request, line);
    return fnmatch(pattern, line, 0) == 0;
}

// The first sight of a request: its target alone. What this returns becomes the request's context.
static void *note_target(void *user, const char *target, struct MHD_Connection *connection)
{
    mock_hub *hub = user;
    mock_entry *entry = mock_memory(sizeof *entry);
    (void)connection;
    entry->hub = hub;
    const char *scheme = strstr(target, "://"); // as a proxy is asked
    const char *path = scheme && scheme < target + 8 ? strchr(scheme + 3, '/') : target;
    snprintf(entry->request.path, sizeof entry->request.path, "%s", path ? path : "/");
    if (hub->options.has_no_memory)
        return entry;
    pthread_mutex_lock(&hub->lock);
    if (hub->n_entries == hub->capacity) {
        hub->capacity = hub->capacity ? 2 * hub->capacity : 64;
        hub->entries = realloc(hub->entries, hub->capacity * sizeof(mock_entry *));
        if (!hub->entries)
            mock_die("out of memory");
    }
    hub->entries[hub->n_entries++] = entry;
    pthread_mutex_unlock(&hub->lock);
    return entry;
}

static enum MHD_Result note_header(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
    mock_request *request = user;
    size_t n = strlen(request->headers);
    (void)kind;
    snprintf(request->headers + n, sizeof request->headers - n, "%s: %s\n", name, value ? value : "");
    return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **context)
{
    mock_hub *hub = user;
    mock_entry *entry = *context;
    (void)url, (void)version, (void)upload;
    if (entry->request.method[0] && !entry->is_answered) { // the second call: the request is complete
        if (*upload_bytes) {
            *upload_bytes = 0;
            return MHD_YES;
        }
        entry->is_answered = true;
        return mock_answer(entry, connection);
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_DAEMON);
    pthread_mutex_lock(&hub->lock);
    snprintf(entry->request.method, sizeof entry->request.method, "%s", method);
    snprintf(entry->request.host, sizeof entry->request.host, "%s", info->daemon == hub->cdn ? "cdn" : "hub");
    MHD_get_connection_values(connection, MHD_HEADER_KIND, note_header, &entry->request);
    const char *range = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Range");
    if (range && strncmp(range, "bytes=", 6) == 0)
        entry->request.begin = strtoull(range + 6, NULL, 10);
    pthread_mutex_unlock(&hub->lock);
    return MHD_YES;
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    mock_hub *hub = user;
    (void)connection, (void)context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        hub->n_connections++;
}

static void on_end(void *user, struct MHD_Connection *connection, void **context,
                   enum MHD_RequestTerminationCode reason)
{
    mock_hub *hub = user;
    (void)connection, (void)reason;
    if (hub->options.has_no_memory)
        free(*context);
}

// Paths stay as they came: what a client asks for is compared with what was listed.
static size_t leave_escaped(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user, (void)connection;
    return strlen(text);
}

static mock_request copy_of(const mock_entry *entry)
{
    mock_request request = entry->request;
    request.served_bytes = entry->served_bytes;
    return request;
}

size_t mock_request_count(mock_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    size_t n = hub->n_entries - hub->n_forgotten;
    pthread_mutex_unlock(&hub->lock);
    return n;
}

mock_request mock_request_get(mock_hub *hub, size_t i)
{
    pthread_mutex_lock(&hub->lock);
    mock_request request = copy_of(hub->entries[hub->n_forgotten + i]);
    pthread_mutex_unlock(&hub->lock);
    return request;
}

static uint64_t sum(mock_hub *hub, const char *pattern, bool is_of_bytes)
{
    uint64_t total = 0;
    pthread_mutex_lock(&hub->lock);
    for (size_t i = hub->n_forgotten; i < hub->n_entries; i++)
        if (matches(&hub->entries[i]->request, pattern))
            total += is_of_bytes ? hub->entries[i]->served_bytes : 1;
    pthread_mutex_unlock(&hub->lock);
    return total;
}

size_t mock_request_matching(mock_hub *hub, const char *pattern)
{
    return sum(hub, pattern, false);
}

uint64_t mock_request_bytes(mock_hub *hub, const char *pattern)
{
    return sum(hub, pattern, true);
}

// Kept, because threads may still use them, but no longer shown.
void mock_request_forget(mock_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    hub->n_forgotten = hub->n_entries;
    pthread_mutex_unlock(&hub->lock);
}

size_t mock_connection_count(mock_hub *hub)
{
    return hub->n_connections;
}

void mock_request_watch(mock_hub *hub, void (*watch)(void *user, const mock_request *request), void *user)
{
    pthread_mutex_lock(&hub->lock);
    hub->watch = watch;
    hub->watch_user = user;
    pthread_mutex_unlock(&hub->lock);
}

// ---- faults ------------------------------------------------------------------------------------------------------

void mock_fault_add(mock_hub *hub, mock_fault fault)
{
    if (fault.body && !fault.body_bytes)
        fault.body_bytes = strlen(fault.body);
    pthread_mutex_lock(&hub->lock);
    if (hub->n_faults == MOCK_MAX_FAULTS)
        mock_die("too many faults");
    hub->faults[hub->n_faults++] = (mock_armed){.fault = fault};
    pthread_mutex_unlock(&hub->lock);
}

void mock_fault_clear(mock_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    hub->n_faults = hub->n_struck = 0;
    pthread_mutex_unlock(&hub->lock);
}

unsigned mock_fault_count(mock_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    unsigned n = hub->n_struck;
    pthread_mutex_unlock(&hub->lock);
    return n;
}

void mock_fault_meet(mock_entry *entry)
{
    mock_hub *hub = entry->hub;
    pthread_mutex_lock(&hub->lock);
    for (size_t i = 0; i < hub->n_faults && !entry->is_struck; i++) {
        mock_armed *armed = &hub->faults[i];
        const mock_fault *fault = &armed->fault;
        if (!matches(&entry->request, fault->match))
            continue;
        unsigned turn = armed->n_matched++;
        entry->is_struck = turn >= fault->after && (fault->times == 0 || turn - fault->after < fault->times);
        entry->fault = *fault;
    }
    hub->n_struck += entry->is_struck;
    pthread_mutex_unlock(&hub->lock);
}

void mock_hub_expire(mock_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    hub->generation++;
    pthread_mutex_unlock(&hub->lock);
}

// ---- the servers -------------------------------------------------------------------------------------------------

static struct MHD_Daemon *listen_on(mock_hub *hub, const char *address, bool is_ipv6, uint16_t port, bool has_tls)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(is_ipv6 ? AF_INET6 : AF_INET, address, is_ipv6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr);
    const mock_certificates *tls = hub->certificates;
    struct MHD_OptionItem options[] = {
        {has_tls ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0, has_tls ? tls->key : NULL},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, has_tls ? tls->certificate : NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | (has_tls ? MHD_USE_TLS : 0) |
                     (is_ipv6 ? MHD_USE_IPv6 : 0);
    const struct sockaddr *at = is_ipv6 ? (const void *)&in6 : (const void *)&in;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, port, NULL, NULL, on_request, hub, MHD_OPTION_SOCK_ADDR, at,
                         MHD_OPTION_URI_LOG_CALLBACK, note_target, hub, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
                         hub, MHD_OPTION_NOTIFY_COMPLETED, on_end, hub, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped,
                         NULL, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return daemon;
}

static void name_endpoint(char *name, const char *address, bool is_ipv6, bool has_tls, struct MHD_Daemon *daemon)
{
    snprintf(name, 64, is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", has_tls ? "https" : "http", address,
             MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
}

mock_hub *mock_hub_start(const mock_options *options)
{
    mock_hub *hub = mock_memory(sizeof *hub);
    if (options)
        hub->options = *options;
    if (hub->options.page_files == 0)
        hub->options.page_files = 1000;
    pthread_mutex_init(&hub->lock, NULL);
    bool has_tls = hub->options.tls != MOCK_PLAIN, has_cdn_tls = has_tls && !hub->options.is_cdn_plain;
    if (has_tls)
        hub->certificates = mock_tls_make(hub->options.tls);
    const char *address = hub->options.is_ipv6 ? "::1" : "127.0.0.1";
    hub->daemon = listen_on(hub, address, hub->options.is_ipv6, hub->options.port, has_tls);
    hub->cdn = listen_on(hub, "127.0.0.2", false, hub->options.cdn_port, has_cdn_tls);
    if (!hub->cdn || (!hub->daemon && !hub->options.is_ipv6))
        mock_die("cannot listen on the loopback");
    if (!hub->daemon) { // there is no ::1 here
        mock_hub_stop(hub);
        return NULL;
    }
    name_endpoint(hub->endpoint, address, hub->options.is_ipv6, has_tls, hub->daemon);
    name_endpoint(hub->cdn_endpoint, "127.0.0.2", false, has_cdn_tls, hub->cdn);
    return hub;
}

void mock_hub_stop(mock_hub *hub)
{
    hub->is_stopping = true;
    if (hub->daemon)
        MHD_stop_daemon(hub->daemon);
    MHD_stop_daemon(hub->cdn);
    for (size_t i = 0; i < hub->n_entries; i++)
        free(hub->entries[i]);
    free(hub->entries);
    mock_repo_free_all(hub->repos);
    mock_tls_free(hub->certificates);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

const char *mock_hub_endpoint(const mock_hub *hub)
{
    return hub->endpoint;
}

const char *mock_hub_cdn(const mock_hub *hub)
{
    return hub->cdn_endpoint;
}

const char *mock_tls_authority(mock_hub *hub)
{
    return hub->certificates->authority;
}

uint16_t mock_port_unused(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof in;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (void *)&in, bytes) != 0 || getsockname(listener, (void *)&in, &bytes) != 0)
        mock_die("no free port");
    close(listener);
    return ntohs(in.sin_port);
}
