#include "report/progress.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static const struct cnn_progress_state midway = {
    .epoch = 3.4249,
    .epochs = 20,
    .step = 1210,
    .total_steps = 7000,
    .loss = 0.43123,
    .top1_percent = 84.06,
    .lr = 0.08731,
    .images_per_s = 1523.4,
    .images_per_s_mean = 1489.6,
    .data_wait = 0.012,
    .comm_wait = 0.04,
    .eta_s = 245,
};

static const char *format(struct cnn_progress_state state, int width) {
    static char text[512];
    memset(text, '#', sizeof text);
    cnn_progress_format(text, sizeof text, &state, width);
    return text;
}

static const char full[] = "epoch 3.42/20  step 1210/7000  17%  loss 0.4312  top1 84.1%  lr 0.08731  "
                           "1523 img/s (mean 1490)  data 1%  comm 4%  eta 4:05";

static void the_whole_line(void **state) {
    assert_string_equal(format(midway, 0), full);
    assert_string_equal(format(midway, (int)strlen(full)), full);
}

static void unknown_numbers_are_left_out(void **state) {
    struct cnn_progress_state bare = {.epoch = NAN,
                                      .epochs = NAN,
                                      .step = 7,
                                      .loss = NAN,
                                      .top1_percent = NAN,
                                      .lr = NAN,
                                      .data_wait = NAN,
                                      .comm_wait = NAN,
                                      .images_per_s = NAN,
                                      .images_per_s_mean = NAN,
                                      .eta_s = NAN};
    assert_string_equal(format(bare, 0), "step 7  loss nan");
    bare.epoch = 1.5;
    bare.loss = 2;
    bare.images_per_s = 4.26;
    bare.eta_s = INFINITY;
    assert_string_equal(format(bare, 0), "epoch 1.50  step 7  loss 2.0000  4.3 img/s  eta ?");
}

static void a_run_is_100_percent_only_at_its_end(void **state) {
    struct cnn_progress_state late = midway;
    late.step = 6999;
    assert_non_null(strstr(format(late, 0), " 99%"));
    late.step = 7000;
    assert_non_null(strstr(format(late, 0), " 100%"));
}

static void narrow_lines_keep_what_matters(void **state) {
    for (int width = 1; width < 200; width++)
        assert_true(strlen(format(midway, width)) <= (size_t)width);
    assert_string_equal(format(midway, (int)strlen(full) - 1),
                        "epoch 3.42/20  step 1210/7000  loss 0.4312  top1 84.1%  lr 0.08731  "
                        "1523 img/s (mean 1490)  data 1%  comm 4%  eta 4:05");
    assert_string_equal(format(midway, 79),
                        "epoch 3.42/20  step 1210/7000  loss 0.4312  1523 img/s  data 1%  eta 4:05");
    assert_string_equal(format(midway, 40), "step 1210/7000  loss 0.4312  1523 img/s");
    assert_string_equal(format(midway, 30), "step 1210/7000  loss 0.4312");
    assert_string_equal(format(midway, 14), "step 1210/7000");
    assert_string_equal(format(midway, 9), "step 1210");
}

static void short_buffers_are_kept(void **state) {
    char text[12] = "zzzzzzzzzzz";
    cnn_progress_format(text, 6, &midway, 0);
    assert_string_equal(text, "epoch");
    assert_int_equal(text[6], 'z');
    cnn_progress_format(text, 0, &midway, 0);
    assert_string_equal(text, "epoch");
}

// A progress that writes into memory.
struct page {
    char *text;
    size_t n;
    FILE *stream;
    struct cnn_progress *progress;
};

static void open_page(struct page *page, struct cnn_progress_options options) {
    page->stream = open_memstream(&page->text, &page->n);
    assert_non_null(page->stream);
    assert_int_equal(cnn_progress_create(&page->progress, page->stream, &options), CNN_OK);
}

static void assert_page(struct page *page, const char *text) {
    fflush(page->stream);
    assert_string_equal(page->text, text);
}

static void close_page(struct page *page) {
    cnn_progress_destroy(page->progress);
    fclose(page->stream);
    free(page->text);
}

static void step_to(struct page *page, uint64_t step) {
    struct cnn_progress_state now = {.epoch = NAN, .epochs = NAN, .step = step, .total_steps = 10, .loss = 1};
    now.top1_percent = now.lr = now.images_per_s = now.images_per_s_mean = now.data_wait = now.comm_wait =
        now.eta_s = NAN;
    cnn_progress_update(page->progress, &now);
}

static void a_file_gets_a_line_every_so_often(void **state) {
    struct page page;
    open_page(&page, (struct cnn_progress_options){.every = 4});
    for (uint64_t step = 1; step <= 10; step++) {
        step_to(&page, step);
        if (step == 6)
            cnn_progress_log(page.progress, CNN_LOG_WARN, "slow disk");
    }
    cnn_progress_clear(page.progress);
    cnn_progress_end_line(page.progress);
    assert_page(&page, "step 4/10  40%  loss 1.0000\n"
                       "warning: slow disk\n"
                       "step 8/10  80%  loss 1.0000\n"
                       "step 10/10  100%  loss 1.0000\n");
    close_page(&page);
}

