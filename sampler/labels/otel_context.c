/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source of the record's layout: open-telemetry/opentelemetry-specification oteps/profiles/4947-thread-ctx.md.
 *
 * The handler runs in the thread whose record it is. So the record does not change while it is read, and what was
 * half written when the thread was interrupted is not marked as valid.
 */
#include "otel_context.h"

#include <string.h>

#include "label_sets.h"
#include "sampler/base/arch.h"
#include "sampler/base/clock.h"
#include "sampler/base/nofault.h"
#include "sampler/base/seccomp.h"
#include "sampler/libc/libc.h"

#include "sampler/base/poison.h"

struct record {
    uint8_t trace[16], span[8];
    uint8_t is_valid; /* 1; anything else: it is not */
    uint8_t flags;
    uint16_t size; /* of the attributes: index, length, so many bytes; and again */
    uint8_t attribute[];
};
enum { ATTRIBUTE_BYTES = 612 }; /* that are read; a record has 640 bytes at most as a rule */
/* Shorter than the time between two CPU samples of a thread, so that each of them tries: libc's own free() unmaps memory
   without a call that can be seen. */
static const uint64_t believed_ns = 500000, offset_most = 16 << 20;

/* Memory that was tried. */
struct tried {
    uintptr_t low, high;
    uint64_t ticks; /* when */
    uint32_t life;  /* and otel.life then */
};
static __thread struct {
    struct tried variable, record;
} own __attribute__((tls_model("initial-exec")));

static _Atomic uint32_t life = 1; /* changes when memory is unmapped */

void otel_context_forget_memory(void)
{
    atomic_fetch_add_explicit(&life, 1, memory_order_relaxed);
}

static bool may_read(struct tried *tried, uintptr_t at, size_t size, uint64_t now)
{
    uint32_t present = atomic_load_explicit(&life, memory_order_relaxed);

    if (__builtin_expect(at >= tried->low && at + size <= tried->high && tried->life == present &&
                             clock_ns_of(now - tried->ticks) < believed_ns,
                         1))
        return true;
    if (at < LAYOUT_PAGE || at > UINTPTR_MAX / 2 || !seccomp_allows(CALL(rt_sigprocmask)) ||
        !nofault_can_read((const void *)at, size))
        return false;
    *tried = (struct tried){at & ~(uintptr_t)(LAYOUT_PAGE - 1), ((at + size - 1) | (LAYOUT_PAGE - 1)) + 1,
                            now, present};
    return true;
}

/* The module's block of the calling thread, by the table that the C library has at the thread pointer; 0: it has not
   touched it. */
static uintptr_t block_of(uint32_t module)
{
    const uintptr_t *dtv = *(const uintptr_t **)arch_tls_blocks(libc.kind == LIBC_MUSL);
    uintptr_t block;

    if (!dtv)
        return 0;
    if (libc.kind == LIBC_MUSL)
        return module <= dtv[0] ? dtv[module] : 0;
    /* Two words for each: that before the first has how many there are. */
    block = module <= dtv[-2] ? dtv[2 * (size_t)module] : 0;
    return block == UINTPTR_MAX ? 0 : block;
}

/* Where the thread has the variable; 0: nowhere. */
static uintptr_t find_variable(struct seg_otel *otel)
{
    uint32_t sequence = atomic_load_explicit(&otel->sequence, memory_order_acquire);
    uint32_t module = atomic_load_explicit(&otel->module, memory_order_relaxed);
    int64_t offset = atomic_load_explicit(&otel->offset, memory_order_relaxed);
    uintptr_t base = module ? block_of(module) : arch_thread_pointer();

    atomic_thread_fence(memory_order_acquire);
    if (sequence & 1 || atomic_load_explicit(&otel->sequence, memory_order_relaxed) != sequence || !base ||
        offset >= (int64_t)offset_most || offset <= -(int64_t)offset_most)
        return 0;
    return base + (uintptr_t)offset;
}

