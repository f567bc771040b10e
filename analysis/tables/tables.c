/* SPDX-License-Identifier: Apache-2.0 */
#include "tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"

static uint32_t hash_two(uint64_t a, uint64_t b)
{
    uint64_t hash = hash_mix(hash_mix(0x9e37, a), b);
    return (uint32_t)(hash >> 32 ^ hash);
}

/* Room for one more item of a table. 0 or negative errno. */
static int table_grow(void *items, size_t *room, size_t count, size_t size)
{
    void *grown;

    if (*(void **)items && count < *room)
        return 0;
    if (count >= TABLES_MOST)
        return -E2BIG;
    grown = array_reserve(*(void **)items, room, count, size);
    if (!grown)
        return -ENOMEM;
    *(void **)items = grown;
    return 0;
}

int tables_function(struct read_profile *profile, const struct read_function *function, uint32_t *number)
{
    struct read_tables *tables = profile->tables;
    uint32_t hash =
        hash_two(hash_mix((uintptr_t)function->name, (uintptr_t)function->file), (uintptr_t)function->module);
    size_t cursor = 0;
    uint32_t found;
    int rc;

    while ((found = index_next(&tables->functions, hash, &cursor))) {
        const struct read_function *other = &profile->function[found - 1];
        if (other->name == function->name && other->file == function->file &&
            other->module == function->module) {
            *number = found - 1;
            return 0;
        }
    }
    rc = table_grow(&profile->function, &tables->functions_room, profile->functions,
                    sizeof *profile->function);
    if (!rc)
        rc = index_add(&tables->functions, hash, (uint32_t)profile->functions);
    if (rc)
        return rc;
    *number = (uint32_t)profile->functions++;
    profile->function[*number] = *function;
    return 0;
}

int tables_frame(struct read_profile *profile, const struct read_frame *frame, uint32_t *number)
{
    struct read_tables *tables = profile->tables;
    uint32_t hash = hash_two((uint64_t)frame->function << 1 | frame->inlined, (uint64_t)frame->line), found;
    size_t cursor = 0;
    int rc;

    while ((found = index_next(&tables->frames, hash, &cursor))) {
        const struct read_frame *other = &profile->frame[found - 1];
        if (other->function == frame->function && other->line == frame->line &&
            other->inlined == frame->inlined) {
            *number = found - 1;
            return 0;
        }
    }
    rc = table_grow(&profile->frame, &tables->frames_room, profile->frames, sizeof *profile->frame);
    if (!rc)
        rc = index_add(&tables->frames, hash, (uint32_t)profile->frames);
    if (rc)
        return rc;
    *number = (uint32_t)profile->frames++;
    profile->frame[*number] = *frame;
    return 0;
}

static bool is_node(const struct read_profile *profile, uint64_t number, uint32_t parent, uint32_t frame)
{
    return number < profile->nodes && profile->node[number].parent == parent &&
           profile->node[number].frame == frame;
}

/* Most nodes are the only child of the node before them, and are found there. Only the others are in the index. */
int tables_node(struct read_profile *profile, uint32_t parent, uint32_t frame, uint32_t *number)
{
    struct read_tables *tables = profile->tables;
    bool is_last = (uint64_t)parent + 1 == profile->nodes;
    uint32_t hash, found;
    size_t cursor = 0;
    int rc;

    if (is_node(profile, (uint64_t)parent + 1, parent, frame)) {
        *number = parent + 1;
        return 0;
    }
    hash = hash_two(parent, frame);
    while (!is_last && (found = index_next(&tables->nodes, hash, &cursor)))
        if (is_node(profile, found - 1, parent, frame)) {
            *number = found - 1;
            return 0;
        }
    rc = table_grow(&profile->node, &tables->nodes_room, profile->nodes, sizeof *profile->node);
    if (!rc && !is_last)
        rc = index_add(&tables->nodes, hash, (uint32_t)profile->nodes);
    if (rc)
        return rc;
    *number = (uint32_t)profile->nodes++;
    profile->node[*number] = (struct read_node){.parent = parent, .frame = frame};
    return 0;
}

static uint32_t hash_set(const struct read_set *set)
{
    uint64_t hash = hash_mix((uintptr_t)set->thread, (uint64_t)set->pid);

    for (uint32_t i = 0; i < set->labels; i++) {
        hash = hash_mix(hash, (uintptr_t)set->label[i].key);
        hash = hash_mix(hash, (uintptr_t)set->label[i].text + (uint64_t)set->label[i].number);
    }
    return (uint32_t)(hash >> 32 ^ hash);
}

