// Imports that are cut off anywhere and go on.
#include "base/clock.h"
#include "base/owner.h"
#include "base/random.h"
#include "import_fixture.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>

enum { N = 240, SHARD = 30, KILLS = 20 };

static void put_source(const char *folder) {
    put_classes(folder, N, 3);
    write_file(in(folder, "class 1/broken.jpg"), "\xff\xd8\xff\xe0 and no more", 16);
    write_file(in(folder, "class 2/note.txt"), "not a picture", 13);
}

// `out` must outlive them: in() is not enough.
static struct cnn_import_options options_for(const char *out) {
    return (struct cnn_import_options){.out = out,
                                       .name = "d",
                                       .shard_records = SHARD,
                                       .threads = 2,
                                       .split = "train=0.7,val=0.3",
                                       .seed = 5};
}

static double seconds_of(const char *source, const char *out) {
    struct cnn_import_options options = options_for(out);
    struct cnn_import_result result;
    double begun = cnn_clock_s();
    assert_ok(cnn_import_folder(&result, source, &options));
    assert_int_equal(result.records, N);
    assert_int_equal(result.quarantined, 2);
    return cnn_clock_s() - begun;
}

// Starts the import in a process of its own and kills it after a while; true: it was still at it.
static bool start_and_kill(const char *source, const char *out, double after_s) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct cnn_import_options options = options_for(out);
        struct cnn_import_result result;
        _exit(cnn_import_folder(&result, source, &options) == CNN_OK ? 0 : 1);
    }
    usleep((useconds_t)(after_s * 1e6));
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

// Numbers of the shards that are finished but for their headers.
static int count_made(const char *out) {
    DIR *folder = opendir(in(out, ".import"));
    int n = 0;
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        n += entry->d_name[0] != '.' && length > 6 && strcmp(entry->d_name + length - 6, ".index") == 0;
    }
    closedir(folder);
    return n;
}

static void note_total(void *context, const struct cnn_import_progress *progress) {
    *(uint64_t *)context = progress->total;
}

static void assert_same_imports(const char *a, const char *b) {
    char first[1024], second[1024];
    snprintf(first, sizeof first, "%s", a);
    snprintf(second, sizeof second, "%s", b);
    assert_int_equal(count_entries(first), 3);
    assert_int_equal(count_entries(second), 3);
    assert_same_folders(in(first, "train"), in(second, "train"));
    assert_same_folders(in(first, "val"), in(second, "val"));
    assert_same_files(in(first, "quarantine.tsv"), in(second, "quarantine.tsv"));
}

static void test_killed(void **state) {
    const char *source = in(*state, "src");
    char whole[1024], out[1024];
    struct cnn_draws draws = cnn_draws_of(11, CNN_PURPOSE_TEST, 0, 0);
    int kills = 0, made = 0, placed = 0;
    snprintf(whole, sizeof whole, "%s/whole", (char *)*state);
    put_source(source);
    double all_s = seconds_of(in(*state, "src"), whole);
    for (int round = 0; kills < KILLS && round < 10 * KILLS; round++) {
        uint64_t total = 0;
        snprintf(out, sizeof out, "%s/out%d", (char *)*state, round);
        if (!start_and_kill(in(*state, "src"), out, cnn_draw_uniform(&draws) * all_s))
            continue;
        if (!cnn_folder_exists(out)) // it was still looking
            continue;
        kills++;
        if (kills % 4 == 0) // and again, while it goes on
            start_and_kill(in(*state, "src"), out, cnn_draw_uniform(&draws) * all_s / 2);
        int there = count_made(out);
        made += there > 0;
        placed += cnn_folder_exists(in(out, "train"));
        struct cnn_import_options options = options_for(out);
        struct cnn_import_result result;
        options.progress = note_total;
        options.context = &total;
        assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
        assert_int_equal(result.records, N);
        assert_int_equal(result.quarantined, 2);
        assert_true(there == 0 ||
                    total <= (uint64_t)(N + 2 - (there - 2) * SHARD)); // the last of a part is shorter
        assert_same_imports(whole, out);
    }
    print_message("%d kills, %d after a shard was made, %d after the first had its place\n", kills, made,
                  placed);
    assert_int_equal(kills, KILLS);
    assert_true(made > KILLS / 4);
}

