// Checkpoints: what goes in comes out, bit for bit, and what does not fit is refused in words one can act on.
#include "train_fixture.h"

#include <math.h>

static void write_file(const char *path, const struct cnn_model *model, int64_t step, bool velocity) {
    struct cnn_snapshot *snapshot = NULL;
    struct cnn_run_record record = make_record(model, step);
    assert_int_equal(cnn_snapshot_create(&snapshot, model, velocity), CNN_OK);
    fill(snapshot, model, (float)step);
    assert_int_equal(cnn_checkpoint_write(path, snapshot, &record, &fixture_texts), CNN_OK);
    cnn_snapshot_destroy(snapshot);
}

static void comes_back_bit_for_bit(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_snapshot *snapshot = NULL;
    struct cnn_checkpoint *checkpoint = NULL;
    struct cnn_run_record record = make_record(model, 77);
    char *path = in_folder(*state, "a.safetensors");
    write_file(path, model, 77, true);
    assert_int_equal(cnn_checkpoint_open(&checkpoint, path), CNN_OK);
    assert_memory_equal(cnn_checkpoint_record(checkpoint), &record, sizeof record);
    assert_string_equal(cnn_checkpoint_config(checkpoint), fixture_texts.config);
    assert_string_equal(cnn_checkpoint_class_names(checkpoint), fixture_texts.class_names);
    assert_int_equal(cnn_checkpoint_check(checkpoint, model, true), CNN_OK);

    assert_int_equal(cnn_snapshot_create(&snapshot, model, true), CNN_OK);
    fill(snapshot, model, 77);
    for (int i = 0; i < model->n_params; i++) {
        size_t bytes = cnn_param_count(&model->params[i]) * sizeof(float);
        assert_memory_equal(cnn_checkpoint_parameter(checkpoint, &model->params[i]),
                            cnn_snapshot_parameter(snapshot, i), bytes);
        if (cnn_param_is_statistic(&model->params[i]))
            assert_null(cnn_snapshot_velocity(snapshot, i));
        else
            assert_memory_equal(cnn_checkpoint_velocity(checkpoint, &model->params[i]),
                                cnn_snapshot_velocity(snapshot, i), bytes);
    }
    cnn_snapshot_destroy(snapshot);
    cnn_checkpoint_close(checkpoint);
    cnn_model_destroy(model);
}

static void the_same_state_gives_the_same_file(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    char *text[2];
    size_t bytes[2];
    for (int i = 0; i < 2; i++) {
        char *path = in_folder(*state, i ? "b" : "a");
        write_file(path, model, 5, true);
        assert_int_equal(cnn_file_read(&text[i], &bytes[i], path, 1 << 30), CNN_OK);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(text[0], text[1], bytes[0]);
    free(text[0]);
    free(text[1]);
    cnn_model_destroy(model);
}

static void another_number_of_classes_is_refused(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES), *other = make_model("resnet20", 7);
    struct cnn_checkpoint *checkpoint = NULL;
    char *path = in_folder(*state, "a");
    write_file(path, model, 5, true);
    assert_int_equal(cnn_checkpoint_open(&checkpoint, path), CNN_OK);
    assert_int_equal(cnn_checkpoint_check(checkpoint, other, true), CNN_ERR_INPUT);
    assert_says("fc.weight [10,64], but the model requires [7,64]");
    assert_says("model.classes");
    cnn_checkpoint_close(checkpoint);
    cnn_model_destroy(other);
    cnn_model_destroy(model);
}

static void another_architecture_is_refused(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES), *other = make_model("resnet32", N_CLASSES);
    struct cnn_checkpoint *checkpoint = NULL;
    char *path = in_folder(*state, "a");
    write_file(path, model, 5, true);
    assert_int_equal(cnn_checkpoint_open(&checkpoint, path), CNN_OK);
    assert_int_equal(cnn_checkpoint_check(checkpoint, other, true), CNN_ERR_INPUT);
    assert_says("contains a resnet20, but the config has a resnet32");
    cnn_checkpoint_close(checkpoint);
    cnn_model_destroy(other);
    cnn_model_destroy(model);
}

static void weights_alone_cannot_be_trained_on(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_checkpoint *checkpoint = NULL;
    struct cnn_safetensors *file = NULL;
    char *path = in_folder(*state, "a");
    write_file(path, model, 5, false);
    assert_int_equal(cnn_checkpoint_open(&checkpoint, path), CNN_OK);
    assert_int_equal(cnn_checkpoint_check(checkpoint, model, false), CNN_OK);
    assert_int_equal(cnn_checkpoint_check(checkpoint, model, true), CNN_ERR_INPUT);
    assert_says("without optimizer state");
    cnn_checkpoint_close(checkpoint);
    assert_int_equal(cnn_safetensors_open(&file, path), CNN_OK);
    const struct cnn_tensor *counter = cnn_safetensors_find(file, "bn1.num_batches_tracked");
    assert_non_null(counter);
    assert_int_equal(*(const int64_t *)counter->data, 5);
    assert_int_equal(counter->n_dims, 0);
    cnn_safetensors_close(file);
    cnn_model_destroy(model);
}

