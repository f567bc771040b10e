/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "past.h"
#include "uploader/base/clock.h"
#include "uploader/pprof/encode.h"
#include "uploader/upload/comments.h"

enum { WATCH_STACKS = PROGRAM_INTERVAL_STACKS };

/* One program and kind. */
struct slot {
    struct profile *gathered; /* since the last frame; NULL: nothing */
    struct profile *shown;    /* of the last frame, until it is sent */
    int64_t total[PROFILE_VALUES], shown_total[PROFILE_VALUES];
    size_t samples; /* counted in watches */
};

struct watch {
    struct tap tap;
    struct watches *watches;
    struct watch_wanted wanted;
    struct slot *slot; /* program->number * KIND_IDS + kind */
    size_t slots;
    int64_t since_ns, until_ns;
    size_t programs; /* that there were when the frame was made */
    /* The part that comes next: of all slots whole profiles, what is new, and intervals that are not over; then past. */
    size_t next;
    struct past past; /* of the program before next_past */
    size_t next_past;
};

static struct slot *slot_of(struct watch *watch, const struct program *program, enum profile_kind_id kind)
{
    size_t at = (size_t)program->number * KIND_IDS + kind, room = (program->number + 8u) * KIND_IDS;

    if (at >= watch->slots) {
        struct slot *slot = realloc(watch->slot, room * sizeof *slot);
        if (!slot)
            return NULL;
        memset(slot + watch->slots, 0, (room - watch->slots) * sizeof *slot);
        watch->slot = slot;
        watch->slots = room;
    }
    return &watch->slot[at];
}

/* Beyond the ceiling, only stacks that are known already are told apart. */
static void add(struct watch *watch, struct slot *slot, enum profile_kind_id kind,
                const struct profile_sample *sample)
{
    struct watches *watches = watch->watches;
    size_t samples;

    if (!slot->gathered)
        slot->gathered = profile_new(&profile_kinds[kind], WATCH_STACKS);
    if (!slot->gathered)
        return;
    profile_set_most(slot->gathered, watches->samples < WATCHES_SAMPLES ? WATCH_STACKS : 0);
    profile_add_thread(slot->gathered, sample, watches->programs->overflow);
    samples = profile_size(slot->gathered);
    watches->samples += samples - slot->samples;
    slot->samples = samples;
}

/* Sums alone: states are read when a frame is made. */
static void receive(struct tap *tap, const struct program *program, enum profile_kind_id kind,
                    const struct profile_sample *sample)
{
    struct watch *watch = (struct watch *)tap;
    const unsigned states = profile_kinds[kind].snapshot_values;
    struct profile_sample copy = *sample;
    struct slot *slot;
    bool any = false;

    if ((watch->wanted.selection.pid && sample->pid != watch->wanted.selection.pid) ||
        !selection_has(&watch->wanted.selection, program) || !(slot = slot_of(watch, program, kind)))
        return;
    for (unsigned i = 0; i < PROFILE_VALUES; i++) {
        if (states >> i & 1)
            copy.value[i] = 0;
        slot->total[i] += copy.value[i];
        any |= copy.value[i] != 0;
    }
    if (any && watch->wanted.kinds >> kind & 1)
        add(watch, slot, kind, &copy);
}

/* What is in use, and where threads are, as the last round found it. */
static void add_states(struct watch *watch, const struct program *program, enum profile_kind_id kind)
{
    const unsigned states = profile_kinds[kind].snapshot_values;
    const struct profile *from = program->merged[kind];
    struct slot *slot = states && from ? slot_of(watch, program, kind) : NULL;
    const struct profile_sample *sample;

    for (size_t cursor = 0; slot && (sample = profile_next(from, &cursor));) {
        struct profile_sample copy = *sample;
        bool any = false;
        if (watch->wanted.selection.pid && sample->pid != watch->wanted.selection.pid)
            continue;
        for (unsigned i = 0; i < PROFILE_VALUES; i++) {
            copy.value[i] = states >> i & 1 ? copy.value[i] : 0;
            any |= copy.value[i] != 0;
        }
        if (any)
            add(watch, slot, kind, &copy);
    }
}

struct watch *watch_open(struct watches *watches)
{
    struct watch *watch = watches->count < WATCHES_MOST ? calloc(1, sizeof *watch) : NULL;

    if (!watch)
        return NULL;
    watch->watches = watches;
    watch->past.directory = -1;
    watch->since_ns = watch->until_ns = monotonic_ns();
    watch->tap.add = receive;
    tap_open(watches->programs, &watch->tap);
    watches->count++;
    return watch;
}

static void drop_shown(struct slot *slot)
{
    profile_free(slot->shown);
    slot->shown = NULL;
}

void watch_close(struct watch *watch)
{
    tap_close(&watch->tap);
    past_close(&watch->past);
    for (size_t i = 0; i < watch->slots; i++) {
        watch->watches->samples -= watch->slot[i].samples;
        profile_free(watch->slot[i].gathered);
        drop_shown(&watch->slot[i]);
    }
    watch->watches->count--;
    free(watch->slot);
    free(watch);
}

/* What was gathered for another selection is not what is asked for. */
static bool is_same(const struct selection *one, const struct selection *other)
{
    return one->pid == other->pid && !strcmp(one->program, other->program);
}

static void turn_slot(struct watch *watch, struct slot *slot, bool is_kept)
{
    drop_shown(slot);
    if (is_kept)
        slot->shown = slot->gathered;
    else
        profile_free(slot->gathered);
    slot->gathered = NULL;
    watch->watches->samples -= slot->samples;
    slot->samples = 0;
    memcpy(slot->shown_total, slot->total, sizeof slot->total);
    memset(slot->total, 0, sizeof slot->total);
    if (!is_kept)
        memset(slot->shown_total, 0, sizeof slot->shown_total);
}

