/* SPDX-License-Identifier: Apache-2.0 */
#include "bpf.h"

#include <string.h>

#include "poison.h"

/*
 * A branch on an unknown word goes both ways: one is followed, the other is kept for later. Jumps lead
 * forward only, so each way ends after LENGTH steps. Filters with more such branches than there is room for
 * are given up.
 */
enum { KEPT = 16, LENGTH = BPF_MAXINSNS, STEPS = 8 * LENGTH };

struct bpf_machine {
    uint32_t pc, a, x, memory[BPF_MEMWORDS];
    uint32_t unknown; /* bit i: of memory[i]; A_UNKNOWN and X_UNKNOWN: of a and x */
};
enum { A_UNKNOWN = 1 << BPF_MEMWORDS, X_UNKNOWN = 2 << BPF_MEMWORDS };

struct bpf_run {
    struct bpf_program *program;
    const struct bpf_call *call;
    unsigned kept, steps;
    struct bpf_machine later[KEPT];
};

enum outcome { GOES_ON, ALLOWED, REFUSED };

static bool fetch(struct bpf_program *program, uint32_t pc, struct sock_filter *instruction)
{
    unsigned first = pc - pc % BPF_CHUNK, count = program->length - first;

    if (pc >= program->length)
        return false;
    if (!program->chunk_count || program->chunk_first != first) {
        count = count < BPF_CHUNK ? count : BPF_CHUNK;
        program->chunk_count = 0;
        if (!program->copy(program->address + first * sizeof *instruction, program->chunk,
                           count * sizeof *instruction))
            return false;
        program->chunk_first = first;
        program->chunk_count = count;
    }
    *instruction = program->chunk[pc - first];
    return true;
}

static void set_a(struct bpf_machine *m, uint32_t value, bool unknown)
{
    m->a = unknown ? 0 : value;
    m->unknown = unknown ? m->unknown | A_UNKNOWN : m->unknown & ~(uint32_t)A_UNKNOWN;
}

static void set_x(struct bpf_machine *m, uint32_t value, bool unknown)
{
    m->x = unknown ? 0 : value;
    m->unknown = unknown ? m->unknown | X_UNKNOWN : m->unknown & ~(uint32_t)X_UNKNOWN;
}

static enum outcome load(struct bpf_run *run, struct bpf_machine *m, const struct sock_filter *i)
{
    void (*set)(struct bpf_machine *, uint32_t, bool) = BPF_CLASS(i->code) == BPF_LDX ? set_x : set_a;
    uint32_t word;

    switch (BPF_MODE(i->code)) {
    case BPF_ABS:
        if (set == set_x || i->k >= sizeof run->call->data || i->k % 4)
            return REFUSED;
        memcpy(&word, (const char *)&run->call->data + i->k, sizeof word);
        set(m, word, run->call->unknown >> i->k / 4 & 1);
        return GOES_ON;
    case BPF_IMM:
        set(m, i->k, false);
        return GOES_ON;
    case BPF_LEN:
        set(m, sizeof run->call->data, false);
        return GOES_ON;
    case BPF_MEM:
        if (i->k >= BPF_MEMWORDS)
            return REFUSED;
        set(m, m->memory[i->k], m->unknown >> i->k & 1);
        return GOES_ON;
    default:
        return REFUSED;
    }
}

static enum outcome store(struct bpf_machine *m, const struct sock_filter *i)
{
    bool from_x = BPF_CLASS(i->code) == BPF_STX;
    bool unknown = m->unknown & (from_x ? X_UNKNOWN : A_UNKNOWN);

    if (i->k >= BPF_MEMWORDS)
        return REFUSED;
    m->memory[i->k] = from_x ? m->x : m->a;
    m->unknown = unknown ? m->unknown | 1u << i->k : m->unknown & ~(1u << i->k);
    return GOES_ON;
}

/* The operations other than division and shift. false: it is none of them. */
static bool combine(uint16_t operation, uint32_t *a, uint32_t b)
{
    switch (operation) {
    case BPF_ADD:
        *a += b;
        return true;
    case BPF_SUB:
        *a -= b;
        return true;
    case BPF_MUL:
        *a *= b;
        return true;
    case BPF_AND:
        *a &= b;
        return true;
    case BPF_OR:
        *a |= b;
        return true;
    case BPF_XOR:
        *a ^= b;
        return true;
    case BPF_NEG:
        *a = -*a;
        return true;
    default:
        return false;
    }
}

