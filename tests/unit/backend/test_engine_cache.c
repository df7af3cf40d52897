// The file that remembers engines: found again, merged, damaged, shared by processes, and done without.
#include "backend/cuda/engine_cache.h"
#include "base/file.h"
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64], file[96];
    int warnings, notes;
};

static void count_line(void *context, enum cnn_log_level level, const char *line) {
    struct place *place = context;
    (void)line;
    place->warnings += level == CNN_LOG_WARN;
    place->notes += level == CNN_LOG_INFO;
}

static int make_place(void **state) {
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/test_engines_XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->file, sizeof place->file, "%s/engines.txt", place->folder);
    *state = place;
    return cnn_log_add_sink(count_line, place, CNN_LOG_INFO);
}

static int remove_place(void **state) {
    struct place *place = *state;
    char lock[96];
    snprintf(lock, sizeof lock, "%s/engines.lock", place->folder);
    cnn_log_remove_sink(count_line, place);
    unlink(place->file);
    unlink(lock);
    rmdir(place->folder);
    free(place);
    return 0;
}

static struct cnn_engine_cache *open_cache(const struct place *place) {
    struct cnn_engine_cache *cache = NULL;
    assert_int_equal(cnn_engine_cache_create(&cache, place->folder), CNN_OK);
    return cache;
}

static void write_text(const struct place *place, const char *text) {
    assert_int_equal(cnn_file_replace(place->file, text, strlen(text)), CNN_OK);
}

static void expect(const struct cnn_engine_cache *cache, const char *key, const char *engine) {
    const char *found = cnn_engine_cache_find(cache, key);
    if (!engine) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, engine);
}

static void test_keeps_from_run_to_run(void **state) {
    struct cnn_engine_cache *cache = open_cache(*state);
    expect(cache, "fwd 64", NULL);
    assert_int_equal(cnn_engine_cache_keep(cache, "fwd 64", "62:2=3,14=1", ""), CNN_OK);
    assert_int_equal(cnn_engine_cache_keep(cache, "dgrad 64", "7", ""), CNN_OK);
    expect(cache, "fwd 64", "62:2=3,14=1");
    cnn_engine_cache_destroy(cache);
    cache = open_cache(*state);
    expect(cache, "fwd 64", "62:2=3,14=1");
    expect(cache, "dgrad 64", "7");
    expect(cache, "fwd 6", NULL);
    cnn_engine_cache_destroy(cache);
}

static void test_text(void **state) {
    struct cnn_engine_cache *cache = open_cache(*state);
    char *text = NULL;
    int damaged = -1;
    const char *given = "cnn_dist engines 1\nb\t2\na\t1\n";
    assert_int_equal(cnn_engine_cache_parse(cache, given, strlen(given), &damaged), CNN_OK);
    assert_int_equal(damaged, 0);
    assert_int_equal(cnn_engine_cache_format(&text, cache), CNN_OK);
    assert_string_equal(text, given);
    free(text);
    cnn_engine_cache_destroy(cache);
}

static void test_what_is_written_first_stays(void **state) {
    struct cnn_engine_cache *a = open_cache(*state), *b = open_cache(*state);
    assert_int_equal(cnn_engine_cache_keep(a, "x", "1", ""), CNN_OK);
    assert_int_equal(cnn_engine_cache_keep(b, "x", "2", ""), CNN_OK);
    assert_int_equal(cnn_engine_cache_keep(b, "y", "3", ""), CNN_OK);
    assert_int_equal(cnn_engine_cache_keep(a, "z", "4", ""), CNN_OK);
    expect(b, "x", "1");
    expect(a, "y", "3");
    cnn_engine_cache_destroy(a);
    cnn_engine_cache_destroy(b);
    a = open_cache(*state);
    expect(a, "x", "1");
    expect(a, "y", "3");
    expect(a, "z", "4");
    cnn_engine_cache_destroy(a);
}

static void test_what_no_longer_works_is_replaced(void **state) {
    struct cnn_engine_cache *a = open_cache(*state), *b = open_cache(*state);
    assert_int_equal(cnn_engine_cache_keep(a, "x", "1", ""), CNN_OK);
    assert_int_equal(cnn_engine_cache_keep(b, "x", "2", "7"), CNN_OK); // another one was refused
    expect(b, "x", "1");
    assert_int_equal(cnn_engine_cache_keep(b, "x", "2", "1"), CNN_OK);
    expect(b, "x", "2");
    assert_int_equal(cnn_engine_cache_keep(a, "y", "3", ""), CNN_OK);
    cnn_engine_cache_destroy(a);
    cnn_engine_cache_destroy(b);
    a = open_cache(*state);
    expect(a, "x", "2");
    cnn_engine_cache_destroy(a);
}

static void test_damaged_lines_are_passed_over(void **state) {
    struct place *place = *state;
    write_text(place, "cnn_dist engines 1\ngood\t1\nno tab\n\tno key\nno "
                      "engine\t\ntwo\ttabs\tx\n\x01\t2\n\nalso\t3\ncut\t4");
    struct cnn_engine_cache *cache = open_cache(place);
    assert_int_equal(place->warnings, 1);
    expect(cache, "good", "1");
    expect(cache, "also", "3");
    expect(cache, "cut", NULL);
    expect(cache, "two", NULL);
    assert_int_equal(cnn_engine_cache_keep(cache, "cut", "5", ""), CNN_OK);
    assert_int_equal(place->warnings, 1); // said once
    cnn_engine_cache_destroy(cache);
    cache = open_cache(place); // and mended
    assert_int_equal(place->warnings, 1);
    expect(cache, "good", "1");
    expect(cache, "cut", "5");
    cnn_engine_cache_destroy(cache);
}