// Every byte of the header and a sample of the data: none may go unnoticed.
static void a_flipped_bit_is_found(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_checkpoint *checkpoint = NULL;
    char *path = in_folder(*state, "a");
    long places[] = {0, 3, 8, 9, 40, 1000, 5000, 100000, 999999, -1, -4, -100000};
    write_file(path, model, 5, true);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        flip_byte(path, places[i]);
        if (cnn_checkpoint_open(&checkpoint, path) == CNN_OK)
            fail_msg("a flipped bit at %ld was not found", places[i]);
        assert_says(path);
        flip_byte(path, places[i]);
    }
    assert_int_equal(cnn_checkpoint_open(&checkpoint, path), CNN_OK);
    cnn_checkpoint_close(checkpoint);
    cnn_model_destroy(model);
}

static void a_cut_file_is_found(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_checkpoint *checkpoint = NULL;
    char *path = in_folder(*state, "a");
    off_t lengths[] = {2000000, 100000, 5000, 100, 8, 7, 0};
    write_file(path, model, 5, true);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(truncate(path, lengths[i]), 0);
        assert_int_equal(cnn_checkpoint_open(&checkpoint, path), CNN_ERR_INPUT);
        assert_says(path);
    }
    cnn_model_destroy(model);
}

static void other_programs_files_are_not_taken_for_checkpoints(void **state) {
    float values[2] = {1, 2};
    struct cnn_tensor tensor = {
        .name = "fc.bias", .dtype = CNN_DTYPE_F32, .n_dims = 1, .dims = {2}, .data = values};
    struct cnn_metadata metadata = {"format", "pt"};
    struct cnn_checkpoint *checkpoint = NULL;
    char *path = in_folder(*state, "a");
    assert_int_equal(cnn_safetensors_write(path, &tensor, 1, &metadata, 1), CNN_OK);
    assert_int_equal(cnn_checkpoint_open(&checkpoint, path), CNN_ERR_INPUT);
    assert_says("not a cnn_dist checkpoint");
    assert_int_equal(cnn_checkpoint_open(&checkpoint, in_folder(*state, "absent")), CNN_ERR_INPUT);
    assert_says("absent");
}

static void values_that_are_not_finite_are_named(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_snapshot *snapshot = NULL;
    assert_int_equal(cnn_snapshot_create(&snapshot, model, true), CNN_OK);
    fill(snapshot, model, 1);
    assert_int_equal(cnn_snapshot_check_finite(snapshot), CNN_OK);
    float huge = 3e38f; // sums of floats may overflow, these are no fault
    for (int j = 0; j < 16; j++)
        cnn_snapshot_parameter(snapshot, 0)[j] = huge;
    assert_int_equal(cnn_snapshot_check_finite(snapshot), CNN_OK);
    cnn_snapshot_velocity(snapshot, 2)[1] = NAN;
    assert_int_equal(cnn_snapshot_check_finite(snapshot), CNN_ERR_FAILED);
    assert_says(model->params[2].name);
    cnn_snapshot_destroy(snapshot);
    cnn_model_destroy(model);
}

// Files from before there were loss scaling, a fingerprint and the result of the last evaluation lack them,
// and are read as having none; all else must be there.
static void expect_absent(struct cnn_run_record *record, int field) {
    const char *key = cnn_record_key(field);
    if (strstr(key, "loss_scale") || strstr(key, "fingerprint") || strcmp(key, "skipped_steps") == 0 ||
        strncmp(key, "evaluated_", 10) == 0 || strncmp(key, "picture_", 8) == 0) {
        assert_int_equal(cnn_record_read(record, field, NULL), CNN_OK);
        return;
    }
    assert_int_equal(cnn_record_read(record, field, NULL), CNN_ERR_INPUT);
    assert_says(key);
}

static void records_read_back_exactly(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    struct cnn_run_record record = make_record(model, 123), back = {0};
    char value[CNN_RECORD_VALUE_BYTES];
    record.facts.seed = INT64_MAX;
    strcpy(record.facts.train_fingerprint, "0123456789abcdef");
    record.state.best_top1 = 100.0 / 3;
    record.state.loss_scale = 32768;
    record.state.good_steps = 7;
    record.state.skipped_steps = 3;
    record.state.evaluated_step = 120;
    record.state.evaluated_top1 = 200.0 / 7;
    for (int i = 0; i < cnn_record_n_fields(); i++) {
        cnn_record_write(&record, i, value);
        assert_int_equal(cnn_record_read(&back, i, value), CNN_OK);
        expect_absent(&back, i);
    }
    assert_memory_equal(&back, &record, sizeof back);
    assert_int_equal(cnn_record_read(&back, 1, "12x"), CNN_ERR_INPUT);
    assert_int_equal(cnn_record_read(&back, 1, ""), CNN_ERR_INPUT);
    cnn_model_destroy(model);
}

