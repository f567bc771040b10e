/* SPDX-License-Identifier: Apache-2.0 */
// runs: 5000
/*
 * What a session may answer to cprof top and cprof report --live, which root may run against anybody's. The bytes are
 * messages, each behind a byte that says how long it is; what is parsed is shown.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/top/layout.h"

static void show(struct frame *frame)
{
    struct top_look look = {.program = -1, .interval_s = 2};
    struct screen screen = {.has_styles = true};
    struct model model = {0};

    model_forget(&model);
    model_take(&model, frame);
    for (int view = 0; view < VIEWS; view += VIEW_THREADS) {
        model.view = (enum view_id)view;
        screen_begin(&screen, 130, 30);
        layout_draw(&screen, &model, &look);
    }
    for (size_t i = 0; i < screen.size; i++)
        if ((uint8_t)screen.text[i] < 0x20 && !strchr("\r\n\033", screen.text[i]))
            abort();
    screen_free(&screen);
    model_free(&model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = {0};
    char error[256] = "";
    int rc = 0;

    while (size && !rc) {
        size_t length = *data < size - 1 ? *data : size - 1;
        char *message = malloc(length + 1); /* its end is seen by the sanitizer */
        memcpy(message, data + 1, length);
        rc = frame_take(&frame, message, length, error);
        free(message);
        data += length + 1;
        size -= length + 1;
    }
    if (!rc)
        rc = frame_take(&frame, "=0", 2, error);
    if (rc == 1)
        show(&frame);
    frame_free(&frame);
    return 0;
}
