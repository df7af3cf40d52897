// Short ways to say "this YAML reads" and "this YAML is refused with these words".
#ifndef TESTS_UNIT_CONFIG_GIVEN_H
#define TESTS_UNIT_CONFIG_GIVEN_H
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants those four first.
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void must_read_with(struct cnn_config *config, const char *yaml, const char *const *sets,
                                  size_t n) {
    memset(config, 0xa5, sizeof *config);
    if (cnn_config_parse(config, "t.yaml", yaml, strlen(yaml), sets, n) != CNN_OK)
        fail_msg("refused:\n%s\n-> %s", yaml, cnn_error_message());
}

static inline void must_read(struct cnn_config *config, const char *yaml) {
    must_read_with(config, yaml, NULL, 0);
}

// The message must begin with `start` and hold `part`.
static inline void must_refuse_with(const char *yaml, const char *const *sets, size_t n, const char *start,
                                    const char *part) {
    struct cnn_config config, before;
    memset(&config, 0x5a, sizeof config);
    before = config;
    enum cnn_status status = cnn_config_parse(&config, "t.yaml", yaml, strlen(yaml), sets, n);
    const char *message = cnn_error_message();
    if (status != CNN_ERR_INPUT)
        fail_msg("status %d instead of refused:\n%s", (int)status, yaml);
    if (strncmp(message, start, strlen(start)) != 0 || !strstr(message, part) || strchr(message, '\n'))
        fail_msg("%s\nshould begin with\n%s\nand hold\n%s", message, start, part);
    assert_memory_equal(&config, &before, sizeof config); // *out is untouched
}

static inline void must_refuse(const char *yaml, const char *start, const char *part) {
    must_refuse_with(yaml, NULL, 0, start, part);
}

static inline void must_refuse_set(const char *set, const char *start, const char *part) {
    must_refuse_with("", &set, 1, start, part);
}

#endif
