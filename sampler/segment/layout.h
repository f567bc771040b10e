/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole contract between a target process and the uploader: the segment, and the message that hands it
 * over.
 *
 * The segment is a memfd sealed against resizing, mapped shared and writable by both sides. It holds offsets
 * and indices, never pointers, and fixed-width integers only. All of it is zero at first; zero always means
 * "nothing here".
 *
 * Rules for editing this file:
 *  - Any change of a size, an order or a meaning raises LAYOUT_VERSION. The uploader refuses every other
 *    version.
 *  - Each field says who writes it. [T] is the target, [U] the uploader, [T0] the target once before the
 *    hand-over.
 *  - A field that publishes others names its pair: which store (release) pairs with which load (acquire).
 *  - The uploader treats every byte of it as hostile. The target trusts [U] fields only as far as it can
 *    bound them.
 *
 * Threads and signals: everything marked [T] may be written by any thread, also inside a signal handler.
 */
#ifndef CPROF_SAMPLER_LAYOUT_H
#define CPROF_SAMPLER_LAYOUT_H

#include <elf.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"

#include "layout_waits.h"

#define LAYOUT_MAGIC   UINT64_C(0x00676573666f7270) /* "profseg" */
#define LAYOUT_VERSION 9u
/* A text in the files of both sides, by which the doctor sees whether they fit. */
#define LAYOUT_TEXT_OF(version) "cprof segment " #version
#define LAYOUT_TEXT(version)    LAYOUT_TEXT_OF(version)
#define LAYOUT_MARK             LAYOUT_TEXT(LAYOUT_VERSION)

enum {
    LAYOUT_PAGE = 4096,
    LAYOUT_NAMES = 512,               /* distinct thread names; index 0 stands for all others */
    LAYOUT_MODULES = 1024,            /* modules a process ever ran code of */
    LAYOUT_STRINGS = 256 * 1024,      /* bytes of module paths */
    LAYOUT_THREADS = 16384,           /* threads alive at one time; slot 0 is never given out */
    LAYOUT_LIVE = 65536,              /* sampled allocations alive at one time */
    LAYOUT_LIVE_WAYS = 16,            /* entries an address may be in; which ones, is live.c's business */
    LAYOUT_BANKS = 2,                 /* one is written, the other is being emptied */
    LAYOUT_STACK_BUCKETS = 65536,     /* power of two */
    LAYOUT_LABEL_SETS = 2048,         /* different sets of labels; see enum label_set */
    LAYOUT_LABEL_TEXT = 256 * 1024,   /* bytes of their keys and values */
    LAYOUT_SAMPLES = 32768,           /* distinct (stack, context, thread name, kind) of one bank */
    LAYOUT_SAMPLE_BUCKETS = 65536,    /* power of two, twice LAYOUT_SAMPLES */
    LAYOUT_STACK_WORDS = 1024 * 1024, /* 64-bit words of stack records of one bank */
    LAYOUT_CONTEXTS = 16384,          /* distinct (labels, trace, span) of one bank, with a trace */
    LAYOUT_FRAMES = 512,              /* frames of one stack; deeper ones are cut and marked */
    LAYOUT_OUTER = LAYOUT_FRAMES / 4, /* of which so many are the outermost ones, if the stack is deeper */
    LAYOUT_WALKS = 216 * LAYOUT_PAGE, /* room for stacks that are being walked */
    LAYOUT_ROOTS = 1024,              /* threads whose slots are that far apart share one */
    LAYOUT_PEEKS = 194 * LAYOUT_PAGE, /* bytes of modules that walks have read */
    LAYOUT_ADOPT = 32,                /* threads the uploader asks the target to give a timer, at one time */
    LAYOUT_VALUES = 3,                /* counters of one sample */
};

