/* SPDX-License-Identifier: Apache-2.0 */
#include "stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/tables.h"
#include "uploader/base/hash.h"

/* Stacks as a tree of functions. Its nodes lie in a profile of their own, whose frames are numbers of functions. */
struct tree {
    const struct stacks_what *what;
    struct store store;
    struct read_profile *nodes;
    uint32_t *same;  /* of each function, the one that stands for it */
    int64_t *own;    /* of each node */
    uint32_t *order; /* nodes, those of one parent together, by name */
    uint32_t
        *first; /* of each node, where its children begin in order; they end where the next one's begin */
    uint32_t *function, *way; /* the present stack, and the place in order of its nodes */
};

static int map_functions(struct tree *tree)
{
    const struct read_profile *profile = tree->what->profile;
    struct hash names = {0};
    int rc = 0;

    for (size_t i = 0; i < profile->functions && !rc; i++) {
        uint64_t key = (uintptr_t)profile->function[i].name;
        uintptr_t found = tree->what->by_name ? (uintptr_t)hash_get(&names, key) : 0;
        tree->same[i] = found ? (uint32_t)(found - 1) : (uint32_t)i;
        if (!found && tree->what->by_name)
            rc = hash_put(&names, key, (void *)(i + 1));
    }
    hash_free(&names);
    return rc;
}

static int map_nodes(struct tree *tree, uint32_t *node)
{
    const struct read_profile *profile = tree->what->profile;
    int rc = 0;

    for (size_t i = 1; i < profile->nodes && !rc; i++) {
        uint32_t function = tree->same[profile->frame[profile->node[i].frame].function];
        rc = tables_node(tree->nodes, node[profile->node[i].parent], function, &node[i]);
    }
    return rc;
}

static void add_values(struct tree *tree, const uint32_t *node)
{
    const struct read_profile *profile = tree->what->profile;

    for (size_t i = 0; i < profile->samples; i++) {
        const char *thread = profile->set[profile->sample[i].set].thread;
        int64_t *own = &tree->own[node[profile->sample[i].node]];
        if (tree->what->thread && strcmp(tree->what->thread, thread) != 0)
            continue;
        if (__builtin_add_overflow(*own, profile->value[i * profile->types + tree->what->type], own))
            *own = INT64_MAX;
    }
}

static int compare_nodes(const void *a, const void *b, void *context)
{
    const struct tree *tree = context;
    const struct read_node *one = &tree->nodes->node[*(const uint32_t *)a],
                           *other = &tree->nodes->node[*(const uint32_t *)b];
    const struct read_function *function = tree->what->profile->function;
    int names;

    if (one->parent != other->parent)
        return one->parent < other->parent ? -1 : 1;
    names = strcmp(function[one->frame].name, function[other->frame].name);
    return names ? names : (one->frame > other->frame) - (one->frame < other->frame);
}

static void sort_nodes(struct tree *tree)
{
    const size_t count = tree->nodes->nodes;

    for (size_t i = 1; i < count; i++)
        tree->order[i - 1] = (uint32_t)i;
    qsort_r(tree->order, count - 1, sizeof *tree->order, compare_nodes, tree);
    for (size_t node = 0, at = 0; node <= count; node++) {
        while (at + 1 < count && tree->nodes->node[tree->order[at]].parent < node)
            at++;
        tree->first[node] = (uint32_t)at;
    }
}

/* way[depth]: where in order the next child of the node at that depth is. */
static int visit_all(const struct tree *tree, stack_visit *visit, void *context)
{
    size_t depth = 0;
    uint32_t node = 0;
    int rc = tree->own[0] ? visit(context, tree->function, 0, tree->own[0]) : 0;

    tree->way[0] = tree->first[0];
    while (!rc) {
        if (tree->way[depth] < tree->first[node + 1]) {
            node = tree->order[tree->way[depth]++];
            tree->function[depth++] = tree->nodes->node[node].frame;
            tree->way[depth] = tree->first[node];
            if (tree->own[node])
                rc = visit(context, tree->function, depth, tree->own[node]);
        } else if (!depth--) {
            break;
        } else {
            node = tree->nodes->node[node].parent;
        }
    }
    return rc;
}

static void tree_free(struct tree *tree)
{
    free(tree->same);
    free(tree->own);
    free(tree->order);
    free(tree->first);
    free(tree->function);
    free(tree->way);
    if (tree->nodes)
        tables_free(tree->nodes);
    store_free(&tree->store);
}

static int tree_fill(struct tree *tree)
{
    const struct read_profile *profile = tree->what->profile;
    uint32_t *node = calloc(profile->nodes, sizeof *node);
    size_t count;
    int rc = -ENOMEM;

    tree->nodes = tables_new(&tree->store);
    tree->same = calloc(profile->functions + 1, sizeof *tree->same);
    if (node && tree->nodes && tree->same)
        rc = map_functions(tree);
    if (!rc)
        rc = map_nodes(tree, node);
    if (!rc) {
        count = tree->nodes->nodes;
        tree->own = calloc(count, sizeof *tree->own);
        tree->order = calloc(count, sizeof *tree->order);
        tree->first = calloc(count + 1, sizeof *tree->first);
        tree->function = calloc(count, sizeof *tree->function);
        tree->way = calloc(count, sizeof *tree->way);
        rc = tree->own && tree->order && tree->first && tree->function && tree->way ? 0 : -ENOMEM;
    }
    if (!rc)
        add_values(tree, node);
    free(node);
    return rc;
}

int stacks_each(const struct stacks_what *what, stack_visit *visit, void *context)
{
    struct tree tree = {.what = what};
    int rc = tree_fill(&tree);

    if (!rc) {
        sort_nodes(&tree);
        rc = visit_all(&tree, visit, context);
    }
    tree_free(&tree);
    return rc;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **stacks_threads(const struct read_profile *profile, size_t *count)
{
    const char **names = calloc(profile->sets, sizeof *names);

    *count = 0;
    if (!names)
        return NULL;
    for (size_t i = 0; i < profile->samples; i++)
        names[profile->sample[i].set] = profile->set[profile->sample[i].set].thread;
    for (size_t i = 0; i < profile->sets; i++)
        if (names[i])
            names[(*count)++] = names[i];
    qsort(names, *count, sizeof *names, compare_texts);
    for (size_t i = 0, all = *count; i < all; i++) {
        if (!i)
            *count = 0;
        if (!i || strcmp(names[*count - 1], names[i]) != 0)
            names[(*count)++] = names[i];
    }
    return names;
}
