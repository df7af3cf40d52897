// Which class of a dataset is which class of a network.
#include "data/class_map.h"
#include "scratch_folder.h"

#define NAMES(...)                                                                                           \
    (struct cnn_class_list) {                                                                                \
        .n = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), .names = (const char *[]) {             \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
#define UNNAMED(count)                                                                                       \
    (struct cnn_class_list) { .n = count }

static const uint64_t some[8] = {1, 1, 1, 1, 1, 1, 1, 1};

static void assert_map(struct cnn_class_list network, struct cnn_class_list dataset, const uint64_t *records,
                       const int *wanted, bool by_name, bool moved) {
    struct cnn_class_map map;
    assert_ok(cnn_class_map_make(&map, &network, &dataset, records));
    assert_int_equal(map.n, dataset.n);
    for (int i = 0; i < map.n; i++)
        assert_int_equal(map.label[i], wanted[i]);
    assert_int_equal(map.by_name, by_name);
    assert_int_equal(map.moved, moved);
    cnn_class_map_finish(&map);
}

static void assert_refused(struct cnn_class_list network, struct cnn_class_list dataset,
                           const uint64_t *records, const char *words) {
    struct cnn_class_map map;
    assert_fails(cnn_class_map_make(&map, &network, &dataset, records), CNN_ERR_INPUT, words);
}

static void test_same_names_have_one_number(void **state) {
    assert_map(NAMES("a", "b", "c"), NAMES("a", "b", "c"), some, (int[]){0, 1, 2}, true, false);
    assert_map(NAMES("a", "b", "c"), NAMES("b", "c"), some, (int[]){1, 2}, true, true);
    assert_map(NAMES("a", "b", "c"), NAMES("c", "a", "b"), some, (int[]){2, 0, 1}, true, true);
    assert_map(NAMES("10", "9", "x"), NAMES("9", "10"), some, (int[]){1, 0}, true, true);
}

static void test_an_unknown_class_is_named(void **state) {
    assert_refused(NAMES("a", "b", "c"), NAMES("b", "c", "d"), some, "d (the network has: a, b, c)");
    assert_refused(NAMES("a", "b", "c"), NAMES("x", "y", "z"), some, "3 classes the network lacks: x, y, z");
    assert_refused(NAMES("a", "b"), NAMES("A", "b"), some, "--classes-of");
    // Of which there is no record: it does no harm.
    assert_map(NAMES("a", "b"), NAMES("a", "b", "d"), (uint64_t[]){3, 2, 0}, (int[]){0, 1, -1}, true, false);
    assert_map(NAMES("a", "b"), NAMES("d", "a", "b"), (uint64_t[]){0, 3, 2}, (int[]){-1, 0, 1}, true, true);
}

static void test_a_long_list_is_cut(void **state) {
    static char text[3000][300];
    const char *names[3000];
    for (int i = 0; i < 3000; i++) {
        snprintf(text[i], sizeof text[i], "class-%d-%0250d", i, i);
        names[i] = text[i];
    }
    const struct cnn_class_list network = {.n = 3000, .names = names};
    struct cnn_class_map map;
    assert_status(cnn_class_map_make(&map, &network, &NAMES("b"), some), CNN_ERR_INPUT);
    assert_true(strlen(cnn_error_message()) < 900);
    assert_fails(cnn_class_map_make(&map, &network, &NAMES("b"), some), CNN_ERR_INPUT, "and 2999 more");
    assert_fails(cnn_class_map_make(&map, &network, &NAMES("b"), some), CNN_ERR_INPUT, "--classes-of");
}

static void test_a_name_twice(void **state) {
    // Equal lists leave nothing to ask, as ImageNet's two cranes.
    assert_map(NAMES("crane", "b", "crane"), NAMES("crane", "b", "crane"), some, (int[]){0, 1, 2}, true,
               false);
    assert_map(NAMES("crane", "b", "crane", "d"), NAMES("crane", "b", "crane"), some, (int[]){0, 1, 2}, true,
               false);
    assert_refused(NAMES("crane", "b", "crane"), NAMES("b", "crane"), some,
                   "several classes with the name 'crane'");
    assert_refused(NAMES("a", "b"), NAMES("b", "b"), some, "classes 0 and 1 have the same name 'b'");
    assert_map(NAMES("a", "b"), NAMES("b", "b"), (uint64_t[]){0, 5}, (int[]){1, 1}, true, false);
}

static void test_without_names_numbers_count(void **state) {
    assert_map(UNNAMED(3), UNNAMED(3), some, (int[]){0, 1, 2}, false, false);
    assert_map(UNNAMED(3), UNNAMED(2), some, (int[]){0, 1}, false, false);
    assert_map(UNNAMED(2), UNNAMED(3), (uint64_t[]){1, 1, 0}, (int[]){0, 1, -1}, false, false);
    assert_refused(UNNAMED(2), UNNAMED(3), some, "label 2, but the network has 2 classes (0..1)");
}

static void test_one_side_without_names(void **state) {
    assert_map(NAMES("a", "b"), UNNAMED(2), some, (int[]){0, 1}, false, false);
    assert_map(UNNAMED(2), NAMES("a", "b"), some, (int[]){0, 1}, false, false);
    assert_refused(NAMES("a", "b", "c"), UNNAMED(2), some, "2 classes without names");
    assert_refused(UNNAMED(3), NAMES("a", "b"), some, "2 classes with names");
}

static void test_spare_classes_have_no_names(void **state) {
    assert_map(NAMES("a", "b", NULL, NULL), NAMES("b", "a"), some, (int[]){1, 0}, true, true);
    assert_map(NAMES("a", "b", NULL, NULL), UNNAMED(2), some, (int[]){0, 1}, false, false);
    assert_refused(NAMES("a", "b", NULL), NAMES("a", "b", "c"), some, "lacks: c");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_names_have_one_number),  cmocka_unit_test(test_an_unknown_class_is_named),
        cmocka_unit_test(test_a_long_list_is_cut),          cmocka_unit_test(test_a_name_twice),
        cmocka_unit_test(test_without_names_numbers_count), cmocka_unit_test(test_one_side_without_names),
        cmocka_unit_test(test_spare_classes_have_no_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
