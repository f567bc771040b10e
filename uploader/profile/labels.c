/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/encoding/utf8.h"

/* Keys of what samples have anyway. */
static const char *const reserved[] = {"pid",       "thread", "tid",      "state",   "wait",
                                       "waits_for", "waited", "trace_id", "span_id", "local_root_span_id"};
static const char reserved_prefix[] = "label_";

enum { KEY_BYTES = 256, VALUE_BYTES = 1024 };

/* The text of a set while it is made: key, NUL, value, NUL. */
struct text {
    char bytes[PROFILE_LABEL_TEXT];
    size_t size;
    unsigned count;
};

bool label_is_reserved(const char *key)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (!strcmp(key, reserved[i]))
            return true;
    return false;
}

/* By key; of equal ones the one that was given first stays in front. */
static void sort(struct profile_label *label, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct profile_label moved = label[i];
        unsigned at = i;
        for (; at && strcmp(label[at - 1].key, moved.key) > 0; at--)
            label[at] = label[at - 1];
        label[at] = moved;
    }
}

static void add_text(struct text *text, const struct profile_label *label)
{
    char key[KEY_BYTES], value[VALUE_BYTES];
    size_t key_size, value_size, prefix = label_is_reserved(label->key) ? sizeof reserved_prefix - 1 : 0;

    memcpy(key, reserved_prefix, prefix);
    utf8_clean(key + prefix, sizeof key - prefix, label->key, true);
    utf8_clean(value, sizeof value, label->value, true);
    key_size = strlen(key) + 1;
    value_size = strlen(value) + 1;
    if (key_size == 1 || text->size + key_size + value_size > sizeof text->bytes)
        return;
    memcpy(text->bytes + text->size, key, key_size);
    memcpy(text->bytes + text->size + key_size, value, value_size);
    text->size += key_size + value_size;
    text->count++;
}

static void make_text(const struct label_list *list, struct text *text)
{
    struct profile_label label[PROFILE_LABELS];
    unsigned count = list->count < PROFILE_LABELS ? list->count : PROFILE_LABELS;

    memcpy(label, list->label, count * sizeof label[0]);
    sort(label, count);
    text->size = text->count = 0;
    for (unsigned i = 0; i < count; i++)
        if (!i || strcmp(label[i].key, label[i - 1].key) != 0)
            add_text(text, &label[i]);
}

static size_t text_size(const struct profile_labels *labels)
{
    const char *last = labels->label[labels->count - 1].value;
    return (size_t)(last + strlen(last) + 1 - labels->label[0].key);
}

static struct profile_labels *find(const struct label_sets *sets, uint64_t hash, const struct text *text)
{
    struct profile_labels *found;

    for (size_t cursor = 0; (found = hash_next(&sets->sets, hash, &cursor));)
        if (found->count == text->count && text_size(found) == text->size &&
            !memcmp(found->label[0].key, text->bytes, text->size))
            break;
    return found;
}

/* A key and its plain name. */
struct label_key {
    char *plain;
    char key[];
};

static struct label_key *find_key(const struct hash *keys, const char *text, bool plain)
{
    struct label_key *found;

    for (size_t cursor = 0; (found = hash_next(keys, hash_bytes(text, strlen(text)), &cursor));)
        if (!strcmp(plain ? found->plain : found->key, text))
            break;
    return found;
}

static void make_plain(char *plain, const char *key, unsigned number)
{
    size_t size = 0;

    if (*key >= '0' && *key <= '9')
        plain[size++] = '_';
    for (; *key; key++) {
        bool is_plain =
            (*key >= 'a' && *key <= 'z') || (*key >= 'A' && *key <= 'Z') || (*key >= '0' && *key <= '9');
        plain[size++] = is_plain ? *key : '_';
    }
    if (number > 1)
        snprintf(plain + size, 16, "_%u", number);
    else
        plain[size] = 0;
}

/* "a.b" is a_b, unless another key is; then it is a_b_2. The key itself, if there is no memory. */
static const char *plain_of(struct label_sets *sets, const char *key)
{
    struct label_key *known = find_key(&sets->keys, key, false);
    size_t size = strlen(key) + 1;

    if (known)
        return known->plain;
    known = malloc(sizeof *known + 2 * size + 17);
    if (!known)
        return key;
    memcpy(known->key, key, size);
    known->plain = known->key + size;
    for (unsigned number = 1; number == 1 || find_key(&sets->plain, known->plain, true); number++)
        make_plain(known->plain, key, number);
    if (hash_add(&sets->keys, hash_bytes(key, size - 1), known)) {
        free(known);
        return key;
    }
    hash_add(&sets->plain, hash_bytes(known->plain, strlen(known->plain)),
             known); /* without memory two may be alike */
    return known->plain;
}

