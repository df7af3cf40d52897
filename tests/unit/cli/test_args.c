#include "cli/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct values {
    const char *out;
    int64_t count;
    bool strict;
    struct cnn_strings set;
} got;

static const struct cnn_flag flags[] = {
    CNN_REQUIRED_FLAG("out", &got.out, "DIR", "where to"),
    CNN_INT_FLAG("count", &got.count, "N", -5, 100, "how many"),
    CNN_BOOL_FLAG("strict", &got.strict, "no mercy"),
    CNN_LIST_FLAG("set", &got.set, "KEY=VALUE", "change an option"),
};
static const struct cnn_args args = {"prog things SRC --out DIR", "Does things.", flags, 4, 1, 2};

// The words after the command's name, NULL at the end.
static enum cnn_status parse(struct cnn_args_given *given, const char *const *words) {
    char *argv[32] = {(char *)"things"};
    int argc = 1;
    got = (struct values){.count = 7};
    for (; *words; words++)
        argv[argc++] = (char *)*words;
    return cnn_args_parse(given, &args, argc, argv);
}
#define PARSE(given, ...) parse(given, (const char *const[]){__VA_ARGS__, NULL})

static void test_all_kinds(void **state) {
    (void)state;
    struct cnn_args_given given;
    assert_int_equal(PARSE(&given, "src", "--out", "a dir", "--set", "a.b=1", "--count=-5", "--strict",
                           "more", "--set=c=d=e"),
                     CNN_OK);
    assert_string_equal(got.out, "a dir");
    assert_int_equal(got.count, -5);
    assert_true(got.strict);
    assert_int_equal(got.set.n, 2);
    assert_string_equal(got.set.items[0], "a.b=1");
    assert_string_equal(got.set.items[1], "c=d=e");
    assert_int_equal(given.positional.n, 2);
    assert_string_equal(given.positional.items[0], "src");
    assert_string_equal(given.positional.items[1], "more");
    assert_false(given.help);
}

// As many words as a shell gives: those past the first ones stay in argv, in order.
static void any_number_of_words(void **state) {
    (void)state;
    struct cnn_args many = args;
    struct cnn_args_given given;
    char words[200][16], *argv[300] = {(char *)"things"};
    int argc = 1;
    many.most_positional = 200;
    for (int i = 0; i < 200; i++) {
        snprintf(words[i], sizeof words[i], "w%d", i);
        if (i % 50 == 0) {
            argv[argc++] = (char *)"--out";
            argv[argc++] = (char *)"dir";
        }
        argv[argc++] = words[i];
    }
    assert_int_equal(cnn_args_parse(&given, &many, argc, argv), CNN_OK);
    assert_int_equal(given.positional.n, CNN_ARGS_MAX_STRINGS);
    assert_int_equal(given.n_more, 200 - CNN_ARGS_MAX_STRINGS);
    for (int i = 0; i < 200; i++)
        assert_string_equal(i < CNN_ARGS_MAX_STRINGS ? given.positional.items[i]
                                                     : given.more[i - CNN_ARGS_MAX_STRINGS],
                            words[i]);
}

static void test_defaults_stay(void **state) {
    (void)state;
    struct cnn_args_given given;
    assert_int_equal(PARSE(&given, "--out=", "src"), CNN_OK);
    assert_string_equal(got.out, "");
    assert_int_equal(got.count, 7);
    assert_false(got.strict);
    assert_int_equal(PARSE(&given, "--out", "x", "--", "--strict", "-"), CNN_OK);
    assert_false(got.strict);
    assert_string_equal(given.positional.items[0], "--strict");
    assert_string_equal(given.positional.items[1], "-");
}

static void test_errors(void **state) {
    (void)state;
    static const struct {
        const char *words[6], *says;
    } cases[] = {
        {{"src", "--out", "x", "--cuont", "3"}, "--count"},
        {{"src", "--out", "x", "--nothing-like-it"}, "--help"},
        {{"src", "--out", "x", "--count", "101"}, "-5 to 100"},
        {{"src", "--out", "x", "--count", "-6"}, "-5 to 100"},
        {{"src", "--out", "x", "--count", "99999999999999999999"}, "out of range"},
        {{"src", "--out", "x", "--count", "3x"}, "whole number"},
        {{"src", "--out", "x", "--count", ""}, "whole number"},
        {{"src", "--out", "x", "--count"}, "--count N"},
        {{"src", "--out", "--strict"}, "--out DIR"},
        {{"src", "--out", "x", "--strict=yes"}, "no value"},
        {{"src"}, "missing option --out DIR"},
        {{"--out", "x"}, "prog things SRC"},
        {{"src", "b", "c", "--out", "x"}, "unexpected argument 'c'"},
        {{"src", "-o", "x"}, "two dashes"},
    };
    struct cnn_args_given given;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(&given, cases[i].words), CNN_ERR_INPUT);
        if (!strstr(cnn_error_message(), cases[i].says))
            fail_msg("'%s' does not say '%s'", cnn_error_message(), cases[i].says);
    }
}

static void test_too_many(void **state) {
    (void)state;
    char *argv[2 * CNN_ARGS_MAX_STRINGS + 8] = {(char *)"things", (char *)"src", (char *)"--out=x"};
    struct cnn_args_given given;
    int argc = 3;
    got = (struct values){0};
    for (int i = 0; i < CNN_ARGS_MAX_STRINGS; i++)
        argv[argc++] = (char *)"--set=a=1";
    assert_int_equal(cnn_args_parse(&given, &args, argc, argv), CNN_OK);
    assert_int_equal(got.set.n, CNN_ARGS_MAX_STRINGS);
    got.set.n = 0;
    argv[argc++] = (char *)"--set=a=1";
    assert_int_equal(cnn_args_parse(&given, &args, argc, argv), CNN_ERR_INPUT);
}

static void test_help(void **state) {
    (void)state;
    struct cnn_args_given given;
    assert_int_equal(PARSE(&given, "--wrong", "--help"), CNN_OK); // help comes before complaints
    assert_true(given.help);
    assert_int_equal(PARSE(&given, "src", "--out", "x", "--", "--help"), CNN_OK);
    assert_false(given.help);
    char *text;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    got = (struct values){.count = 7};
    cnn_args_help(to, &args);
    fclose(to);
    static const char *const parts[] = {"prog things SRC", "Does things.", "--out DIR", "required",
                                        "--count N",       "default 7",    "--strict",  "no mercy",
                                        "--set KEY=VALUE", "--help"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(text, parts[i]));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds),     cmocka_unit_test(any_number_of_words),
        cmocka_unit_test(test_defaults_stay), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_too_many),      cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
