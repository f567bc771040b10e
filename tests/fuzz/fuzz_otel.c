/* SPDX-License-Identifier: Apache-2.0 */
// runs: 400000
/* What a program publishes of its process (OTEL_CTX): any bytes, of which texts come out clean and bounded. Also requests of
   OTLP that are split, which a spool may have changed, and answers of its servers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/encoding/utf8.h"
#include "uploader/otel/process_context.h"
#include "uploader/sinks/otlp/otlp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int drop(void *context, uint8_t *data, size_t size)
{
    (void)context;
    (void)size;
    free(data);
    return 0;
}

static void check(const char *text)
{
    if (strlen(text) >= CONTEXT_TEXT || !utf8_is_valid(text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct process_context context = {0};
    char text[256];

    process_context_decode(&context, data, size);
    for (unsigned i = 0; i < context.attributes; i++) {
        check(context.attribute[i].key);
        check(context.attribute[i].value);
    }
    for (unsigned i = 0; i < context.thread_keys; i++)
        check(context.thread_key[i]);
    if (context.schema)
        check(context.schema);
    process_context_free(&context);
    otlp_split_body(data, size, drop, NULL);
    otlp_explain(data, size, text, sizeof text);
    if (strlen(text) >= sizeof text)
        abort();
    return 0;
}