// As after a long suspension: another process becomes the owner between two records.
static void lose_folder(void *context, const struct cnn_import_progress *progress) {
    if (progress->done == N / 2)
        assert_ok(cnn_file_replace(context, "somebody else\n", 14));
}

static void test_one_that_lost_its_folder(void **state) {
    struct cnn_import_result result;
    char out[1024], whole_out[1024], owner[1100];
    snprintf(out, sizeof out, "%s/out", (char *)*state);
    snprintf(whole_out, sizeof whole_out, "%s/whole", (char *)*state);
    snprintf(owner, sizeof owner, "%s/.import/owner", out);
    setenv("CNN_OWNER_BEAT_S", "0.01", 1);
    put_source(in(*state, "src"));
    struct cnn_import_options options = options_for(out), whole = options_for(whole_out);
    options.progress = lose_folder;
    options.context = owner;
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &options), CNN_ERR_FAILED, "was taken over");
    assert_true(cnn_import_is_begun(&options)); // it is the other's half, and stays
    assert_true(cnn_file_exists(owner));
    options.progress = NULL;
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &whole));
    assert_same_imports(whole_out, out);
    unsetenv("CNN_OWNER_BEAT_S");
}

// One of two processes is done: the folder belongs to this very import.
static void test_another_command(void **state) {
    struct cnn_import_result result;
    struct cnn_dataset *dataset;
    char out[1024], whole_out[1024];
    snprintf(out, sizeof out, "%s/out", (char *)*state);
    snprintf(whole_out, sizeof whole_out, "%s/whole", (char *)*state);
    put_source(in(*state, "src"));
    put_classes(in(*state, "other"), 12, 2);
    struct cnn_import_options options = options_for(out), changed;
    options.size = 2;
    options.rank = 1;
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    assert_fails(cnn_dataset_open(&dataset, out), CNN_ERR_INPUT, "no dataset");
    assert_fails(cnn_import_finish(&result, &options), CNN_ERR_INPUT, "run the import again");
    options.size = 1;
    options.rank = 0;
    assert_fails(cnn_import_folder(&result, in(*state, "other"), &options), CNN_ERR_INPUT,
                 "another unfinished import");
    changed = options;
    changed.seed = 6;
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &changed), CNN_ERR_INPUT, "seed=6");
    changed = options;
    changed.quality = 50;
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &changed), CNN_ERR_INPUT, "quality=50");
    changed = options;
    changed.shard_records = 21;
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &changed), CNN_ERR_INPUT,
                 "another unfinished import");
    changed = options;
    changed.name = "e";
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &changed), CNN_ERR_INPUT,
                 "another unfinished import");
    // The half is being worked on: here by this very process.
    struct cnn_owner *owner;
    char work[1100];
    snprintf(work, sizeof work, "%s/.import", out);
    struct cnn_owner_options own = {
        .folder = work, .name = "owner", .what = "import folder", .advice = "wait"};
    assert_ok(cnn_owner_take(&owner, &own));
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &options), CNN_ERR_INPUT,
                 "is in use by process");
    cnn_import_abandon(&options); // leaves it alone
    assert_true(cnn_import_is_begun(&options));
    cnn_owner_release(owner);
    options.threads = 7; // changes nothing
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    struct cnn_import_options whole = options_for(whole_out);
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &whole));
    assert_same_imports(whole_out, out);
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    assert_true(result.was_there);
    changed = options;
    changed.check = CNN_CHECK_DECODE;
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &changed), CNN_ERR_INPUT, "another dataset");
}

