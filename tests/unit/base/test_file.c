#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64], path[512];

static int make_root(void **state) {
    strcpy(root, "/tmp/cnn_test_file_XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static const char *in_root(const char *name) {
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text) {
    assert_int_equal(cnn_file_replace(in_root(name), text, strlen(text)), CNN_OK);
}

static void assert_holds(const char *name, const char *text) {
    char *data = NULL;
    size_t bytes;
    assert_int_equal(cnn_file_read(&data, &bytes, in_root(name), 1 << 20), CNN_OK);
    assert_int_equal(bytes, strlen(text));
    assert_string_equal(data, text);
    free(data);
}

// Every entry, dot-files included.
static int entries(void) {
    DIR *folder = opendir(root);
    int n = 0;
    while (readdir(folder))
        n++;
    closedir(folder);
    return n - 2;
}

static void reading_a_whole_file(void **state) {
    put("a", "hello");
    assert_holds("a", "hello");
    put("empty", "");
    assert_holds("empty", "");
}

static void reading_has_a_limit(void **state) {
    char *data = NULL;
    size_t bytes = 0;
    put("a", "hello");
    assert_int_equal(cnn_file_read(&data, &bytes, in_root("a"), 4), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), path));
    assert_null(data);
    assert_int_equal(cnn_file_read(&data, &bytes, in_root("a"), 5), CNN_OK);
    free(data);
    assert_int_equal(cnn_file_read(&data, &bytes, in_root("a"), SIZE_MAX), CNN_OK);
    free(data);
    data = NULL;
    assert_int_equal(cnn_file_read(&data, &bytes, "/dev/zero", 100000), CNN_ERR_INPUT);
    assert_null(data);
}

static void reading_what_has_no_size(void **state) {
    char *data = NULL;
    size_t bytes = 0;
    assert_int_equal(cnn_file_read(&data, &bytes, "/proc/self/status", 1 << 20), CNN_OK);
    assert_true(bytes > 100 && strlen(data) == bytes);
    free(data);
}

static void reading_what_is_not_there(void **state) {
    char *data = NULL;
    size_t bytes;
    assert_int_equal(cnn_file_read(&data, &bytes, in_root("none"), 10), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), path));
    assert_int_equal(cnn_file_read(&data, &bytes, root, 10), CNN_ERR_INPUT); // a folder
    put("a", "x");
    assert_int_equal(cnn_file_read(&data, &bytes, in_root("a/b"), 10), CNN_ERR_INPUT);
    assert_null(data);
}

static void exact_reads(void **state) {
    char data[8] = {0};
    put("a", "0123456789");
    int fd = open(path, O_RDONLY);
    assert_int_equal(cnn_file_pread(fd, path, data, 4, 6), CNN_OK);
    assert_string_equal(data, "6789");
    assert_int_equal(cnn_file_pread(fd, path, data, 0, 10), CNN_OK);
    assert_int_equal(cnn_file_pread(fd, path, data, 4, 7), CNN_ERR_INPUT); // short
    assert_non_null(strstr(cnn_error_message(), path));
    assert_int_equal(cnn_file_pread(fd, path, data, 1, 1000), CNN_ERR_INPUT);
    assert_int_equal(cnn_file_pread(fd, path, data, 1, UINT64_MAX), CNN_ERR_INPUT);
    assert_int_equal(cnn_file_pread(fd, path, data, 4, INT64_MAX - 1), CNN_ERR_INPUT);
    close(fd);
    assert_int_equal(cnn_file_pread(fd, path, data, 1, 0), CNN_ERR_IO); // closed
}

static void a_file_appears_at_commit(void **state) {
    struct cnn_file_writer writer;
    assert_int_equal(cnn_file_writer_open(&writer, in_root("model")), CNN_OK);
    assert_int_equal(cnn_file_writer_write(&writer, "abc", 3), CNN_OK);
    assert_int_equal(cnn_file_writer_write(&writer, NULL, 0), CNN_OK);
    assert_int_equal(cnn_file_writer_write(&writer, "def", 3), CNN_OK);
    assert_false(cnn_file_exists(path));
    assert_int_equal(cnn_file_writer_commit(&writer), CNN_OK);
    cnn_file_writer_discard(&writer); // nothing to do any more
    assert_holds("model", "abcdef");
    assert_int_equal(entries(), 1);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
}

static void discarding_keeps_the_old_file(void **state) {
    struct cnn_file_writer writer;
    put("model", "old");
    assert_int_equal(cnn_file_writer_open(&writer, in_root("model")), CNN_OK);
    assert_int_equal(cnn_file_writer_write(&writer, "new", 3), CNN_OK);
    cnn_file_writer_discard(&writer);
    cnn_file_writer_discard(&writer);
    assert_holds("model", "old");
    assert_int_equal(entries(), 1);
    assert_int_equal(cnn_file_writer_commit(&writer), CNN_ERR_FAILED);
    assert_holds("model", "old");
}

