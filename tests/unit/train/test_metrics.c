// metrics.jsonl: every line is JSON, losses read back exactly, and a resumed run's file tells one story.
#include "train/json_line.h"
#include "train/metrics.h"
#include "train/metrics_rewind.h"
#include "train_fixture.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>

static struct cnn_event step_event(uint64_t step, double loss) {
    return (struct cnn_event){.kind = CNN_EVENT_STEP,
                              .epoch = 1,
                              .step = step,
                              .progress = {.loss = loss, .lr = 0.1, .logged = true}};
}

static struct cnn_event end_event(uint64_t step) {
    return (struct cnn_event){
        .kind = CNN_EVENT_END, .epoch = 1, .step = step, .end = {.status = "stopped", .best_step = -1}};
}

static void write_events(const char *path, int64_t resumed, const struct cnn_event *events, size_t n) {
    struct cnn_metrics_file *file = NULL;
    assert_int_equal(cnn_metrics_open(&file, path, resumed, NULL), CNN_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(cnn_metrics_write(file, &events[i]), CNN_OK);
    cnn_metrics_close(file);
}

// The lines of the file as JSON; NULL ends the list. Caller frees nothing: it is a test.
static json_t *read_lines(const char *path) {
    json_t *lines = json_array();
    FILE *file = fopen(path, "r");
    char line[16384];
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        json_error_t error;
        json_t *object = json_loads(line, 0, &error);
        if (!object)
            fail_msg("%s in: %s", error.text, line);
        json_array_append_new(lines, object);
    }
    fclose(file);
    return lines;
}

static const char *kind_at(json_t *lines, size_t i) {
    return json_string_value(json_object_get(json_array_get(lines, i), "kind"));
}
static int64_t step_at(json_t *lines, size_t i) {
    return json_integer_value(json_object_get(json_array_get(lines, i), "step"));
}

static void every_kind_is_json_with_its_fields(void **state) {
    struct cnn_event events[] = {
        {.kind = CNN_EVENT_START,
         .start = {.name = "a \"quoted\"\n\\name\x01 caf\xe9 \xed\xa0\x80",
                   .arch = "x",
                   .backend = "b",
                   .version = "v"}},
        step_event(1, 0.1),
        {.kind = CNN_EVENT_EPOCH, .epoch = 1, .step = 1, .whole_epoch = {.loss = 1}},
        {.kind = CNN_EVENT_EVAL, .epoch = 1, .step = 1, .eval = {.top1 = 50, .n = 7}},
        {.kind = CNN_EVENT_CHECKPOINT, .epoch = 1, .step = 1, .checkpoint = {.file = "f"}},
        {.kind = CNN_EVENT_PHASE, .epoch = 1, .step = 1, .phase = {.message = "m", .height = 7, .rate = 0.1}},
        {.kind = CNN_EVENT_NOTE, .epoch = 1, .step = 1, .note = {.name = "n", .message = "m"}},
        end_event(1),
    };
    static const char *const kinds[] = {"start",      "step",  "epoch", "eval",
                                        "checkpoint", "event", "event", "end"};
    static const char *const step_fields[] = {"epoch",        "step",        "loss",       "lr",
                                              "images_per_s", "data_wait_s", "comm_wait_s"};
    static const char *const eval_fields[] = {"epoch", "step", "top1", "top5", "loss", "n"};
    char *path = in_folder(*state, "m");
    write_events(path, -1, events, 8);
    json_t *lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(kind_at(lines, i), kinds[i]);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(lines, 5), "height")), 7);
    for (size_t i = 0; i < sizeof step_fields / sizeof *step_fields; i++)
        assert_non_null(json_object_get(json_array_get(lines, 1), step_fields[i]));
    for (size_t i = 0; i < sizeof eval_fields / sizeof *eval_fields; i++)
        assert_non_null(json_object_get(json_array_get(lines, 3), eval_fields[i]));
    const char *name = json_string_value(json_object_get(json_array_get(lines, 0), "name"));
    assert_string_equal(name, "a \"quoted\"\n\\name\x01 caf\\xe9 \\xed\\xa0\\x80");
    json_decref(lines);
}