void watch_turn(struct watch *watch, const struct watch_wanted *wanted)
{
    const struct programs *programs = watch->watches->programs;
    bool is_kept = is_same(&watch->wanted.selection, &wanted->selection);

    if (!is_kept)
        for (size_t i = 0; i < watch->slots; i++)
            turn_slot(watch, &watch->slot[i], false);
    watch->wanted = *wanted;
    for (size_t i = 0; wanted->with_states && i < programs->count; i++)
        for (int kind = 0; kind < KIND_IDS; kind++)
            if (wanted->kinds >> kind & 1 && selection_has(&wanted->selection, programs->program[i]))
                add_states(watch, programs->program[i], (enum profile_kind_id)kind);
    for (size_t i = 0; i < watch->slots; i++)
        turn_slot(watch, &watch->slot[i], true);
    watch->since_ns = is_kept ? watch->until_ns : monotonic_ns();
    watch->until_ns = monotonic_ns();
    watch->programs = programs->count;
    watch->next = watch->next_past = 0;
    past_close(&watch->past);
}

int64_t watch_since(const struct watch *watch)
{
    return watch->since_ns;
}

int64_t watch_until(const struct watch *watch)
{
    return watch->until_ns;
}

void watch_put_totals(const struct watch *watch, FILE *out)
{
    for (size_t i = 0; i < watch->slots; i++) {
        const struct slot *slot = &watch->slot[i];
        const struct profile_kind *kind = &profile_kinds[i % KIND_IDS];
        bool any = false;
        for (unsigned v = 0; v < kind->values; v++)
            any |= slot->shown_total[v] != 0;
        if (!any)
            continue;
        fprintf(out, "total\t%zu\t%s", i / KIND_IDS, kind->name);
        for (unsigned v = 0; v < kind->values; v++)
            fprintf(out, "\t%" PRId64, slot->shown_total[v]);
        putc('\n', out);
    }
}

static bool has_pid(const void *context, uint32_t pid)
{
    return *(const uint32_t *)context == pid;
}

/* As the sink of files has it, so that both can be mixed. */
static bool encode(const struct watch *watch, struct watch_part *part, const struct profile *profile,
                   int64_t since_ns)
{
    const uint32_t *pid = &watch->wanted.selection.pid;
    const int64_t duration_ns = watch->until_ns - since_ns;
    const bool is_one = part->kind == KIND_ID_MUTEX || part->kind == KIND_ID_BLOCK;
    struct comments *comments = malloc(sizeof *comments);
    const struct profile_meta meta = {
        .time_ns = part->start_ns = realtime_of(since_ns),
        .duration_ns = duration_ns,
        .period = is_one ? 1 : part->program->period[part->kind],
        .comments = comments && part->is_whole ? comments->line : NULL,
        .program = part->program->name,
        .with_labels = true,
        .takes = *pid ? has_pid : NULL,
        .takes_context = pid,
    };
    int rc;

    if (meta.comments)
        comments_make(comments, part->program, true, duration_ns);
    part->end_ns = part->start_ns + duration_ns;
    rc = profile_encode(profile, &meta, &part->data, &part->size);
    free(comments);
    return !rc;
}

static const struct profile *now_of(const struct watch *watch, const struct watch_part *part, size_t stage)
{
    const struct program *program = part->program;

    if (!stage)
        return watch->wanted.whole >> part->kind & 1 ? program->merged[part->kind] : NULL;
    return watch->wanted.past ? program->interval[part->kind] : NULL;
}

/* Part n of the frame. false: there is none in this place. */
static bool take_part(struct watch *watch, size_t n, struct watch_part *part)
{
    const struct programs *programs = watch->watches->programs;
    const size_t each = watch->programs * KIND_IDS, at = n % each, stage = n / each;
    const struct profile *profile;

    *part = (struct watch_part){.program = programs->program[at / KIND_IDS],
                                .kind = (enum profile_kind_id)(at % KIND_IDS),
                                .is_whole = !stage};
    if (!selection_has(&watch->wanted.selection, part->program))
        return false;
    if (stage != 1) {
        profile = now_of(watch, part, stage);
        return profile && profile_count(profile) &&
               encode(watch, part, profile,
                      stage ? part->program->interval_start_ns : part->program->start_ns);
    }
    profile = at < watch->slots ? watch->slot[at].shown : NULL;
    if (!profile || !encode(watch, part, profile, watch->since_ns))
        return false;
    drop_shown(&watch->slot[at]);
    return true;
}

/* Files have all processes of a program, so of one process there is no past. */
static bool take_past(struct watch *watch, struct watch_part *part)
{
    const struct programs *programs = watch->watches->programs;
    const struct selection *selection = &watch->wanted.selection;
    struct past_file file;

    while (!past_next(&watch->past, &file)) {
        const struct program *program;
        past_close(&watch->past);
        if (!watch->wanted.past || selection->pid || watch->next_past == watch->programs)
            return false;
        program = programs->program[watch->next_past++];
        if (selection_has(selection, program))
            past_open(&watch->past, program, WATCH_PAST_BYTES / watch->programs);
    }
    *part = (struct watch_part){.program = programs->program[watch->next_past - 1],
                                .kind = file.kind,
                                .start_ns = file.stamp_ms * MS_NS,
                                .data = file.data,
                                .size = file.size};
    return true;
}

bool watch_next(struct watch *watch, struct watch_part *part)
{
    while (watch->next < 3 * watch->programs * KIND_IDS)
        if (take_part(watch, watch->next++, part))
            return true;
    return take_past(watch, part);
}
