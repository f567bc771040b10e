/* SPDX-License-Identifier: Apache-2.0 */
#include "split.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "output.h"
#include "uploader/base/clock.h"
#include "uploader/base/hash.h"
#include "uploader/encoding/gunzip.h"
#include "uploader/pprof/profile.pb-c.h"

enum { PLAIN_MOST = 64 << 20, FRAMES_LEAST = 8, NAME_LEAST = 64 };

/* The profile, and which of its parts a piece has. */
struct splitting {
    Cprof__Profile *whole;
    struct hash locations, functions; /* by id + 1 */
    bool *string;                     /* used by the piece */
};

static void use_string(const struct splitting *splitting, int64_t index)
{
    if (index > 0 && (uint64_t)index < splitting->whole->n_string_table)
        splitting->string[index] = true;
}

static void use_type(const struct splitting *splitting, const Cprof__ValueType *type)
{
    if (!type)
        return;
    use_string(splitting, type->type);
    use_string(splitting, type->unit);
}

static void use_head(const struct splitting *splitting)
{
    const Cprof__Profile *whole = splitting->whole;

    memset(splitting->string, 0, whole->n_string_table * sizeof *splitting->string);
    for (size_t i = 0; i < whole->n_sample_type; i++)
        use_type(splitting, whole->sample_type[i]);
    use_type(splitting, whole->period_type);
    use_string(splitting, whole->default_sample_type);
    for (size_t i = 0; i < whole->n_mapping; i++) {
        use_string(splitting, whole->mapping[i]->filename);
        use_string(splitting, whole->mapping[i]->build_id);
    }
}

static int find_ids(struct splitting *splitting)
{
    const Cprof__Profile *whole = splitting->whole;
    int error = 0;

    for (size_t i = 0; i < whole->n_location && !error; i++)
        error = hash_put(&splitting->locations, whole->location[i]->id + 1, whole->location[i]);
    for (size_t i = 0; i < whole->n_function && !error; i++)
        error = hash_put(&splitting->functions, whole->function[i]->id + 1, whole->function[i]);
    return error;
}

/* What a piece takes of a table: each entry once, in the order in which samples need it. */
struct picked {
    struct hash seen;
    void **item;
    size_t count;
};

/* 1: it is new in the piece. */
static int pick(struct picked *picked, uint64_t id, void *item)
{
    if (hash_get(&picked->seen, id + 1))
        return 0;
    if (hash_put(&picked->seen, id + 1, item))
        return -ENOMEM;
    picked->item[picked->count++] = item;
    return 1;
}

static int pick_function(struct splitting *splitting, struct picked *functions, uint64_t id)
{
    Cprof__Function *function = hash_get(&splitting->functions, id + 1);
    int rc = function ? pick(functions, id, function) : -EINVAL;

    if (rc != 1)
        return rc;
    use_string(splitting, function->name);
    use_string(splitting, function->system_name);
    use_string(splitting, function->filename);
    return 0;
}

static int pick_location(struct splitting *splitting, struct picked *locations, struct picked *functions,
                         uint64_t id)
{
    Cprof__Location *location = hash_get(&splitting->locations, id + 1);
    int error = location ? pick(locations, id, location) : -EINVAL;

    if (error != 1)
        return error;
    error = 0;
    for (size_t i = 0; i < location->n_line && !error; i++)
        error = pick_function(splitting, functions, location->line[i]->function_id);
    return error;
}

static int pick_sample(struct splitting *splitting, struct picked *locations, struct picked *functions,
                       const Cprof__Sample *sample)
{
    int error = 0;

    for (size_t i = 0; i < sample->n_location_id && !error; i++)
        error = pick_location(splitting, locations, functions, sample->location_id[i]);
    for (size_t i = 0; i < sample->n_label; i++) {
        use_string(splitting, sample->label[i]->key);
        use_string(splitting, sample->label[i]->str);
        use_string(splitting, sample->label[i]->num_unit);
    }
    return error;
}

static int pack(const Cprof__Profile *part, encode_piece *piece, void *context)
{
    struct output out;
    uint8_t *data;
    int error = output_init(&out);

    if (error)
        return error;
    cprof__profile__pack_to_buffer(part, &out.base);
    error = output_finish(&out);
    if (!error) {
        data = out.data;
        out.data = NULL;
        error = piece(context, data, out.size);
    }
    output_free(&out);
    return error;
}

