// SPDX-License-Identifier: Apache-2.0
/* What is known of addresses: from the cache, or read from the module. The rules in unwind.c hold here, too. */
#include <string.h>
#include <sys/mman.h>

#include "packed.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/modules/module_record.h"

struct cache_entry unwind_cache[1 << CACHE_BITS] __attribute__((aligned(ARCH_PAGE_MOST)));

/* In place of the library's own zeroed pages. If it fails, each process has a cache of its own. */
void rows_share(void)
{
    if (seccomp_allows(CALL(map)))
        sys_call(SYS_mmap, unwind_cache, sizeof unwind_cache, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

void unwind_prefetch(const uint64_t *pc, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++)
        __builtin_prefetch(cache_place(pc[i] - 1, CACHE_NEAR));
}

static void cache_store(uintptr_t address, uint64_t key, uint64_t row)
{
    struct cache_entry *entry = cache_place(address, CACHE_NEAR);
    uint64_t there = atomic_load_explicit(&entry->row, memory_order_relaxed);
    if (there != 0 && cache_load(entry, address ^ key) == ROW_MISSING)
        entry = cache_place(address, CACHE_FAR);
    atomic_store_explicit(&entry->check, address ^ key ^ row, memory_order_relaxed);
    atomic_store_explicit(&entry->row, row, memory_order_relaxed);
}

static uint64_t row_pack(const struct cfi_row *row)
{
    if (row->how[ARCH_RETURN] == CFI_UNDEFINED)
        return ROW_LAST;
    if (row->signal || arch_reg_of_dwarf(row->cfa_register) < 0 || row->how[ARCH_SP] != CFI_SAME ||
        row->cfa_value < 0 || row->cfa_value % 8 != 0 || row->cfa_value >= 8 << PACK_OFFSET_BITS)
        return ROW_FDE;
    uint64_t saved = row_pack_saved(row);
    return saved == ROW_FDE ? ROW_FDE : pack_cfa(row) | saved;
}

void row_unpack(uint64_t packed, struct cfi_row *row)
{
    memset(row, 0, sizeof(*row));
    row->cfa_register = arch_dwarf[packed >> PACK_REGISTER & 7];
    row->cfa_value = (int32_t)row_cfa_offset(packed);
    row_unpack_saved(packed, row);
}

/* Evaluates the call frame information for an address in the walk's module. */
static uint64_t row_read(struct peek *peek, uintptr_t address)
{
    struct cfi_memory memory = module_memory(peek);
    struct cfi_row row;
    uintptr_t fde;
    if (peek->module.frame_hdr == 0)
        return ROW_NO_CFI;
    if (cfi_find_row(&memory, (const uint8_t *)peek->module.frame_hdr, address, &row, &fde) != 0)
        return peek->failed ? ROW_MISSING : ROW_NO_CFI;
    uint64_t packed = row_pack(&row);
    return packed == ROW_FDE ? ROW_FDE | (uint64_t)fde << ROW_FDE_SHIFT : packed;
}

/* Keeps a row if the module that it was read from is still there. Rows of another module have another key. */
static void row_keep(struct walk *w, uintptr_t address, uint64_t row)
{
    const struct module *module = &w->room->peek.module;
    if (row != ROW_MISSING && module_is_steady(module) && module_is_there(module))
        cache_store(address, module->key, row);
}

/* Makes the address's module that of the walk, and records it. false: it is in none. */
bool walk_enter_module(struct walk *w, uintptr_t address)
{
    struct module module;
    w->module_size = 0;
    if (!module_find(address, &module))
        return false;
    peek_begin(&w->room->peek, &module);
    w->module_start = module.start;
    w->module_size = module.end - module.start;
    if (w->segment && module_record(w->segment, &w->room->peek, w->room->path))
        w->copied = 0; /* the path's room is the stack's */
    return true;
}

/* Of the frame that the walk is at: the row leads to a return address. */
static bool is_confirmed(struct walk *w, uint64_t row)
{
    uint64_t next, cfa = w->regs.r[row >> PACK_REGISTER & 7] + row_cfa_offset(row);
    w->confirming = true; /* what is asked of the caller is not to ask for its caller */
    bool is_good =
        cfa > w->regs.r[ARCH_SP] && walk_load_word(w, cfa - 8, &next) && walk_is_after_call(w, next);
    w->confirming = false;
    return is_good;
}

/* Of code that has no tables. What is made of the code is compared with the stack once. */
static uint64_t row_of_code(struct walk *w, uintptr_t address)
{
    /* Only the first frame is at an instruction that is still to come. Others are at what calls return to. */
    bool is_return = !w->exact || address != w->regs.r[ARCH_PC];
    bool is_here = address == w->regs.r[ARCH_PC] - !w->exact && !w->confirming;
    uint64_t row = code_row_read(w, address + is_return, is_return);

    if (row == ROW_NO_CFI)
        return w->room->peek.failed ? ROW_MISSING : row;
    if ((row & ROW_KIND) == ROW_PACKED && is_here && !is_confirmed(w, row))
        row = ROW_NO_CFI;
    return is_here && !walk_enter_module(w, address) ? (uint64_t)ROW_NOWHERE : row;
}

/* An address that is not known yet: this is where a module that has replaced another one is noticed. */
uint64_t walk_find_row(struct walk *w, uintptr_t address)
{
    struct peek *peek = &w->room->peek;
    if (!peek->module.stays) {
        w->copied = 0; /* its room is used */
        if (!module_is_same_file(&peek->module, w->room->path) && !walk_enter_module(w, address))
            return ROW_NOWHERE;
    }
    peek->failed = false;
    uint64_t row = row_read(peek, address);
    if (row == ROW_NO_CFI)
        row = row_of_code(w, address);
    if (row != ROW_NOWHERE)
        row_keep(w, address, row);
    return row;
}

/* A return address looks like that: a call ends there. */
bool walk_is_after_call(struct walk *w, uintptr_t address)
{
    uint64_t row = row_of(w, address - 1);
    if ((row & ROW_KIND) == ROW_NOWHERE || row == ROW_MISSING)
        return false;
    if (row & call_is_known)
        return row & call_is_there;
    w->room->peek.failed = false;
    bool is_there = module_is_after_call(&w->room->peek, address);
    if (!w->room->peek.failed)
        row_keep(w, address - 1, row | call_is_known | (is_there ? call_is_there : 0));
    return is_there;
}