static void a_zeroed_writer_is_closed(void **state) {
    struct cnn_file_writer writer = {0};
    cnn_file_writer_discard(&writer);
    assert_int_not_equal(fcntl(0, F_GETFD), -1); // did not take its fd 0 for a file
    assert_int_equal(cnn_file_writer_commit(&writer), CNN_ERR_FAILED);
}

static void two_writers_of_one_file(void **state) {
    struct cnn_file_writer one, two;
    assert_int_equal(cnn_file_writer_open(&one, in_root("a")), CNN_OK);
    assert_int_equal(cnn_file_writer_open(&two, in_root("a")), CNN_OK);
    assert_int_equal(cnn_file_writer_write(&one, "1", 1), CNN_OK);
    assert_int_equal(cnn_file_writer_write(&two, "22", 2), CNN_OK);
    assert_int_equal(cnn_file_writer_commit(&one), CNN_OK);
    assert_holds("a", "1");
    assert_int_equal(cnn_file_writer_commit(&two), CNN_OK);
    assert_holds("a", "22");
}

static void a_full_disk_keeps_the_old_file(void **state) {
    struct cnn_file_writer writer;
    put("model", "old");
    assert_int_equal(cnn_file_writer_open(&writer, in_root("model")), CNN_OK);
    int full = open("/dev/full", O_WRONLY);
    assert_int_not_equal(full, -1);
    assert_int_equal(dup2(full, writer.fd), writer.fd);
    close(full);
    assert_int_equal(cnn_file_writer_write(&writer, "new", 3), CNN_ERR_IO);
    assert_non_null(strstr(cnn_error_message(), "No space left"));
    assert_non_null(strstr(cnn_error_message(), path));
    cnn_file_writer_discard(&writer);
    assert_holds("model", "old");
    assert_int_equal(entries(), 1);
}

static void a_commit_that_fails_cleans_up(void **state) {
    struct cnn_file_writer writer;
    assert_int_equal(cnn_file_writer_open(&writer, in_root("model")), CNN_OK);
    assert_int_equal(mkdir(path, 0777), 0); // a folder got in the way meanwhile
    assert_int_not_equal(cnn_file_writer_commit(&writer), CNN_OK);
    assert_false(writer.open);
    assert_int_equal(entries(), 1);
}

static void places_that_cannot_be_written(void **state) {
    struct cnn_file_writer writer = {.fd = 77};
    put("a", "x");
    assert_int_equal(cnn_file_writer_open(&writer, in_root("a/b")), CNN_ERR_INPUT); // a file in the way
    assert_non_null(strstr(cnn_error_message(), path));
    assert_int_equal(cnn_file_writer_open(&writer, in_root("none/b")), CNN_ERR_INPUT);
    assert_int_equal(cnn_file_writer_open(&writer, in_root("")), CNN_ERR_INPUT);
    assert_int_equal(cnn_file_writer_open(&writer, root), CNN_ERR_INPUT);
    assert_int_equal(cnn_file_writer_open(&writer, ""), CNN_ERR_INPUT);
    assert_int_equal(cnn_file_writer_open(&writer, "/dev/full"), CNN_ERR_INPUT); // would be renamed away
    assert_true(access("/dev/full", F_OK) == 0);
    assert_int_equal(writer.fd, 77); // untouched
}

static void relative_names_and_long_names(void **state) {
    char before[4096], name[256];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(root), 0);
    assert_int_equal(cnn_file_replace("plain", "1", 1), CNN_OK);
    assert_int_equal(cnn_folder_create("x/y//z/"), CNN_OK);
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(cnn_file_replace(name, "2", 1), CNN_OK); // the temporary name has to be shorter
    assert_int_equal(chdir(before), 0);
    assert_holds("plain", "1");
    assert_holds(name, "2");
    assert_true(cnn_folder_exists(in_root("x/y/z")));
}

static void making_folders(void **state) {
    assert_int_equal(cnn_folder_create(in_root("a/b/c")), CNN_OK);
    assert_int_equal(cnn_folder_create(in_root("a/b/c")), CNN_OK);
    assert_true(cnn_folder_exists(in_root("a/b/c")));
    assert_false(cnn_file_exists(in_root("a/b/c")));
    put("file", "x");
    assert_true(cnn_file_exists(in_root("file")));
    assert_false(cnn_folder_exists(in_root("file")));
    assert_int_equal(cnn_folder_create(in_root("file")), CNN_ERR_INPUT);
    assert_int_equal(cnn_folder_create(in_root("file/d")), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "a file of that name exists"));
    assert_int_equal(cnn_folder_create(""), CNN_ERR_INPUT);
    assert_int_equal(cnn_folder_create("/"), CNN_OK);
    assert_int_not_equal(cnn_folder_create("/proc/cnn_test"), CNN_OK);
}

