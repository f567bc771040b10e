// SPDX-License-Identifier: Apache-2.0
#include "peek.h"

#include <stdatomic.h>
#include <string.h>

#include "net.h"

#include "poison.h"

enum {
    BLOCKS = 64,
    BLOCK = 1024,  /* divides a page: a block can be read as a whole or not at all */
    BEING_READ = 1 /* a key of none */
};

/* key: of module and address, 0 of nothing. A walk that is left by a jump out of a handler, at the moment
   that it reads a block, leaves that block unused for good. */
struct block {
    _Atomic uint64_t key;
    uint64_t bytes[BLOCK / 8];
};
static struct block blocks[BLOCKS];

static uint64_t block_key(const struct module *module, uintptr_t block)
{
    uint64_t hash = (module->key ^ block) * UINT64_C(0x9e3779b97f4a7c15);
    return (hash ^ hash >> 32) | 2;
}

/* Another thread may fill the block meanwhile: then the copy is not used. */
__attribute__((no_sanitize("thread"))) static bool copy_kept(struct block *block, uint64_t key, void *to,
                                                             size_t offset, size_t size)
{
    /* Pairs with the release in fill(): who sees the key sees the bytes that belong to it. */
    if (atomic_load_explicit(&block->key, memory_order_acquire) != key)
        return false;
    memcpy(to, (const uint8_t *)block->bytes + offset, size);
    /* Pairs with the fence in fill(): a copy that has bytes of the next filling is followed by a look that
       sees another key. */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&block->key, memory_order_relaxed) == key;
}

/* Reads the block for everybody. false: somebody else reads another one into it, or it cannot be read. */
__attribute__((no_sanitize("thread"))) static bool fill(struct block *block, const struct module *module,
                                                        uintptr_t address, uint64_t key, void *to,
                                                        size_t offset, size_t size)
{
    uint64_t old = atomic_load_explicit(&block->key, memory_order_relaxed);
    if (old == BEING_READ || !atomic_compare_exchange_strong_explicit(
                                 &block->key, &old, BEING_READ, memory_order_relaxed, memory_order_relaxed))
        return false;
    /* Pairs with the fence in copy_kept(). */
    atomic_thread_fence(memory_order_release);
    bool is_good = net_read(block->bytes, address, BLOCK) && module_is_there(module);
    if (is_good)
        memcpy(to, (const uint8_t *)block->bytes + offset, size);
    /* Pairs with the acquire in copy_kept(). */
    atomic_store_explicit(&block->key, is_good ? key : 0, memory_order_release);
    return is_good;
}

/* Of one block. */
static bool read_part(const struct module *module, uintptr_t address, void *to, size_t size)
{
    uintptr_t start = address & ~(uintptr_t)(BLOCK - 1);
    uint64_t key = block_key(module, start);
    struct block *block = &blocks[key >> 58];
    size_t offset = address - start;
    _Static_assert(BLOCKS == 1 << (64 - 58), "the upper bits of the key are the block's number");
    if (module_is_steady(module) &&
        (copy_kept(block, key, to, offset, size) || fill(block, module, start, key, to, offset, size)))
        return true;
    return net_read(to, address, size);
}

const uint8_t *peek_load(struct peek *peek, uintptr_t address, size_t size)
{
    const struct module *module = &peek->module;
    if (size > PEEK_WINDOW || address < module->start || address >= module->end ||
        size > module->end - address)
        return NULL;
    if (!net_is_there()) {
        if (module_may_be_read(module, address, size))
            return (const uint8_t *)address;
        peek->failed = true;
        return NULL;
    }
    peek->start = address;
    for (peek->size = 0; peek->size < size;) {
        size_t left = BLOCK - (address + peek->size) % BLOCK, room = PEEK_WINDOW - peek->size;
        size_t part = left < room ? left : room;
        if (!read_part(module, address + peek->size, peek->bytes + peek->size, part)) {
            peek->size = 0;
            peek->failed = true;
            return NULL;
        }
        peek->size += (unsigned)part;
    }
    return peek->bytes;
}
