/* SPDX-License-Identifier: Apache-2.0 */
// runs: 4000
/* Feeds bytes over a well-formed segment and has it read as a live target would be. The input is a list of
   patches: 4 bytes where, 1 byte how long, then the bytes; what they hit is picked from the regions that
   matter. One input in eight has a process, in which a thread waits: its stack is walked from wherever the
   input says. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/metrics/metrics.h"
#include "uploader/session/members/member.h"
#include "uploader/upload/upload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small pieces of each table: an input hits something that is read. */
static const struct {
    size_t start, size;
} regions[] = {
    {offsetof(struct segment, header), sizeof(struct seg_header)},
    {offsetof(struct segment, control), sizeof(struct seg_control)},
    {offsetof(struct segment, counter), COUNTERS * sizeof(uint64_t)},
    {offsetof(struct segment, name), 4 * sizeof(struct seg_name)},
    {offsetof(struct segment, module), 4 * sizeof(struct seg_module)},
    {offsetof(struct segment, strings), 64},
    {offsetof(struct segment, thread), 4 * sizeof(struct seg_thread)},
    {offsetof(struct segment, live), 4 * sizeof(struct seg_live)},
    {offsetof(struct segment, bank[0]), 16},
    {offsetof(struct segment, bank[0].sample), 4 * sizeof(struct seg_sample)},
    {offsetof(struct segment, bank[0].stack_word), 64 * sizeof(uint64_t)},
    {offsetof(struct segment, bank[1]), 16},
    {offsetof(struct segment, bank[1].sample), 4 * sizeof(struct seg_sample)},
    {offsetof(struct segment, bank[1].stack_word), 64 * sizeof(uint64_t)},
};
enum {
    REGIONS = sizeof regions / sizeof regions[0],
    MOST_INPUT = 4096,
    SYMBOLS_USES = 4096,
    ROUND_NS = 100 * 1000 * 1000
};

static struct segment *segment;
static int memfd = -1;

static void put_stack(struct seg_bank *bank, uint32_t at, uint32_t frames)
{
    struct seg_stack *stack = (struct seg_stack *)&bank->stack_word[at];
    stack->frames = frames;
    for (uint32_t i = 0; i < frames; i++)
        stack->pc[i] = 0x1000 + i;
}

/* Registers as a hook leaves them, of this function's frame in a child that waits there for ever. */
static uint64_t wait_regs[LAYOUT_REGS];
static pid_t waiter;

