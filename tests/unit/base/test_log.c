#include "base/log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct heard {
    int n;
    enum cnn_log_level level;
    char line[8192];
};

static void listen(void *context, enum cnn_log_level level, const char *line) {
    struct heard *heard = context;
    heard->n++;
    heard->level = level;
    snprintf(heard->line, sizeof heard->line, "%s", line);
}

static void levels_are_filtered(void **state) {
    struct heard all = {0}, loud = {0};
    cnn_log_info("to nobody");
    assert_int_equal(cnn_log_add_sink(listen, &all, CNN_LOG_DEBUG), CNN_OK);
    assert_int_equal(cnn_log_add_sink(listen, &loud, CNN_LOG_WARN), CNN_OK);
    cnn_log_info("epoch %d", 3);
    assert_int_equal(all.n, 1);
    assert_int_equal(loud.n, 0);
    assert_string_equal(all.line, "epoch 3");
    cnn_log_warn("slow");
    assert_int_equal(loud.n, 1);
    assert_int_equal(loud.level, CNN_LOG_WARN);
    cnn_log(CNN_LOG_ERROR, "bad");
    assert_int_equal(loud.n, 2);
    cnn_log_remove_sink(listen, &loud);
    cnn_log(CNN_LOG_ERROR, "bad");
    assert_int_equal(loud.n, 2);
    assert_int_equal(all.n, 4);
    cnn_log_remove_sink(listen, &all);
}

static void a_line_is_one_bounded_line(void **state) {
    struct heard heard = {0};
    char text[9000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(cnn_log_add_sink(listen, &heard, CNN_LOG_DEBUG), CNN_OK);
    cnn_log_info("a\nb\rc");
    assert_string_equal(heard.line, "a b c");
    cnn_log_info("%s", text);
    size_t n = strlen(heard.line);
    assert_true(n > 1000 && n < sizeof text - 1);
    assert_string_equal(heard.line + n - 3, "...");
    cnn_log_remove_sink(listen, &heard);
}

static void slots_run_out_and_come_back(void **state) {
    struct heard heard[64] = {0};
    int n = 0;
    while (n < 64 && cnn_log_add_sink(listen, &heard[n], CNN_LOG_DEBUG) == CNN_OK)
        n++;
    assert_in_range(n, 2, 63);
    assert_int_equal(cnn_log_add_sink(listen, &heard[n], CNN_LOG_DEBUG), CNN_ERR_FAILED);
    cnn_log_remove_sink(listen, &heard[0]);
    assert_int_equal(cnn_log_add_sink(listen, &heard[0], CNN_LOG_DEBUG), CNN_OK);
    for (int i = 0; i < n; i++)
        cnn_log_remove_sink(listen, &heard[i]);
}

static void echo(void *context, enum cnn_log_level level, const char *line) {
    ++*(int *)context;
    cnn_log_info("heard %s", line);
}

static void a_sink_that_logs_does_not_hang(void **state) {
    int n = 0;
    assert_int_equal(cnn_log_add_sink(echo, &n, CNN_LOG_DEBUG), CNN_OK);
    cnn_log_info("once");
    assert_int_equal(n, 1);
    cnn_log_remove_sink(echo, &n);
}

#define N_THREADS 4
#define N_LINES 500

static void check_whole(void *context, enum cnn_log_level level, const char *line) {
    int a, b;
    assert_int_equal(sscanf(line, "line %d %d", &a, &b), 2);
    assert_int_equal(a, b);
    ++*(int *)context; // not atomic: correct only when calls are serialised
}

static void *talk(void *unused) {
    for (int i = 0; i < N_LINES; i++)
        cnn_log_info("line %d %d", i, i);
    return NULL;
}

static void threads_do_not_mix(void **state) {
    int n = 0;
    pthread_t threads[N_THREADS];
    assert_int_equal(cnn_log_add_sink(check_whole, &n, CNN_LOG_DEBUG), CNN_OK);
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, talk, NULL), 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    cnn_log_remove_sink(check_whole, &n);
    assert_int_equal(n, N_THREADS * N_LINES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_filtered),         cmocka_unit_test(a_line_is_one_bounded_line),
        cmocka_unit_test(slots_run_out_and_come_back), cmocka_unit_test(a_sink_that_logs_does_not_hang),
        cmocka_unit_test(threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