/* What a sample counts. value[0] is always the number of samples taken; the meaning of the others: */
enum sample_kind {
    KIND_NONE = 0,
    KIND_CPU = 1,   /* [1] timer periods (overruns included), [2] ns of CPU time */
    KIND_ALLOC = 2, /* [1] objects * 2^WEIGHT_SHIFT, [2] bytes; both estimates, already scaled up */
    KIND_MUTEX =
        3, /* [1] contentions * 2^WEIGHT_SHIFT, [2] ns others waited, charged to the releasing stack */
    KIND_BLOCK = 4, /* [1] contentions * 2^WEIGHT_SHIFT, [2] ns waited, charged to the waiting stack */
    KIND_COUNT,
};
#define WEIGHT_SHIFT 16

/* Counters of what happened, was cut or was lost: X(name, class, text). The text is what a user reads. The class says
   which metric a counter belongs to (docs/metrics.md). */
#define LAYOUT_COUNTERS(X)                                                                                   \
    X(CPU_SAMPLES, TAKEN, "CPU samples taken")                                                               \
    X(CPU_OVERRUNS, EVENT, "CPU timer periods that were counted with a later sample")                        \
    X(ALLOC_SAMPLES, TAKEN, "allocation samples taken")                                                      \
    X(CPU_TICKS, EVENT, "ticks of the time stamp counter spent in CPU samples")                              \
    X(ALLOC_TICKS, EVENT, "ticks of the time stamp counter spent in allocation samples")                     \
    X(MUTEX_TICKS, EVENT, "ticks of the time stamp counter spent in lock contentions")                       \
    X(BLOCK_TICKS, EVENT, "ticks of the time stamp counter spent in blocking events")                        \
    X(THREADS, EVENT, "threads began")                                                                       \
    X(STACKS_TRUNCATED, CUT, "stacks that could not be followed to their end")                               \
    X(STACKS_DEEP, CUT, "stacks cut at the depth limit")                                                     \
    X(LOST_STACK_TABLE, LOST, "samples lost: stack table full")                                              \
    X(LOST_SAMPLE_TABLE, LOST, "samples lost: sample table full")                                            \
    X(LOST_LIVE_TABLE, MISSED, "live allocations not tracked: table full")                                   \
    X(LOST_MAPPING, MISSED, "mappings of memory not tracked: table full")                                    \
    X(LOST_THREAD_SLOT, MISSED, "threads not profiled: too many alive at once")                              \
    X(LOST_TIMER, MISSED,                                                                                    \
      "threads without a CPU timer: the limit of pending signals (ulimit -i) is reached")                    \
    X(LOST_NAME, MISSED, "thread names not kept: too many different ones")                                   \
    X(LOST_MODULE, MISSED, "modules not recorded: table full")                                               \
    X(LOST_BUFFER, LOST, "samples lost: all frame buffers in use")                                           \
    X(LOST_ROTATION, LOST, "samples lost: tables were being changed")                                        \
    X(LOST_ROOM, LOST, "samples not taken: a signal handler had little left of its alternate stack")         \
    X(FOREIGN_ALLOCATOR, MISSED, "allocation functions seen inside the program that cannot be interposed")   \
    X(EARLY_ALLOCATIONS, EVENT, "allocations served before the allocator was known")                         \
    X(MUTEX_SAMPLES, TAKEN, "lock contentions recorded")                                                     \
    X(BLOCK_SAMPLES, TAKEN, "blocking events recorded")                                                      \
    X(LABELS_OTHER, MISSED, "sets of labels counted under [other]: too many different ones")                 \
    X(LABELS_CUT, MISSED, "labels cut or left out: too long, too many, or without a key")                    \
    X(LOST_TRACE, MISSED, "samples without their trace: too many different ones at once")                    \
    X(LOST_CONTENTION, MISSED, "lock contentions not seen: too many conditions are waited for at once")      \
    X(WAITS_BY_MARK, EVENT,                                                                                  \
      "processes in which a mark that the kernel clears (rseq) tells which calls blocked")                   \
    X(WAITS_BY_COUNT, EVENT,                                                                                 \
      "processes in which counts of context switches (getrusage) tell which calls blocked")                  \
    X(MODULES_BY_LIST, EVENT,                                                                                \
      "processes whose C library has no _dl_find_object(): code that dlmopen() loads has no names")

