/* SPDX-License-Identifier: Apache-2.0 */
#include "thread_record.h"

#include <string.h>

enum { HEAD = offsetof(struct thread_record, attribute) };

static bool get(const struct module_memory *memory, uint64_t address, void *to, size_t size)
{
    return memory->read(memory->context, address, to, size);
}

/* Where the C library has the address of a thread's table of blocks (DTV). */
static uint64_t blocks_at(uint64_t thread_pointer, bool is_musl)
{
#if defined(__x86_64__)
    (void)is_musl;
    return thread_pointer + 8;
#elif defined(__aarch64__)
    return thread_pointer - (is_musl ? 8 : 0);
#endif
}

/* The module's block of the thread; 0: it has not touched it. glibc has two words for each module, and how many there are
   before them. */
static uint64_t block_of(const struct module_memory *memory, uint64_t thread_pointer, bool is_musl,
                         uint32_t module)
{
    uint64_t table, count, block;

    if (!get(memory, blocks_at(thread_pointer, is_musl), &table, sizeof table) || !table ||
        !get(memory, is_musl ? table : table - 16, &count, sizeof count) || module > count ||
        !get(memory, table + (uint64_t)module * (is_musl ? 8 : 16), &block, sizeof block))
        return 0;
    return block == UINT64_MAX ? 0 : block;
}

bool thread_record_read(const struct module_memory *memory, uint64_t thread_pointer, bool is_musl,
                        const struct thread_variable *variable, struct thread_record *record)
{
    uint64_t base = thread_pointer, at;

    if (base && variable->module)
        base = block_of(memory, thread_pointer, is_musl, variable->module);
    if (!base || !get(memory, base + (uint64_t)variable->offset, &at, sizeof at) || !at ||
        !get(memory, at, record, HEAD) || record->is_valid != 1)
        return false;
    if (record->size > RECORD_ATTRIBUTE_BYTES)
        record->size = RECORD_ATTRIBUTE_BYTES;
    return !record->size || get(memory, at + HEAD, record->attribute, record->size);
}

bool thread_record_next(const struct thread_record *record, size_t *cursor, uint8_t *index,
                        char value[RECORD_VALUE])
{
    const uint8_t *at = record->attribute + *cursor;
    size_t left = record->size - *cursor;

    if (left < 2 || left - 2 < at[1])
        return false;
    *index = at[0];
    memcpy(value, at + 2, at[1]);
    value[at[1]] = 0;
    *cursor += 2 + (size_t)at[1];
    return true;
}

static int hex(char digit)
{
    return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool thread_record_id(const char *value, uint8_t id[8])
{
    for (int i = 0; i < 8; i++, value += 2) {
        int high = hex(value[0]), low = high < 0 ? -1 : hex(value[1]);
        if (low < 0)
            return false;
        id[i] = (uint8_t)(high << 4 | low);
    }
    return !*value;
}
