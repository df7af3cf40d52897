// The folder of checkpoints, and saving into it behind the back of training.
#include "train/saver.h"
#include "train_fixture.h"

#include "base/log.h"

static struct cnn_saver *make_saver(const char *folder, const struct cnn_model *model, int keep) {
    struct cnn_saver_options options = {
        .folder = folder, .model = model, .keep = keep, .best = {.step = -1}, .texts = fixture_texts};
    struct cnn_saver *saver = NULL;
    assert_int_equal(cnn_saver_create(&saver, &options), CNN_OK);
    return saver;
}

static struct cnn_save_result save(struct cnn_saver *saver, const struct cnn_model *model, int64_t step,
                                   int64_t best_step) {
    struct cnn_run_record record = make_record(model, step);
    struct cnn_save_result result = {0};
    record.state.best_step = best_step;
    record.state.evaluated_step = step;
    record.state.evaluated_top1 = record.state.best_top1 = (double)step;
    fill(cnn_saver_snapshot(saver), model, (float)step);
    cnn_saver_start(saver, &record, best_step == step);
    assert_true(cnn_saver_collect(saver, true, &result));
    assert_false(cnn_saver_collect(saver, true, &result)); // once
    return result;
}

static void assert_steps(const char *folder, const int64_t *wanted, size_t n_wanted) {
    int64_t *steps = NULL;
    size_t n;
    assert_int_equal(cnn_store_steps(&steps, &n, folder), CNN_OK);
    assert_int_equal(n, n_wanted);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(steps[i], wanted[i]);
    free(steps);
}
#define ASSERT_STEPS(folder, ...)                                                                            \
    assert_steps(folder, (const int64_t[]){__VA_ARGS__},                                                     \
                 sizeof(const int64_t[]){__VA_ARGS__} / sizeof(int64_t))

static void keeps_the_newest_and_the_best(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 2);
    for (int64_t step = 10; step <= 50; step += 10) {
        struct cnn_save_result result = save(saver, model, step, step <= 20 ? step : 20);
        assert_int_equal(result.error.status, CNN_OK);
        assert_int_equal(result.step, step);
        assert_int_equal(result.best, step <= 20);
        assert_true(result.bytes > 1000000);
    }
    ASSERT_STEPS(*state, 20, 40, 50);
    assert_int_equal(cnn_store_pointed(*state, "latest"), 50);
    assert_int_equal(cnn_store_pointed(*state, "best"), 20);
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

static void steps_sort_as_numbers(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 9);
    save(saver, model, 123456789, -1);
    save(saver, model, 99999999, -1);
    save(saver, model, 1, -1);
    ASSERT_STEPS(*state, 1, 99999999, 123456789);
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

static void finds_the_newest_whole_one(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 9);
    struct cnn_checkpoint *checkpoint = NULL;
    char path[512];
    assert_int_equal(cnn_store_open_newest(&checkpoint, *state), CNN_OK);
    assert_null(checkpoint); // an empty folder is no fault
    for (int64_t step = 10; step <= 30; step += 10)
        save(saver, model, step, -1);
    assert_int_equal(cnn_store_path(path, sizeof path, *state, 30), CNN_OK);
    flip_byte(path, -1000);
    assert_int_equal(cnn_store_path(path, sizeof path, *state, 20), CNN_OK);
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(cnn_store_open_newest(&checkpoint, *state), CNN_OK);
    assert_int_equal(cnn_checkpoint_record(checkpoint)->state.step, 10);
    cnn_checkpoint_close(checkpoint);
    assert_int_equal(cnn_store_path(path, sizeof path, *state, 10), CNN_OK);
    flip_byte(path, 20);
    checkpoint = NULL;
    assert_int_equal(cnn_store_open_newest(&checkpoint, *state), CNN_ERR_INPUT);
    assert_says("none of the 3 checkpoints");
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

struct heard {
    char text[4096];
};

static void hear(void *context, enum cnn_log_level level, const char *line) {
    struct heard *heard = context;
    if (level == CNN_LOG_WARN)
        snprintf(heard->text, sizeof heard->text, "%s", line);
}

static void a_refused_one_is_named_in_the_log(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 9);
    struct cnn_checkpoint *checkpoint = NULL;
    struct heard heard = {{0}};
    save(saver, model, 1, -1);
    save(saver, model, 2, -1);
    flip_byte(in_folder(*state, "step-00000002.safetensors"), -8);
    assert_int_equal(cnn_log_add_sink(hear, &heard, CNN_LOG_INFO), CNN_OK);
    assert_int_equal(cnn_store_open_newest(&checkpoint, *state), CNN_OK);
    cnn_log_remove_sink(hear, &heard);
    assert_non_null(strstr(heard.text, "step-00000002.safetensors"));
    cnn_checkpoint_close(checkpoint);
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

// ---- going back ----