/* What a counter says: samples that were taken, something that is no loss, stacks that were cut, samples that were
   lost, something that is not seen. */
enum counter_class { CLASS_TAKEN, CLASS_EVENT, CLASS_CUT, CLASS_LOST, CLASS_MISSED };

#define X(name, class, text) COUNT_##name,
enum counter { LAYOUT_COUNTERS(X) COUNTERS };
#undef X

/* Profiles, as bits of seg_control.profiles, in the order of the CPROF_PROFILES table in settings.h. */

/* What the settings say. The values in force are in seg_control. Written once, before the hand-over. */
struct seg_given {
    uint32_t profiles;      /* [T0] bit set of enum profile_type */
    uint32_t cpu_period_ns; /* [T0] 0: off, as the next three */
    uint64_t memory_rate;
    uint64_t mutex_fraction;
    uint64_t block_rate_ns;
    uint32_t rates_given; /* [T0] bit set of enum profile_type: rates that the user has set */
    uint32_t reserved;
    uint64_t start_delay_ns; /* [T0] CPROF_START_DELAY, from program_start_ns on */
    uint64_t duration_ns;    /* [T0] CPROF_DURATION, after that; 0: no end */
    uint64_t
        program_start_ns; /* [T0] CLOCK_MONOTONIC when the program was executed; a forked child has its parent's */
};

struct seg_header {
    uint64_t magic;       /* [T0] LAYOUT_MAGIC */
    uint32_t version;     /* [T0] LAYOUT_VERSION */
    int32_t pid;          /* [T0] as the target sees itself (its own pid namespace) */
    uint64_t size;        /* [T0] sizeof(struct segment) */
    uint64_t start_ticks; /* [T0] time stamp counter and CLOCK_MONOTONIC of one instant: with a second */
    uint64_t start_monotonic_ns; /* [T0] such pair the uploader turns ticks into time */
    uint64_t start_realtime_ns;  /* [T0] CLOCK_REALTIME when the segment was made */
    uint32_t flags;              /* [T0] enum segment_flag */
    _Atomic uint32_t ended; /* [T] 1 + exit status once exit handlers ran; a hint, death is seen by pidfd */
    _Atomic uint64_t ended_ticks; /* [T] time stamp counter then; stored before `ended`, which is a release */
    char program[256];            /* [T0] last part of the executable's path, NUL-terminated */
    char name[SETTING_NAME_MOST + 1];     /* [T0] CPROF_NAME and its other names; empty: use program */
    char labels[SETTING_LABELS_MOST + 1]; /* [T0] CPROF_LABELS as written */
    _Atomic uint64_t free_slots;          /* [T] thread slots given back: tag << 32 | index of the first */
    _Atomic uint32_t used_slots;          /* [T] slots [1, used_slots] were given out at some time */
    _Atomic uint32_t epoch;               /* [T] rises when a module takes over addresses of another one */
    _Atomic uint32_t modules;             /* [T] entries claimed in module[]; each has its own ready flag */
    _Atomic uint32_t strings;             /* [T] bytes claimed in strings[] */
    _Atomic uint32_t unloads;             /* [T] raised by each dlclose() */
    struct seg_given given;
};

enum segment_flag {
    SEGMENT_FORKED = 1,  /* made by a child of a profiled process that did not exec */
    SEGMENT_RESUMED = 2, /* a copy of an earlier segment of this process, whose uploader died */
    SEGMENT_PID1 = 4,    /* the target is pid 1 of its namespace and will wait for control.finished at exit */
    SEGMENT_NS_TICKS = 8, /* it was never allowed to read the counter: ticks are ns of CLOCK_MONOTONIC */
    SEGMENT_MUSL = 16,    /* the target's C library is musl, whose locks have another layout */
};

/*
 * Where threads have their OpenTelemetry thread context (otel_thread_ctx_v1): a thread-local variable, which holds the
 * address of a record or NULL. The uploader finds it, because that takes reading ELF files.
 */
