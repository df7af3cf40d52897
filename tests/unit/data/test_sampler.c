// The order of records and the cut into steps, ranks and micro-batches.
#include "data/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cnn_sampler sampler_of(uint64_t n, int global, int micro, int rank, int size) {
    return (struct cnn_sampler){.n_records = n,
                                .seed = 7,
                                .shuffle = CNN_SHUFFLE_FULL,
                                .global = global,
                                .micro = micro,
                                .rank = rank,
                                .size = size};
}

static void assert_refused(struct cnn_sampler sampler, const char *const *words) {
    assert_int_equal(cnn_sampler_check(&sampler), CNN_ERR_INPUT);
    for (; *words; words++)
        if (!strstr(cnn_error_message(), *words))
            fail_msg("'%s' is not in: %s", *words, cnn_error_message());
}
#define ASSERT_REFUSED(sampler, ...) assert_refused(sampler, (const char *const[]){__VA_ARGS__, NULL})

static void what_an_epoch_leaves_out_is_counted(void **state) {
    struct cnn_sampler sampler = sampler_of(103, 32, 8, 0, 1);
    assert_int_equal(cnn_sampler_left_out(&sampler), 7);
    sampler.shuffle = CNN_SHUFFLE_NONE;
    assert_int_equal(cnn_sampler_left_out(&sampler), 7);
    sampler = sampler_of(96, 32, 8, 0, 1);
    assert_int_equal(cnn_sampler_left_out(&sampler), 0);
    sampler = sampler_of(103, 32, 8, 0, 1);
    sampler.sampling = CNN_SAMPLING_CLASS_BALANCED;
    assert_int_equal(cnn_sampler_left_out(&sampler), 0);
}

static void every_epoch_is_a_permutation(void **state) {
    static const uint64_t sizes[] = {1, 2, 3, 10, 63, 64, 65, 1000, 4097};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            struct cnn_sampler sampler = sampler_of(sizes[k], 1, 1, 0, 1);
            unsigned char *seen = calloc(sizes[k], 1);
            assert_non_null(seen);
            for (uint64_t p = 0; p < sizes[k]; p++) {
                uint64_t record = cnn_sampler_record(&sampler, epoch, p);
                assert_true(record < sizes[k]);
                assert_int_equal(seen[record]++, 0);
            }
            free(seen);
        }
}

static int places_that_agree(const struct cnn_sampler *a, uint64_t epoch_a, const struct cnn_sampler *b,
                             uint64_t epoch_b) {
    int same = 0;
    for (uint64_t p = 0; p < a->n_records; p++)
        same += cnn_sampler_record(a, epoch_a, p) == cnn_sampler_record(b, epoch_b, p);
    return same;
}

static void order_changes_with_epoch_and_seed(void **state) {
    struct cnn_sampler a = sampler_of(1000, 10, 10, 0, 1), b = a;
    b.seed = 8;
    assert_int_equal(places_that_agree(&a, 3, &a, 3), 1000);
    assert_true(places_that_agree(&a, 0, &a, 1) < 20); // one place is expected to agree by chance
    assert_true(places_that_agree(&a, 0, &b, 0) < 20);
}

static void without_shuffling_the_order_is_the_stored_one(void **state) {
    struct cnn_sampler sampler = sampler_of(100, 10, 10, 0, 1);
    sampler.shuffle = CNN_SHUFFLE_NONE;
    for (uint64_t p = 0; p < 100; p++)
        assert_int_equal(cnn_sampler_record(&sampler, p % 3, p), p);
}

// A run on one machine today must be the run on another machine tomorrow: these numbers never change.
static void order_is_pinned(void **state) {
    static const uint64_t first[] = {915, 952, 750, 525, 190, 658, 293, 332};
    struct cnn_sampler sampler = sampler_of(1000, 10, 10, 0, 1);
    for (uint64_t p = 0; p < sizeof first / sizeof first[0]; p++)
        assert_int_equal(cnn_sampler_record(&sampler, 2, p), first[p]);
}

// All ranks together cover the positions of a step once, whatever their number.
static void ranks_share_each_step_exactly(void **state) {
    enum { GLOBAL = 24, MICRO = 2, N = 100 };
    static const int sizes[] = {1, 2, 3, 4, 6, 12};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
        for (uint64_t step = 0; step < 4; step++) {
            int seen[GLOBAL] = {0};
            for (int rank = 0; rank < sizes[k]; rank++) {
                struct cnn_sampler sampler = sampler_of(N, GLOBAL, MICRO, rank, sizes[k]);
                assert_int_equal(cnn_sampler_check(&sampler), CNN_OK);
                assert_int_equal(cnn_sampler_steps(&sampler), 4);
                assert_int_equal(cnn_sampler_micros(&sampler), GLOBAL / MICRO / sizes[k]);
                for (int j = 0; j < cnn_sampler_micros(&sampler); j++) {
                    uint64_t position = cnn_sampler_position(&sampler, step, j);
                    assert_in_range(position, step * GLOBAL, step * GLOBAL + GLOBAL - MICRO);
                    for (uint64_t i = 0; i < MICRO; i++)
                        seen[position + i - step * GLOBAL]++;
                }
            }
            for (int i = 0; i < GLOBAL; i++)
                assert_int_equal(seen[i], 1);
        }
}