static void test_another_format_is_not_taken(void **state) {
    struct place *place = *state;
    write_text(place, "cnn_dist engines 2\na\t1\n");
    struct cnn_engine_cache *cache = open_cache(place);
    assert_int_equal(place->warnings, 1);
    expect(cache, "a", NULL);
    cnn_engine_cache_destroy(cache);
}

static void test_what_would_break_the_file(void **state) {
    struct cnn_engine_cache *cache = open_cache(*state);
    char lengthy[CNN_ENGINE_CACHE_KEY_BYTES + 1];
    memset(lengthy, 'k', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    const char *const bad[] = {"", "a\tb", "a\nb", lengthy};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cnn_engine_cache_keep(cache, bad[i], "1", ""), CNN_ERR_INPUT);
        assert_int_equal(cnn_engine_cache_keep(cache, "key", bad[i], ""), CNN_ERR_INPUT);
    }
    expect(cache, "key", NULL);
    cnn_engine_cache_destroy(cache);
}

// A file where the folder should be: true of root as well, whom no permission stops.
static void test_goes_on_without_a_folder(void **state) {
    struct place *place = *state;
    struct cnn_engine_cache *cache = NULL;
    char path[128];
    write_text(place, "cnn_dist engines 1\n");
    snprintf(path, sizeof path, "%s/below", place->file);
    assert_int_equal(cnn_engine_cache_create(&cache, path), CNN_OK);
    assert_int_equal(place->notes, 1);
    cnn_engine_cache_lock(cache);
    assert_int_equal(cnn_engine_cache_keep(cache, "a", "1", ""), CNN_OK);
    cnn_engine_cache_unlock(cache);
    expect(cache, "a", "1");
    assert_int_equal(place->notes, 1); // said once
    cnn_engine_cache_destroy(cache);
}

static void test_where_the_users_folder_is(void **state) {
    struct place *place = *state;
    struct cnn_engine_cache *cache = NULL;
    char path[128];
    assert_int_equal(setenv("XDG_CACHE_HOME", place->folder, 1), 0);
    assert_int_equal(cnn_engine_cache_create(&cache, NULL), CNN_OK);
    assert_int_equal(cnn_engine_cache_keep(cache, "a", "1", ""), CNN_OK);
    cnn_engine_cache_destroy(cache);
    snprintf(path, sizeof path, "%s/cnn_dist/engines.txt", place->folder);
    assert_true(cnn_file_exists(path));
    unlink(path);
    snprintf(path, sizeof path, "%s/cnn_dist", place->folder);
    rmdir(path);
    unsetenv("XDG_CACHE_HOME");
}

#define PROCESSES 4
#define KEYS 12

// What a rank does: for every product, the first process chooses, the others find its choice.
static void choose_all(const struct place *place, int process) {
    struct cnn_engine_cache *cache = open_cache(place);
    for (int k = 0; k < KEYS; k++) {
        char key[32], engine[32];
        snprintf(key, sizeof key, "product %d", k);
        snprintf(engine, sizeof engine, "%d:1=%d", k, process);
        cnn_engine_cache_lock(cache);
        if (!cnn_engine_cache_find(cache, key)) {
            usleep(1000);
            assert_int_equal(cnn_engine_cache_keep(cache, key, engine, ""), CNN_OK);
        }
        cnn_engine_cache_unlock(cache);
    }
    char *text = NULL;
    char path[128];
    assert_int_equal(cnn_engine_cache_format(&text, cache), CNN_OK);
    snprintf(path, sizeof path, "%s/seen-%d", place->folder, process);
    assert_int_equal(cnn_file_replace(path, text, strlen(text)), CNN_OK);
    free(text);
    cnn_engine_cache_destroy(cache);
}

static void expect_seen(const struct place *place, int process) {
    struct cnn_engine_cache *cache = open_cache(place);
    char path[128], key[32], *text = NULL;
    size_t bytes = 0;
    snprintf(path, sizeof path, "%s/seen-%d", place->folder, process);
    assert_int_equal(cnn_file_read(&text, &bytes, path, 1 << 20), CNN_OK);
    for (int k = 0; k < KEYS; k++) {
        char line[96];
        snprintf(key, sizeof key, "product %d", k);
        assert_non_null(cnn_engine_cache_find(cache, key));
        snprintf(line, sizeof line, "%s\t%s\n", key, cnn_engine_cache_find(cache, key));
        assert_non_null(strstr(text, line)); // the process ran on what the file has
    }
    free(text);
    unlink(path);
    cnn_engine_cache_destroy(cache);
}

static void test_processes_agree(void **state) {
    struct place *place = *state;
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            choose_all(place, i);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < PROCESSES; i++)
        expect_seen(place, i);
    assert_int_equal(place->warnings, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keeps_from_run_to_run, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_text, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_what_is_written_first_stays, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_what_no_longer_works_is_replaced, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_damaged_lines_are_passed_over, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_another_format_is_not_taken, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_what_would_break_the_file, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_goes_on_without_a_folder, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_where_the_users_folder_is, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_processes_agree, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
