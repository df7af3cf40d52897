#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void characters_are_measured(void **state) {
    assert_int_equal(cnn_utf8_character("a", CNN_UTF8_STRING), 1);
    assert_int_equal(cnn_utf8_character("", CNN_UTF8_STRING), 1);
    assert_int_equal(cnn_utf8_character("\xc2\x80", CNN_UTF8_STRING), 2);
    assert_int_equal(cnn_utf8_character("\xdf\xbf", CNN_UTF8_STRING), 2);
    assert_int_equal(cnn_utf8_character("\xe0\xa0\x80", CNN_UTF8_STRING), 3);
    assert_int_equal(cnn_utf8_character("\xed\x9f\xbf", CNN_UTF8_STRING),
                     3); // U+D7FF, just below the surrogates
    assert_int_equal(cnn_utf8_character("\xee\x80\x80", CNN_UTF8_STRING), 3);
    assert_int_equal(cnn_utf8_character("\xf0\x90\x80\x80", CNN_UTF8_STRING), 4);
    assert_int_equal(cnn_utf8_character("\xf4\x8f\xbf\xbf", CNN_UTF8_STRING), 4); // U+10FFFF
    assert_int_equal(cnn_utf8_character("\xc3\xa9", 2), 2);
    assert_int_equal(cnn_utf8_character("\xc3\xa9", 1), 0);
    assert_int_equal(cnn_utf8_character("a", 0), 0);
}

static void what_is_not_utf8_has_no_character(void **state) {
    static const char *const wrong[] = {
        "\x80",             // a continuation byte alone
        "\xe9",             // cut off, as Latin-1's e acute before the end
        "\xe9.png",         // and before ASCII
        "\xc0\xaf",         // overlong '/'
        "\xe0\x9f\xbf",     // overlong
        "\xf0\x8f\xbf\xbf", // overlong
        "\xed\xa0\x80",     // a surrogate
        "\xf4\x90\x80\x80", // above U+10FFFF
        "\xf5\x80\x80\x80",
        "\xff",
        "\xe2\x82",
        "\xf0\x9f\x98",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(cnn_utf8_character(wrong[i], CNN_UTF8_STRING), 0);
        assert_false(cnn_utf8_is_valid(wrong[i]));
    }
    assert_true(cnn_utf8_is_valid("K\xc3\xa4"
                                  "fer \xe7\x8c\xab \xf0\x9f\x90\xb1"));
    assert_true(cnn_utf8_is_valid(""));
}

static void assert_escaped(const char *text, const char *expected) {
    char *escaped = NULL;
    assert_int_equal(cnn_utf8_escape(&escaped, text), CNN_OK);
    assert_string_equal(escaped, expected);
    free(escaped);
}

static void bytes_outside_utf8_are_escaped(void **state) {
    assert_escaped("", "");
    assert_escaped("cat", "cat");
    assert_escaped("caf\xc3\xa9", "caf\xc3\xa9");
    assert_escaped("caf\xe9.png", "caf\\xe9.png");
    assert_escaped("\xff\xfe", "\\xff\\xfe");
    assert_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");
    assert_escaped("\xe2\x82\xac\xe2\x82", "\xe2\x82\xac\\xe2\\x82");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_measured),
        cmocka_unit_test(what_is_not_utf8_has_no_character),
        cmocka_unit_test(bytes_outside_utf8_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
