// Lists of augmentations as a user writes them.
#ifndef TEST_IMAGE_LISTS_H
#define TEST_IMAGE_LISTS_H
#include "picture.h"

#include "config/config.h"

// The entries of a list in YAML's flow style, without its brackets.
static inline struct cnn_augment_list list_of_yaml(const char *entries) {
    static struct cnn_config config;
    char yaml[2048];
    snprintf(yaml, sizeof yaml, "augment: {train: [%s]}", entries);
    assert_ok(cnn_config_parse(&config, "list", yaml, strlen(yaml), NULL, 0));
    return config.augment.train;
}

#endif
