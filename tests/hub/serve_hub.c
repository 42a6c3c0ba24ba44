// SPDX-License-Identifier: Apache-2.0
// The test Hub as a program, for other clients and for people:
//
//     serve_hub [--port N] [--page N] [--token TOKEN] [--gated] [--tls CA.pem] [--ipv6] [--pace BYTES_A_S]
//               ORG/NAME=FOLDER...
//
// Each folder is a repository; --token makes them private (or gated). Prints "HF_ENDPOINT=URL" and serves until its
// standard input ends, then prints every request: status, method, host, path, start of the range, bytes served.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/hub/mock_hub.h"

typedef struct settings {
    mock_options options;
    const char *token, *authority;
    bool is_gated;
    uint64_t pace;
} settings;

static bool read_settings(settings *s, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'}, {"page", 1, NULL, 'n'}, {"token", 1, NULL, 't'}, {"gated", 0, NULL, 'g'},
        {"tls", 1, NULL, 's'},  {"ipv6", 0, NULL, '6'}, {"pace", 1, NULL, 'r'},  {0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        switch (o) {
        case 'p':
            s->options.port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            s->options.page_files = strtoul(optarg, NULL, 10);
            break;
        case 't':
            s->token = optarg;
            break;
        case 'g':
            s->is_gated = true;
            break;
        case 's':
            s->options.tls = MOCK_TLS;
            s->authority = optarg;
            break;
        case '6':
            s->options.is_ipv6 = true;
            break;
        case 'r':
            s->pace = strtoull(optarg, NULL, 10);
            break;
        default:
            return false;
        }
    }
    return optind < argc;
}

static bool add_repository(mock_hub *hub, const settings *s, char *argument)
{
    char *folder = strchr(argument, '=');
    if (!folder)
        return false;
    *folder++ = 0;
    mock_repo *repo = mock_repo_add(hub, argument, NULL);
    if (s->token && s->is_gated)
        mock_repo_make_gated(repo, s->token, true);
    else if (s->token)
        mock_repo_make_private(repo, s->token);
    mock_repo_put_folder(repo, folder);
    printf("%s at %s\n", argument, mock_repo_commit(repo));
    return true;
}

int main(int argc, char **argv)
{
    settings s = {0};
    if (!read_settings(&s, argc, argv)) {
        fprintf(stderr, "usage: serve_hub [OPTION]... ORG/NAME=FOLDER...\n");
        return 2;
    }
    mock_hub *hub = mock_hub_start(&s.options);
    for (int i = optind; hub && i < argc; i++)
        if (!add_repository(hub, &s, argv[i]))
            return 2;
    if (!hub)
        return 1;
    if (s.pace)
        mock_fault_add(hub, (mock_fault){.kind = MOCK_PACE, .match = "GET cdn *", .at = s.pace});
    if (s.authority) {
        FILE *file = fopen(s.authority, "w");
        if (!file || fputs(mock_tls_authority(hub), file) < 0 || fclose(file) != 0)
            return 1;
    }
    printf("HF_ENDPOINT=%s\n", mock_hub_endpoint(hub));
    fflush(stdout);
    for (char buffer[256]; read(STDIN_FILENO, buffer, sizeof buffer) > 0;)
        ;
    for (size_t i = 0; i < mock_request_count(hub); i++) {
        mock_request r = mock_request_get(hub, i);
        printf("%3u %-4s %s %s from %llu: %llu\n", r.status, r.method, r.host, r.path, (unsigned long long)r.begin,
               (unsigned long long)r.served_bytes);
    }
    mock_hub_stop(hub);
    return 0;
}