static int field_of(const char *key) {
    for (int i = 0; i < cnn_record_n_fields(); i++)
        if (strcmp(cnn_record_key(i), key) == 0)
            return i;
    fail_msg("no field %s", key);
    return -1;
}

static void numbers_that_no_run_reaches_are_refused(void **state) {
    static const char *const bad[][2] = {
        {"epoch", "9223372036854775807"},
        {"epoch", "-1"},
        {"epoch", "1000001"},
        {"step", "-1"},
        {"step", "4611686018427387904"},
        {"position", "-32"},
        {"global", "0"},
        {"global", "2147483648"},
        {"micro", "-8"},
        {"records", "0"},
        {"classes", "0"},
        {"classes", "2147483647"},
        {"channels", "4"},
        {"height", "0"},
        {"width", "1e9"},
        {"best_step", "-2"},
        {"evaluation_due", "2"},
        {"best_top1", "nan"},
        {"epoch_n", "inf"},
        {"mean", "0.1 nan 0.1"},
        {"loss_scale", "1e999"},
        {"skipped_steps", "-1"},
        {"evaluated_step", "-3"},
    };
    struct cnn_run_record record = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cnn_record_read(&record, field_of(bad[i][0]), bad[i][1]), CNN_ERR_INPUT);
        assert_says(bad[i][0]);
    }
}

static void numbers_that_contradict_each_other_are_refused(void **state) {
    struct cnn_model *model = make_model("resnet20", N_CLASSES);
    const struct cnn_run_record good = make_record(model, 123);
    struct cnn_run_record record = good;
    assert_int_equal(cnn_record_check(&record), CNN_OK);
#define REFUSED(member, value, word)                                                                         \
    do {                                                                                                     \
        record = good;                                                                                       \
        record.member = value;                                                                               \
        assert_int_equal(cnn_record_check(&record), CNN_ERR_INPUT);                                          \
        assert_says(word);                                                                                   \
    } while (0)
    REFUSED(facts.micro, 33, "micro");
    REFUSED(facts.std[1], 0, "std");
    REFUSED(state.epoch, 124, "epoch");
    REFUSED(state.position, good.state.position + 1, "position");
    REFUSED(state.position, 124 * 32, "position");
    REFUSED(state.best_step, 124, "best_step");
    REFUSED(state.evaluated_step, 124, "evaluated_step");
    REFUSED(state.skipped_steps, 124, "skipped_steps");
    cnn_model_destroy(model);
}

static void the_best_evaluation_is_the_first_of_the_highest(void **state) {
    struct cnn_run_state run = {.step = 10, .best_step = -1};
    assert_false(cnn_record_evaluation(&run, NAN, 90));
    assert_false(cnn_record_evaluation(&run, INFINITY, 90));
    assert_int_equal(run.best_step, -1);
    assert_int_equal(run.evaluated_step, 0);
    assert_true(cnn_record_evaluation(&run, 2, 0)); // however bad, it is the best there is
    run.step = 20;
    assert_true(cnn_record_evaluation(&run, 1, 50));
    run.step = 30;
    assert_false(cnn_record_evaluation(&run, 0.5, 50)); // a tie
    assert_int_equal(run.evaluated_step, 30);
    assert_false(cnn_record_evaluation(&run, NAN, 99));
    assert_int_equal(run.best_step, 20);
    assert_true(run.best_top1 == 50);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(comes_back_bit_for_bit),
        IN_FOLDER(the_same_state_gives_the_same_file),
        IN_FOLDER(another_number_of_classes_is_refused),
        IN_FOLDER(another_architecture_is_refused),
        IN_FOLDER(weights_alone_cannot_be_trained_on),
        IN_FOLDER(a_flipped_bit_is_found),
        IN_FOLDER(a_cut_file_is_found),
        IN_FOLDER(other_programs_files_are_not_taken_for_checkpoints),
        cmocka_unit_test(values_that_are_not_finite_are_named),
        cmocka_unit_test(records_read_back_exactly),
        cmocka_unit_test(the_best_evaluation_is_the_first_of_the_highest),
        cmocka_unit_test(numbers_that_no_run_reaches_are_refused),
        cmocka_unit_test(numbers_that_contradict_each_other_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
