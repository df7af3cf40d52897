// Whom the job waits for, from what every rank said last.
#include "comm/late.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1000.0
#define SILENT 2.0

static struct cnn_rank_sign sign_of(int rank, double waits_s, double busy_s, double active_s) {
    struct cnn_rank_sign sign = {
        .heard_s = NOW,
        .waits_s = waits_s,
        .limit_s = 60,
        .busy_s = busy_s,
        .active_s = active_s,
        .waits_for = -1,
        .stage = "evaluation",
        .task = "saving a checkpoint",
    };
    snprintf(sign.host, sizeof sign.host, "node%d", rank / 2);
    return sign;
}
static struct cnn_rank_sign waits(int rank, double seconds) { return sign_of(rank, seconds, -1, 0); }
static struct cnn_rank_sign computes(int rank, double seconds) { return sign_of(rank, -1, -1, seconds); }
static struct cnn_rank_sign saves(int rank, double seconds) { return sign_of(rank, -1, seconds, 0); }
static struct cnn_rank_sign silent(struct cnn_rank_sign sign, double seconds) {
    sign.heard_s = NOW - seconds;
    return sign;
}

static struct cnn_late find(const struct cnn_rank_sign *signs, int size, int *waiter, double *waits_s) {
    *waiter = cnn_late_waiter(signs, size, NOW, SILENT, waits_s);
    assert_true(*waiter >= 0);
    return cnn_late_find(signs, size, *waiter, NOW, SILENT);
}

static void expect(const struct cnn_rank_sign *signs, int size, enum cnn_late_kind kind, int rank,
                   bool is_over) {
    double waits_s;
    int waiter;
    const struct cnn_late late = find(signs, size, &waiter, &waits_s);
    assert_int_equal(late.kind, kind);
    assert_int_equal(late.rank, rank);
    assert_int_equal(cnn_late_is_over(&late, waits_s, 60), is_over);
}

static void nobody_waits(void **state) {
    const struct cnn_rank_sign signs[] = {computes(0, 5), saves(1, 9)};
    double waits_s;
    assert_int_equal(cnn_late_waiter(signs, 2, NOW, SILENT, &waits_s), -1);
}

static void the_one_that_does_not_wait_is_late(void **state) {
    const struct cnn_rank_sign signs[] = {waits(0, 61), waits(1, 70), computes(2, 71), waits(3, 62)};
    expect(signs, 4, CNN_LATE_ACTIVE, 2, true);
}

// Rank 1 waits for rank 2, which waits for the one that was stopped.
static void a_silent_rank_is_named_before_those_that_wait_for_it(void **state) {
    const struct cnn_rank_sign signs[] = {waits(0, 65), waits(1, 70), waits(2, 61),
                                          silent(computes(3, 1), 68)};
    expect(signs, 4, CNN_LATE_SILENT, 3, true);
}

static void what_a_silent_rank_said_is_past(void **state) {
    const struct cnn_rank_sign signs[] = {waits(0, 61), waits(1, 61), silent(waits(2, 1), 61.5)};
    expect(signs, 3, CNN_LATE_SILENT, 2, true);
}

static void one_never_heard_of_is_silent(void **state) {
    struct cnn_rank_sign signs[] = {waits(0, 61), computes(1, 0)};
    signs[1].heard_s = -1;
    expect(signs, 2, CNN_LATE_SILENT, 1, true);
}

static void a_busy_rank_gets_ten_limits(void **state) {
    struct cnn_rank_sign signs[] = {saves(0, 599), waits(1, 599), waits(2, 598)};
    expect(signs, 3, CNN_LATE_BUSY, 0, false);
    signs[0].busy_s = 601;
    signs[1].waits_s = 601;
    expect(signs, 3, CNN_LATE_BUSY, 0, true);
}

// The others waited long for it while it saved; it has only just gone on.
static void what_a_rank_was_busy_with_does_not_count_afterwards(void **state) {
    const struct cnn_rank_sign computing[] = {computes(0, 3), waits(1, 400), waits(2, 400)};
    const struct cnn_rank_sign waiting[] = {waits(0, 3), waits(1, 400), waits(2, 400)};
    const struct cnn_rank_sign stopped[] = {silent(saves(0, 397), 3), waits(1, 400), waits(2, 400)};
    expect(computing, 3, CNN_LATE_ACTIVE, 0, false);
    expect(waiting, 3, CNN_LATE_NOBODY, -1, false);
    expect(stopped, 3, CNN_LATE_SILENT, 0, false);
}

static void when_all_wait_the_missing_message_names_its_sender(void **state) {
    struct cnn_rank_sign signs[] = {waits(0, 61), waits(1, 62), waits(2, 61)};
    signs[1].waits_for = 2;
    expect(signs, 3, CNN_LATE_UNREACHED, 2, true);
}

static void words_have_rank_host_and_stage(void **state) {
    const struct cnn_rank_sign signs[] = {waits(0, 60), computes(1, 60), silent(waits(2, 1), 59),
                                          silent(waits(3, 1), 50)};
    char text[512];
    double waits_s;
    int waiter;
    struct cnn_late late = find(signs, 4, &waiter, &waits_s);
    cnn_late_notice(text, sizeof text, &late, &signs[late.rank], waiter, &signs[waiter], waits_s, true);
    assert_string_equal(text,
                        "waiting 60 s for rank 2 on node1 and 1 more, in evaluation (no sign of life from it "
                        "for 59 s)");
    cnn_late_notice(text, sizeof text, &late, &signs[late.rank], waiter, &signs[waiter], waits_s, false);
    assert_non_null(strstr(text, "rank 0 on node0 is waiting 60 s for rank 2 on node1"));
    cnn_late_reason(text, sizeof text, &late, &signs[late.rank], waiter, &signs[waiter], waits_s);
    assert_string_equal(
        text, "rank 0 on node0 waited 60 s for rank 2 on node1 and 1 more, in evaluation; no sign of "
              "life from it for 59 s: it is stopped, lost or cut off");
    late = (struct cnn_late){CNN_LATE_BUSY, 1, 0, 40};
    cnn_late_notice(text, sizeof text, &late, &signs[1], 0, &signs[0], 40, true);
    assert_string_equal(
        text, "waiting 40 s for rank 1 on node0, in evaluation (it has been saving a checkpoint for 40 "
              "s)");
    late = (struct cnn_late){CNN_LATE_NOBODY, -1, 0, 40};
    cnn_late_reason(text, sizeof text, &late, NULL, 0, &signs[0], 40);
    assert_non_null(strstr(text, "waited 40 s for the other ranks, in evaluation; not all of them came"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits),
        cmocka_unit_test(the_one_that_does_not_wait_is_late),
        cmocka_unit_test(a_silent_rank_is_named_before_those_that_wait_for_it),
        cmocka_unit_test(what_a_silent_rank_said_is_past),
        cmocka_unit_test(one_never_heard_of_is_silent),
        cmocka_unit_test(a_busy_rank_gets_ten_limits),
        cmocka_unit_test(what_a_rank_was_busy_with_does_not_count_afterwards),
        cmocka_unit_test(when_all_wait_the_missing_message_names_its_sender),
        cmocka_unit_test(words_have_rank_host_and_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
