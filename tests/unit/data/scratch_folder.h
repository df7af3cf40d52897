// A folder of a test's own, removed with all it holds, and the files in it.
#ifndef TEST_SCRATCH_FOLDER_H
#define TEST_SCRATCH_FOLDER_H
#include "base/file.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define assert_status(call, wanted)                                                                          \
    do {                                                                                                     \
        enum cnn_status status_found = (call);                                                               \
        if (status_found != (wanted))                                                                        \
            fail_msg("%s: status %d, expected %d: %s", #call, (int)status_found, (int)(wanted),              \
                     cnn_error_message());                                                                   \
    } while (0)
#define assert_ok(call) assert_status(call, CNN_OK)
// The call fails with `wanted` and says `words` somewhere.
#define assert_fails(call, wanted, words)                                                                    \
    do {                                                                                                     \
        assert_status(call, wanted);                                                                         \
        if (!strstr(cnn_error_message(), words))                                                             \
            fail_msg("'%s' does not say '%s'", cnn_error_message(), words);                                  \
    } while (0)

static inline int scratch_create(void **state) {
    const char *base = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%.400s/cnn-data-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        return -1;
    *state = strdup(path);
    return *state ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static inline int scratch_remove(void **state) {
    nftw(*state, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

// FOLDER/NAME, in one of a ring of static buffers: good for the next 31 calls.
static inline const char *in(const char *folder, const char *name) {
    static char ring[32][1024];
    static int next;
    char path[1024];
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    return memcpy(ring[next++ % 32], path, sizeof path);
}

static inline void write_file(const char *path, const void *data, size_t bytes) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    assert_ok(cnn_folder_create(folder));
    assert_ok(cnn_file_replace(path, data, bytes));
}

// malloc'ed
static inline char *read_file(const char *path, size_t *out_bytes) {
    char *data = NULL;
    assert_ok(cnn_file_read(&data, out_bytes, path, (size_t)1 << 30));
    return data;
}

// Number of entries, dot-files included.
static inline int count_entries(const char *folder) {
    char command[4200];
    int n = -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &n), 1);
    pclose(pipe);
    return n;
}

static inline void assert_same_files(const char *a, const char *b) {
    size_t a_bytes, b_bytes;
    char *x = read_file(a, &a_bytes), *y = read_file(b, &b_bytes);
    assert_int_equal(a_bytes, b_bytes);
    if (memcmp(x, y, a_bytes) != 0)
        fail_msg("%s and %s differ", a, b);
    free(x);
    free(y);
}

// The same names with the same bytes.
static inline void assert_same_folders(const char *first, const char *second) {
    char **x, **y, a[1024], b[1024];
    size_t n, m;
    snprintf(a, sizeof a, "%s", first); // the ring of in() turns below
    snprintf(b, sizeof b, "%s", second);
    assert_ok(cnn_folder_list(&x, &n, a, "", ""));
    assert_ok(cnn_folder_list(&y, &m, b, "", ""));
    assert_int_equal(n, m);
    assert_int_equal(count_entries(a), n);
    assert_int_equal(count_entries(b), n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(x[i], y[i]);
        assert_same_files(in(a, x[i]), in(b, y[i]));
    }
    cnn_names_free(x, n);
    cnn_names_free(y, m);
}

#endif
