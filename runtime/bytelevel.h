// SPDX-License-Identifier: Apache-2.0
// GPT-2's byte alphabet: every byte has a printable character, so that tokens of bytes can be written as text.
// Printable Latin-1 stands for itself; the other 68 bytes, in order, are U+0100, U+0101, ...
#ifndef NB_RUNTIME_BYTELEVEL_H
#define NB_RUNTIME_BYTELEVEL_H

#include <stdbool.h>
#include <stdint.h>

static inline bool nb_bytelevel_is_plain(uint32_t code)
{
    return (code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xac) || (code >= 0xae && code <= 0xff);
}

// The character of a byte: U+0100 + the number of bytes below it that are not plain.
static inline uint32_t nb_bytelevel_char(uint8_t byte)
{
    if (nb_bytelevel_is_plain(byte))
        return byte;
    if (byte <= 0x20)
        return 0x100u + byte;
    return byte <= 0xa0 ? 0x100u + 0x21 + (byte - 0x7fu) : 0x143;
}

// The byte of a character, -1: not in the alphabet.
static inline int nb_bytelevel_byte(uint32_t code)
{
    if (nb_bytelevel_is_plain(code))
        return (int)code;
    if (code >= 0x100 && code <= 0x120)
        return (int)(code - 0x100);
    if (code >= 0x121 && code <= 0x142)
        return (int)(code - 0x121 + 0x7f);
    return code == 0x143 ? 0xad : -1;
}

#endif
