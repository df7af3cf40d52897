// Window shuffle, class-balanced sampling, repeats: which record is where.
#include "order_fixture.h"

#include "data/order.h"

enum { N = UNEVEN_RECORDS, GLOBAL = 24, EPOCHS = 6 };

static struct cnn_dataset *dataset;

static int make(void **state) {
    if (scratch_create(state))
        return -1;
    make_uneven(&dataset, *state);
    return 0;
}

static int end(void **state) {
    cnn_dataset_close(dataset);
    return scratch_remove(state);
}

static struct cnn_sampler sampler_of(enum cnn_shuffle shuffle, enum cnn_sampling sampling, int repeats) {
    return (struct cnn_sampler){.n_records = N,
                                .seed = 5,
                                .shuffle = shuffle,
                                .sampling = sampling,
                                .window = 3,
                                .repeats = repeats,
                                .global = GLOBAL,
                                .micro = 6,
                                .size = 1};
}

struct epoch {
    struct cnn_pick picks[N];
};

// Read from the end to the beginning every other time: the order must not depend on what was asked before.
static void read_epoch(struct epoch *out, const struct cnn_sampler *sampler, uint64_t epoch) {
    struct cnn_order *order = NULL;
    struct cnn_order_reader *reader = NULL;
    assert_ok(cnn_sampler_check(sampler));
    assert_ok(cnn_order_create(&order, sampler, dataset));
    assert_ok(cnn_order_reader_create(&reader, order));
    cnn_order_at(reader, epoch + 1, 0);
    for (uint64_t k = 0; k < N; k++) {
        uint64_t p = epoch % 2 ? N - 1 - k : k;
        out->picks[p] = cnn_order_at(reader, epoch, p);
        assert_true(out->picks[p].record < N);
    }
    cnn_order_reader_destroy(reader);
    cnn_order_destroy(order);
}

static int shard_of(uint64_t record) {
    int s = 0;
    for (uint64_t first = 0; first + (uint64_t)uneven_sizes[s] <= record; s++)
        first += (uint64_t)uneven_sizes[s];
    return s;
}

static void every_uniform_epoch_is_a_permutation(void **state) {
    static const enum cnn_shuffle all[] = {CNN_SHUFFLE_FULL, CNN_SHUFFLE_WINDOW, CNN_SHUFFLE_NONE};
    static struct epoch epochs[3];
    for (int s = 0; s < 3; s++) {
        struct cnn_sampler sampler = sampler_of(all[s], CNN_SAMPLING_UNIFORM, 1);
        int agree = 0;
        for (uint64_t e = 0; e < 3; e++) {
            int seen[N] = {0};
            read_epoch(&epochs[e], &sampler, e);
            for (int p = 0; p < N; p++) {
                assert_int_equal(seen[epochs[e].picks[p].record]++, 0);
                assert_int_equal(epochs[e].picks[p].repeat, 0);
                agree += e > 0 && epochs[e].picks[p].record == epochs[e - 1].picks[p].record;
            }
        }
        if (all[s] == CNN_SHUFFLE_NONE)
            assert_int_equal(agree, 2 * N);
        else
            assert_true(agree < 20);
    }
}

static void full_and_none_are_the_samplers(void **state) {
    static const enum cnn_shuffle all[] = {CNN_SHUFFLE_FULL, CNN_SHUFFLE_NONE};
    static struct epoch epoch;
    for (int s = 0; s < 2; s++) {
        struct cnn_sampler sampler = sampler_of(all[s], CNN_SAMPLING_UNIFORM, 0);
        read_epoch(&epoch, &sampler, 4);
        for (uint64_t p = 0; p < N; p++)
            assert_int_equal(epoch.picks[p].record, cnn_sampler_record(&sampler, 4, p));
    }
}

