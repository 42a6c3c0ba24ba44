// SPDX-License-Identifier: Apache-2.0
// UTF-8 one character at a time. Malformed bytes are taken in maximal subparts, each of which stands for one U+FFFD:
// what Python's bytes.decode("utf-8", "replace") and the Unicode Standard (3.9, U+FFFD substitution) do.
#ifndef NB_RUNTIME_UTF8_H
#define NB_RUNTIME_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NB_UTF8_REPLACEMENT "\xef\xbf\xbd"

enum { NB_UTF8_BYTES_MAX = 4 };

typedef enum nb_utf8_kind {
    NB_UTF8_VALID,
    NB_UTF8_INVALID,   // a maximal subpart that no further byte can complete
    NB_UTF8_TRUNCATED, // the input ends inside a character that is well-formed so far
} nb_utf8_kind;

typedef struct nb_utf8 {
    uint32_t code; // U+FFFD unless valid
    uint32_t bytes;
    nb_utf8_kind kind;
} nb_utf8;

// The character at text[0..bytes), bytes > 0.
static inline nb_utf8 nb_utf8_read(const char *text, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return (nb_utf8){s[0], 1, NB_UTF8_VALID};
    uint32_t need = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (need == 0)
        return (nb_utf8){0xfffd, 1, NB_UTF8_INVALID};
    // Only the second byte has narrower bounds: no overlong forms, no surrogates, nothing above U+10FFFF.
    unsigned low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    uint32_t code = s[0] & (0x7fu >> need);
    for (uint32_t i = 1; i < need; i++) {
        if (i == bytes)
            return (nb_utf8){0xfffd, i, NB_UTF8_TRUNCATED};
        if (s[i] < low || s[i] > high)
            return (nb_utf8){0xfffd, i, NB_UTF8_INVALID};
        code = code << 6 | (s[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    return (nb_utf8){code, need, NB_UTF8_VALID};
}

// Writes `code` (a scalar value) to `out` (NB_UTF8_BYTES_MAX bytes) and returns how many bytes.
static inline uint32_t nb_utf8_write(uint32_t code, char *out)
{
    unsigned char *s = (unsigned char *)out;
    if (code < 0x80) {
        s[0] = (unsigned char)code;
        return 1;
    }
    uint32_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (uint32_t i = n - 1; i > 0; i--, code >>= 6)
        s[i] = (unsigned char)(0x80 | (code & 0x3f));
    s[0] = (unsigned char)((0xf00u >> n & 0xff) | code);
    return n;
}

// Start of the character that ends at text + end (end > 0; the text is valid).
static inline size_t nb_utf8_back(const char *text, size_t end)
{
    size_t i = end - 1;
    while (i > 0 && ((unsigned char)text[i] & 0xc0) == 0x80)
        i--;
    return i;
}

// Bytes of text that are pure ASCII from the start.
static inline size_t nb_utf8_ascii_run(const char *text, size_t bytes)
{
    size_t i = 0;
    for (uint64_t word; i + 8 <= bytes; i += 8) {
        memcpy(&word, text + i, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    while (i < bytes && (unsigned char)text[i] < 0x80)
        i++;
    return i;
}

static inline bool nb_utf8_is_valid(const char *text, size_t bytes)
{
    for (size_t i = nb_utf8_ascii_run(text, bytes); i < bytes;) {
        nb_utf8 c = nb_utf8_read(text + i, bytes - i);
        if (c.kind != NB_UTF8_VALID)
            return false;
        i += c.bytes;
    }
    return true;
}

// The White_Space property (PropList.txt; unchanged since Unicode 6.3).
static inline bool nb_utf8_is_space(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
           code == 0x3000;
}

#endif
