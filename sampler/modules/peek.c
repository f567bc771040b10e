// SPDX-License-Identifier: Apache-2.0
#include "peek.h"

#include <stdatomic.h>
#include <string.h>

#include "sampler/base/nofault.h"

#include "sampler/base/poison.h"

/*
 * Blocks divide a page, so each can be read as a whole or not at all. Tables of functions are searched by
 * all walks, so they are kept by pages. Of call frame information and code, which a search leads to, few
 * bytes are needed, and these are seldom near each other. Only the blocks in use take memory.
 */
enum {
    WIDE_BITS = 7,
    WIDE = 4096,
    NARROW_BITS = 8,
    NARROW = 1024,
    BEING_READ = 1 /* a key of none */
};

/* A key is made of module and address; 0: nothing is kept. If a handler jumps out of a walk while it reads
   a block, that block stays unused. */
static struct peek_blocks {
    uint8_t wide[1 << WIDE_BITS][WIDE], narrow[1 << NARROW_BITS][NARROW];
    _Atomic uint64_t wide_key[1 << WIDE_BITS], narrow_key[1 << NARROW_BITS];
} * _Atomic kept;
_Static_assert(sizeof(struct peek_blocks) <= LAYOUT_PEEKS, "the segment has room for it");

void peek_keep(struct segment *segment)
{
    /* Release: pairs with the acquire in read_part(). */
    atomic_store_explicit(&kept, segment ? (struct peek_blocks *)segment->peeks : NULL, memory_order_release);
}

/* Where a block is kept, if it is. */
struct block {
    uintptr_t start;
    size_t size;
    uint64_t wanted;
    _Atomic uint64_t *key;
    uint8_t *bytes;
};

static struct block block_of(struct peek_blocks *in, const struct peek *peek, uintptr_t address)
{
    size_t size = peek->widely ? WIDE : NARROW;
    uintptr_t start = address & ~(uintptr_t)(size - 1);
    uint64_t hash = (peek->module.key ^ start) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32) * UINT64_C(0x9fb21c651e98df25) | 2;
    /* Neighbouring pages are kept in different places. */
    size_t wide = (start / WIDE + peek->module.key) % (1 << WIDE_BITS), narrow = hash >> (64 - NARROW_BITS);
    if (peek->widely)
        return (struct block){start, size, hash, &in->wide_key[wide], in->wide[wide]};
    return (struct block){start, size, hash, &in->narrow_key[narrow], in->narrow[narrow]};
}

/* If another thread fills the block meanwhile, the copy is not used. */
__attribute__((no_sanitize("thread"))) static bool copy_kept(const struct block *block, uintptr_t from,
                                                             void *to, size_t size)
{
    /* Pairs with the release in fill(): a thread that sees the key sees the bytes that belong to it. */
    if (atomic_load_explicit(block->key, memory_order_acquire) != block->wanted)
        return false;
    memcpy(to, block->bytes + (from - block->start), size);
    /* Pairs with the fence in fill(): if the copy has bytes of the next filling, the second load sees
       another key. */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(block->key, memory_order_relaxed) == block->wanted;
}

/* Reads the block, for all threads. false: another thread is reading into it, or it cannot be read. */
__attribute__((no_sanitize("thread"))) static bool
fill(const struct block *block, const struct module *module, uintptr_t from, void *to, size_t size)
{
    uint64_t old = atomic_load_explicit(block->key, memory_order_relaxed);
    if (old == BEING_READ || !atomic_compare_exchange_strong_explicit(
                                 block->key, &old, BEING_READ, memory_order_relaxed, memory_order_relaxed))
        return false;
    /* Pairs with the fence in copy_kept(). */
    atomic_thread_fence(memory_order_release);
    bool is_good = nofault_read(block->bytes, block->start, block->size) && module_is_there(module);
    if (is_good)
        memcpy(to, block->bytes + (from - block->start), size);
    /* Pairs with the acquire in copy_kept(). */
    atomic_store_explicit(block->key, is_good ? block->wanted : 0, memory_order_release);
    return is_good;
}

/* Up to size bytes, as many as there are in one block. Returns how many; 0: it cannot be read. */
static size_t read_part(const struct peek *peek, uintptr_t from, void *to, size_t size)
{
    struct peek_blocks *in = atomic_load_explicit(&kept, memory_order_acquire);
    if (!in)
        return nofault_read(to, from, size) ? size : 0;
    struct block block = block_of(in, peek, from);
    size_t left = block.start + block.size - from;
    size = size < left ? size : left;
    if (module_is_steady(&peek->module) &&
        (copy_kept(&block, from, to, size) || fill(&block, &peek->module, from, to, size)))
        return size;
    return nofault_read(to, from, size) ? size : 0;
}

const uint8_t *peek_load(struct peek *peek, uintptr_t address, size_t size)
{
    const struct module *module = &peek->module;
    if (size > PEEK_WINDOW || address < module->start || address >= module->end ||
        size > module->end - address)
        return NULL;
    if (!nofault_is_available()) {
        if (module_may_be_read(module, address, size))
            return (const uint8_t *)address;
        peek->failed = true;
        return NULL;
    }
    peek->start = address;
    for (peek->size = 0; peek->size < size;) {
        size_t part =
            read_part(peek, address + peek->size, peek->bytes + peek->size, PEEK_WINDOW - peek->size);
        if (part == 0) {
            peek->size = 0;
            peek->failed = true;
            return NULL;
        }
        peek->size += (unsigned)part;
    }
    return peek->bytes;
}
