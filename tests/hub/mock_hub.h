// SPDX-License-Identifier: Apache-2.0
// A Hugging Face Hub on the loopback, for tests: the API of revisions and trees, /resolve/, and a second host that has
// the large files behind signed URLs. It records every request, and misbehaves where a fault asks for it.
//
//     mock_hub *hub = mock_hub_start(NULL);
//     mock_repo *repo = mock_repo_add(hub, "acme/tiny", NULL);
//     mock_repo_put(repo, "config.json", "{}", 2, MOCK_GIT);
//     mock_fault_add(hub, (mock_fault){.kind = MOCK_CUT, .match = "GET cdn *", .at = 1000, .times = 1});
//     ... a client with HF_ENDPOINT=mock_hub_endpoint(hub) ...
//     mock_hub_stop(hub);
//
// Threads answer; everything here may be called while they do. Failures of the Hub itself end the program.
#ifndef NB_TESTS_HUB_MOCK_HUB_H
#define NB_TESTS_HUB_MOCK_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mock_hub mock_hub;
typedef struct mock_repo mock_repo;

// ---- the servers -------------------------------------------------------------------------------------------------

// What the server's certificate is: in order, of another authority than mock_tls_authority tells, for another host, or
// of last year.
typedef enum mock_tls { MOCK_PLAIN, MOCK_TLS, MOCK_TLS_STRANGER, MOCK_TLS_OTHER_NAME, MOCK_TLS_EXPIRED } mock_tls;

typedef struct mock_options {
    mock_tls tls;
    bool is_cdn_plain;       // the second host speaks http though the first speaks https
    bool is_ipv6;            // ::1
    uint16_t port, cdn_port; // 0: any that is free
    size_t page_files;       // entries of a page of the tree; 0: 1000
    bool has_no_memory;      // of requests, for those who make very many
} mock_options;

// Listens on 127.0.0.1 (or ::1), and on 127.0.0.2 for the second host. `options` may be NULL.
mock_hub *mock_hub_start(const mock_options *options);
// Ends all connections, also those that stall, and releases everything.
void mock_hub_stop(mock_hub *hub);

const char *mock_hub_endpoint(const mock_hub *hub); // "http://127.0.0.1:4711"
const char *mock_hub_cdn(const mock_hub *hub);      // of the second host
const char *mock_tls_authority(mock_hub *hub);      // the certificate of the test CA, PEM

// A port of the loopback where nobody listens, now.
uint16_t mock_port_unused(void);

// ---- repositories ------------------------------------------------------------------------------------------------

// A commit of a repository; `commit` NULL: made up from the name and a count. "main" is what was added last.
mock_repo *mock_repo_add(mock_hub *hub, const char *id, const char *commit);
const char *mock_repo_commit(const mock_repo *repo);
void mock_repo_tag(mock_repo *repo, const char *tag); // another name of this commit

typedef enum mock_store { MOCK_GIT, MOCK_LFS } mock_store;
// The bytes are borrowed until the Hub stops. A file of the same path is replaced (same commit, other bytes).
void mock_repo_put(mock_repo *repo, const char *path, const void *data, uint64_t bytes, mock_store store);
// The same with a path that holds zero bytes.
void mock_repo_put_raw(mock_repo *repo, const char *path, size_t path_bytes, const void *data, uint64_t bytes,
                       mock_store store);
// All files below a folder of the disk; those of 1 MiB or more, and .safetensors, by LFS.
void mock_repo_put_folder(mock_repo *repo, const char *folder);
// Asks for this token, for everything (private) or for the files (gated: `is_accepted` says whether its owner has
// accepted the terms).
void mock_repo_make_private(mock_repo *repo, const char *token);
void mock_repo_make_gated(mock_repo *repo, const char *token, bool is_accepted);

// The file's name in a cache: SHA-256 (LFS) or git's blob SHA-1, in hex.
const char *mock_repo_etag(const mock_repo *repo, const char *path);