static void listing(void **state) {
    char **names = NULL;
    size_t n = 0;
    put("step-2.st", "");
    put("step-10.st", "");
    put("step-1.st", "");
    put("other.st", "");
    put("step-3.txt", "");
    put(".step-4.st", "");
    put("step", "");
    assert_int_equal(cnn_folder_list(&names, &n, root, "step-", ".st"), CNN_OK);
    assert_int_equal(n, 3);
    assert_string_equal(names[0], "step-1.st");
    assert_string_equal(names[1], "step-10.st");
    assert_string_equal(names[2], "step-2.st");
    cnn_names_free(names, n);
    assert_int_equal(cnn_folder_list(&names, &n, root, "", ""), CNN_OK);
    assert_int_equal(n, 6);
    cnn_names_free(names, n);
    assert_int_equal(cnn_folder_list(&names, &n, root, "none", ""), CNN_OK);
    assert_int_equal(n, 0);
    cnn_names_free(names, n);
    // A name may not use the same letters for its beginning and its end.
    assert_int_equal(cnn_folder_list(&names, &n, root, "step-1.s", "1.st"), CNN_OK);
    assert_int_equal(n, 0);
    cnn_names_free(names, n);
    assert_int_equal(cnn_folder_list(&names, &n, in_root("gone"), "", ""), CNN_ERR_INPUT);
    assert_int_equal(cnn_folder_list(&names, &n, in_root("step"), "", ""), CNN_ERR_INPUT);
}

static void many_names(void **state) {
    char **names = NULL, name[32];
    size_t n = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "f%03d", i);
        int fd = open(in_root(name), O_CREAT | O_WRONLY, 0666);
        assert_int_not_equal(fd, -1);
        close(fd);
    }
    assert_int_equal(cnn_folder_list(&names, &n, root, "f", ""), CNN_OK);
    assert_int_equal(n, 200);
    assert_string_equal(names[199], "f199");
    cnn_names_free(names, n);
}

static void long_paths_are_refused(void **state) {
    char out[8], endless[5000];
    memset(endless, 'p', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(cnn_path_format(out, sizeof out, "%s/%d", "abc", 123), CNN_OK);
    assert_string_equal(out, "abc/123");
    assert_int_equal(cnn_path_format(out, sizeof out, "%s/%d", "abc", 1234), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "path too long"));
    struct cnn_file_writer writer;
    assert_int_equal(cnn_file_writer_open(&writer, endless), CNN_ERR_INPUT);
    assert_int_equal(cnn_folder_create(endless), CNN_ERR_INPUT);
}

static void the_nearest_folder(void **state) {
    char got[4096], expected[4096];
    assert_int_equal(cnn_folder_create(in_root("a/b")), CNN_OK);
    strcpy(expected, in_root("a"));
    assert_int_equal(cnn_folder_nearest(got, expected), CNN_OK);
    assert_string_equal(got, expected);
    assert_int_equal(cnn_folder_nearest(got, in_root("a/x/y/z")), CNN_OK);
    assert_string_equal(got, expected);
    assert_int_equal(cnn_folder_nearest(got, "not-there/x"), CNN_OK);
    assert_string_equal(got, ".");
    assert_int_equal(cnn_folder_nearest(got, "/not-there/x"), CNN_OK);
    assert_string_equal(got, "/");
    assert_int_equal(cnn_file_replace(in_root("a/file"), "x", 1), CNN_OK);
    assert_int_equal(cnn_folder_nearest(got, in_root("a/file/x")), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "a/file is a file"));
}

// A file that may not grow stands in for a full disk: the kernel writes what fits and refuses the rest.
static void appending_is_all_or_nothing(void **state) {
    struct rlimit old, small = {.rlim_cur = 8};
    int fd = open(in_root("log"), O_WRONLY | O_CREAT | O_APPEND, 0666);
    assert_true(fd >= 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(cnn_file_append(fd, "first\n", 6), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int error = cnn_file_append(fd, "second\n", 7);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_not_equal(error, 0);
    assert_holds("log", "first\n");
    assert_int_equal(cnn_file_append(fd, "third\n", 6), 0);
    assert_holds("log", "first\nthird\n");
    close(fd);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_ROOT(reading_a_whole_file),
        IN_ROOT(reading_has_a_limit),
        IN_ROOT(reading_what_has_no_size),
        IN_ROOT(reading_what_is_not_there),
        IN_ROOT(exact_reads),
        IN_ROOT(a_file_appears_at_commit),
        IN_ROOT(discarding_keeps_the_old_file),
        IN_ROOT(a_zeroed_writer_is_closed),
        IN_ROOT(two_writers_of_one_file),
        IN_ROOT(a_full_disk_keeps_the_old_file),
        IN_ROOT(a_commit_that_fails_cleans_up),
        IN_ROOT(places_that_cannot_be_written),
        IN_ROOT(relative_names_and_long_names),
        IN_ROOT(making_folders),
        IN_ROOT(the_nearest_folder),
        IN_ROOT(listing),
        IN_ROOT(many_names),
        IN_ROOT(long_paths_are_refused),
        IN_ROOT(appending_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
