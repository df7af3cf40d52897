// Any bytes as a config: accepted or refused with one line, never a crash; what is accepted reads back equal
// from its own dump. A 0x01 byte, which no config may hold, ends the file and begins a `--set`.
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SETS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int condition) {
    if (!condition)
        abort();
}

static void check_round_trip(const struct cnn_config *config) {
    struct cnn_config again;
    char *text = NULL;
    require(cnn_config_format(&text, config) == CNN_OK);
    require(cnn_config_parse(&again, "fuzz.yaml", text, strlen(text), NULL, 0) == CNN_OK);
    require(memcmp(config, &again, sizeof again) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct cnn_config config;
    const char *sets[MAX_SETS];
    size_t n_sets = 0;
    char *copy = malloc(bytes + 1);
    require(copy != NULL);
    if (bytes)
        memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    char *end = memchr(copy, 1, bytes);
    size_t file_bytes = end ? (size_t)(end - copy) : bytes;
    for (char *at = end; at && n_sets < MAX_SETS; at = memchr(at + 1, 1, bytes - (size_t)(at + 1 - copy))) {
        *at = '\0';
        sets[n_sets++] = at + 1;
    }
    enum cnn_status status = cnn_config_parse(&config, "fuzz.yaml", copy, file_bytes, sets, n_sets);
    require(status == CNN_OK || status == CNN_ERR_INPUT);
    if (status == CNN_OK)
        check_round_trip(&config);
    else
        require(cnn_error_message()[0] != '\0' && !strchr(cnn_error_message(), '\n'));
    free(copy);
    return 0;
}