struct seg_otel {
    _Atomic uint32_t sequence; /* [U] odd while the rest is changed (release); 0: nothing was found yet */
    _Atomic uint32_t
        module; /* [U] 0: offset is from the thread pointer; else from this module's block, which the
                                  thread's table of blocks (DTV) has */
    _Atomic int64_t offset; /* [U] */
    _Atomic uint32_t root;  /* [U] 1 + index of the attribute that is the local root span's id; 0: none is */
    _Atomic uint32_t is_found; /* [U] 0: there is no such variable (any more) */
};

/* What the settings, or `cprof ctl` later, ask for. What is in force is it, or less if the budget lowers it. The
   target reads `given` alone. */
struct seg_rates {
    _Atomic uint32_t profiles;       /* [T0,U] the same as in seg_control */
    _Atomic uint32_t cpu_period_ns;  /* [T0,U] */
    _Atomic uint64_t memory_rate;    /* [T0,U] */
    _Atomic uint64_t mutex_fraction; /* [T0,U] */
    _Atomic uint64_t block_rate_ns;  /* [T0,U] */
    _Atomic uint64_t wall_period_ns; /* [U] between two wall samples; 0: as often as the session takes them */
    _Atomic uint32_t given; /* [T0,U] bits of enum profile_type: rates that the budget leaves as they are */
    _Atomic uint32_t
        budget_ppm; /* [T0] what profiling may take, in millionths of the CPU time; 0: no limit */
};

/* Written by the uploader while the target runs (the target fills in the settings before the hand-over). A rate may
   change at any time. Each sample is weighed with the rate that it was drawn with, which the target keeps. */
struct seg_control {
    /* [T0,U] Bit set of enum profile_type: what is recorded. At first what the settings say, or nothing if the
       uploader is to say when; in a forked child what its parent had. */
    _Atomic uint32_t profiles;
    _Atomic uint32_t cpu_period_ns;  /* [T0,U] 0 off */
    _Atomic uint64_t memory_rate;    /* [T0,U] mean bytes between samples; 0 off */
    _Atomic uint64_t mutex_fraction; /* [T0,U] one in so many contentions; 0 off */
    _Atomic uint64_t block_rate_ns;  /* [T0,U] 0 off */
    _Atomic uint32_t active_bank;  /* [U] 0 or 1. Stored seq_cst before thread.bank_in_use is read; the target
                                      stores bank_in_use seq_cst before it reads this again (Dekker) */
    _Atomic int32_t uploader_pid;  /* [U] in the uploader's pid namespace; 0 until attached */
    _Atomic uint64_t heartbeat_ns; /* [U] CLOCK_MONOTONIC, about every second; [T0] when made */
    _Atomic uint32_t finished;     /* [U] 1 when everything is sent after SEGMENT_PID1 asked for it */
    _Atomic uint32_t adopt_sequence;     /* [U] raised (release) after adopt[] was filled; the target claims a
                                            request     by compare-and-swap of its private copy */
    _Atomic uint32_t adopt_count;        /* [U] */
    _Atomic int32_t adopt[LAYOUT_ADOPT]; /* [U] thread ids, as the target sees them: positive ones have no
                                            slot, negative ones have one but ended without a hook's notice */
    char adopt_name[LAYOUT_ADOPT][16];   /* [U] their names, as the kernel has them */
    _Atomic uint64_t wall_acked_ns; /* [U] CLOCK_MONOTONIC until which threads' times were handed on, together
                                       with the CPU time that is acknowledged; 0: none were */
    struct seg_otel otel;
    _Atomic uint32_t wrong_session; /* [U] 1: this uploader pushes with other credentials than hello's */
    struct seg_rates asked;
    /* [U] Time stamp counter when block profiles were turned on last: what a wait lasted before is not recorded. 0: they
       always were on. */
    _Atomic uint64_t block_since_ticks;
};

