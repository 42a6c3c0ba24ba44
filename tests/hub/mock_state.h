// SPDX-License-Identifier: Apache-2.0
// What the parts of the test Hub share. One lock for everything that changes; bytes of files never do.
#ifndef NB_TESTS_HUB_MOCK_STATE_H
#define NB_TESTS_HUB_MOCK_STATE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/hub/mock_hub.h"

enum { MOCK_MAX_FAULTS = 32, MOCK_MAX_TAGS = 4 };

// The program cannot go on: prints why and aborts.
void mock_die(const char *why) __attribute__((noreturn));
void *mock_memory(size_t bytes); // zeroed

typedef struct mock_item {
    char *path; // as listed
    size_t path_bytes;
    const uint8_t *data;
    uint64_t bytes;
    mock_store store;
    char git[41], sha256[65];
    struct mock_item *next;
} mock_item;

struct mock_repo {
    mock_hub *hub;
    char id[200], commit[41];
    char tags[MOCK_MAX_TAGS][64];
    size_t n_tags;
    char token[128];
    bool is_private, is_gated, is_accepted;
    mock_item *items;    // sorted by path
    mock_item *replaced; // kept until the end
    struct mock_repo *next;
};

typedef struct mock_armed {
    mock_fault fault;
    unsigned n_matched;
} mock_armed;

typedef struct mock_entry {
    mock_request request;
    mock_hub *hub;
    bool is_answered, is_struck;
    mock_fault fault; // when struck
    _Atomic uint64_t served_bytes;
} mock_entry;

struct mock_hub {
    mock_options options;
    struct MHD_Daemon *daemon, *cdn;
    char endpoint[64], cdn_endpoint[64];
    struct mock_certificates *certificates;
    pthread_mutex_t lock;
    atomic_bool is_stopping;
    atomic_size_t n_connections;
    unsigned generation; // of signed URLs
    mock_repo *repos;    // the newest first
    mock_armed faults[MOCK_MAX_FAULTS];
    size_t n_faults;
    unsigned n_struck;
    mock_entry **entries;
    size_t n_entries, n_forgotten, capacity;
    void (*watch)(void *user, const mock_request *request);
    void *watch_user;
};

// ---- repositories (mock_repo.c) ----

// The newest of this name that a revision (branch, tag, commit) means; `*has_name` tells whether the name exists.
mock_repo *mock_repo_find(mock_hub *hub, const char *id, const char *revision, bool *has_name);
mock_item *mock_repo_item(const mock_repo *repo, const char *path);
char *mock_repo_describe(const mock_repo *repo); // JSON of /revision/; the caller frees
// JSON of a page of the tree from file `begin` on; `*next` is where the next page begins, 0: there is none.
char *mock_repo_page(const mock_repo *repo, size_t begin, size_t n_files, size_t *next);
void mock_repo_free_all(mock_repo *repo);

// ---- answers (mock_hub.c, mock_answer.c, mock_bytes.c) ----

// Whether a fault strikes this request; then it is entry->fault.
void mock_fault_meet(mock_entry *entry);
enum MHD_Result mock_answer(mock_entry *entry, struct MHD_Connection *connection);

// What of a body is sent.
typedef struct mock_body {
    const uint8_t *data;
    uint64_t bytes;
    bool is_owned; // released after it
} mock_body;
// Sends a body as the entry's fault has it. `headers`: "Name: value\n" each; {hub} is the endpoint, {cdn} the second
// host.
enum MHD_Result mock_send(mock_entry *entry, struct MHD_Connection *connection, unsigned status, const char *headers,
                          mock_body body);
// The same of a file, or of the part that Range asks for.
enum MHD_Result mock_send_item(mock_entry *entry, struct MHD_Connection *connection, const mock_item *item,
                               const char *headers);
// The fault's body for ever, as chunks.
enum MHD_Result mock_send_endless(mock_entry *entry, struct MHD_Connection *connection);
// The fault's bytes past HTTP, or none until the Hub stops; then the connection ends.
enum MHD_Result mock_send_raw(mock_entry *entry, struct MHD_Connection *connection);

// ---- certificates (mock_tls.c) ----

typedef struct mock_certificates {
    char *authority, *certificate, *key; // PEM
} mock_certificates;
mock_certificates *mock_tls_make(mock_tls tls);
void mock_tls_free(mock_certificates *certificates);

#endif