/* A division by 0 in X ends the filter with 0, which kills. The result of a shift by more than 31 depends
   on the machine, so no filter can rely on it. */
static enum outcome compute(struct bpf_machine *m, const struct sock_filter *i)
{
    bool by_x = BPF_SRC(i->code) == BPF_X, x_unknown = by_x && m->unknown & X_UNKNOWN;
    bool unknown = m->unknown & A_UNKNOWN || (x_unknown && BPF_OP(i->code) != BPF_NEG);
    uint32_t a = m->a, b = by_x ? m->x : i->k;

    if (!combine(BPF_OP(i->code), &a, b)) {
        bool divides = BPF_OP(i->code) == BPF_DIV, shifts_left = BPF_OP(i->code) == BPF_LSH;
        if ((!divides && !shifts_left && BPF_OP(i->code) != BPF_RSH) || x_unknown || (divides ? !b : b > 31))
            return REFUSED;
        a = divides ? a / b : shifts_left ? a << b : a >> b;
    }
    set_a(m, a, unknown);
    return GOES_ON;
}

static bool compares(const struct bpf_machine *m, const struct sock_filter *i, bool *holds)
{
    uint32_t b = BPF_SRC(i->code) == BPF_X ? m->x : i->k;

    switch (BPF_OP(i->code)) {
    case BPF_JEQ:
        *holds = m->a == b;
        return true;
    case BPF_JGT:
        *holds = m->a > b;
        return true;
    case BPF_JGE:
        *holds = m->a >= b;
        return true;
    case BPF_JSET:
        *holds = m->a & b;
        return true;
    default:
        return false;
    }
}

static enum outcome jump(struct bpf_run *run, struct bpf_machine *m, const struct sock_filter *i)
{
    bool holds = false;
    uint32_t unknown = A_UNKNOWN | (BPF_SRC(i->code) == BPF_X ? X_UNKNOWN : 0);

    if (BPF_OP(i->code) == BPF_JA) {
        if (i->k >= LENGTH)
            return REFUSED;
        m->pc += i->k;
        return GOES_ON;
    }
    if (!compares(m, i, &holds))
        return REFUSED;
    if (m->unknown & unknown && i->jt != i->jf) {
        if (run->kept == KEPT)
            return REFUSED;
        run->later[run->kept] = *m;
        run->later[run->kept++].pc += i->jf;
        holds = true;
    }
    m->pc += holds ? i->jt : i->jf;
    return GOES_ON;
}

static enum outcome finish(const struct bpf_machine *m, const struct sock_filter *i)
{
    uint32_t action = BPF_RVAL(i->code) == BPF_A ? m->a : i->k;

    if (BPF_RVAL(i->code) == BPF_A && m->unknown & A_UNKNOWN)
        return REFUSED;
    action &= SECCOMP_RET_ACTION_FULL;
    return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ? ALLOWED : REFUSED;
}

static enum outcome step(struct bpf_run *run, struct bpf_machine *m)
{
    struct sock_filter i;

    if (run->steps++ == STEPS || !fetch(run->program, m->pc++, &i))
        return REFUSED;
    switch (BPF_CLASS(i.code)) {
    case BPF_LD:
    case BPF_LDX:
        return load(run, m, &i);
    case BPF_ST:
    case BPF_STX:
        return store(m, &i);
    case BPF_ALU:
        return compute(m, &i);
    case BPF_JMP:
        return jump(run, m, &i);
    case BPF_RET:
        return finish(m, &i);
    default: /* BPF_MISC */
        if (BPF_MISCOP(i.code) == BPF_TAX)
            set_x(m, m->a, m->unknown & A_UNKNOWN);
        else
            set_a(m, m->x, m->unknown & X_UNKNOWN);
        return GOES_ON;
    }
}

bool bpf_allows(struct bpf_program *program, const struct bpf_call *call)
{
    struct bpf_run run;
    enum outcome end;

    if (!program->length || program->length > LENGTH)
        return false;
    run.program = program;
    run.call = call;
    run.steps = 0;
    run.kept = 1;
    memset(&run.later[0], 0, sizeof run.later[0]);
    do {
        struct bpf_machine machine = run.later[--run.kept];
        do
            end = step(&run, &machine);
        while (end == GOES_ON);
    } while (end == ALLOWED && run.kept);
    return end == ALLOWED;
}