// Three shards are used up before the next three begin, and their records do not come in stored order.
static void a_window_holds_whole_shards(void **state) {
    static struct epoch epoch;
    struct cnn_sampler sampler = sampler_of(CNN_SHUFFLE_WINDOW, CNN_SAMPLING_UNIFORM, 1);
    for (uint64_t e = 0; e < EPOCHS; e++) {
        bool done[UNEVEN_SHARDS] = {false};
        int windows = 0, ascents = 0;
        read_epoch(&epoch, &sampler, e);
        for (int p = 0; p < N; windows++) {
            int members[3], n = 0, left = 0, begin = p;
            for (; p < N; p++) { // until a fourth shard turns up
                int s = shard_of(epoch.picks[p].record), k = 0;
                while (k < n && members[k] != s)
                    k++;
                if (k == n && n == 3)
                    break;
                if (k == n) {
                    assert_false(done[s]);
                    members[n++] = s;
                    left += uneven_sizes[s];
                }
                ascents += p > begin && epoch.picks[p].record == epoch.picks[p - 1].record + 1;
            }
            assert_int_equal(p - begin, left);
            for (int k = 0; k < n; k++)
                done[members[k]] = true;
        }
        assert_int_equal(windows, 4);
        assert_true(ascents < 20);
    }
}

static void a_window_of_everything_is_a_full_shuffle(void **state) {
    static struct epoch epoch;
    struct cnn_sampler sampler = sampler_of(CNN_SHUFFLE_WINDOW, CNN_SAMPLING_UNIFORM, 1);
    sampler.window = 99;
    int seen[N] = {0}, changes = 0;
    read_epoch(&epoch, &sampler, 0);
    for (int p = 0; p < N; p++) {
        assert_int_equal(seen[epoch.picks[p].record]++, 0);
        changes += p > 0 && shard_of(epoch.picks[p].record) != shard_of(epoch.picks[p - 1].record);
    }
    assert_true(changes > N / 2);
}

static void balanced_classes_have_equal_shares(void **state) {
    static struct epoch epoch;
    struct cnn_sampler sampler = sampler_of(CNN_SHUFFLE_FULL, CNN_SAMPLING_CLASS_BALANCED, 1);
    for (uint64_t e = 0; e < EPOCHS; e++) {
        int of_class[4] = {0}, of_record[N] = {0};
        bool shown[N][N] = {{false}};
        read_epoch(&epoch, &sampler, e);
        for (int p = 0; p < N; p++) {
            struct cnn_pick pick = epoch.picks[p];
            of_class[uneven_label(pick.record)]++;
            of_record[pick.record]++;
            assert_true(pick.repeat < N);
            assert_false(shown[pick.record][pick.repeat]); // never the same draws again
            shown[pick.record][pick.repeat] = true;
        }
        assert_int_equal(of_class[2], 0);
        for (int c = 0; c < 4; c++)
            assert_true(c == 2 || of_class[c] == N / 3);
        for (int c = 0; c < 4; c++) {
            int least = N, most = 0;
            for (uint64_t i = 0; i < N; i++) {
                if (uneven_label(i) != c)
                    continue;
                least = of_record[i] < least ? of_record[i] : least;
                most = of_record[i] > most ? of_record[i] : most;
            }
            assert_true(c == 2 || most - least <= 1);
        }
    }
}

// Balance holds on the way, not only at the end: a step has of each class about a third.
static void balanced_classes_are_mixed(void **state) {
    static struct epoch epoch;
    struct cnn_sampler sampler = sampler_of(CNN_SHUFFLE_FULL, CNN_SAMPLING_CLASS_BALANCED, 1);
    read_epoch(&epoch, &sampler, 0);
    for (int first = 0; first < N; first += GLOBAL) {
        int of_class[4] = {0};
        for (int p = first; p < first + GLOBAL; p++)
            of_class[uneven_label(epoch.picks[p].record)]++;
        for (int c = 0; c < 4; c++)
            assert_in_range(of_class[c], c == 2 ? 0 : 1, c == 2 ? 0 : 18);
    }
}

