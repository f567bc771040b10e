// SPDX-License-Identifier: Apache-2.0
// The library of an SDK, with the variable; compiled for each model of thread-local storage.
__thread void *otel_thread_ctx_v1;

void otel_set(void *record);
void otel_set(void *record)
{
    otel_thread_ctx_v1 = record;
}
