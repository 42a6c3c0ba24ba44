// SPDX-License-Identifier: Apache-2.0
#include "apps/common/cli.h"

#include <errno.h>
#include <gmp.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "apps/common/growing_text.h"

// Names and file contents end up in messages; none of their bytes may steer the terminal.
static void make_printable(char *text)
{
    for (unsigned char *s = (unsigned char *)text; *s; s++) {
        bool is_c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0;
        if (*s < 0x20 || *s == 0x7f || is_c1)
            *s = '?';
    }
}

static void print_line(const char *prefix, const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    make_printable(text);
    fflush(stdout); // what was said before the failure stands before it
    fprintf(stderr, "%s%s\n", prefix, text);
}

int nb_fail(int exit_code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line("nibble: error: ", format, args);
    va_end(args);
    return exit_code;
}

void nb_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line("nibble: ", format, args);
    va_end(args);
}

int nb_fail_error(nb_status status, const nb_error *error)
{
    static const int codes[] = {
        [NB_OK] = NB_EXIT_OK,
        [NB_ERR_ARGUMENT] = NB_EXIT_USAGE,
        [NB_ERR_INPUT] = NB_EXIT_INPUT,
        [NB_ERR_FIT] = NB_EXIT_FIT,
        [NB_ERR_SYSTEM] = NB_EXIT_FAILED,
        [NB_ERR_LIMIT] = NB_EXIT_FIT,
        [NB_ERR_STOPPED] = NB_EXIT_INTERRUPTED,
    };
    int code = (size_t)status < NB_COUNT_OF(codes) ? codes[status] : NB_EXIT_FAILED;
    if (status == NB_OK || status == NB_ERR_STOPPED)
        return code;
    return nb_fail(code, "%s", error->text[0] ? error->text : "failed without a reason given");
}

// Several threads may meet the end of memory at once: the first speaks and ends the program, the others wait for that.
void nb_out_of_memory(void)
{
    static atomic_flag is_told = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&is_told))
        pause();
    exit(nb_fail(NB_EXIT_FIT, "out of memory"));
}

static void *checked(void *memory)
{
    if (!memory)
        nb_out_of_memory();
    return memory;
}

void *nb_alloc(size_t bytes)
{
    return checked(calloc(1, bytes ? bytes : 1));
}

void *nb_resize(void *memory, size_t bytes)
{
    return checked(realloc(memory, bytes ? bytes : 1));
}

char *nb_copy_text(const char *text)
{
    return checked(strdup(text));
}

static void *resize_number(void *memory, size_t old_bytes, size_t bytes)
{
    (void)old_bytes;
    return nb_resize(memory, bytes);
}

static void free_number(void *memory, size_t bytes)
{
    (void)bytes;
    free(memory);
}

void nb_memory_install(void)
{
    json_set_alloc_funcs(nb_alloc, free);
    mp_set_memory_functions(nb_alloc, resize_number, free_number);
}

int nb_out_flush(void)
{
    int reason = errno; // of the write that failed before, if one did
    if (fflush(stdout) != 0)
        reason = errno;
    else if (!ferror(stdout))
        return NB_EXIT_OK;
    if (reason == EPIPE)
        return NB_EXIT_FAILED;
    return nb_fail(NB_EXIT_FAILED, "cannot write to standard output; expected room for the result, found: %s",
                   strerror(reason ? reason : EIO));
}

int nb_out_json(json_t *object)
{
    if (!object)
        return nb_fail(NB_EXIT_FAILED, "cannot print this result as JSON; expected text, found bytes that are none");
    // In ASCII, because some readers take U+2028 or U+0085 for the end of a line.
    nb_growing line = {0};
    nb_growing_add_json(&line, object, JSON_COMPACT | JSON_REAL_PRECISION(12) | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    puts(line.text);
    nb_growing_release(&line);
    return nb_out_flush();
}

json_t *nb_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *nb_json_name(const char *name)
{
    json_t *string = json_string(name);
    return string ? string : json_null();
}

double nb_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

uint64_t nb_seed_or_new(uint64_t seed)
{
    uint32_t fresh = 0;
    if (seed != UINT64_MAX)
        return seed;
    return getrandom(&fresh, sizeof fresh, 0) == sizeof fresh ? fresh : (uint32_t)(nb_now_s() * 1e6);
}

const char *nb_bytes_text(char text[32], double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 999.5 && unit + 1 < NB_COUNT_OF(units)) {
        bytes /= 1000;
        unit++;
    }
    snprintf(text, 32, unit && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}