// Each step shows its records `repeats` times; `repeats` epochs show every record in one step.
static void repeats_fill_a_step(void **state) {
    static const enum cnn_shuffle all[] = {CNN_SHUFFLE_FULL, CNN_SHUFFLE_WINDOW, CNN_SHUFFLE_NONE};
    static struct epoch epoch;
    for (int s = 0; s < 3; s++)
        for (int repeats = 2; repeats <= 4; repeats++) {
            struct cnn_sampler sampler = sampler_of(all[s], CNN_SAMPLING_UNIFORM, repeats);
            int steps_with[N] = {0};
            for (int e = 0; e < repeats; e++) {
                read_epoch(&epoch, &sampler, (uint64_t)e);
                for (int first = 0; first < N; first += GLOBAL) {
                    unsigned shown[N] = {0};
                    for (int p = first; p < first + GLOBAL; p++) {
                        struct cnn_pick pick = epoch.picks[p];
                        assert_true(pick.repeat < (uint32_t)repeats);
                        assert_false(shown[pick.record] >> pick.repeat & 1);
                        shown[pick.record] |= 1u << pick.repeat;
                    }
                    for (int i = 0; i < N; i++) {
                        assert_true(shown[i] == 0 || shown[i] == (1u << repeats) - 1);
                        steps_with[i] += shown[i] != 0;
                    }
                }
            }
            for (int i = 0; i < N; i++)
                assert_int_equal(steps_with[i], 1);
        }
}

static void showings_have_draws_of_their_own(void **state) {
    struct cnn_sampler sampler = sampler_of(CNN_SHUFFLE_FULL, CNN_SAMPLING_UNIFORM, 3);
    uint32_t drawn[4][3];
    for (uint32_t repeat = 0; repeat < 3; repeat++) {
        struct cnn_draws draws = cnn_order_draws(&sampler, 2, (struct cnn_pick){77, repeat});
        drawn[repeat][0] = cnn_draw_u32(&draws);
        for (uint32_t before = 0; before < repeat; before++)
            assert_int_not_equal(drawn[before][0], drawn[repeat][0]);
    }
    struct cnn_draws plain = cnn_draws_of(5, CNN_PURPOSE_AUGMENT, 2, 77);
    assert_int_equal(drawn[0][0], cnn_draw_u32(&plain)); // as without repeats
}

// A run on one machine today must be the run on another machine tomorrow: these numbers never change.
static void orders_are_pinned(void **state) {
    static const struct {
        enum cnn_shuffle shuffle;
        enum cnn_sampling sampling;
        int repeats;
        uint64_t first[6];
    } pins[] = {
        {CNN_SHUFFLE_WINDOW, CNN_SAMPLING_UNIFORM, 1, {147, 36, 40, 14, 20, 22}},
        {CNN_SHUFFLE_FULL, CNN_SAMPLING_CLASS_BALANCED, 1, {7, 91, 137, 144, 87, 102}},
        {CNN_SHUFFLE_FULL, CNN_SAMPLING_UNIFORM, 2, {83, 149, 138, 119, 141, 182}},
    };
    static struct epoch epoch;
    for (size_t k = 0; k < sizeof pins / sizeof *pins; k++) {
        struct cnn_sampler sampler = sampler_of(pins[k].shuffle, pins[k].sampling, pins[k].repeats);
        read_epoch(&epoch, &sampler, 3);
        for (int p = 0; p < 6; p++)
            assert_int_equal(epoch.picks[p].record, pins[k].first[p]);
    }
}

struct asked {
    int times[N];
    uint64_t last_begin;
};
static void note(void *context, uint64_t first, uint64_t n) {
    struct asked *asked = context;
    assert_true(n > 0 && first + n <= N);
    for (uint64_t i = first; i < first + n; i++)
        asked->times[i]++;
}

