// SPDX-License-Identifier: Apache-2.0
// Header values: any bytes; what is taken keeps its bounds.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apps/hub/hub_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), url[64];
    uint64_t a = 0, b = 0, total = 0;
    const uint64_t limit = UINT64_C(1) << 53;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (nb_hub_link_next(text, url, sizeof url) && (!url[0] || strlen(url) >= sizeof url || !strstr(text, url)))
        abort();
    if (nb_hub_rate_limit(text, &a, &b) && (a > limit || b > limit))
        abort();
    if (nb_hub_retry_after(text, 1000000000, &a) && a > limit)
        abort();
    if (nb_hub_content_range(text, &a, &b, &total) && (a > b || b >= total))
        abort();
    free(text);
    return 0;
}