// What was made is damaged while nobody works: said, not used.
static void test_damaged_work(void **state) {
    struct cnn_import_result result;
    size_t bytes;
    char out[1024], whole_out[1024];
    snprintf(out, sizeof out, "%s/out", (char *)*state);
    snprintf(whole_out, sizeof whole_out, "%s/whole", (char *)*state);
    put_source(in(*state, "src"));
    struct cnn_import_options options = options_for(out);
    options.size = 2;
    options.rank = 1;
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    options.size = 1;
    options.rank = 0;
    char *index = read_file(in(*state, "out/.import/00003.index"), &bytes);
    index[bytes / 2] ^= 1;
    write_file(in(*state, "out/.import/00003.index"), index, bytes);
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &options), CNN_ERR_INPUT, "00003.index");
    assert_int_equal(unlink(in(*state, "out/.import/00003.index")), 0);
    assert_int_equal(truncate(in(*state, "out/.import/00001.images"), 6000), 0);
    assert_fails(cnn_import_folder(&result, in(*state, "src"), &options), CNN_ERR_FAILED,
                 "00001.images is truncated");
    assert_int_equal(unlink(in(*state, "out/.import/00001.index")), 0);
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &options));
    struct cnn_import_options whole = options_for(whole_out);
    assert_ok(cnn_import_folder(&result, in(*state, "src"), &whole));
    assert_same_imports(whole_out, out);
    free(index);
}

// CNN_ERR_INPUT promises that nothing was changed: a refused import removes what it made, and one that fails
// in the middle of what an earlier one began, or after the first shard has its place, is CNN_ERR_FAILED.
static void test_errors_in_the_middle(void **state) {
    struct cnn_import_result result;
    const char *src = in(*state, "src");
    char out[1024];
    snprintf(out, sizeof out, "%s/out", (char *)*state);
    put_classes(src, 6, 2);
    write_file(in(src, "class 1/0005.jpg"), "no picture", 10);
    struct cnn_import_options options = {.out = out, .name = "d", .shard_records = 2, .strict = true};
    assert_fails(cnn_import_folder(&result, src, &options), CNN_ERR_INPUT, "class 1/0005.jpg");
    assert_true(result.begun);
    assert_false(cnn_folder_exists(out));
    options.size = 3; // one of three processes has done its share
    assert_ok(cnn_import_folder(&result, src, &options));
    options.size = 1;
    assert_fails(cnn_import_folder(&result, src, &options), CNN_ERR_FAILED, "class 1/0005.jpg");
    assert_true(cnn_import_is_begun(&options));
    options.strict = false;
    options.split = "a=0.5,b=0.5"; // another import: refused before anything is changed
    assert_fails(cnn_import_folder(&result, src, &options), CNN_ERR_INPUT, "another unfinished import");
    assert_false(result.begun);
    options.split = NULL;
    assert_ok(cnn_import_folder(&result, src, &options));
    assert_int_equal(result.records, 5);
    char split[1024]; // a file in the way of the second part's folder
    snprintf(split, sizeof split, "%s/split", (char *)*state);
    options = (struct cnn_import_options){.out = split, .split = "a=0.5,b=0.5", .size = 2};
    assert_ok(cnn_import_folder(&result, src, &options));
    options.rank = 1;
    assert_ok(cnn_import_folder(&result, src, &options));
    write_file(in(split, "b"), "", 0);
    assert_fails(cnn_import_finish(&result, &options), CNN_ERR_FAILED, "split/b");
    assert_int_equal(unlink(in(split, "b")), 0);
    assert_ok(cnn_import_finish(&result, &options));
    assert_int_equal(result.records, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_killed), TEST(test_another_command),
                                       TEST(test_one_that_lost_its_folder), TEST(test_errors_in_the_middle),
                                       TEST(test_damaged_work)};
    use_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