// All parts of an epoch together have every later window read once, and before it is used.
static void windows_are_asked_for_in_time(void **state) {
    static struct epoch epoch;
    for (int repeats = 1; repeats <= 2; repeats++) {
        struct cnn_sampler sampler = sampler_of(CNN_SHUFFLE_WINDOW, CNN_SAMPLING_UNIFORM, repeats);
        struct cnn_order *order = NULL;
        struct cnn_order_reader *reader = NULL;
        struct asked asked = {{0}, 0};
        assert_ok(cnn_order_create(&order, &sampler, dataset));
        assert_ok(cnn_order_reader_create(&reader, order));
        bool used[N] = {false};
        int late = 0;
        for (uint64_t e = 0; e < (uint64_t)repeats; e++) {
            read_epoch(&epoch, &sampler, e);
            for (uint64_t p = 0; p < N; p += 4) {
                for (uint64_t q = p; q < p + 4; q++) {
                    late += !used[epoch.picks[q].record] && asked.times[epoch.picks[q].record] == 0;
                    used[epoch.picks[q].record] = true;
                }
                cnn_order_ahead(reader, e, p, p + 4, note, &asked);
            }
        }
        int never = 0;
        for (int i = 0; i < N; i++) {
            assert_in_range(asked.times[i], 0, 1);
            never += asked.times[i] == 0;
        }
        assert_int_equal(never, late); // those of the first window
        assert_in_range(never, 3, 100);
        cnn_order_reader_destroy(reader);
        cnn_order_destroy(order);
    }
    struct cnn_sampler full = sampler_of(CNN_SHUFFLE_FULL, CNN_SAMPLING_UNIFORM, 1);
    struct cnn_order *order = NULL;
    struct cnn_order_reader *reader = NULL;
    struct asked asked = {{0}, 0};
    assert_ok(cnn_order_create(&order, &full, dataset));
    assert_ok(cnn_order_reader_create(&reader, order));
    cnn_order_ahead(reader, 0, 0, N, note, &asked);
    for (int i = 0; i < N; i++)
        assert_int_equal(asked.times[i], 0);
    cnn_order_reader_destroy(reader);
    cnn_order_destroy(order);
}

// A hint changes nothing, wherever the records lie.
static void expecting_is_harmless(void **state) {
    for (uint64_t i = 0; i < N; i++)
        for (uint64_t n = 0; n <= N - i; n += 7)
            cnn_dataset_expect(dataset, i, n);
    for (uint64_t i = 0; i < N; i++) {
        uint8_t found[UNEVEN_PIXELS], expected[UNEVEN_PIXELS];
        assert_ok(cnn_dataset_read(dataset, i, found));
        uneven_pixels(expected, i);
        assert_memory_equal(found, expected, sizeof found);
    }
}

static void impossible_orders_are_refused(void **state) {
    struct cnn_sampler sampler = sampler_of(CNN_SHUFFLE_WINDOW, CNN_SAMPLING_CLASS_BALANCED, 1);
    assert_fails(cnn_sampler_check(&sampler), CNN_ERR_INPUT, "requires data.shuffle full");
    sampler = sampler_of(CNN_SHUFFLE_FULL, CNN_SAMPLING_UNIFORM, 5);
    assert_fails(cnn_sampler_check(&sampler), CNN_ERR_INPUT,
                 "data.repeats 5 does not divide train.batch.global 24: use 4 repeats, or a global of 25");
    sampler = sampler_of(CNN_SHUFFLE_WINDOW, CNN_SAMPLING_UNIFORM, 1);
    sampler.window = 0;
    assert_fails(cnn_sampler_check(&sampler), CNN_ERR_INPUT, "data.window is 0");
    sampler = sampler_of(CNN_SHUFFLE_FULL, CNN_SAMPLING_UNIFORM, 1);
    sampler.n_records = 100;
    struct cnn_order *order = NULL;
    assert_fails(cnn_order_create(&order, &sampler, dataset), CNN_ERR_INPUT, "it has 192");
    assert_null(order);
    cnn_order_destroy(NULL);
    cnn_order_reader_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_uniform_epoch_is_a_permutation),
        cmocka_unit_test(full_and_none_are_the_samplers),
        cmocka_unit_test(a_window_holds_whole_shards),
        cmocka_unit_test(a_window_of_everything_is_a_full_shuffle),
        cmocka_unit_test(balanced_classes_have_equal_shares),
        cmocka_unit_test(balanced_classes_are_mixed),
        cmocka_unit_test(repeats_fill_a_step),
        cmocka_unit_test(showings_have_draws_of_their_own),
        cmocka_unit_test(orders_are_pinned),
        cmocka_unit_test(windows_are_asked_for_in_time),
        cmocka_unit_test(expecting_is_harmless),
        cmocka_unit_test(impossible_orders_are_refused),
    };
    return cmocka_run_group_tests(tests, make, end);
}
