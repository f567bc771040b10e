/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <errno.h>
#include <stdlib.h>

#include "places.h"

static int compare_pointers(const void *a, const void *b)
{
    return (a > b) - (a < b);
}

static int compare_own(const struct profile_sample *a, const struct profile_sample *b)
{
    int order = compare_pointers(a->labels, b->labels);
    return order ? order : compare_pointers(a->trace, b->trace);
}

static int compare_stacks(const void *a, const void *b)
{
    const struct profile_sample *const *left = a, *const *right = b;
    int order = compare_pointers((*left)->stack, (*right)->stack);

    return order ? order : compare_own(*left, *right);
}

/* The same for stacks of which no address is shown. From a common caller on they share their frames. */
static int compare_places(const void *a, const void *b)
{
    const struct profile_sample *const *samples[] = {a, b};
    const struct profile_frame *left = (*samples[0])->stack, *right = (*samples[1])->stack;
    int order = 0;

    for (; !order && left && right && left != right; left = left->caller, right = right->caller)
        order = place_compare(left->location, right->location);
    if (!order && left != right)
        order = left ? 1 : -1;
    return order ? order : compare_own(*samples[0], *samples[1]);
}

/* Samples of one stack share its leaf (struct profile_frame), and those of one trace share that. Sorted by these, those
   that become equal without their threads are neighbours. */
int walk_open(struct walk *walk, const struct profile *profile, const struct profile_meta *meta)
{
    size_t cursor = 0;

    *walk = (struct walk){.with_labels = meta->with_labels,
                          .compare = meta->no_addresses ? compare_places : compare_stacks};
    walk->list = malloc((profile_count(profile) + 1) * sizeof(*walk->list));
    if (!walk->list)
        return -ENOMEM;
    while ((walk->list[walk->count] = profile_next(profile, &cursor)))
        walk->count += !meta->takes || meta->takes(meta->takes_context, walk->list[walk->count]->pid);
    if (!walk->with_labels)
        qsort(walk->list, walk->count, sizeof(*walk->list), walk->compare);
    return 0;
}

bool walk_next(struct walk *walk, struct profile_sample *sum)
{
    const struct profile_sample **first;

    if (walk->at == walk->count)
        return false;
    first = &walk->list[walk->at++];
    *sum = **first;
    for (; !walk->with_labels && walk->at < walk->count && !walk->compare(first, &walk->list[walk->at]);
         walk->at++)
        for (unsigned i = 0; i < PROFILE_VALUES; i++)
            if (__builtin_add_overflow(sum->value[i], walk->list[walk->at]->value[i], &sum->value[i]))
                sum->value[i] = INT64_MAX;
    return true;
}

void walk_close(struct walk *walk)
{
    free(walk->list);
}

bool walk_leaves_unnamed(const struct profile_meta *meta, const struct symbol_location *location)
{
    const enum profile_unnamed how = meta->unnamed;

    return location->module && location->unnamed && how != PROFILE_UNNAMED_SHOWN &&
           (how == PROFILE_UNNAMED_LEFT || location->module->build_id_size);
}