struct seg_name {
    _Atomic uint32_t
        state;     /* [T] 0 free, 1 being written, 2 ready (release; pairs with the readers' acquire) */
    char text[16]; /* [T] as PR_GET_NAME gives it, NUL-padded */
    uint32_t reserved;
};

/* One mapping of one ELF file that samples were taken in. Never changed after it is ready. */
struct seg_module {
    uint64_t start; /* [T] first and */
    uint64_t end;   /* [T] one past the last address of the module in memory */
    uint64_t bias;  /* [T] address in memory minus ELF virtual address */
    uint32_t epoch; /* [T] first epoch it is valid in: for a stack of epoch E the entry with the highest
                           epoch <= E that covers the address is the right one */
    uint32_t path;  /* [T] offset in strings[], NUL-terminated; 0: none. The vDSO is "linux-vdso.so.1" */
    uint8_t build_id[32];  /* [T] */
    uint8_t build_id_size; /* [T] 0: has none; then build_id begins with its layout_fingerprint() */
    uint8_t reserved[3];
    _Atomic uint32_t ready; /* [T] 1 (release) when the rest is written; pairs with the readers' acquire */
};

/*
 * A set of labels. Its text is in label_text[]: key, NUL, value, NUL, for each label, in the order of the keys' bytes.
 * A key that begins with LABEL_ATTRIBUTE is an attribute of an OpenTelemetry thread context: two hexadecimal digits
 * follow, its index in the process context's list of names. A set is entered when something refers to it first. It
 * is never changed after that, and has the same number in each segment of a process and of its forked children.
 */
struct seg_label_set {
    _Atomic uint32_t offset; /* [T] in label_text[] */
    _Atomic uint32_t size;   /* [T] bytes */
    _Atomic uint32_t
        ready; /* [T] not 0 (release) when the text and the rest are written; pairs with the readers'
                               acquire */
};
enum label_set {
    LABELS_NONE = 0,  /* no labels */
    LABELS_OTHER = 1, /* the sets beyond the ceiling, of which not even a part could be kept */
};
enum {
    LABEL_ATTRIBUTE = 1,
    LABEL_KEY_MOST = 63, /* bytes */
    LABEL_VALUE_MOST = 255,
    LABEL_SET_MOST = 16,    /* labels of one set */
    LABEL_SET_BYTES = 1024, /* their text */
};
#define LABEL_OTHER "[other]" /* the value that stands for all beyond the ceiling */

/* What a thread works for. Ids are 16 and 8 bytes in the order of W3C's traceparent; all zero: none. */
struct trace_ids {
    uint64_t trace[2];
    uint64_t span;
    uint64_t root; /* the local root span, as OpenTelemetry thread contexts have it */
};

/* A blocked thread's registers, enough to unwind it from outside: in the order of arch.h's struct arch_regs.
 */
enum { LAYOUT_REGS = 8 };

struct seg_thread {
    _Atomic int32_t tid;          /* [T] 0: free (release) */
    _Atomic uint32_t bank_in_use; /* [T] bit 0, 1: the thread writes to bank 0, 1; both when a signal
                                     interrupted a sample; see active_bank */
    _Atomic uint32_t next_free;   /* [T] while free: next free slot */
    _Atomic uint32_t name;        /* [T] index in names[] */
    uint64_t stack_low;           /* [T] 0: not known */
    uint64_t stack_high;          /* [T] */
    uint64_t handle;              /* [T] pthread_t */
    uint64_t start_monotonic_ns;  /* [T] */
    _Atomic uint32_t flags;       /* [T] enum thread_flag */
    _Atomic uint32_t
        wait_sequence;           /* [T] odd while blocked in a hooked call; raised at entry and at return */
    uint32_t wait_kind;          /* [T] enum wait_kind */
    uint32_t created_stack;      /* [T] word offset of the creating stack, in the bank of */
    uint32_t created_generation; /* [T] this generation; 0: not known */
    uint32_t created_labels;     /* [T] the creating thread's labels, enum label_set */
    uint64_t wait_since_ticks;   /* [T] time stamp counter at entry */
    uint64_t wait_regs[LAYOUT_REGS]; /* [T] */
    uint64_t wait_object;            /* [T] see enum wait_object; 0: not known */
    _Atomic uint32_t labels;         /* [T] the thread's, as the API has set them; enum label_set */
    _Atomic uint32_t trace_sequence; /* [T] odd while `trace` and `span` are written */
    _Atomic uint64_t trace[2], span; /* [T] as the API has set them; see struct trace_ids */
    uint64_t thread_pointer;         /* [T] base of its thread-local storage; 0: not known */
};

