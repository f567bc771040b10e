/* SPDX-License-Identifier: Apache-2.0 */
#include "dictionary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_type.h"
#include "uploader/base/array.h"
#include "uploader/encoding/utf8.h"
#include "uploader/otlp/otlp.pb-c.h"
#include "uploader/profile/walk.h"

enum { TEXT_BYTES = 16 * 1024 /* longest string; longer symbols are cut */ };

struct entry {
    int32_t index;
    uint32_t table;
    size_t size;
    uint8_t bytes[];
};

static int32_t fail(struct dictionary *dictionary)
{
    dictionary->error = -ENOMEM;
    return 0;
}

/* The entry of these bytes, which is made if it is not there. */
static int32_t put_bytes(struct dictionary *dictionary, enum dictionary_table table, const void *bytes,
                         size_t size)
{
    const uint64_t hash = hash_mix(hash_bytes(bytes, size), table);
    struct entry *entry;

    for (size_t cursor = 0; (entry = hash_next(&dictionary->entries, hash, &cursor));)
        if (entry->table == table && entry->size == size && (!size || !memcmp(entry->bytes, bytes, size)))
            return entry->index;
    entry = store_alloc(&dictionary->store, sizeof *entry + size);
    if (!entry || hash_add(&dictionary->entries, hash, entry))
        return fail(dictionary);
    entry->index = dictionary->count[table]++;
    entry->table = table;
    entry->size = size;
    if (size)
        memcpy(entry->bytes, bytes, size);
    wire_field(&dictionary->bytes, table, bytes, size);
    return entry->index;
}

int32_t dictionary_put(struct dictionary *dictionary, enum dictionary_table table,
                       const ProtobufCMessage *message)
{
    wire_clear(&dictionary->entry);
    protobuf_c_message_pack_to_buffer(message, &dictionary->entry.base);
    return dictionary->entry.error
               ? fail(dictionary)
               : put_bytes(dictionary, table, dictionary->entry.data, dictionary->entry.size);
}

int32_t dictionary_string(struct dictionary *dictionary, const char *text)
{
    char clean[TEXT_BYTES];

    if (strlen(text) >= sizeof clean || !utf8_is_valid(text))
        text = utf8_clean(clean, sizeof clean, text, false);
    return put_bytes(dictionary, TABLE_STRING, text, strlen(text));
}

int32_t dictionary_attribute(struct dictionary *dictionary, const char *key, const char *value)
{
    Cprof__Otlp__KeyValueAndUnit attribute = CPROF__OTLP__KEY_VALUE_AND_UNIT__INIT;
    Cprof__Otel__AnyValue any = CPROF__OTEL__ANY_VALUE__INIT;
    char clean[TEXT_BYTES];

    attribute.has_key_strindex = true;
    attribute.key_strindex = dictionary_string(dictionary, key);
    any.string_value = utf8_clean(clean, sizeof clean, value, false);
    attribute.value = &any;
    return dictionary_put(dictionary, TABLE_ATTRIBUTE, &attribute.base);
}

int32_t dictionary_link(struct dictionary *dictionary, const uint8_t trace_id[16], const uint8_t span_id[8])
{
    Cprof__Otlp__Link link = CPROF__OTLP__LINK__INIT;

    link.has_trace_id = link.has_span_id = true;
    link.trace_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)trace_id};
    link.span_id = (ProtobufCBinaryData){8, (uint8_t *)(uintptr_t)span_id};
    return dictionary_put(dictionary, TABLE_LINK, &link.base);
}