static void losses_read_back_to_the_same_bits(void **state) {
    double losses[] = {0.1, 1.0 / 3, 2.302585092994046, 1e-300, 12345678.9, 5e-324, 0};
    size_t n = sizeof losses / sizeof *losses;
    struct cnn_event events[8];
    char *path = in_folder(*state, "m");
    for (size_t i = 0; i < n; i++)
        events[i] = step_event(i + 1, losses[i]);
    events[n] = step_event(n + 1, NAN);
    write_events(path, -1, events, n + 1);
    json_t *lines = read_lines(path);
    for (size_t i = 0; i < n; i++) {
        double back = json_number_value(json_object_get(json_array_get(lines, i), "loss"));
        assert_memory_equal(&back, &losses[i], sizeof back);
    }
    assert_true(json_is_null(json_object_get(json_array_get(lines, n), "loss")));
    json_decref(lines);
}

static void steps_between_log_lines_are_left_out(void **state) {
    struct cnn_event events[] = {step_event(1, 1), step_event(2, 1), step_event(3, 1)};
    events[1].progress.logged = false;
    char *path = in_folder(*state, "m");
    write_events(path, -1, events, 3);
    json_t *lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 2);
    assert_int_equal(step_at(lines, 1), 3);
    json_decref(lines);
}

static void a_resumed_file_tells_one_story(void **state) {
    struct cnn_event first[] = {step_event(1, 1), step_event(2, 2), step_event(3, 3), end_event(3)};
    struct cnn_event second[] = {step_event(3, 33), step_event(4, 4)};
    char *path = in_folder(*state, "m");
    write_events(path, -1, first, 4);
    FILE *file = fopen(path, "a");
    fputs("{\"kind\":\"step\",\"step\":2,\"lo", file); // torn by a power cut
    fclose(file);
    write_events(path, 2, second, 2);
    json_t *lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(step_at(lines, i), (int64_t)i + 1);
    assert_true(json_number_value(json_object_get(json_array_get(lines, 2), "loss")) == 33);
    json_decref(lines);
}

static void an_end_in_the_middle_goes(void **state) {
    struct cnn_event first[] = {step_event(1, 1), end_event(1)}, second[] = {step_event(2, 2)};
    char *path = in_folder(*state, "m");
    write_events(path, -1, first, 2);
    write_events(path, 1, second, 1);
    json_t *lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(kind_at(lines, 1), "step");
    json_decref(lines);
}

static void put_text(const char *path, const char *mode, const char *text, size_t n) {
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    fclose(file);
}

// A checkpoint is told of when it is on disk, after later steps.
static void a_late_line_stays(void **state) {
    struct cnn_event first[] = {
        step_event(1, 1), step_event(2, 2),
        step_event(3, 3), {.kind = CNN_EVENT_CHECKPOINT, .epoch = 1, .step = 2, .checkpoint = {.file = "f"}},
        step_event(4, 4), end_event(4)};
    char *path = in_folder(*state, "m");
    write_events(path, -1, first, 6);
    write_events(path, 2, NULL, 0);
    json_t *lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 3);
    assert_string_equal(kind_at(lines, 2), "checkpoint");
    json_decref(lines);
}

static void what_is_no_line_of_a_run_goes(void **state) {
    static const char junk[] =
        "{\"kind\":\"step\",\"step\":1\0}\n\0\0\0\n[1]\n\n{\"step\":1}\n\xff\xfe\n{\"kind\":7,\"step\":1}\n";
    struct cnn_event first[] = {step_event(1, 1)}, second[] = {step_event(2, 2)};
    char *path = in_folder(*state, "m"), *huge = malloc(3 << 20);
    memset(huge, 'x', 3 << 20);
    write_events(path, -1, first, 1);
    put_text(path, "a", junk, sizeof junk - 1);
    put_text(path, "a", huge, 3 << 20); // longer than a block, and without an end
    write_events(path, 1, second, 1);
    json_t *lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 2);
    assert_int_equal(step_at(lines, 1), 2);
    json_decref(lines);
    // With an end, and a good line behind it.
    put_text(path, "a", huge, 3 << 20);
    put_text(path, "a", "\n{\"kind\":\"eval\",\"step\":2}\n", 26);
    write_events(path, 2, NULL, 0);
    lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 3);
    assert_string_equal(kind_at(lines, 2), "eval");
    json_decref(lines);
    free(huge);
}

// Whatever falls on the border of a block: lines of many lengths, and every step of them.
static void any_step_of_a_long_file(void **state) {
    char *path = in_folder(*state, "m"), line[256];
    enum { N = 20000 }; // 2.2 MB
    for (int step = N; step > 0; step -= 4999) {
        FILE *file = fopen(path, "w");
        for (int i = 1; i <= N; i++) {
            snprintf(line, sizeof line, "{\"kind\":\"step\",\"step\":%d,\"x\":\"%*s\"}\n", i, i % 97 + 20,
                     "");
            fputs(line, file);
        }
        fclose(file);
        write_events(path, step, NULL, 0);
        json_t *lines = read_lines(path);
        assert_int_equal(json_array_size(lines), step);
        assert_int_equal(step_at(lines, (size_t)step - 1), step);
        json_decref(lines);
    }
}

