// SPDX-License-Identifier: Apache-2.0
// runs: 2500000
/*
 * Call frame information as foreign bytes. The input: two bytes pc (from the start of the rest), eight bytes
 * for each register, the rest a module that begins with its .eh_frame_hdr. Every row found is stepped with a
 * stack that reads as its own addresses.
 */
#include <stdlib.h>
#include <string.h>

#include "sampler/cfi/cfi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool load(void *context, uintptr_t address, uint64_t *value)
{
    unsigned *left = context;
    *value = address;
    return *left > 0 && (*left)-- > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arch_regs regs = {0};
    struct cfi_row row;
    uint16_t pc;
    unsigned loads = 100;
    if (size < sizeof(pc) + sizeof(regs.r))
        return 0;
    memcpy(&pc, data, sizeof(pc));
    memcpy(regs.r, data + sizeof(pc), sizeof(regs.r));
    data += sizeof(pc) + sizeof(regs.r);
    size -= sizeof(pc) + sizeof(regs.r);

    uint8_t *copy = malloc(size + !size); /* where its end is, the sanitizer knows */
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    struct cfi_memory memory = {copy, copy + size, NULL};
    if (cfi_find_row(&memory, copy, (uintptr_t)copy + pc, &row, NULL) == 0)
        cfi_step(&memory, &row, &regs, load, &loads);
    free(copy);
    return 0;
}