static bool set_equals(const struct read_set *set, const struct read_set *other)
{
    if (set->thread != other->thread || set->pid != other->pid || set->labels != other->labels)
        return false;
    for (uint32_t i = 0; i < set->labels; i++)
        if (set->label[i].key != other->label[i].key || set->label[i].text != other->label[i].text ||
            set->label[i].number != other->label[i].number || set->label[i].unit != other->label[i].unit)
            return false;
    return true;
}

int tables_set(struct read_profile *profile, struct store *store, const struct read_set *set,
               uint32_t *number)
{
    struct read_tables *tables = profile->tables;
    uint32_t hash = hash_set(set), found;
    struct read_label *label = NULL;
    size_t cursor = 0, bytes = set->labels * sizeof *label;
    int rc;

    while (profile->set && (found = index_next(&tables->sets, hash, &cursor)))
        if (set_equals(&profile->set[found - 1], set)) {
            *number = found - 1;
            return 0;
        }
    rc = table_grow(&profile->set, &tables->sets_room, profile->sets, sizeof *profile->set);
    if (!rc && bytes && !(label = store_alloc(store, bytes)))
        rc = -ENOMEM;
    if (!rc)
        rc = index_add(&tables->sets, hash, (uint32_t)profile->sets);
    if (rc)
        return rc;
    if (bytes)
        memcpy(label, set->label, bytes);
    *number = (uint32_t)profile->sets++;
    profile->set[*number] = *set;
    profile->set[*number].label = label;
    return 0;
}

static int find_sample(struct read_profile *profile, uint32_t node, uint32_t set, uint32_t *number)
{
    struct read_tables *tables = profile->tables;
    uint32_t hash = hash_two(node, set), found;
    size_t cursor = 0;
    int rc;

    while ((found = index_next(&tables->samples, hash, &cursor)))
        if (profile->sample[found - 1].node == node && profile->sample[found - 1].set == set) {
            *number = found - 1;
            return 0;
        }
    rc = table_grow(&profile->sample, &tables->samples_room, profile->samples, sizeof *profile->sample);
    if (!rc)
        rc = table_grow(&profile->value, &tables->values_room, profile->samples,
                        profile->types * sizeof *profile->value);
    if (!rc)
        rc = index_add(&tables->samples, hash, (uint32_t)profile->samples);
    if (rc)
        return rc;
    *number = (uint32_t)profile->samples++;
    profile->sample[*number] = (struct read_sample){.node = node, .set = set};
    memset(profile->value + (size_t)*number * profile->types, 0, profile->types * sizeof *profile->value);
    return 0;
}

int tables_add(struct read_profile *profile, uint32_t node, uint32_t set, const int64_t *value)
{
    uint32_t number;
    int rc = find_sample(profile, node, set, &number);

    for (unsigned i = 0; !rc && i < profile->types; i++) {
        int64_t *sum = &profile->value[(size_t)number * profile->types + i];
        if (__builtin_add_overflow(*sum, value[i], sum))
            *sum = value[i] < 0 ? INT64_MIN : INT64_MAX;
    }
    return rc;
}

static bool add_root(struct read_profile *profile)
{
    if (table_grow(&profile->node, &profile->tables->nodes_room, 0, sizeof *profile->node))
        return false;
    profile->nodes = 1;
    return true;
}

struct read_profile *tables_new(struct store *store)
{
    const struct read_set empty = {.thread = store_text(store, "", 0)};
    struct read_profile *profile = calloc(1, sizeof *profile);
    uint32_t number;

    if (!profile)
        return NULL;
    profile->tables = calloc(1, sizeof *profile->tables);
    if (profile->tables && add_root(profile) && !tables_set(profile, store, &empty, &number)) {
        return profile;
    }
    tables_free(profile);
    return NULL;
}

void tables_trim(struct read_profile *profile)
{
    struct read_tables *tables = profile->tables;

    if (!tables)
        return;
    index_free(&tables->functions);
    index_free(&tables->frames);
    index_free(&tables->nodes);
    index_free(&tables->sets);
    index_free(&tables->samples);
    profile->node = array_fit(profile->node, &tables->nodes_room, profile->nodes, sizeof *profile->node);
    free(tables);
    profile->tables = NULL;
}

void tables_free(struct read_profile *profile)
{
    tables_trim(profile);
    free(profile->function);
    free(profile->frame);
    free(profile->node);
    free(profile->set);
    free(profile->sample);
    free(profile->value);
    free(profile->interval);
    free(profile);
}
