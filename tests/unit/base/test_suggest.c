#include "base/suggest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const names[] = {"momentum", "weight_decay", "threads", "epochs",
                                    "lr",       "resnet18",     "resnet50"};
#define N (sizeof names / sizeof names[0])

static void near_words_are_found(void **state) {
    assert_string_equal(cnn_suggest("momentm", names, N), "momentum");   // left out
    assert_string_equal(cnn_suggest("momentuum", names, N), "momentum"); // put in
    assert_string_equal(cnn_suggest("momemtum", names, N), "momentum");  // another letter
    assert_string_equal(cnn_suggest("momnetum", names, N), "momentum");  // two swapped
    assert_string_equal(cnn_suggest("weight-decay", names, N), "weight_decay");
    assert_string_equal(cnn_suggest("Threads", names, N), "threads");
    assert_string_equal(cnn_suggest("epoch", names, N), "epochs");
    assert_string_equal(cnn_suggest("rl", names, N), "lr");
}

static void the_nearest_wins(void **state) {
    assert_string_equal(cnn_suggest("resnet15", names, N), "resnet18");
    assert_string_equal(cnn_suggest("resnet51", names, N), "resnet50");
    assert_string_equal(cnn_suggest("resnet50", names, N), "resnet50");
}

static void far_words_are_not(void **state) {
    char endless[1000];
    for (size_t i = 0; i < sizeof endless; i++)
        endless[i] = 'm';
    endless[sizeof endless - 1] = '\0';
    assert_null(cnn_suggest("colour", names, N));
    assert_null(cnn_suggest("", names, N));
    assert_null(cnn_suggest("x", names, N));
    assert_null(cnn_suggest("xx", names, N));
    assert_null(cnn_suggest(endless, names, N));
    assert_null(cnn_suggest("momentum", names, 0));
    const char *one = endless;
    assert_null(cnn_suggest("mmm", &one, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_words_are_found),
        cmocka_unit_test(the_nearest_wins),
        cmocka_unit_test(far_words_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
