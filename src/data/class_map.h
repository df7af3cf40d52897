// Classes are matched by name. Wherever a dataset meets a network or another dataset, this decides which
// class of the one is which class of the other; two datasets of the same classes may number them differently.
#ifndef CNN_DATA_CLASS_MAP_H
#define CNN_DATA_CLASS_MAP_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Classes in the order of their numbers; all borrowed.
struct cnn_class_list {
    int n;
    const char *const *names; // n strings, NULL for a class without a name; NULL: no class has a name
    const char *owner;        // in messages, for the list that is matched with; NULL: "the network"
};
bool cnn_class_list_is_named(const struct cnn_class_list *list);
// "cat, dog and 12 more": the classes whose entry in `chosen` is true (NULL: all), by number where they have
// no name. Cut to a few names and to `out_bytes`.
void cnn_class_list_format(char *out, size_t out_bytes, const struct cnn_class_list *list,
                           const bool *chosen);

struct cnn_class_map {
    int n;      // classes of the dataset
    int *label; // the network's number of each; -1: unknown to the network, and the dataset has no record of
                // it
    bool by_name; // false: at least one side has no names, and numbers were compared
    bool moved;   // a class with records has another number in the network
};

// `records`: of each class of the dataset. Lists that are equal map every class to itself, even where a name
// occurs twice. Otherwise, both sides named: each class with records must have exactly one namesake in the
// network, or the same name under the same number. Neither side named: the labels in use must be below
// network->n. One side named: the numbers of classes must be equal (for the network, up to its last name).
// Anything else is CNN_ERR_INPUT listing the classes; the caller puts the dataset's name in front. Not
// collective.
enum cnn_status cnn_class_map_make(struct cnn_class_map *out, const struct cnn_class_list *network,
                                   const struct cnn_class_list *dataset,
                                   const uint64_t *records) CNN_MUST_CHECK;
void cnn_class_map_finish(struct cnn_class_map *map);

#endif