static int hex(uint8_t digit)
{
    return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Of 16 digits, as the bytes that they stand for; 0: it is none. */
static uint64_t read_id(const uint8_t *text, size_t size)
{
    uint8_t bytes[8];
    uint64_t id;

    if (size != 2 * sizeof bytes)
        return 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        int high = hex(text[2 * i]), low = hex(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return 0;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(&id, bytes, sizeof id);
    return id;
}

/* The attributes of a record, one after the other. An incomplete one ends them. */
struct attributes {
    const uint8_t *at, *end;
    uint8_t index;
    struct label_text value;
};
static bool next_attribute(struct attributes *from)
{
    size_t size;

    if (from->end - from->at < 2 || from->end - from->at - 2 < from->at[1])
        return false;
    size = from->at[1];
    from->index = from->at[0];
    from->value = (struct label_text){(const char *)from->at + 2, strnlen((const char *)from->at + 2, size)};
    from->at += 2 + size;
    return true;
}

static uint32_t add_all(struct attributes attributes, uint32_t root, uint32_t labels, char *scratch)
{
    static const char digits[] = "0123456789abcdef";

    while (next_attribute(&attributes)) {
        char key[] = {LABEL_ATTRIBUTE, digits[attributes.index >> 4], digits[attributes.index & 15]};
        if (attributes.index + 1u != root)
            labels =
                label_set_change(labels, (struct label_text){key, sizeof key}, attributes.value, scratch);
    }
    return labels;
}

/* The set with the record's attributes, and the root span's id. */
static uint32_t read_attributes(const struct record *record, size_t size, uint32_t root, uint32_t labels,
                                uint64_t *root_span, char *scratch)
{
    struct attributes attributes = {.at = record->attribute, .end = record->attribute + size};
    uint64_t hash = label_sets_seed() ^ labels;
    bool any = false;
    uint32_t set;

    while (next_attribute(&attributes)) {
        if (attributes.index + 1u == root) {
            *root_span = read_id((const uint8_t *)attributes.value.at, attributes.value.size);
            continue;
        }
        any = true;
        hash = label_hash(label_mix(hash ^ attributes.index, UINT64_C(0xd6e8feb86659fd93)), attributes.value);
    }
    if (!any || !label_sets_start())
        return labels;
    set = label_sets_kept(hash);
    if (set != UINT32_MAX)
        return set;
    attributes.at = record->attribute;
    set = add_all(attributes, root, labels, scratch);
    label_sets_keep(hash, set);
    return set;
}

static void read_record(const struct record *record, size_t size, uint32_t root, char *scratch,
                        uint32_t *labels, struct trace_ids *ids, bool *has_ids)
{
    struct trace_ids found = {{0, 0}, 0, 0};

    if (size)
        *labels = read_attributes(record, size, root, *labels, &found.root, scratch);
    memcpy(found.trace, record->trace, sizeof found.trace);
    memcpy(&found.span, record->span, sizeof found.span);
    if (!ids || !(found.trace[0] | found.trace[1]) || !found.span)
        return;
    *ids = found;
    *has_ids = true;
}

void otel_context_read(struct segment *segment, char *scratch, uint32_t *labels, struct trace_ids *ids,
                       bool *has_ids)
{
    struct seg_otel *otel = &segment->control.otel;
    uint32_t root = atomic_load_explicit(&otel->root, memory_order_relaxed);
    uintptr_t variable = find_variable(otel), at;
    uint64_t now = clock_ticks();
    const struct record *record;
    size_t size;

    if (!variable || variable % sizeof at || !may_read(&own.variable, variable, sizeof at, now))
        return;
    at = *(const volatile uintptr_t *)variable;
    if (!at || at % 2 || !may_read(&own.record, at, sizeof *record, now))
        return;
    record = (const struct record *)at;
    if (*(const volatile uint8_t *)&record->is_valid != 1)
        return;
    size = record->size < ATTRIBUTE_BYTES ? record->size : ATTRIBUTE_BYTES;
    if (may_read(&own.record, at, sizeof *record + size, now))
        read_record(record, size, root, scratch, labels, ids, has_ids);
}