__attribute__((noinline)) static void waiter_start(void)
{
    __asm__ volatile(
        "leaq 0(%%rip), %%rax\n\tmovq %%rax, 0(%0)\n\tmovq %%rsp, 8(%0)\n\tmovq %%rbp, 16(%0)\n\t"
        "movq %%rbx, 24(%0)\n\tmovq %%r12, 32(%0)\n\tmovq %%r13, 40(%0)\n\tmovq %%r14, 48(%0)\n\t"
        "movq %%r15, 56(%0)"
        :
        : "D"(wait_regs)
        : "rax", "memory");
    waiter = fork();
    if (waiter)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

static void put_waiter(uint32_t slot, uint32_t kind)
{
    struct seg_thread *thread = &segment->thread[slot];
    thread->tid = waiter;
    thread->wait_kind = kind;
    thread->wait_sequence = 1;
    memcpy(thread->wait_regs, wait_regs, sizeof wait_regs);
}

static void segment_fill(void)
{
    static const char labels[] = "key\0value\0\00101\0x";

    segment->header.magic = LAYOUT_MAGIC;
    segment->header.version = LAYOUT_VERSION;
    segment->header.size = sizeof *segment;
    segment->header.modules = 1;
    segment->header.used_slots = 2;
    segment->module[0].start = 0x1000;
    segment->module[0].end = 0x2000;
    segment->module[0].ready = 1;
    segment->control.profiles = PROFILES_READY;
    segment->bank[0].generation = 1;
    segment->bank[0].samples = 2;
    segment->bank[0].stack_words = 40;
    put_stack(&segment->bank[0], 8, 4);
    for (uint32_t i = 0; i < 2; i++) {
        segment->bank[0].sample[i].key =
            sample_key(8, i ? 2 : LAYOUT_LABEL_SETS, 1, i ? KIND_ALLOC : KIND_CPU);
        segment->bank[0].sample[i].value[1] = segment->bank[0].sample[i].value[2] = 100;
    }
    segment->bank[0].context[0] = (struct seg_context){1, 1, 2, {{1, 2}, 3, 4}};
    memcpy((void *)segment->label_text, labels, sizeof labels);
    segment->label_set[2].size = sizeof labels;
    segment->label_set[2].ready = 1;
    segment->thread[1].labels = 2;
    put_waiter(1, WAIT_pthread_mutex_lock);
    put_waiter(2, WAIT_read);
    segment->live[0].stack = 8;
    segment->live[0].generation = 1;
    segment->live[0].size = segment->live[0].objects = 1 << 20;
    segment->live[0].address = 4096;
}

static void segment_make(void)
{
    if (memfd == -1) {
        memfd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (memfd == -1 || ftruncate(memfd, sizeof *segment) ||
            fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
            abort();
        segment = mmap(NULL, sizeof *segment, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
        if (segment == MAP_FAILED)
            abort();
    }
    if (fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof *segment))
        abort();
    segment_fill();
}

/* Applies patches until the input ends or one says so (length 0); returns what is left. */
static const uint8_t *patch(const uint8_t *data, const uint8_t *end)
{
    while (end - data >= 5) {
        size_t region = data[0] % REGIONS, length = data[4];
        size_t at = (data[1] | (size_t)data[2] << 8) % regions[region].size;
        data += 5;
        if (length > (size_t)(end - data))
            length = (size_t)(end - data);
        if (!length)
            break;
        if (length > regions[region].size - at)
            length = regions[region].size - at;
        memcpy((char *)segment + regions[region].start + at, data, length);
        data += length;
    }
    return data;
}

/* Names are a session's, not a segment's: to read those of libc anew for each input would take most of the
 * time. */
static struct symbols *get_symbols(void)
{
    static struct symbols *symbols;
    static unsigned uses;

    if (uses++ % SYMBOLS_USES == 0) {
        symbols_free(symbols);
        symbols = symbols_new("", 4 << 20);
    }
    return symbols;
}

/* What /metrics says of it in between. */
static void render(const struct programs *programs, struct member *member)
{
    static const struct durations round;
    static const struct web_counts web;
    const struct metrics_session session = {.processes = 1, .joined = 1, .round = &round, .web = &web};
    struct metrics *metrics = metrics_new(programs);
    size_t text;

    member_count(member);
    metrics_add_target(metrics, member->target);
    free(metrics_render(metrics, &session, &text));
    metrics_free(metrics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct symbols *symbols = get_symbols();
    struct programs programs;
    struct handover handover = {.memfd = -1, .pidfd = -1};
    int64_t now_ns = monotonic_ns();
    const uint8_t *end = data + (size < MOST_INPUT ? size : MOST_INPUT);
    struct member *member;
    struct wall_budget budget;

    if (!waiter)
        waiter_start();
    segment_make();
    if (waiter > 0 && size % 8 == 0)
        segment->header.pid = handover.pid = waiter;
    programs_init(&programs, symbols);
    data = patch(data, end);
    handover.memfd = dup(memfd);
    if (!member_new(&programs, &handover, &member)) {
        for (int round = 1; round < 4; round++) {
            member_drain(member);
            member_tick(member, round * INT64_C(20000000000));
            member_rotate(member, round * INT64_C(20000000000));
            budget = wall_budget();
            member_wall_sample(member, &budget, now_ns += ROUND_NS);
            data = patch(data, end);
        }
        render(&programs, member);
        member_drain(member);
        programs_upload_all(&programs);
        member_free(member);
    }
    programs_free(&programs);
    return 0;
}