/*
 * The outermost frames of a thread's last deep stack, at its slot modulo LAYOUT_ROOTS. They are still those of its
 * next one if each return address is where it was. A signal handler of the thread, and the uploader, may read it
 * while it is written. So whoever uses it checks it against the stack.
 */
struct seg_root {
    uint64_t low, high;  /* [T] of stack pointers from low on, on the stack that ends at high; 0: not known */
    uint64_t not_before; /* [T] ticks when the thread's next long walk may begin */
    _Atomic uint32_t size; /* [T] frames; 0: none; release */
    uint32_t flags;        /* [T] enum stack_flag */
    uint64_t at[LAYOUT_OUTER],
        pc[LAYOUT_OUTER]; /* [T] innermost first: where a return address lies, and it */
};

enum thread_flag { THREAD_HAS_TIMER = 1, THREAD_ADOPTED = 2 };

/* A sampled allocation that was not freed. */
struct seg_live {
    _Atomic uint64_t address;  /* [T] 0 free, 1 being written, else the block, or 1 | what the program mapped
                                  (release). Reader: load acquire, read, check sequence and address again */
    _Atomic uint32_t sequence; /* [T] raised by each insertion */
    uint32_t stack;            /* [T] word offset of its stack in the bank of this */
    uint32_t generation;       /* [T] generation */
    uint16_t name;             /* [T] thread name index */
    uint16_t labels;           /* [T] of the allocating thread; enum label_set */
    uint64_t size;             /* [T] bytes asked for */
    uint64_t objects;          /* [T] weight * 2^WEIGHT_SHIFT: blocks of this size that it stands for */
};

/* Labels together with a trace. */
struct seg_context {
    _Atomic uint64_t hash;  /* [T] of what follows; 0: free */
    _Atomic uint32_t ready; /* [T] 1 (release) when the rest is written; pairs with the readers' acquire */
    uint32_t labels;        /* [T] enum label_set */
    struct trace_ids ids;   /* [T] */
};

/*
 * Counters of one (stack, context, thread name, kind). A record is made in this order:
 *  1. bank.samples is raised.
 *  2. The key is stored (release; pairs with the uploader's acquire). The stack is complete by then.
 *  3. The record is entered in sample_bucket[] by compare-and-swap. The loser of a race leaves a record
 *     whose values stay 0.
 * acked is what was handed on already. It is kept here, so that an uploader that is killed and replaced
 * neither repeats nor loses anything.
 */
struct seg_sample {
    _Atomic uint64_t key;                  /* [T] sample_key() */
    _Atomic uint64_t value[LAYOUT_VALUES]; /* [T] cumulative */
    _Atomic uint64_t acked[LAYOUT_VALUES]; /* [U] */
    uint64_t reserved;
};

/* A stack, in bank.stack_word[]: four words of head, then the addresses, leaf first. The interrupted frame,
   and the one below a signal frame, have the address itself, all others the return address. The leaf of a
   mutex or block sample is an enum wait_kind, the function waited or released in. */
struct seg_stack {
    uint64_t hash;   /* [T] over epoch, flags and frames */
    uint32_t frames; /* [T] 1..LAYOUT_FRAMES */
    uint32_t flags;  /* [T] enum stack_flag */
    uint32_t epoch;  /* [T] */
    uint32_t gap;   /* [T] of STACK_DEEP: frames were cut before pc[gap]; if it is `frames`, after the last */
    uint64_t exact; /* [T] bit i (i < 64): frame i is an exact address, not a return address */
    uint64_t pc[];  /* [T] */
};

