/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the entry for an address: .eh_frame_hdr, CIE and FDE. For cfi.c only; see cfi.h for what is read. */
#ifndef CPROF_SAMPLER_CFI_ENTRY_H
#define CPROF_SAMPLER_CFI_ENTRY_H

#include "cfi_cursor.h"

struct cie {
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding;
    bool signal, has_data;
    struct cursor program;
};

struct fde {
    struct cie cie;
    struct cursor program;
    uint64_t start;    /* the function's first address */
    uintptr_t address; /* of the FDE itself */
};

/* The FDE that covers pc, by the .eh_frame_hdr at frame_hdr. 0 or negative errno. */
int cfi_find_fde(const struct cfi_memory *memory, const uint8_t *frame_hdr, uint64_t pc, struct fde *fde);

/* The FDE at this address, if it covers pc. */
int cfi_read_fde(const struct cfi_memory *memory, uintptr_t address, uint64_t pc, struct fde *fde);

/* A pointer in an encoding of DW_EH_PE_; data: what data-relative ones are relative to. */
uint64_t cfi_read_encoded(struct cursor *c, uint8_t encoding, uintptr_t data);

#endif
