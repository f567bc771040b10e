/* SPDX-License-Identifier: Apache-2.0 */
#include "redact.h"

#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SECRET = 4 }; /* bytes of a secret that can be found in a text */

static char *to_base64(const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = strlen(text);
    char *result = malloc((size + 2) / 3 * 4 + 1), *to = result;

    for (size_t i = 0; result && i < size; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;
        if (i + 1 < size)
            bits |= (uint32_t)(unsigned char)text[i + 1] << 8;
        if (i + 2 < size)
            bits |= (unsigned char)text[i + 2];
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *to++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    if (result)
        *to = 0;
    return result;
}

static void add_form(struct secrets *secrets, const char *form)
{
    struct curl_slist *longer = form ? curl_slist_append(secrets->forms, form) : NULL;

    if (longer)
        secrets->forms = longer;
    else
        secrets->hide_all = true;
}

/* A short secret cannot be taken out of a text, because what is missing would tell what it was. */
void secrets_add(struct secrets *secrets, const char *secret)
{
    char *escaped, *encoded;

    if (!*secret)
        return;
    secrets->hide_all |= strlen(secret) < LEAST_SECRET;
    escaped = curl_easy_escape(NULL, secret, 0);
    encoded = to_base64(secret);
    add_form(secrets, secret);
    add_form(secrets, escaped);
    add_form(secrets, encoded);
    curl_free(escaped);
    free(encoded);
}

void secrets_add_login(struct secrets *secrets, const char *user, const char *password)
{
    char *pair, *encoded = NULL;

    if (asprintf(&pair, "%s:%s", user ? user : "", password) < 0)
        pair = NULL;
    if (pair)
        encoded = to_base64(pair);
    add_form(secrets, encoded);
    secrets_add(secrets, password);
    free(encoded);
    free(pair);
}

/* The bytes of the longest secret at the start of text; of a text that is cut, also the part of a secret. */
static size_t secret_length(const struct secrets *secrets, const char *text, size_t left, bool is_cut)
{
    size_t longest = 0;

    for (const struct curl_slist *secret = secrets->forms; secret; secret = secret->next) {
        size_t length = strlen(secret->data), compared = is_cut && left < length ? left : length;
        if (compared <= left && compared > longest && !memcmp(text, secret->data, compared))
            longest = compared;
    }
    return longest;
}

/* In one pass over the text, because what is put in may look like a secret itself. Secrets that overlap are
   replaced as one. */
void redact(const struct secrets *secrets, const char *text, size_t size, bool is_cut, char *to, size_t room)
{
    static const char mask[] = "********";
    size_t used = 0, hidden_to = 0;

    for (size_t i = 0; i < size && used + sizeof mask < room; i++) {
        size_t length = secret_length(secrets, text + i, size - i, is_cut);
        if (length && i >= hidden_to) {
            memcpy(to + used, mask, sizeof mask - 1);
            used += sizeof mask - 1;
        }
        if (i + length > hidden_to)
            hidden_to = i + length;
        if (i >= hidden_to)
            to[used++] = text[i];
    }
    to[used] = 0;
}

void secrets_add_header(struct secrets *secrets, const char *value)
{
    const char *second = strchr(value, ' ');

    if (strlen(value) >= LEAST_SECRET)
        secrets_add(secrets, value);
    if (second && strlen(second + 1) >= LEAST_SECRET)
        secrets_add(secrets, second + 1);
}

void secrets_add_proxy(struct secrets *secrets, const char *proxy)
{
    char *user = NULL, *password = NULL;
    CURLU *url = proxy ? curl_url() : NULL;

    if (url && !curl_url_set(url, CURLUPART_URL, proxy, CURLU_DEFAULT_SCHEME | CURLU_NON_SUPPORT_SCHEME)) {
        curl_url_get(url, CURLUPART_USER, &user, CURLU_URLDECODE);
        if (!curl_url_get(url, CURLUPART_PASSWORD, &password, CURLU_URLDECODE))
            secrets_add_login(secrets, user, password);
    }
    curl_free(user);
    curl_free(password);
    curl_url_cleanup(url);
}

void secrets_add_proxies(struct secrets *secrets)
{
    static const char *const names[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                        "HTTPS_PROXY", "all_proxy",  "ALL_PROXY"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        secrets_add_proxy(secrets, getenv(names[i]));
}

void secrets_free(struct secrets *secrets)
{
    curl_slist_free_all(secrets->forms);
}
