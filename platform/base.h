// SPDX-License-Identifier: Apache-2.0
// The vocabulary every file may use: fixed-width types, alignment helpers, assertions, error recording.
#ifndef NB_PLATFORM_BASE_H
#define NB_PLATFORM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/status.h"

#define NB_MUST_USE                        __attribute__((warn_unused_result))
#define NB_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#define NB_COUNT(array)                    (sizeof(array) / sizeof((array)[0]))

// An assertion is for our own mistakes; outside input gets a status. Active unless NB_NO_ASSERT is defined.
#ifdef NB_NO_ASSERT
#define NB_ASSERT(condition) ((void)sizeof(condition))
#else
#define NB_ASSERT(condition) ((condition) ? (void)0 : nb_assert_failed(#condition, __FILE__, __LINE__))
#endif
_Noreturn void nb_assert_failed(const char *condition, const char *file, int line);

// Records `status` and the formatted text in `error` (may be NULL; the first error wins) and returns `status`.
// Text: "what; expected ..., found ...; try ...". Bytes below 0x20 and invalid UTF-8 become '?', so a hostile name
// cannot reach a terminal.
nb_status nb_error_set(nb_error *error, nb_status status, const char *format, ...) NB_PRINTF(3, 4);

#define NB_TRY(expression)                                                                                             \
    do {                                                                                                               \
        nb_status nb_try_status_ = (expression);                                                                       \
        if (nb_try_status_ != NB_OK)                                                                                   \
            return nb_try_status_;                                                                                     \
    } while (0)

static inline size_t nb_align_up(size_t value, size_t alignment) // alignment: a power of two
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline size_t nb_div_ceil(size_t value, size_t divisor)
{
    return value / divisor + (value % divisor != 0);
}

static inline size_t nb_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t nb_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