static struct profile_labels *make(struct label_sets *sets, uint64_t hash, const struct text *text)
{
    struct profile_labels *made = malloc(sizeof *made + text->count * sizeof made->label[0] + text->size);
    char *at;

    if (!made)
        return NULL;
    made->number = sets->count;
    made->count = text->count;
    at = memcpy(&made->label[text->count], text->bytes, text->size);
    for (unsigned i = 0; i < text->count; i++) {
        made->label[i].key = at;
        made->label[i].value = at += strlen(at) + 1;
        at += strlen(at) + 1;
        made->label[i].plain = plain_of(sets, made->label[i].key);
    }
    if (hash_add(&sets->sets, hash, made)) {
        free(made);
        return NULL;
    }
    sets->count++;
    return made;
}

const struct profile_labels *label_sets_get(struct label_sets *sets, const struct label_list *list)
{
    static const struct label_list other = {1, {{"labels", "[other]", NULL}}};
    struct profile_labels *found;
    struct text text;
    uint64_t hash;

    make_text(list, &text);
    if (!text.count)
        return NULL;
    hash = hash_bytes(text.bytes, text.size);
    found = find(sets, hash, &text);
    if (found || sets->count <= PROFILE_LABEL_SETS)
        return found ? found : make(sets, hash, &text);
    sets->beyond++;
    make_text(&other, &text);
    hash = hash_bytes(text.bytes, text.size);
    found = find(sets, hash, &text);
    return found ? found : make(sets, hash, &text);
}

void label_sets_free(struct label_sets *sets)
{
    void *set;

    for (size_t cursor = 0; (set = hash_each(&sets->sets, &cursor));)
        free(set);
    for (size_t cursor = 0; (set = hash_each(&sets->keys, &cursor));)
        free(set);
    hash_free(&sets->sets);
    hash_free(&sets->keys);
    hash_free(&sets->plain);
}

char *profile_labels_text(const struct profile_labels *labels, char *text, size_t size)
{
    size_t at = 0;

    *text = 0;
    for (unsigned i = 0; labels && i < labels->count && at < size; i++) {
        int put = snprintf(text + at, size - at, "%s%s=%s", i ? " " : "", labels->label[i].key,
                           labels->label[i].value);
        at += put > 0 ? (size_t)put : 0;
    }
    return text;
}

static void put_hex(char *text, const uint8_t *bytes, unsigned count)
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < count; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = 0;
}

void profile_trace_make(struct profile_trace *trace, const void *trace_id, const void *span, const void *root)
{
    static const uint8_t none[8];

    memset(trace, 0, sizeof *trace);
    memcpy(trace->trace, trace_id, sizeof trace->trace);
    memcpy(trace->span, span, sizeof trace->span);
    memcpy(trace->root, root, sizeof trace->root);
    put_hex(trace->trace_text, trace->trace, sizeof trace->trace);
    put_hex(trace->span_text, trace->span, sizeof trace->span);
    if (memcmp(trace->root, none, sizeof none) != 0)
        put_hex(trace->root_text, trace->root, sizeof trace->root);
}

enum { CHUNK_TRACES = 32 };
struct trace_chunk {
    struct trace_chunk *next;
    size_t used;
    struct profile_trace trace[CHUNK_TRACES];
};

static uint64_t trace_hash(const struct profile_trace *trace)
{
    return hash_bytes(trace, offsetof(struct profile_trace, trace_text));
}

const struct profile_trace *traces_find(const struct traces *traces, const struct profile_trace *trace)
{
    const struct profile_trace *found;
    uint64_t hash = trace_hash(trace);

    for (size_t cursor = 0; (found = hash_next(&traces->traces, hash, &cursor));)
        if (!memcmp(found, trace, offsetof(struct profile_trace, trace_text)))
            break;
    return found;
}

const struct profile_trace *traces_get(struct traces *traces, const struct profile_trace *trace)
{
    const struct profile_trace *found = traces_find(traces, trace);
    struct trace_chunk *chunk = traces->chunk;

    if (found)
        return found;
    if (!chunk || chunk->used == CHUNK_TRACES) {
        chunk = malloc(sizeof *chunk);
        if (!chunk)
            return NULL;
        chunk->next = traces->chunk;
        chunk->used = 0;
        traces->chunk = chunk;
    }
    chunk->trace[chunk->used] = *trace;
    if (hash_add(&traces->traces, trace_hash(trace), &chunk->trace[chunk->used]))
        return NULL;
    return &chunk->trace[chunk->used++];
}

void traces_free(struct traces *traces)
{
    for (struct trace_chunk *chunk = traces->chunk, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    hash_free(&traces->traces);
    *traces = (struct traces){.chunk = NULL};
}
