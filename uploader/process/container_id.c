/* SPDX-License-Identifier: Apache-2.0 */
#include "container_id.h"

#include <stddef.h>
#include <string.h>

enum { DIGITS = CONTAINER_ID_BYTES - 1 };

/* The number of lower-case hex digits at text. */
static size_t digits_at(const char *text)
{
    return strspn(text, "0123456789abcdef");
}

/* text is where an id begins, and what ends it is one of those that runtimes write behind it. */
static bool take_id(const char *text, char id[CONTAINER_ID_BYTES])
{
    if (digits_at(text) != DIGITS || !strchr("/.\n:", text[DIGITS]))
        return false;
    memcpy(id, text, DIGITS);
    id[DIGITS] = 0;
    return true;
}

/* An id stands alone between slashes, or behind the runtime's name: docker-ID.scope. Nested ones follow each other. */
bool container_id_of_cgroup(const char *text, char id[CONTAINER_ID_BYTES])
{
    bool found = false;

    for (const char *at = text; *at; at++)
        if ((*at == '/' || *at == '-' || *at == ':') && take_id(at + 1, id))
            found = true;
    return found;
}

/* Files of a container's own directory are mounted over /etc/hostname and its like. Those of a pod's sandbox are not of
   this container. */
bool container_id_of_mounts(const char *text, char id[CONTAINER_ID_BYTES])
{
    static const char *const places[] = {"/containers/", "/overlay-containers/"};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        for (const char *at = text; (at = strstr(at, places[i])); at++)
            if (take_id(at + strlen(places[i]), id))
                return true;
    return false;
}
