#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

char *cm_fuzz_text(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    CM_ASSERT(text != NULL);
    if (bytes > 0) {
        memcpy(text, data, bytes);
    }
    text[bytes] = '\0';
    return text;
}

uint8_t cm_fuzz_take(cm_fuzz_input *input)
{
    if (input->bytes == 0) {
        return 0;
    }
    input->bytes--;
    return *input->data++;
}
