/* SPDX-License-Identifier: Apache-2.0 */
/* For the files of this folder only: what a packed row says of saved registers, which depends on the processor.
   Included after struct walk. */
#ifndef CPROF_SAMPLER_PACKED_H
#define CPROF_SAMPLER_PACKED_H

#include "walk.h"

static inline uint64_t pack_cfa(const struct cfi_row *row)
{
    return ROW_PACKED | (uint64_t)arch_reg_of_dwarf(row->cfa_register) << PACK_REGISTER |
           (uint64_t)(row->cfa_value / 8) << PACK_OFFSET;
}

static inline unsigned pack_saved(uint64_t packed, int reg)
{
    return (unsigned)(packed >> (PACK_SAVED + PACK_SAVED_BITS * (reg - ARCH_FP))) & PACK_SAVED_MOST;
}

#if defined(__x86_64__)
#include "packed_x86_64.h"
#elif defined(__aarch64__)
#include "packed_aarch64.h"
#endif

#endif