static struct cnn_best rewind_to(const char *folder, int64_t step, int64_t best_step, const char *source) {
    struct cnn_run_state state = {.step = step, .best_step = best_step, .best_top1 = (double)best_step};
    struct cnn_best best = {0};
    assert_int_equal(cnn_store_rewind(&best, folder, step < 0 ? NULL : &state, source), CNN_OK);
    assert_int_equal(cnn_store_pointed(folder, "best"), best.step);
    return best;
}

static size_t count_set_aside(const char *folder) {
    char **names;
    size_t n;
    assert_int_equal(cnn_folder_list(&names, &n, folder, "", ".set-aside"), CNN_OK);
    cnn_names_free(names, n);
    return n;
}

static void later_ones_are_set_aside(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 9);
    for (int64_t step = 10; step <= 30; step += 10)
        save(saver, model, step, -1);
    rewind_to(*state, 20, -1, NULL);
    ASSERT_STEPS(*state, 10, 20);
    assert_int_equal(cnn_store_pointed(*state, "latest"), 20);
    assert_true(cnn_file_exists(in_folder(*state, "step-00000030.safetensors.set-aside")));
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

static void set_aside_files_do_not_pile_up(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 9);
    save(saver, model, 1, -1);
    for (int64_t step = 10; step <= 50; step += 10) { // another step each time, so that no name is used again
        save(saver, model, step, -1);
        save(saver, model, step + 1, -1);
        rewind_to(*state, 1, -1, NULL);
        assert_int_equal(count_set_aside(*state), 2);
    }
    rewind_to(*state, 1, -1, NULL); // nothing new to set aside: the last ones stay
    assert_int_equal(count_set_aside(*state), 2);
    // The one that a run resumes from is not deleted under it.
    char *source = strdup(in_folder(*state, "step-00000050.safetensors.set-aside"));
    save(saver, model, 90, -1);
    rewind_to(*state, 50, -1, source);
    assert_true(cnn_file_exists(source));
    assert_int_equal(count_set_aside(*state), 2);
    free(source);
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

static void going_back_mends_best(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 9);
    for (int64_t step = 10; step <= 40; step += 10)
        save(saver, model, step, step == 10 || step == 40 ? step : 10);
    assert_int_equal(cnn_store_pointed(*state, "best"), 40);
    struct cnn_best best = rewind_to(*state, 30, 10, NULL);
    assert_int_equal(best.step, 10);
    assert_true(best.top1 == 10);
    // The best of then was deleted when a better one came: the best of those that are left. One is damaged.
    assert_int_equal(unlink(in_folder(*state, "step-00000010.safetensors")), 0);
    flip_byte(in_folder(*state, "step-00000030.safetensors"), -8);
    best = rewind_to(*state, 30, 10, NULL);
    assert_int_equal(best.step, 20);
    assert_true(best.top1 == 20);
    assert_int_equal(unlink(in_folder(*state, "step-00000020.safetensors")), 0);
    assert_int_equal(rewind_to(*state, 30, 10, NULL).step, -1);
    assert_false(cnn_file_exists(in_folder(*state, "best")));
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

// Killed when the file was written and `latest` and `best` were not.
static void names_that_were_not_written_are_mended(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 9);
    save(saver, model, 10, 10);
    save(saver, model, 20, 20);
    assert_int_equal(cnn_store_point(*state, "latest", 10), CNN_OK);
    assert_int_equal(cnn_store_point(*state, "best", 10), CNN_OK);
    assert_int_equal(rewind_to(*state, 20, 20, NULL).step, 20);
    assert_int_equal(cnn_store_pointed(*state, "latest"), 20);
    // A new run in a folder whose checkpoints were deleted.
    assert_int_equal(unlink(in_folder(*state, "step-00000010.safetensors")), 0);
    assert_int_equal(unlink(in_folder(*state, "step-00000020.safetensors")), 0);
    assert_int_equal(rewind_to(*state, -1, -1, NULL).step, -1);
    assert_false(cnn_file_exists(in_folder(*state, "latest")));
    assert_false(cnn_file_exists(in_folder(*state, "best")));
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

// ---- saves that fail ----

static void a_failed_save_is_tried_again(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 9);
    struct cnn_save_result result;
    char *in_the_way = strdup(in_folder(*state, "step-00000020.safetensors"));
    save(saver, model, 10, 10);
    assert_false(cnn_saver_retry(saver));
    assert_int_equal(cnn_folder_create(in_the_way), CNN_OK);
    result = save(saver, model, 20, 20);
    assert_int_not_equal(result.error.status, CNN_OK);
    assert_true(result.retry_s > 0);
    assert_true(cnn_saver_has_failed(saver, true));
    assert_int_equal(cnn_saver_best(saver).step, 10);
    assert_false(cnn_saver_is_better(saver, 15)); // not than the one that may still come
    assert_true(cnn_saver_retry(saver));
    assert_true(cnn_saver_collect(saver, true, &result));
    assert_int_not_equal(result.error.status, CNN_OK);
    assert_int_equal(rmdir(in_the_way), 0);
    assert_true(cnn_saver_retry(saver));
    assert_true(cnn_saver_collect(saver, true, &result));
    assert_int_equal(result.error.status, CNN_OK);
    assert_int_equal(result.step, 20);
    assert_false(cnn_saver_has_failed(saver, false));
    assert_int_equal(cnn_saver_best(saver).step, 20);
    assert_int_equal(cnn_store_pointed(*state, "best"), 20);
    free(in_the_way);
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

