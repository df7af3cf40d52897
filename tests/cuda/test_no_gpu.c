// Where this process sees no GPU (the test runs with CUDA_VISIBLE_DEVICES empty): what the choice of a
// backend says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/ops.h"
#include "base/log.h"

static const struct cnn_backend_options options = {.threads = 1, .local_size = 1};
static int n_lines;

static void count_line(void *context, enum cnn_log_level level, const char *line) {
    (void)context;
    (void)level;
    assert_non_null(strstr(line, "using the CPU"));
    n_lines++;
}

static void asking_for_a_gpu_says_what_is_missing(void **state) {
    struct cnn_backend *backend = NULL;
    (void)state;
    assert_int_equal(cnn_backend_create(&backend, CNN_BACKEND_CUDA, &options), CNN_ERR_UNSUPPORTED);
    assert_null(backend);
    assert_non_null(strstr(cnn_error_message(), "backend: cuda: "));
    assert_non_null(strstr(cnn_error_message(), "use backend: cpu"));
    assert_null(strchr(cnn_error_message(), '\n'));
}

// One line where there is a driver whose GPUs are not to be used, none where there is nothing to speak of.
static void auto_computes_on_the_cpu(void **state) {
    struct cnn_backend *backend = NULL;
    const struct cnn_backend_ops *cuda = cnn_backends[CNN_BACKEND_CUDA];
    char why[1024] = "";
    (void)state;
    if (cuda)
        assert_false(cuda->is_usable(&options, why, sizeof why));
    assert_int_equal(cnn_log_add_sink(count_line, NULL, CNN_LOG_INFO), CNN_OK);
    assert_int_equal(cnn_backend_create(&backend, CNN_BACKEND_AUTO, &options), CNN_OK);
    cnn_log_remove_sink(count_line, NULL);
    assert_int_equal(n_lines, why[0] != 0);
    assert_string_equal(cnn_backend_name(backend), "cpu");
    cnn_backend_destroy(backend);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asking_for_a_gpu_says_what_is_missing),
        cmocka_unit_test(auto_computes_on_the_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