enum stack_flag {
    STACK_TRUNCATED = 1, /* the walk ended before the thread's first function */
    STACK_DEEP = 2,      /* deeper than LAYOUT_FRAMES: frames were cut at `gap` */
};

struct seg_bank {
    _Atomic uint32_t generation;  /* [U] 1, 2, 3 ...; [T0] 1 in bank 0. Never 0 while active */
    _Atomic uint32_t samples;     /* [T] records claimed; may run past LAYOUT_SAMPLES when full */
    _Atomic uint32_t stack_words; /* [T] words claimed; may run past LAYOUT_STACK_WORDS when full; starts at
                                     0, and word 0..7 are never used, so that offset 0 means none */
    _Atomic uint32_t contexts;    /* [T] entries in use, about */
    uint8_t reserved[LAYOUT_PAGE - 16];
    _Atomic uint32_t stack_bucket[LAYOUT_STACK_BUCKETS]; /* [T] word offset of a struct seg_stack (release) */
    _Atomic uint32_t sample_bucket[LAYOUT_SAMPLE_BUCKETS]; /* [T] 1 + index in sample[] (release) */
    struct seg_sample sample[LAYOUT_SAMPLES];
    struct seg_context context[LAYOUT_CONTEXTS]; /* open addressing */
    uint64_t stack_word[LAYOUT_STACK_WORDS];
};

struct segment {
    union {
        struct seg_header header;
        uint8_t header_page[LAYOUT_PAGE];
    };
    union {
        struct seg_control control;
        uint8_t control_page[LAYOUT_PAGE];
    };
    union {
        _Atomic uint64_t counter[COUNTERS]; /* [T] by enum counter */
        uint8_t counter_page[LAYOUT_PAGE];
    };
    struct seg_name name[LAYOUT_NAMES];
    uint8_t name_pad[LAYOUT_PAGE - (LAYOUT_NAMES * sizeof(struct seg_name)) % LAYOUT_PAGE];
    struct seg_module module[LAYOUT_MODULES];
    char strings[LAYOUT_STRINGS];
    struct seg_label_set label_set[LAYOUT_LABEL_SETS];
    _Atomic char label_text[LAYOUT_LABEL_TEXT];
    struct seg_thread thread[LAYOUT_THREADS];
    struct seg_live live[LAYOUT_LIVE];
    struct seg_bank bank[LAYOUT_BANKS];
    struct seg_root root[LAYOUT_ROOTS];
    uint8_t root_pad[LAYOUT_PAGE - (LAYOUT_ROOTS * sizeof(struct seg_root)) % LAYOUT_PAGE];
    /* [T] Room for walks (sample_table.c) and for bytes of modules (peek.c), which nobody else reads. Here it
       does not count against the program's RLIMIT_DATA, as the library's own data does. */
    uint8_t walks[LAYOUT_WALKS];
    uint8_t peeks[LAYOUT_PEEKS];
};

/* The fingerprint tells a module without a build id from another build at the same path. It is made of the
   program headers and of a part of what each of them stands for: the file's first page, which has the names
   that a library exports or a digest of them, and .eh_frame_hdr, which has where functions begin. 0: nothing
   is known of it. */
