/* SPDX-License-Identifier: Apache-2.0 */
#include "split_push.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "series.h"
#include "uploader/pprof/profile.pb-c.h"
#include "uploader/pprof/split.h"

struct pieces {
    Cprof__PushRequest *push;
    outbox_piece *piece;
    void *context;
};

static int wrap(void *context, uint8_t *profile, size_t size)
{
    const struct pieces *pieces = context;
    Cprof__RawSample *sample = pieces->push->series[0]->samples[0];
    const ProtobufCBinaryData whole = sample->raw_profile;
    char uuid[SERIES_UUID_BYTES], *whole_id = sample->id;
    uint8_t *body;
    size_t body_size;

    series_make_uuid(uuid);
    sample->id = uuid;
    sample->raw_profile = (ProtobufCBinaryData){.len = size, .data = profile};
    body_size = cprof__push_request__get_packed_size(pieces->push);
    body = malloc(body_size);
    if (body)
        cprof__push_request__pack(pieces->push, body);
    sample->raw_profile = whole;
    sample->id = whole_id;
    free(profile);
    return body ? pieces->piece(pieces->context, body, body_size) : -ENOMEM;
}

int push_split(const uint8_t *body, size_t size, outbox_piece *piece, void *context)
{
    struct pieces pieces = {cprof__push_request__unpack(NULL, size, body), piece, context};
    int error = -EINVAL;

    if (pieces.push && pieces.push->n_series == 1 && pieces.push->series[0]->n_samples == 1) {
        const ProtobufCBinaryData *profile = &pieces.push->series[0]->samples[0]->raw_profile;
        error = profile_split(profile->data, profile->len, wrap, &pieces);
    }
    cprof__push_request__free_unpacked(pieces.push, NULL);
    return error;
}

bool push_is_too_large(int status, const char *text)
{
    return status == 400 &&
           (strstr(text, "exceeds the size limit") || strstr(text, "exceeds the samples count limit"));
}