// ---- faults ------------------------------------------------------------------------------------------------------

typedef enum mock_fault_kind {
    MOCK_ANSWER,        // `status` with the header lines `headers` and the text `body`, instead of the answer
    MOCK_RAW,           // the bytes `headers`, then `body`, `at` more times (UINT64_MAX: for ever), then closed
    MOCK_RAW_TRICKLE,   // the same, ten bytes a second
    MOCK_SILENCE,       // nothing, until the Hub stops
    MOCK_HEADERS,       // the answer, with the header lines `headers` besides
    MOCK_CUT,           // the connection closed after `at` bytes of the body
    MOCK_RESET,         // the same by a TCP reset
    MOCK_STALL,         // silence after `at` bytes of the body, until the Hub stops
    MOCK_TRICKLE,       // one byte a second from `at` on
    MOCK_PACE,          // `at` bytes a second
    MOCK_FLIP,          // byte `at` of the file has other bits
    MOCK_IGNORE_RANGE,  // 200 and the whole file, whatever was asked
    MOCK_SHIFT_RANGE,   // 206 from `at` bytes before what was asked, and says so in Content-Range
    MOCK_LIE_RANGE,     // 206 with bytes from `at` bytes before what was asked, and does not say so
    MOCK_SHORT,         // the file without its last `at` bytes, Content-Length as that
    MOCK_LONG,          // `at` zero bytes after the file, Content-Length as that
    MOCK_CHUNKED,       // no Content-Length
    MOCK_GZIP,          // 200 and all of it as gzip, whatever was asked; closed after `at` bytes of that, unless 0
    MOCK_ENDLESS,       // 200 and `body` for ever
    MOCK_LINK_FOR_EVER, // a page of the tree with a link to one more page, always
} mock_fault_kind;

typedef struct mock_fault {
    mock_fault_kind kind;
    // A pattern (fnmatch) for "METHOD hub|cdn PATH", the path of a file on the second host being /ORG/NAME/PATH.
    const char *match;
    unsigned after, times; // lets so many matching requests pass, then meets so many (0: all)
    uint64_t at;
    unsigned status;
    const char *headers; // "Name: value\n" each; {hub} stands for the endpoint, {cdn} for the second
    const char *body;
    size_t body_bytes; // 0: a text
} mock_fault;

// Of several faults that match, the first added counts. Texts are borrowed.
void mock_fault_add(mock_hub *hub, mock_fault fault);
void mock_fault_clear(mock_hub *hub);
// How often faults have struck since they were cleared.
unsigned mock_fault_count(mock_hub *hub);
// Signed URLs made until now are answered with 403 from now on.
void mock_hub_expire(mock_hub *hub);

// ---- what was asked ----------------------------------------------------------------------------------------------

typedef struct mock_request {
    char method[8], host[8]; // "GET", "hub" or "cdn"
    char path[2048];         // with its query, as it came
    char file[1024];         // "ORG/NAME/PATH" when it asked for bytes of a file; else ""
    char headers[4096];      // "Name: value\n" each
    uint64_t begin;          // of the range asked for, else 0
    uint64_t served_bytes;   // of the body, given to the socket
    unsigned status;         // 0: none was sent
} mock_request;

size_t mock_request_count(mock_hub *hub);
mock_request mock_request_get(mock_hub *hub, size_t i);
// How many match the pattern of a fault; bytes of their bodies.
size_t mock_request_matching(mock_hub *hub, const char *pattern);
uint64_t mock_request_bytes(mock_hub *hub, const char *pattern);
void mock_request_forget(mock_hub *hub);
// Connections accepted by both hosts since the start.
size_t mock_connection_count(mock_hub *hub);
// Called at the start of every request, in the thread that answers it; NULL: nothing.
void mock_request_watch(mock_hub *hub, void (*watch)(void *user, const mock_request *request), void *user);

#endif
