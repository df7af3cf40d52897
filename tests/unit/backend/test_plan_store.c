// Compiled plans in memory and in files: found again, replaced, damaged, another key's, no place to write.
#include "backend/cuda/plan_store.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/log.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char parent[64], folder[96];
static int notes;

static void count_line(void *context, enum cnn_log_level level, const char *line) {
    (void)context;
    (void)line;
    notes += level == CNN_LOG_INFO;
}

static int make_folder(void **state) {
    (void)state;
    snprintf(parent, sizeof parent, "/tmp/test_plans_XXXXXX");
    assert_non_null(mkdtemp(parent));
    snprintf(folder, sizeof folder, "%s/plans", parent);
    notes = 0;
    return cnn_log_add_sink(count_line, NULL, CNN_LOG_INFO);
}

static int remove_folder(void **state) {
    char **names = NULL, path[512];
    size_t n = 0;
    (void)state;
    cnn_log_remove_sink(count_line, NULL);
    if (cnn_folder_exists(folder) && cnn_folder_list(&names, &n, folder, "", "") == CNN_OK)
        for (size_t i = 0; i < n; i++) {
            snprintf(path, sizeof path, "%s/%s", folder, names[i]);
            unlink(path);
        }
    cnn_names_free(names, n);
    rmdir(folder);
    return rmdir(parent);
}

static struct cnn_plan_store *open_store(const char *at) {
    struct cnn_plan_store *store = NULL;
    assert_int_equal(cnn_plan_store_create(&store, at), CNN_OK);
    return store;
}

static void expect(struct cnn_plan_store *store, const char *key, const char *text, size_t bytes) {
    size_t got = 0;
    const char *found = cnn_plan_store_find(store, key, &got);
    if (!text) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_int_equal(got, bytes);
    assert_memory_equal(found, text, bytes);
}

static void path_of(char path[160], const char *key) {
    snprintf(path, 160, "%s/%08" PRIx32 ".plan", folder, cnn_crc32c(0, key, strlen(key)));
}

static void test_keeps_from_run_to_run(void **state) {
    static const char text[] = "{\"code\": \"\0\n\"}"; // any bytes
    struct cnn_plan_store *store = open_store(folder);
    (void)state;
    expect(store, "fwd 64, engine 3", NULL, 0);
    assert_false(cnn_folder_exists(folder)); // nothing is made before it is needed
    assert_int_equal(cnn_plan_store_keep(store, "fwd 64, engine 3", text, sizeof text), CNN_OK);
    for (int i = 0; i < 40; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %d", i);
        assert_int_equal(cnn_plan_store_keep(store, key, key, strlen(key)), CNN_OK);
    }
    expect(store, "fwd 64, engine 3", text, sizeof text);
    cnn_plan_store_destroy(store);
    store = open_store(folder);
    expect(store, "fwd 64, engine 3", text, sizeof text);
    expect(store, "key 39", "key 39", 6);
    expect(store, "fwd 64, engine", NULL, 0);
    cnn_plan_store_destroy(store);
}

static void test_replaces(void **state) {
    struct cnn_plan_store *store = open_store(folder);
    (void)state;
    assert_int_equal(cnn_plan_store_keep(store, "x", "old", 3), CNN_OK);
    assert_int_equal(cnn_plan_store_keep(store, "x", "newer", 5), CNN_OK);
    expect(store, "x", "newer", 5);
    cnn_plan_store_destroy(store);
    store = open_store(folder);
    expect(store, "x", "newer", 5);
    cnn_plan_store_destroy(store);
}

// Every byte counts: whatever is changed or cut off, nothing is found, and keeping it again mends it.
static void test_damage_counts_as_none(void **state) {
    struct cnn_plan_store *store = open_store(folder);
    char path[160], *file = NULL;
    size_t bytes = 0;
    (void)state;
    assert_int_equal(cnn_plan_store_keep(store, "x", "plan", 4), CNN_OK);
    cnn_plan_store_destroy(store);
    path_of(path, "x");
    assert_int_equal(cnn_file_read(&file, &bytes, path, 1000), CNN_OK);
    for (size_t i = 0; i < 2 * bytes; i++) {
        const size_t at = i % bytes;
        file[at] ^= i < bytes;
        assert_int_equal(cnn_file_replace(path, file, i < bytes ? bytes : at), CNN_OK);
        file[at] ^= i < bytes;
        store = open_store(folder);
        expect(store, "x", NULL, 0);
        cnn_plan_store_destroy(store);
    }
    store = open_store(folder);
    assert_int_equal(cnn_plan_store_keep(store, "x", "plan", 4), CNN_OK);
    cnn_plan_store_destroy(store);
    store = open_store(folder);
    expect(store, "x", "plan", 4);
    cnn_plan_store_destroy(store);
    free(file);
}

// Two keys of one checksum share a file.
static void test_another_keys_file(void **state) {
    struct cnn_plan_store *store = open_store(folder);
    char mine[160], other[160];
    (void)state;
    assert_int_equal(cnn_plan_store_keep(store, "other", "plan", 4), CNN_OK);
    cnn_plan_store_destroy(store);
    path_of(mine, "mine");
    path_of(other, "other");
    assert_int_equal(rename(other, mine), 0);
    store = open_store(folder);
    expect(store, "mine", NULL, 0);
    cnn_plan_store_destroy(store);
}

static void test_without_a_folder(void **state) {
    struct cnn_plan_store *store = open_store(NULL);
    (void)state;
    assert_int_equal(cnn_plan_store_keep(store, "x", "plan", 4), CNN_OK);
    expect(store, "x", "plan", 4);
    cnn_plan_store_destroy(store);
    assert_false(cnn_folder_exists(folder));
    assert_int_equal(notes, 0);
    assert_int_equal(cnn_file_replace(folder, "in the way", 10), CNN_OK);
    store = open_store(folder);
    assert_int_equal(cnn_plan_store_keep(store, "x", "plan", 4), CNN_OK);
    assert_int_equal(cnn_plan_store_keep(store, "y", "plan", 4), CNN_OK);
    expect(store, "x", "plan", 4);
    expect(store, "y", "plan", 4);
    assert_int_equal(notes, 1); // said once
    cnn_plan_store_destroy(store);
    unlink(folder);
    cnn_plan_store_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keeps_from_run_to_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_replaces, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damage_counts_as_none, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_another_keys_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_without_a_folder, make_folder, remove_folder),
    };
    return cmocka_run_group_tests_name("plan store", tests, NULL, NULL);
}
