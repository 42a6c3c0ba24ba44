// SPDX-License-Identifier: Apache-2.0
#include "tests/support/app_lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_BYTES = 8192 };

static char *read_all(FILE *file)
{
    size_t bytes = 0, capacity = 1 << 16, n;
    char *text = malloc(capacity);
    while (text && (n = fread(text + bytes, 1, capacity - bytes - 1, file)) > 0) {
        bytes += n;
        if (capacity - bytes < 2)
            text = realloc(text, capacity *= 2);
    }
    if (text)
        text[bytes] = 0;
    return text;
}

static char *run(int *exit_code, const char *format, va_list args)
{
    char command[COMMAND_BYTES];
    const char *build = getenv("BUILD");
    int n = snprintf(command, sizeof command, "%s/nibble ", build ? build : "build");
    vsnprintf(command + n, sizeof command - (size_t)n, format, args);
    FILE *pipe = popen(command, "r");
    if (!pipe)
        abort();
    char *text = read_all(pipe);
    int status = pclose(pipe);
    if (exit_code)
        *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return text;
}

char *app_output(int *exit_code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = run(exit_code, format, args);
    va_end(args);
    return text;
}

static json_t *parse_lines(char *text)
{
    json_t *list = json_array();
    for (char *line; list && (line = strsep(&text, "\n"));) {
        json_error_t reason;
        if (line[0] == 0)
            continue;
        json_t *value = json_loads(line, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &reason);
        if (!value) {
            fprintf(stderr, "not JSON: %s: %s\n", reason.text, line);
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, value);
    }
    return list;
}

json_t *app_json_lines(const char *format, ...)
{
    va_list args;
    int exit_code;
    va_start(args, format);
    char *text = run(&exit_code, format, args);
    va_end(args);
    json_t *list = exit_code == 0 ? parse_lines(text) : NULL;
    if (exit_code != 0)
        fprintf(stderr, "exit code %d: %s\n", exit_code, format);
    free(text);
    return list;
}

json_t *json_lines_of_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = read_all(file);
    fclose(file);
    json_t *list = parse_lines(text);
    free(text);
    return list;
}

char *app_temporary(void)
{
    char *path = strdup("/var/tmp/nibble-test-XXXXXX");
    int descriptor = mkstemp(path);
    if (descriptor < 0)
        abort();
    close(descriptor);
    return path;
}
