// SPDX-License-Identifier: Apache-2.0
#include "platform/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void nb_assert_failed(const char *condition, const char *file, int line)
{
    // The one place that may end the process: a broken invariant must not compute on.
    fprintf(stderr, "nibble: internal error: assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}

// Length of the valid UTF-8 sequence at `s` (`n` bytes left), or 0.
static int utf8_sequence(const unsigned char *s, size_t n)
{
    int length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (length == 0 || (size_t)length > n)
        return 0;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f) || (s[0] == 0xc2 && s[1] < 0xa0))
        return 0;
    return length;
}

static void make_printable(char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    for (size_t i = 0; i < n;) {
        int length = utf8_sequence((const unsigned char *)text + i, n - i);
        if (length == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            text[i++] = '?';
            continue;
        }
        i += (size_t)length;
    }
}

nb_status nb_error_set(nb_error *error, nb_status status, const char *format, ...)
{
    if (error && error->status == NB_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
        make_printable(error->text);
        error->status = status;
    }
    return status;
}