static void a_best_that_is_given_up_counts_no_more(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 1);
    save(saver, model, 10, 10);
    assert_int_equal(cnn_folder_create(in_folder(*state, "step-00000020.safetensors")), CNN_OK);
    save(saver, model, 20, 20);
    assert_int_equal(save(saver, model, 30, 20).error.status, CNN_OK); // takes its memory
    assert_int_equal(cnn_saver_best(saver).step, 10);
    assert_true(cnn_saver_is_better(saver, 15));
    assert_int_equal(cnn_store_pointed(*state, "best"), 10);
    assert_true(
        cnn_file_exists(in_folder(*state, "step-00000010.safetensors"))); // it stays besides the newest
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

static void a_failed_save_leaves_the_others_alone(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_saver *saver = make_saver(*state, model, 1);
    save(saver, model, 10, 10);
    char *in_the_way = in_folder(*state, "step-00000020.safetensors");
    assert_int_equal(cnn_folder_create(in_the_way), CNN_OK); // cannot be replaced by a file
    struct cnn_save_result result = save(saver, model, 20, 20);
    assert_int_not_equal(result.error.status, CNN_OK);
    assert_non_null(strstr(result.error.message, in_the_way));
    assert_int_equal(cnn_store_pointed(*state, "latest"), 10);
    assert_int_equal(cnn_store_pointed(*state, "best"), 10);
    assert_true(cnn_file_exists(in_folder(*state, "step-00000010.safetensors")));
    assert_int_equal(rmdir(in_the_way), 0);
    assert_int_equal(save(saver, model, 30, 10).error.status, CNN_OK); // and it goes on working
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
}

static void run_or_checkpoint_is_found(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    char *checkpoints = strdup(in_folder(*state, "checkpoints")), path[512];
    assert_int_equal(cnn_folder_create(checkpoints), CNN_OK);
    assert_int_equal(cnn_store_find(path, sizeof path, *state, false), CNN_ERR_INPUT);
    assert_says("has no checkpoint");
    struct cnn_saver *saver = make_saver(checkpoints, model, 9);
    save(saver, model, 1, -1);
    save(saver, model, 2, -1);
    assert_int_equal(cnn_store_find(path, sizeof path, *state, false), CNN_OK); // nothing was evaluated
    assert_non_null(strstr(path, "step-00000002"));
    assert_int_equal(cnn_store_point(checkpoints, "best", 1), CNN_OK);
    assert_int_equal(cnn_store_find(path, sizeof path, *state, false), CNN_OK);
    assert_non_null(strstr(path, "step-00000001"));
    assert_int_equal(cnn_store_find(path, sizeof path, *state, true), CNN_OK);
    assert_non_null(strstr(path, "step-00000002"));
    char given[512];
    snprintf(given, sizeof given, "%s", path);
    assert_int_equal(cnn_store_find(path, sizeof path, given, false), CNN_OK);
    assert_string_equal(path, given);
    assert_int_equal(unlink(in_folder(checkpoints, "step-00000001.safetensors")), 0);
    assert_int_equal(cnn_store_find(path, sizeof path, *state, false),
                     CNN_OK); // `best` names nothing any more
    assert_non_null(strstr(path, "step-00000002"));
    assert_int_equal(cnn_store_find(path, sizeof path, "/nowhere/at/all", false), CNN_ERR_INPUT);
    cnn_saver_destroy(saver);
    cnn_model_destroy(model);
    free(checkpoints);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(keeps_the_newest_and_the_best),
        IN_FOLDER(steps_sort_as_numbers),
        IN_FOLDER(finds_the_newest_whole_one),
        IN_FOLDER(a_refused_one_is_named_in_the_log),
        IN_FOLDER(later_ones_are_set_aside),
        IN_FOLDER(a_failed_save_leaves_the_others_alone),
        IN_FOLDER(set_aside_files_do_not_pile_up),
        IN_FOLDER(going_back_mends_best),
        IN_FOLDER(names_that_were_not_written_are_mended),
        IN_FOLDER(a_failed_save_is_tried_again),
        IN_FOLDER(a_best_that_is_given_up_counts_no_more),
        IN_FOLDER(run_or_checkpoint_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
