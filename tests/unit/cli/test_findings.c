#include "cli/findings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_ranks(const char *marks, const char *expected) {
    bool has[64];
    char text[64];
    int n = (int)strlen(marks);
    for (int i = 0; i < n; i++)
        has[i] = marks[i] == 'x';
    cnn_ranks_format(text, sizeof text, has, n);
    assert_string_equal(text, expected);
}

static void ranks_are_named_in_runs(void **state) {
    assert_ranks("x", "rank 0");
    assert_ranks(".x.", "rank 1");
    assert_ranks("xx", "ranks 0-1");
    assert_ranks("x.x", "ranks 0, 2");
    assert_ranks("xxx..x.xx", "ranks 0-2, 5, 7-8");
}

static void a_long_list_is_cut(void **state) {
    bool has[8] = {true, false, true, false, true, false, true};
    char text[12];
    cnn_ranks_format(text, sizeof text, has, 8);
    assert_string_equal(text, "ranks 0, 2,");
}

static void assert_line(enum cnn_verdict verdict, const char *who, const char *advice, const char *expected) {
    struct cnn_finding finding = {.verdict = verdict, .text = "found"};
    char line[128];
    strcpy(finding.advice, advice);
    cnn_finding_format(line, sizeof line, who, &finding);
    assert_string_equal(line, expected);
}

static void lines_begin_with_the_verdict(void **state) {
    assert_line(CNN_VERDICT_OK, "", "", "[ok]   found");
    assert_line(CNN_VERDICT_WARN, "rank 1", "do this", "[warn] rank 1: found; do this");
    assert_line(CNN_VERDICT_FAIL, "", "do this", "[fail] found; do this");
}

static void a_finding_is_one_line(void **state) {
    static struct cnn_findings list;
    list.n = 0;
    cnn_found_warn(&list, "do\nthis", "%s", "two\nlines");
    assert_string_equal(list.items[0].text, "two lines");
    assert_string_equal(list.items[0].advice, "do this");
    assert_int_equal(list.items[0].verdict, CNN_VERDICT_WARN);
}

// Three ranks, two findings each: the second is the same on all, the first on ranks 0 and 2.
static void what_several_say_is_said_once(void **state) {
    static struct cnn_finding all[6], got;
    bool has[3];
    for (int i = 0; i < 6; i++) {
        all[i].verdict = CNN_VERDICT_OK;
        strcpy(all[i].text, i % 2 ? "same" : "own");
    }
    all[2].verdict = CNN_VERDICT_FAIL; // rank 1, with the same words
    assert_true(cnn_findings_take(&got, has, all, 3, 2));
    assert_string_equal(got.text, "own");
    assert_int_equal(got.verdict, CNN_VERDICT_OK);
    assert_true(has[0] && !has[1] && has[2]);
    assert_true(cnn_findings_take(&got, has, all, 3, 2));
    assert_int_equal(got.verdict, CNN_VERDICT_FAIL);
    assert_true(!has[0] && has[1] && !has[2]);
    assert_true(cnn_findings_take(&got, has, all, 3, 2));
    assert_string_equal(got.text, "same");
    assert_true(has[0] && has[1] && has[2]);
    assert_false(cnn_findings_take(&got, has, all, 3, 2));
}

static void a_rank_that_says_it_twice_is_heard_twice(void **state) {
    static struct cnn_finding all[2], got;
    bool has[1];
    all[0].verdict = all[1].verdict = CNN_VERDICT_OK;
    assert_true(cnn_findings_take(&got, has, all, 1, 2));
    assert_true(cnn_findings_take(&got, has, all, 1, 2));
    assert_false(cnn_findings_take(&got, has, all, 1, 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_named_in_runs),
        cmocka_unit_test(a_long_list_is_cut),
        cmocka_unit_test(lines_begin_with_the_verdict),
        cmocka_unit_test(a_finding_is_one_line),
        cmocka_unit_test(what_several_say_is_said_once),
        cmocka_unit_test(a_rank_that_says_it_twice_is_heard_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