static inline uint64_t layout_fingerprint_size(const Elf64_Phdr *header)
{
    uint64_t most = header->p_type == PT_GNU_EH_FRAME ? 16 * LAYOUT_PAGE : 0;
    if (header->p_type == PT_LOAD && header->p_offset == 0 && !(header->p_flags & PF_W))
        most = LAYOUT_PAGE;
    return header->p_filesz < most ? header->p_filesz : most;
}
static inline uint64_t layout_fingerprint(uint64_t fingerprint, const void *data, size_t size)
{
    const unsigned char *at = data;
    for (uint32_t word; size >= sizeof word; size -= sizeof word, at += sizeof word) {
        __builtin_memcpy(&word, at, sizeof word);
        fingerprint = (fingerprint ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        fingerprint ^= fingerprint >> 29;
    }
    return fingerprint;
}

/*
 * Key of a sample: never 0, since kind is not. stack: word offset in the bank, 20 bits. context, 28 bits: below
 * LAYOUT_LABEL_SETS it is a set of labels; beyond, it is LAYOUT_LABEL_SETS + index in the bank's context[].
 */
static inline uint64_t sample_key(uint32_t stack, uint32_t context, uint32_t name, enum sample_kind kind)
{
    return (uint64_t)stack << 44 | (uint64_t)(context & 0xfffffff) << 16 | (uint64_t)(name & 0xfff) << 4 |
           (uint64_t)kind;
}
static inline uint32_t sample_key_stack(uint64_t key)
{
    return (uint32_t)(key >> 44);
}
static inline uint32_t sample_key_context(uint64_t key)
{
    return (uint32_t)(key >> 16) & 0xfffffff;
}
static inline uint32_t sample_key_name(uint64_t key)
{
    return (uint32_t)(key >> 4) & 0xfff;
}
static inline uint32_t sample_key_kind(uint64_t key)
{
    return (uint32_t)key & 0xf;
}

/*
 * The hand-over. The target connects a SOCK_SEQPACKET unix socket to the session's name, sends one struct
 * hello with the memfd as SCM_RIGHTS, and closes both. The uploader takes the pid from SO_PEERCRED (its own
 * namespace's number) and accepts only its own user id or root; the target likewise. With HELLO_FORWARDED
 * (one uploader hands a target on to another that was quicker to take the name) a pidfd of the target follows
 * the memfd. An uploader that the target itself starts gets the memfd as descriptor 3 and the target's pid as
 * an argument: cprof-uploader serve --socket=NAME --segment-fd=3 --pid=PID
 */
#define HELLO_MAGIC UINT32_C(0x6f6c6c68)
struct hello {
    uint32_t magic;
    uint32_t version; /* LAYOUT_VERSION */
    uint32_t flags;   /* enum hello_flag */
    int32_t pid;      /* for messages only */
    uint64_t size;    /* sizeof(struct segment) */
    uint64_t secrets; /* settings_secrets(): what the session's name must not tell. 0: any uploader will do */
};
enum hello_flag { HELLO_FORWARDED = 1 };

_Static_assert(sizeof(struct hello) == 32, "hello is the same for every compiler");
_Static_assert(sizeof(struct seg_header) <= LAYOUT_PAGE, "header fits its page");
_Static_assert(sizeof(struct seg_control) <= LAYOUT_PAGE, "control fits its page");
_Static_assert(COUNTERS * sizeof(uint64_t) <= LAYOUT_PAGE, "counters fit their page");
_Static_assert(sizeof(struct seg_name) == 24, "name");
_Static_assert(sizeof(struct seg_module) == 72, "module");
_Static_assert(sizeof(struct seg_thread) == 192, "thread slot is three cache lines");
_Static_assert(sizeof(struct seg_live) == 40, "live allocation");
_Static_assert(sizeof(struct seg_sample) == 64, "sample is one cache line");
_Static_assert(sizeof(struct seg_context) == 48, "context");
_Static_assert((int)LAYOUT_STACK_WORDS <= 1 << 20 && (int)LAYOUT_NAMES <= 1 << 12 && KIND_COUNT <= 1 << 4,
               "a sample's key has them all");
_Static_assert(sizeof(struct seg_stack) == 32, "stack head is four words");
_Static_assert(offsetof(struct segment, module) % LAYOUT_PAGE == 0, "pages");
_Static_assert(offsetof(struct segment, bank) % LAYOUT_PAGE == 0, "banks are emptied by pages");
_Static_assert(sizeof(struct seg_bank) % LAYOUT_PAGE == 0, "banks are emptied by pages");

#endif