/* Strings keep their numbers, so what is not used becomes empty. Comments stay with the first piece. */
static int emit(struct splitting *splitting, Cprof__Profile *part, const struct picked *locations,
                const struct picked *functions, encode_piece *piece, void *context)
{
    static char empty[1];
    const Cprof__Profile *whole = splitting->whole;
    char **strings = calloc(whole->n_string_table + 1, sizeof *strings);
    int error = strings ? 0 : -ENOMEM;

    for (size_t i = 0; !error && i < whole->n_string_table; i++)
        strings[i] = splitting->string[i] ? whole->string_table[i] : empty;
    part->string_table = strings;
    part->location = (Cprof__Location **)locations->item;
    part->n_location = locations->count;
    part->function = (Cprof__Function **)functions->item;
    part->n_function = functions->count;
    if (!error)
        error = pack(part, piece, context);
    free(strings);
    return error;
}

static int emit_part(struct splitting *splitting, size_t from, size_t count, int64_t later_ns,
                     encode_piece *piece, void *context)
{
    const Cprof__Profile *whole = splitting->whole;
    Cprof__Profile part = *whole;
    struct picked locations = {.item = calloc(whole->n_location + 1, sizeof(void *))};
    struct picked functions = {.item = calloc(whole->n_function + 1, sizeof(void *))};
    int error = locations.item && functions.item ? 0 : -ENOMEM;

    part.sample = whole->sample + from;
    part.n_sample = count;
    part.time_nanos += later_ns;
    part.n_comment = 0;
    use_head(splitting);
    for (size_t i = 0; i < count && !error; i++)
        error = pick_sample(splitting, &locations, &functions, part.sample[i]);
    if (!error)
        error = emit(splitting, &part, &locations, &functions, piece, context);
    hash_free(&locations.seen);
    hash_free(&functions.seen);
    free(locations.item);
    free(functions.item);
    return error;
}

/* A whole number of milliseconds, from 1 to half of the duration. */
static int64_t some_time(const Cprof__Profile *whole)
{
    int64_t most_ms = whole->duration_nanos / 2 / MS_NS;
    uint32_t random = 0;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)monotonic_ns();
    return (1 + (most_ms > 1 ? random % most_ms : random % 1000)) * MS_NS;
}

static size_t longest_name(const Cprof__Profile *whole)
{
    size_t longest = 0;

    for (size_t i = 0; i < whole->n_string_table; i++) {
        size_t length = strlen(whole->string_table[i]);
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* Cut at the start of a character. */
static void shorten_names(Cprof__Profile *whole, size_t most)
{
    for (size_t i = 0; i < whole->n_string_table; i++) {
        char *text = whole->string_table[i];
        size_t end = strnlen(text, most);
        while (end && text[end] && ((unsigned char)text[end] & 0xc0) == 0x80)
            end--;
        text[end] = 0;
    }
}

/* The value of the sample stays. The innermost frames say most of where it was. */
static int shrink(Cprof__Profile *whole)
{
    Cprof__Sample *sample = whole->n_sample ? whole->sample[0] : NULL;
    size_t longest = longest_name(whole);

    if (sample && sample->n_location_id > FRAMES_LEAST)
        sample->n_location_id /= 2;
    else if (sample && longest > NAME_LEAST)
        shorten_names(whole, longest / 2);
    else
        return -E2BIG;
    return 0;
}

static int split(struct splitting *splitting, encode_piece *piece, void *context)
{
    Cprof__Profile *whole = splitting->whole;
    const size_t half = whole->n_sample / 2;
    int error = find_ids(splitting);

    if (!error && !half)
        error = shrink(whole);
    if (!error && half)
        error = emit_part(splitting, 0, half, 0, piece, context);
    if (!error)
        error =
            emit_part(splitting, half, whole->n_sample - half, half ? some_time(whole) : 0, piece, context);
    return error;
}

int profile_split(const uint8_t *data, size_t size, encode_piece *piece, void *context)
{
    struct splitting splitting = {.whole = NULL};
    uint8_t *plain;
    size_t used;
    int error = gunzip_all(data, size, PLAIN_MOST, &plain, &used);

    if (!error)
        splitting.whole = cprof__profile__unpack(NULL, used, plain);
    free(plain);
    if (!splitting.whole)
        return -EINVAL;
    splitting.string = calloc(splitting.whole->n_string_table + 1, sizeof *splitting.string);
    error = splitting.string ? split(&splitting, piece, context) : -ENOMEM;
    hash_free(&splitting.locations);
    hash_free(&splitting.functions);
    free(splitting.string);
    cprof__profile__free_unpacked(splitting.whole, NULL);
    return error;
}