static void a_rank_runs_consecutive_micro_batches(void **state) {
    struct cnn_sampler sampler =
        sampler_of(100, 24, 2, 1, 3); // 4 micro-batches a rank, rank 1 begins at the fifth
    assert_int_equal(cnn_sampler_position(&sampler, 0, 0), 8);
    assert_int_equal(cnn_sampler_position(&sampler, 0, 3), 14);
    assert_int_equal(cnn_sampler_position(&sampler, 2, 1), 58);
}

static void uneven_cuts_are_explained(void **state) {
    ASSERT_REFUSED(sampler_of(1000, 100, 32, 0, 1), "train.batch.micro 32", "train.batch.global 100",
                   "micro of 25", "global of 96 or 128");
    ASSERT_REFUSED(sampler_of(1000, 16, 32, 0, 1), "train.batch.micro 32", "train.batch.global 16",
                   "at most 16");
    ASSERT_REFUSED(sampler_of(1000, 64, 32, 0, 4),
                   "more ranks than micro-batches: 2 micro-batches for 4 ranks",
                   "use at most 2 ranks or a smaller train.batch.micro");
    ASSERT_REFUSED(sampler_of(1000, 64, 64, 0, 2), "1 micro-batch for 2 ranks", "at most 1 rank or");
    ASSERT_REFUSED(sampler_of(1000, 96, 16, 0, 4), "6 micro-batches", "by 4 ranks", "use 3 ranks",
                   "multiple of 64");
    ASSERT_REFUSED(sampler_of(99, 100, 50, 0, 1), "99 records", "train.batch.global 100");
    ASSERT_REFUSED(sampler_of(100, 0, 1, 0, 1), "at least 1");
    ASSERT_REFUSED(sampler_of(100, 10, -1, 0, 1), "at least 1");
    ASSERT_REFUSED(sampler_of(100, 10, 10, 1, 1), "rank 1 of 1");
    ASSERT_REFUSED(sampler_of(100, 10, 10, 0, 0), "0 ranks");
    ASSERT_REFUSED(sampler_of(1000, 2147483647, 2147483646, 0, 1), "2147483646 or 4294967292");
}

static void substitutes_are_other_records(void **state) {
    struct cnn_sampler sampler = sampler_of(5, 1, 1, 0, 1);
    for (uint64_t record = 0; record < 5; record++) {
        int seen[5] = {0};
        for (int attempt = 0; attempt < 64; attempt++) {
            uint64_t other = cnn_sampler_substitute(&sampler, 1, record, attempt);
            assert_true(other < 5);
            seen[other]++;
            assert_int_equal(other, cnn_sampler_substitute(&sampler, 1, record, attempt));
        }
        for (uint64_t i = 0; i < 5; i++)
            assert_int_equal(seen[i] > 0, i != record); // sooner or later every other one
    }
    sampler.n_records = 1;
    assert_int_equal(cnn_sampler_substitute(&sampler, 1, 0, 0), 0);
}

static void substitutes_do_not_depend_on_ranks(void **state) {
    struct cnn_sampler one = sampler_of(1000, 64, 16, 0, 1), four = sampler_of(1000, 64, 16, 3, 4);
    assert_int_equal(cnn_sampler_substitute(&one, 4, 77, 1), cnn_sampler_substitute(&four, 4, 77, 1));
    assert_int_not_equal(cnn_sampler_substitute(&one, 4, 77, 1), cnn_sampler_substitute(&one, 5, 77, 1));
}

static void a_pass_covers_every_record_once(void **state) {
    static const uint64_t counts[] = {1, 7, 8, 9, 100};
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++)
        for (int size = 1; size <= 5; size++)
            for (int micro = 1; micro <= 9; micro++) {
                int seen[100] = {0};
                for (int rank = 0; rank < size; rank++) {
                    struct cnn_sampler sampler = {
                        .n_records = counts[k], .micro = micro, .rank = rank, .size = size};
                    assert_int_equal(cnn_sampler_check_pass(&sampler), CNN_OK);
                    for (uint64_t b = 0; b < cnn_sampler_pass_batches(&sampler); b++) {
                        int n = cnn_sampler_pass_records(&sampler, b);
                        assert_in_range(n, 1, micro);
                        for (int i = 0; i < n; i++)
                            seen[cnn_sampler_pass_position(&sampler, b) + (uint64_t)i]++;
                    }
                }
                for (uint64_t i = 0; i < 100; i++)
                    assert_int_equal(seen[i], i < counts[k]);
            }
}

static void impossible_passes_are_refused(void **state) {
    struct cnn_sampler none = {.n_records = 0, .micro = 4, .rank = 0, .size = 1};
    assert_int_equal(cnn_sampler_check_pass(&none), CNN_ERR_INPUT);
    struct cnn_sampler flat = {.n_records = 9, .micro = 0, .rank = 0, .size = 1};
    assert_int_equal(cnn_sampler_check_pass(&flat), CNN_ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_epoch_is_a_permutation),
        cmocka_unit_test(what_an_epoch_leaves_out_is_counted),
        cmocka_unit_test(order_changes_with_epoch_and_seed),
        cmocka_unit_test(without_shuffling_the_order_is_the_stored_one),
        cmocka_unit_test(order_is_pinned),
        cmocka_unit_test(ranks_share_each_step_exactly),
        cmocka_unit_test(a_rank_runs_consecutive_micro_batches),
        cmocka_unit_test(uneven_cuts_are_explained),
        cmocka_unit_test(substitutes_are_other_records),
        cmocka_unit_test(substitutes_do_not_depend_on_ranks),
        cmocka_unit_test(a_pass_covers_every_record_once),
        cmocka_unit_test(impossible_passes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