static void write_hex(char *text, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* As in pprof (uploader/pprof/encode.c): the locations of a module that have names, and those that have none, are in a
   mapping each. The latter spans all addresses, which says that they are ELF virtual addresses. */
static int32_t put_mapping(struct dictionary *dictionary, const struct elf_module *module, bool unnamed)
{
    Cprof__Otlp__Mapping mapping = CPROF__OTLP__MAPPING__INIT;
    char hex[2 * sizeof module->build_id + 1];
    int32_t attribute[2];

    mapping.attribute_indices = attribute;
    if (module->build_id_size) {
        write_hex(hex, module->build_id, module->build_id_size);
        attribute[mapping.n_attribute_indices++] =
            dictionary_attribute(dictionary, "process.executable.build_id.gnu", hex);
    }
    if (module->has_htlhash) {
        write_hex(hex, module->htlhash, sizeof module->htlhash);
        attribute[mapping.n_attribute_indices++] =
            dictionary_attribute(dictionary, "process.executable.build_id.htlhash", hex);
    }
    mapping.has_memory_start = !unnamed;
    mapping.has_memory_limit = true;
    mapping.memory_start = (uint64_t)module->id << MODULE_SHIFT;
    mapping.memory_limit = unnamed ? UINT64_MAX : mapping.memory_start + (UINT64_C(1) << MODULE_SHIFT) - 4096;
    mapping.has_filename_strindex = true;
    mapping.filename_strindex = dictionary_string(dictionary, module->path);
    return dictionary_put(dictionary, TABLE_MAPPING, &mapping.base);
}

static int32_t put_function(struct dictionary *dictionary, const struct symbol_line *line)
{
    Cprof__Otlp__Function function = CPROF__OTLP__FUNCTION__INIT;
    const bool is_mangled = line->linkage && strcmp(line->linkage, line->function) != 0;

    function.has_name_strindex = true;
    function.name_strindex = dictionary_string(dictionary, line->function);
    function.has_system_name_strindex = is_mangled;
    function.system_name_strindex = is_mangled ? dictionary_string(dictionary, line->linkage) : 0;
    function.has_filename_strindex = *line->file != 0;
    function.filename_strindex = dictionary_string(dictionary, line->file);
    function.has_start_line = line->start_line != 0;
    function.start_line = line->start_line;
    return dictionary_put(dictionary, TABLE_FUNCTION, &function.base);
}

static void fill_line(struct dictionary *dictionary, const struct symbol_line *from, Cprof__Otlp__Line *line)
{
    cprof__otlp__line__init(line);
    line->has_function_index = true;
    line->function_index = put_function(dictionary, from);
    line->has_line = from->line != 0;
    line->line = from->line;
}

static int32_t put_location(struct dictionary *dictionary, const struct symbol_location *from)
{
    const bool unnamed = walk_leaves_unnamed(dictionary->meta, from);
    const unsigned count = unnamed ? 0 : from->line_count;
    const char *type = frame_type(from);
    Cprof__Otlp__Location location = CPROF__OTLP__LOCATION__INIT;
    Cprof__Otlp__Line *line = calloc(count + 1, sizeof *line), **lines = calloc(count + 1, sizeof *lines);
    int32_t attribute = type ? dictionary_attribute(dictionary, "profile.frame.type", type) : 0, index = 0;

    if (line && lines) {
        for (unsigned i = 0; i < count; i++) {
            fill_line(dictionary, &from->lines[i], &line[i]);
            lines[i] = &line[i];
        }
        location.has_mapping_index = from->module != NULL;
        location.mapping_index = from->module ? put_mapping(dictionary, from->module, unnamed) : 0;
        location.has_address = true;
        location.address =
            from->address + (from->module && !unnamed ? (uint64_t)from->module->id << MODULE_SHIFT : 0);
        location.n_lines = count;
        location.lines = lines;
        location.n_attribute_indices = type ? 1 : 0;
        location.attribute_indices = &attribute;
        index = dictionary_put(dictionary, TABLE_LOCATION, &location.base);
    } else {
        fail(dictionary);
    }
    free(line);
    free(lines);
    return index;
}

/* Where the index of the key is kept; *added: it is to be set. NULL: no memory. */
static int32_t *index_of(struct ids *ids, int32_t **index, size_t *room, const uint64_t *key, bool *added)
{
    uint32_t number = ids_get(ids, key, added);
    int32_t *grown = number ? array_reserve(*index, room, number - 1, sizeof *grown) : NULL;

    if (!grown)
        return NULL;
    *index = grown;
    return &grown[number - 1];
}

static int32_t location_index(struct dictionary *dictionary, const struct symbol_location *location)
{
    const uint64_t key = (uintptr_t)location;
    bool added = false;
    int32_t *index = index_of(&dictionary->locations, &dictionary->location_index, &dictionary->location_room,
                              &key, &added);

    if (!index)
        return fail(dictionary);
    if (added)
        *index = put_location(dictionary, location);
    return *index;
}

static int32_t put_stack(struct dictionary *dictionary, const struct profile_frame *leaf, size_t most)
{
    Cprof__Otlp__Stack stack = CPROF__OTLP__STACK__INIT;
    size_t count = 0;
    int32_t index = 0;

    for (const struct profile_frame *frame = leaf; frame && count < most; frame = frame->caller)
        count++;
    stack.location_indices = calloc(count + 1, sizeof *stack.location_indices);
    if (!stack.location_indices)
        return fail(dictionary);
    for (; stack.n_location_indices < count; leaf = leaf->caller)
        stack.location_indices[stack.n_location_indices++] = location_index(dictionary, leaf->location);
    index = dictionary_put(dictionary, TABLE_STACK, &stack.base);
    free(stack.location_indices);
    return index;
}

int32_t dictionary_stack(struct dictionary *dictionary, const struct profile_frame *leaf, size_t most)
{
    const uint64_t key = (uintptr_t)leaf;
    bool added = false;
    int32_t *index =
        index_of(&dictionary->stacks, &dictionary->stack_index, &dictionary->stack_room, &key, &added);

    if (!index)
        return fail(dictionary);
    if (added)
        *index = put_stack(dictionary, leaf, most);
    return *index;
}

int dictionary_init(struct dictionary *dictionary, const struct profile_meta *meta)
{
    *dictionary = (struct dictionary){.locations.words = 1, .stacks.words = 1, .meta = meta};
    wire_init(&dictionary->bytes);
    wire_init(&dictionary->entry);
    for (int table = TABLE_MAPPING; table < TABLES; table++)
        put_bytes(dictionary, (enum dictionary_table)table, "", 0);
    return dictionary->error;
}

void dictionary_free(struct dictionary *dictionary)
{
    wire_free(&dictionary->bytes);
    wire_free(&dictionary->entry);
    store_free(&dictionary->store);
    hash_free(&dictionary->entries);
    ids_free(&dictionary->locations);
    ids_free(&dictionary->stacks);
    free(dictionary->location_index);
    free(dictionary->stack_index);
}
