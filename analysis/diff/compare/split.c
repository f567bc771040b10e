/* SPDX-License-Identifier: Apache-2.0 */
#include "split.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/read/read.h"
#include "uploader/base/array.h"
#include "uploader/base/progress.h"

enum { INTERVALS_LEAST = 5 };

/* Of the recording, that the intervals must cover: an interval without samples has no file. */
#define COVERED_LEAST 0.9

static bool add_interval(struct side *split, const struct pairing *pairing, unsigned which, const char *path)
{
    struct run *grown = array_reserve(split->run, &split->room, split->runs, sizeof *grown), *run;

    if (!grown)
        return false;
    split->run = grown;
    run = &split->run[split->runs++];
    reading_init(&run->reading);
    run->path = strdup(path);
    run->reading.program = pairing->program[which];
    run->reading.kind = pairing->kind;
    if (!run->path || reading_add(&run->reading, path))
        return false;
    reading_trim(&run->reading);
    return true;
}

static int64_t duration_of(const struct run *run)
{
    return run->reading.profiles ? run->reading.profile[0]->duration_ns : 0;
}

/* Those that are shorter than half of the longest one say little. Returns what the others last. */
static int64_t drop_short(struct side *split)
{
    int64_t longest = 0, all = 0;
    size_t kept = 0;

    for (size_t i = 0; i < split->runs; i++)
        if (duration_of(&split->run[i]) > longest)
            longest = duration_of(&split->run[i]);
    for (size_t i = 0; i < split->runs; i++) {
        struct run run = split->run[i];
        if (2 * duration_of(&run) < longest) {
            reading_free(&run.reading);
            free(run.path);
            continue;
        }
        all += duration_of(&run);
        split->run[kept++] = run;
    }
    split->runs = kept;
    return all;
}

static bool split_side(const struct side *side, const struct pairing *pairing, unsigned which,
                       struct side *split)
{
    const struct read_profile *whole =
        run_profile(&side->run[0], pairing->program[which], pairing->kind, pairing->type);
    size_t first;
    bool good = true;

    if (side->runs != 1 || !whole || whole->intervals < INTERVALS_LEAST)
        return false;
    first = whole->intervals > SIDE_RUNS ? whole->intervals - SIDE_RUNS : 0;
    for (size_t i = first; i < whole->intervals && good; i++) {
        progress_at(i, whole->intervals);
        good = add_interval(split, pairing, which, whole->interval[i].path);
    }
    if (!good)
        return false;
    return (double)drop_short(split) >= COVERED_LEAST * (double)whole->duration_ns *
                                            (double)(whole->intervals - first) / (double)whole->intervals &&
           split->runs >= INTERVALS_LEAST;
}

bool sides_split(const struct side side[2], const struct pairing *pairing, struct side split[2])
{
    for (unsigned i = 0; i < 2; i++)
        split[i] = (struct side){.name = side[i].name};
    progress_step("reading intervals");
    return split_side(&side[0], pairing, 0, &split[0]) && split_side(&side[1], pairing, 1, &split[1]);
}
