/* SPDX-License-Identifier: Apache-2.0 */
#include "resource.h"

#include <stdlib.h>
#include <string.h>

#include "uploader/encoding/utf8.h"

/* NULL: it cannot be added, or is there. */
static struct resource_attribute *new_attribute(struct resource *resource, const char *key)
{
    char clean[RESOURCE_TEXT];
    struct resource_attribute *attribute;

    utf8_clean(clean, sizeof clean, key, true);
    for (unsigned i = 0; i < resource->attributes; i++)
        if (!strcmp(resource->attribute[i].key, clean))
            return NULL;
    if (!*clean || resource->attributes == RESOURCE_ATTRIBUTES)
        return NULL;
    attribute = &resource->attribute[resource->attributes];
    attribute->key = strdup(clean);
    return attribute->key ? attribute : NULL;
}

bool resource_add(struct resource *resource, const char *key, const char *text)
{
    char clean[RESOURCE_TEXT];
    struct resource_attribute *attribute = text && *text ? new_attribute(resource, key) : NULL;

    if (!attribute)
        return false;
    attribute->text = strdup(utf8_clean(clean, sizeof clean, text, true));
    if (!attribute->text) {
        free(attribute->key);
        return false;
    }
    resource->attributes++;
    return true;
}

bool resource_add_number(struct resource *resource, const char *key, int64_t number)
{
    struct resource_attribute *attribute = new_attribute(resource, key);

    if (!attribute)
        return false;
    attribute->text = NULL;
    attribute->number = number;
    resource->attributes++;
    return true;
}

void resource_free(struct resource *resource)
{
    for (unsigned i = 0; i < resource->attributes; i++) {
        free(resource->attribute[i].key);
        free(resource->attribute[i].text);
    }
    resource->attributes = 0;
}

void resource_fill(const struct resource *resource, struct resource_message *to)
{
    cprof__otel__resource__init(&to->message);
    for (unsigned i = 0; i < resource->attributes; i++) {
        const struct resource_attribute *from = &resource->attribute[i];
        cprof__otel__key_value__init(&to->pair[i]);
        cprof__otel__any_value__init(&to->value[i]);
        to->pair[i].key = from->key;
        to->pair[i].value = &to->value[i];
        to->value[i].string_value = from->text;
        to->value[i].has_int_value = !from->text;
        to->value[i].int_value = from->number;
        to->list[i] = &to->pair[i];
    }
    to->message.n_attributes = resource->attributes;
    to->message.attributes = to->list;
}
