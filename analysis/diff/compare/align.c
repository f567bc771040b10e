/* SPDX-License-Identifier: Apache-2.0 */
#include "align.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"
#include "uploader/base/hash.h"

static int add_function(struct align *align, const struct read_function *function, uint32_t *number)
{
    uint32_t hash = (uint32_t)hash_bytes(function->name, strlen(function->name)), found;
    struct read_function *grown;
    size_t cursor = 0;

    while ((found = index_next(&align->function_index, hash, &cursor)))
        if (!strcmp(align->function[found - 1].name, function->name)) {
            *number = found - 1;
            return 0;
        }
    grown = array_reserve(align->function, &align->functions_room, align->functions, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    align->function = grown;
    if (index_add(&align->function_index, hash, (uint32_t)align->functions))
        return -ENOMEM;
    *number = (uint32_t)align->functions++;
    align->function[*number] = *function;
    return 0;
}

int align_functions(struct align *align, const struct read_profile *profile, uint32_t **map)
{
    int rc = 0;

    *map = malloc((profile->functions + 1) * sizeof **map);
    if (!*map)
        return -ENOMEM;
    for (size_t i = 0; i < profile->functions && !rc; i++)
        rc = add_function(align, &profile->function[i], &(*map)[i]);
    return rc;
}

int align_stack(struct align *align, const struct read_profile *profile, uint32_t node, uint64_t hash,
                uint32_t *number)
{
    struct align_stack *grown;
    size_t cursor = 0;
    uint32_t found;

    while ((found = index_next(&align->stack_index, (uint32_t)hash, &cursor)))
        if (align->stack[found - 1].hash == hash) {
            *number = found - 1;
            return 0;
        }
    grown = array_reserve(align->stack, &align->stacks_room, align->stacks, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    align->stack = grown;
    if (index_add(&align->stack_index, (uint32_t)hash, (uint32_t)align->stacks))
        return -ENOMEM;
    *number = (uint32_t)align->stacks++;
    align->stack[*number] = (struct align_stack){.profile = profile, .node = node, .hash = hash};
    return 0;
}

void align_names(const struct align_stack *stack, stack_name *name, void *context)
{
    const struct read_profile *profile = stack->profile;

    for (uint32_t node = stack->node; node; node = profile->node[node].parent)
        name(context, profile->function[profile->frame[profile->node[node].frame].function].name);
}

void align_free(struct align *align)
{
    free(align->function);
    free(align->stack);
    index_free(&align->function_index);
    index_free(&align->stack_index);
    *align = (struct align){.function = NULL};
}