// 20 GB that take no room on disk: only the end is read.
static void a_huge_file_is_read_from_its_end(void **state) {
    char path[600], other[600], command[2600];
    struct cnn_event events[] = {step_event(7, 7), step_event(8, 8), end_event(8)};
    const off_t hole = (off_t)20 << 30;
    struct stat info;
    snprintf(path, sizeof path, "%s/m", (char *)*state);
    snprintf(other, sizeof other, "%s/other", (char *)*state);
    put_text(path, "w", "{\"kind\":\"start\",\"step\":0}\n", 26);
    if (truncate(path, hole) != 0)
        skip(); // not every file system has so large files
    put_text(path, "a", "\n", 1);
    write_events(other, -1, events, 3);
    snprintf(command, sizeof command, "cat %s >>%s && head -n 1 %s >%s.first", other, path, other, other);
    assert_int_equal(system(command), 0);
    assert_int_equal(cnn_metrics_rewind(path, 7), CNN_OK);
    assert_int_equal(stat(strcat(other, ".first"), &info), 0);
    const off_t wanted = hole + 1 + info.st_size;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, wanted);
}

static void a_new_run_begins_an_empty_file(void **state) {
    struct cnn_event events[] = {step_event(1, 1)};
    char *path = in_folder(*state, "m");
    write_events(path, -1, events, 1);
    write_events(path, -1, events, 1);
    json_t *lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 1);
    json_decref(lines);
    write_events(in_folder(*state, "absent"), 7, events, 1); // resumed elsewhere: nothing to take away
}

static void a_full_disk_is_an_error(void **state) {
    struct cnn_metrics_file *file = NULL;
    struct cnn_event event = step_event(1, 1);
    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_int_equal(cnn_metrics_open(&file, "/dev/full", -1, NULL), CNN_OK);
    assert_int_equal(cnn_metrics_write(file, &event), CNN_ERR_IO);
    assert_says("/dev/full");
    cnn_metrics_close(file);
}

static void a_long_text_is_cut_not_torn(void **state) {
    struct cnn_json_line line;
    char *text = malloc(200000);
    memset(text, '\n', 199999);
    text[199999] = '\0';
    cnn_json_begin(&line, "event");
    cnn_json_text(&line, "message", text);
    cnn_json_text(&line, "file", "name");
    cnn_json_int(&line, "bytes", 7);
    cnn_json_end(&line);
    assert_true(line.n < sizeof line.text);
    json_t *object = json_loads(line.text, 0, NULL);
    assert_non_null(object);
    const char *message = json_string_value(json_object_get(object, "message"));
    assert_true(strlen(message) > 10000);
    assert_string_equal(message + strlen(message) - 4, "\n...");
    assert_int_equal(json_integer_value(json_object_get(object, "bytes")), 7);
    json_decref(object);
    free(text);
}

static void an_end_that_another_event_follows_is_taken_back(void **state) {
    const struct cnn_event events[] = {step_event(1, 1), end_event(1), step_event(2, 1), end_event(2)};
    char *path = in_folder(*state, "m");
    assert_true(cnn_metrics_is_ended(path)); // there is none
    write_events(path, -1, events, 3);
    assert_false(cnn_metrics_is_ended(path));
    json_t *lines = read_lines(path);
    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(kind_at(lines, 1), "step");
    assert_int_equal(strlen(json_string_value(json_object_get(json_array_get(lines, 0), "time"))), 24);
    json_decref(lines);
    write_events(path, -1, events, 4);
    assert_true(cnn_metrics_is_ended(path));
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(every_kind_is_json_with_its_fields),
        IN_FOLDER(losses_read_back_to_the_same_bits),
        IN_FOLDER(steps_between_log_lines_are_left_out),
        IN_FOLDER(a_resumed_file_tells_one_story),
        IN_FOLDER(an_end_in_the_middle_goes),
        IN_FOLDER(a_late_line_stays),
        IN_FOLDER(what_is_no_line_of_a_run_goes),
        IN_FOLDER(any_step_of_a_long_file),
        IN_FOLDER(a_huge_file_is_read_from_its_end),
        IN_FOLDER(a_new_run_begins_an_empty_file),
        IN_FOLDER(an_end_that_another_event_follows_is_taken_back),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(a_long_text_is_cut_not_torn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