static void a_terminal_redraws_one_line(void **state) {
    struct page page;
    open_page(&page, (struct cnn_progress_options){.terminal = true, .width = 18, .every = 4});
    step_to(&page, 1);
    step_to(&page, 2);
    assert_page(&page, "\rstep 1/10\x1b[K\rstep 2/10\x1b[K"); // 17 columns hold no loss
    cnn_progress_print(page.progress, "epoch 1 is over");
    assert_page(&page, "\rstep 1/10\x1b[K\rstep 2/10\x1b[K"
                       "\r\x1b[Kepoch 1 is over\n"
                       "\rstep 2/10\x1b[K");
    close_page(&page);
}

// What a reader of the terminal sees in the end: carriage returns and erasures carried out.
static void show(const char *text, char *screen) {
    char *line = screen;
    size_t column = 0;
    line[0] = '\0';
    for (; *text; text++) {
        if (*text == '\n') {
            line += strlen(line);
            *line++ = '\n';
            *line = '\0';
            column = 0;
        } else if (*text == '\r') {
            column = 0;
        } else if (strncmp(text, "\x1b[K", 3) == 0) {
            line[column] = '\0';
            text += 2;
        } else {
            if (line[column] == '\0')
                line[column + 1] = '\0';
            line[column++] = *text;
        }
    }
}

static void assert_screen(struct page *page, const char *expected) {
    char screen[65536];
    fflush(page->stream);
    show(page->text, screen);
    assert_string_equal(screen, expected);
}

static void lines_on_a_terminal_do_not_mix(void **state) {
    struct page page;
    open_page(&page, (struct cnn_progress_options){.terminal = true, .width = 60});
    cnn_progress_print(page.progress, "before");
    step_to(&page, 9);
    cnn_progress_log(page.progress, CNN_LOG_INFO, "a checkpoint is saved");
    assert_screen(&page, "before\na checkpoint is saved\nstep 9/10  90%  loss 1.0000");
    cnn_progress_clear(page.progress);
    assert_screen(&page, "before\na checkpoint is saved\n");
    cnn_progress_log(page.progress, CNN_LOG_ERROR, "short");
    assert_screen(&page, "before\na checkpoint is saved\nerror: short\n");
    step_to(&page, 10);
    cnn_progress_end_line(page.progress);
    cnn_progress_end_line(page.progress);
    cnn_progress_print(page.progress, "after");
    assert_screen(&page,
                  "before\na checkpoint is saved\nerror: short\nstep 10/10  100%  loss 1.0000\nafter\n");
    close_page(&page);
}

static void redraws_are_spaced_but_the_end_is_shown(void **state) {
    struct page page;
    open_page(&page, (struct cnn_progress_options){.terminal = true, .width = 60, .interval_s = 1000});
    step_to(&page, 1);
    step_to(&page, 2);
    assert_screen(&page, "step 1/10  10%  loss 1.0000");
    cnn_progress_print(page.progress, "news"); // redraws with the latest numbers
    assert_screen(&page, "news\nstep 2/10  20%  loss 1.0000");
    step_to(&page, 10);
    assert_screen(&page, "news\nstep 10/10  100%  loss 1.0000");
    close_page(&page);

    open_page(&page, (struct cnn_progress_options){.terminal = true, .width = 60, .interval_s = 1000});
    step_to(&page, 1);
    step_to(&page, 3);
    cnn_progress_end_line(page.progress); // stopped early: the line left behind is up to date
    assert_screen(&page, "step 3/10  30%  loss 1.0000\n");
    close_page(&page);
}

static void *log_lines(void *progress) {
    for (int i = 0; i < 200; i++)
        cnn_progress_log(progress, CNN_LOG_INFO, "0123456789");
    return NULL;
}

static void threads_do_not_mix(void **state) {
    struct page page;
    open_page(&page, (struct cnn_progress_options){.terminal = true, .width = 60});
    pthread_t threads[2];
    char screen[65536];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, page.progress), 0);
    for (int i = 0; i < 200; i++)
        step_to(&page, 5);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    fflush(page.stream);
    show(page.text, screen);
    char *line = screen;
    for (int i = 0; i < 400; i++, line += 11)
        assert_int_equal(strncmp(line, "0123456789\n", 11), 0);
    assert_string_equal(line, "step 5/10  50%  loss 1.0000");
    close_page(&page);
}

static void a_file_is_no_terminal(void **state) {
    FILE *file = tmpfile();
    struct cnn_progress_options options = cnn_progress_options_for(file, 50);
    assert_false(options.terminal);
    assert_int_equal(options.every, 50);
    fclose(file);
    cnn_progress_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_line),
        cmocka_unit_test(unknown_numbers_are_left_out),
        cmocka_unit_test(a_run_is_100_percent_only_at_its_end),
        cmocka_unit_test(narrow_lines_keep_what_matters),
        cmocka_unit_test(short_buffers_are_kept),
        cmocka_unit_test(a_file_gets_a_line_every_so_often),
        cmocka_unit_test(a_terminal_redraws_one_line),
        cmocka_unit_test(lines_on_a_terminal_do_not_mix),
        cmocka_unit_test(redraws_are_spaced_but_the_end_is_shown),
        cmocka_unit_test(threads_do_not_mix),
        cmocka_unit_test(a_file_is_no_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
