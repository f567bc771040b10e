/* SPDX-License-Identifier: Apache-2.0 */
/* What runs in a frame, by OpenTelemetry's semantic conventions (profile.frame.type). Pure. */
#ifndef CPROF_UPLOADER_FRAME_TYPE_H
#define CPROF_UPLOADER_FRAME_TYPE_H

#include "uploader/symbols/symbols.h"

/* "native", "rust", "cpython", "v8js", or NULL: not known, as of other generated code, or no code at all. */
const char *frame_type(const struct symbol_location *location);

#endif
