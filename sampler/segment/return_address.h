/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a return address looks like: a call instruction ends there. Both unwinders ask that in code without
 * call frame information, the one in the program of its memory and the one in the uploader of the module's
 * file. Pure; another architecture needs its own version of both.
 */
#ifndef CPROF_SAMPLER_RETURN_ADDRESS_H
#define CPROF_SAMPLER_RETURN_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
#if defined(__aarch64__)
    CALL_MOST = 4, /* bytes of a call */
#else
    CALL_MOST = 7, /* bytes of a call */
#endif
    SEARCHED_WORDS = 32, /* of the frame of code without call frame information, for its return address */
};

#if defined(__x86_64__)
/* These bytes are one call through a register or memory: opcode, ModRM, SIB, displacement. Reads no others.
 */
static inline bool is_indirect_call(const uint8_t *code, int size)
{
    int mode = code[1] >> 6, base = code[1] & 7, wanted = 2;

    if (code[0] != 0xff || (code[1] & 0x38) != 0x10)
        return false;
    if (mode != 3 && base == 4) {
        if (size < 3)
            return false;
        wanted = 3;
        base = code[2] & 7;
    }
    return size == wanted + (mode == 1 ? 1 : mode == 2 || (mode == 0 && base == 5) ? 4 : 0);
}

/* Reads CALL_MOST bytes before code. */
static inline bool is_code_after_call(const uint8_t *code)
{
    if (code[-5] == 0xe8)
        return true;
    for (int size = 2; size <= CALL_MOST; size++)
        if (is_indirect_call(code - size, size))
            return true;
    return false;
}
#elif defined(__aarch64__)
/* Reads CALL_MOST bytes before code: bl, or blr with or without authentication of its address. Instructions
   are words of four bytes. */
static inline bool is_code_after_call(const uint8_t *code)
{
    uint32_t call;
    __builtin_memcpy(&call, code - CALL_MOST, sizeof call);
    return call >> 26 == 0x25 || (call & 0xfffffc1f) == 0xd63f0000 || (call & 0xfefff800) == 0xd63f0800;
}
#endif

#endif
