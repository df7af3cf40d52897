// Batches are a function of (seed, epoch, position): the same for any ranks, threads, and starts.
#include "loader_fixture.h"

#include "data/sampler.h"

#include <dirent.h>
#include <stdbool.h>
#include <time.h>

enum { EPOCHS = 3, STEPS = N_RECORDS / 24, POSITIONS = STEPS * 24 };

static struct fixture tiny;

static int make_tiny(void **state) {
    make_dataset(&tiny);
    return 0;
}

static int remove_tiny(void **state) {
    remove_folder(&tiny);
    return 0;
}

struct epochs {
    struct row rows[EPOCHS][POSITIONS];
};

static void keep(struct epochs *out, const struct cnn_batch *batch) {
    for (int i = 0; i < batch->n; i++)
        out->rows[batch->epoch][batch->position + (uint64_t)i] = row_of(batch, i);
}

// Runs one rank through all epochs without a stop.
static void read_rank(struct epochs *out, const struct cnn_augment_list *list, int rank, int size,
                      int threads) {
    struct cnn_loader_options options = training(&tiny, list, rank, size, threads);
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    int micros = 24 / 6 / size;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++)
        for (uint64_t step = 0; step < STEPS; step++)
            for (int j = 0; j < micros; j++) {
                struct cnn_batch *batch = next_of(loader);
                assert_non_null(batch);
                assert_int_equal(batch->epoch, epoch);
                assert_int_equal(batch->step, step);
                assert_int_equal(batch->position, cnn_sampler_position(&options.sampler, step, j));
                assert_int_equal(batch->n, 6);
                keep(out, batch);
                cnn_loader_release(loader, batch);
            }
    cnn_loader_destroy(loader);
}

static struct epochs *read_epochs(const struct cnn_augment_list *list, int size, int threads) {
    struct epochs *epochs = calloc(1, sizeof *epochs);
    assert_non_null(epochs);
    for (int rank = 0; rank < size; rank++)
        read_rank(epochs, list, rank, size, threads);
    return epochs;
}

static void same_for_any_ranks_and_threads(void **state) {
    static const int ranks[] = {1, 2, 4}, threads[] = {1, 3};
    struct cnn_augment_list list = crop_and_flip();
    struct epochs *expected = read_epochs(&list, 1, 1);
    for (int r = 0; r < 3; r++)
        for (int t = 0; t < 2; t++) {
            struct epochs *found = read_epochs(&list, ranks[r], threads[t]);
            assert_memory_equal(found, expected, sizeof *found);
            free(found);
        }
    free(expected);
}

static void an_epoch_holds_each_record_at_most_once(void **state) {
    struct cnn_augment_list list = as_stored();
    struct epochs *epochs = read_epochs(&list, 2, 2);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        int seen[N_RECORDS] = {0}, n = 0;
        for (int p = 0; p < POSITIONS; p++) {
            assert_in_range(epochs->rows[epoch][p].id, FIRST_ID, FIRST_ID + N_RECORDS - 1);
            assert_int_equal(seen[epochs->rows[epoch][p].id - FIRST_ID]++, 0);
            n++;
        }
        assert_int_equal(n, 192); // 203 less the tail of 11
    }
    assert_memory_not_equal(epochs->rows[0], epochs->rows[1], sizeof epochs->rows[0]);
    free(epochs);
}

// The loader's pixels, against the policy called by hand with the draws of (seed, epoch, record).
static void pixels_are_those_of_the_policy(void **state) {
    struct cnn_augment_list list = crop_and_flip();
    struct cnn_policy *policy = NULL;
    assert_ok(cnn_policy_create(&policy, &list, true, SIDE, SIDE));
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 2);
    struct cnn_loader *loader = loader_of(&options, 5, 0);
    struct cnn_image_info stored = {CNN_ENCODING_RAW, SIDE, SIDE, 1};
    struct cnn_image_scratch scratch = {0};
    for (uint64_t position = 0; position < POSITIONS; position += 6) {
        struct cnn_batch *batch = next_of(loader);
        for (int row = 0; row < 6; row++) {
            uint64_t i = cnn_sampler_record(&options.sampler, 5, position + (uint64_t)row);
            uint8_t source[PIXELS], expected[PIXELS];
            pixels_of(source, i);
            assert_ok(cnn_policy_apply(policy, expected, 1, source, PIXELS, &stored,
                                       cnn_draws_of(11, CNN_PURPOSE_AUGMENT, 5, i), &scratch));
            assert_memory_equal(batch->pixels + row * PIXELS, expected, PIXELS);
            assert_int_equal(batch->labels[row], label_of(i));
            assert_int_equal(batch->ids[row], FIRST_ID + i);
        }
        cnn_loader_release(loader, batch);
    }
    cnn_loader_destroy(loader);
    cnn_image_scratch_finish(&scratch);
    cnn_policy_destroy(policy);
}

static void expect_rows(const struct epochs *expected, const struct cnn_batch *batch) {
    for (int i = 0; i < batch->n; i++) {
        struct row found = row_of(batch, i),
                   row = expected->rows[batch->epoch][batch->position + (uint64_t)i];
        assert_int_equal(found.id, row.id);
        assert_int_equal(found.crc, row.crc);
    }
}

// From every step of the first two epochs, across the end of the epoch; all on one loader, so each start cuts
// off the run before it.
static void starting_at_any_step_gives_the_unbroken_run(void **state) {
    struct cnn_augment_list list = crop_and_flip();
    struct epochs *expected = read_epochs(&list, 1, 1);
    struct cnn_loader_options options = training(&tiny, &list, 1, 2, 3);
    struct cnn_loader *loader = NULL;
    assert_ok(cnn_loader_create(&loader, &options));
    for (uint64_t begin = 0; begin <= 2 * STEPS; begin++) {
        uint64_t epoch = begin == 2 * STEPS ? 1 : begin / STEPS, first = begin - epoch * STEPS;
        assert_ok(cnn_loader_start(loader, epoch, first)); // step STEPS is step 0 of the next epoch
        for (uint64_t b = 0; b < 5; b++) {
            struct cnn_batch *batch = next_of(loader);
            assert_int_equal(batch->epoch * STEPS + batch->step, begin + b / 2);
            assert_int_equal(batch->position,
                             cnn_sampler_position(&options.sampler, batch->step, (int)(b % 2)));
            expect_rows(expected, batch);
            cnn_loader_release(loader, batch);
        }
    }
    cnn_loader_destroy(loader);
    free(expected);
}

// Mixed from the pictures an unmixed loader gives, the same for any number of threads.
static void batches_are_mixed(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options plain = training(&tiny, &list, 0, 1, 1), one = plain,
                              three = training(&tiny, &list, 0, 1, 3);
    one.mix = three.mix = (struct cnn_mix){.mixup = 1, .cutmix = 1, .p = 0.8};
    struct cnn_loader *loaders[3] = {loader_of(&plain, 1, 0), loader_of(&one, 1, 0), loader_of(&three, 1, 0)};
    (void)state;
    for (int b = 0; b < 12; b++) {
        struct cnn_batch *as_read = next_of(loaders[0]), *mixed = next_of(loaders[1]),
                         *same = next_of(loaders[2]);
        const size_t n = (size_t)as_read->n;
        uint8_t spare[PIXELS];
        int32_t partners[256];
        float weights[256];
        const struct cnn_mix_batch by_hand = {as_read->pixels, as_read->n, SIDE,   SIDE, 1,
                                              as_read->labels, partners,   weights};
        assert_null(as_read->partners);
        cnn_mix_pictures(&one.mix, &by_hand, one.sampler.seed, as_read->epoch, as_read->position, spare);
        assert_memory_equal(mixed->pixels, as_read->pixels, n * PIXELS);
        assert_memory_equal(mixed->labels, as_read->labels, n * sizeof *partners);
        assert_memory_equal(mixed->partners, partners, n * sizeof *partners);
        assert_memory_equal(mixed->weights, weights, n * sizeof *weights);
        assert_memory_equal(same->pixels, mixed->pixels, n * PIXELS);
        assert_memory_equal(same->weights, mixed->weights, n * sizeof *weights);
        cnn_loader_release(loaders[0], as_read);
        cnn_loader_release(loaders[1], mixed);
        cnn_loader_release(loaders[2], same);
    }
    for (int i = 0; i < 3; i++)
        cnn_loader_destroy(loaders[i]);
}

static void evaluation_counts_every_record_once(void **state) {
    static const int micros[] = {1, 7, 64, 203, 300};
    struct cnn_augment_list list = as_stored();
    for (int size = 1; size <= 4; size++)
        for (int m = 0; m < 5; m++) {
            int seen[N_RECORDS] = {0};
            for (int rank = 0; rank < size; rank++) {
                struct cnn_loader_options options =
                    evaluation(&tiny, &list, micros[m], rank, size, 1 + rank % 3);
                struct cnn_loader *loader = loader_of(&options, 0, 0);
                struct cnn_batch *batch;
                while ((batch = next_of(loader))) {
                    assert_in_range(batch->n, 1, micros[m]);
                    for (int i = 0; i < batch->n; i++) {
                        uint64_t record = batch->position + (uint64_t)i;
                        uint8_t expected[PIXELS];
                        pixels_of(expected, record);
                        assert_int_equal(batch->ids[i], FIRST_ID + record);
                        assert_int_equal(batch->labels[i], label_of(record));
                        assert_memory_equal(batch->pixels + i * PIXELS, expected, PIXELS);
                        seen[record]++;
                    }
                    cnn_loader_release(loader, batch);
                }
                assert_null(next_of(loader)); // and stays at the end
                cnn_loader_destroy(loader);
            }
            for (int i = 0; i < N_RECORDS; i++)
                assert_int_equal(seen[i], 1);
        }
}

static void a_pass_can_be_run_again_and_rows_past_the_end_are_zero(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = evaluation(&tiny, &list, 64, 0, 1, 2);
    struct cnn_loader *loader = NULL;
    assert_ok(cnn_loader_create(&loader, &options));
    static const uint8_t zero[PIXELS];
    for (int pass = 0; pass < 3; pass++) {
        assert_ok(cnn_loader_start(loader, (uint64_t)pass, 0));
        int n = 0;
        struct cnn_batch *batch;
        while ((batch = next_of(loader))) {
            assert_int_equal(batch->capacity, 64);
            n += batch->n;
            for (int i = batch->n; i < 64; i++)
                assert_memory_equal(batch->pixels + i * PIXELS, zero, PIXELS);
            cnn_loader_release(loader, batch);
        }
        assert_int_equal(n, N_RECORDS);
    }
    cnn_loader_destroy(loader);
}

static void start_drops_what_was_prepared_but_not_what_is_held(void **state) {
    struct cnn_augment_list list = crop_and_flip();
    struct epochs *expected = read_epochs(&list, 1, 1);
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 3);
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    cnn_loader_release(loader, next_of(loader));
    struct cnn_batch *held = next_of(loader); // the second, in the second slot
    assert_ok(cnn_loader_start(loader, 2, 3));
    struct cnn_batch *batch = next_of(loader);
    assert_int_equal(batch->epoch, 2);
    assert_int_equal(batch->step, 3);
    expect_rows(expected, batch);
    cnn_loader_release(loader, batch);
    expect_rows(expected, held);
    assert_int_equal(held->epoch, 0);
    // Its slot is that of the run's second batch.
    assert_int_equal(cnn_loader_next(loader, &batch, NULL), CNN_ERR_FAILED);
    assert_non_null(strstr(cnn_error_message(), "released"));
    cnn_loader_release(loader, held);
    for (int b = 0; b < 12; b++) {
        batch = next_of(loader);
        assert_int_equal(batch->position, 3 * 24 + (b + 1) * 6);
        expect_rows(expected, batch);
        cnn_loader_release(loader, batch);
    }
    cnn_loader_destroy(loader);
    free(expected);
}

static void destroy_at_any_time(void **state) {
    struct cnn_augment_list list = crop_and_flip();
    cnn_loader_destroy(NULL);
    for (int taken = -1; taken < 12; taken++)
        for (int threads = 1; threads <= 4; threads += 3) {
            struct cnn_loader_options options = training(&tiny, &list, 0, 1, threads);
            struct cnn_loader *loader = NULL;
            assert_ok(cnn_loader_create(&loader, &options));
            if (taken >= 0)
                assert_ok(cnn_loader_start(loader, 0, 0));
            for (int i = 0; i < taken; i++) {
                struct cnn_batch *batch = next_of(loader);
                if (i < taken - 1)
                    cnn_loader_release(loader, batch); // the last one is still held
            }
            cnn_loader_destroy(loader);
        }
}

static void sleep_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

static void await_records(const struct cnn_loader *loader, uint64_t records) {
    for (int i = 0; i < 5000 && cnn_loader_stats(loader).records < records; i++)
        sleep_ms(1);
    assert_true(cnn_loader_stats(loader).records >= records);
}

// ahead batches besides the one that is held, and not one record more.
static void works_a_bounded_number_ahead(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 3);
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    await_records(loader, 4 * 6);
    struct cnn_batch *first = next_of(loader);
    sleep_ms(20);
    assert_int_equal(cnn_loader_stats(loader).records, 4 * 6);
    cnn_loader_release(loader, first);
    await_records(loader, 5 * 6);
    sleep_ms(20);
    assert_int_equal(cnn_loader_stats(loader).records, 5 * 6);
    assert_int_equal(cnn_loader_stats(loader).bytes_read, 5 * 6 * PIXELS);
    cnn_loader_destroy(loader);
}

// Takes three of four batches that should lie ready; false where a thread had not yet counted its last unit.
static bool take_ready_batches(const struct cnn_loader_options *options) {
    struct cnn_loader *loader = loader_of(options, 0, 0);
    await_records(loader, 4 * 6);
    sleep_ms(20);
    double waited_s = 0.25;
    for (int i = 0; i < 3; i++) {
        struct cnn_batch *batch = NULL;
        assert_ok(cnn_loader_next(loader, &batch, &waited_s));
    }
    bool ready = cnn_loader_stats(loader).queue_mean == (4 + 3 + 2) / 3.0;
    if (ready)
        assert_true(waited_s == 0.25);
    cnn_loader_destroy(loader);
    return ready;
}

static void batches_that_lie_ready_cost_no_wait(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 1);
    int tries = 0;
    while (tries < 50 && !take_ready_batches(&options)) // a busy machine may need some
        tries++;
    assert_true(tries < 50);
}

// A caller that does nothing but take batches waits for most of them.
static void waiting_is_measured(void **state) {
    struct cnn_augment_list list = crop_and_flip();
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 1);
    options.sampler.global = options.sampler.micro = N_RECORDS;
    struct cnn_loader *loader = NULL;
    struct timespec begin, end;
    double waited_s = 0;
    assert_ok(cnn_loader_create(&loader, &options));
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < 20; i++) {
        struct cnn_batch *batch = NULL;
        assert_ok(cnn_loader_start(loader, (uint64_t)i, 0));
        assert_ok(cnn_loader_next(loader, &batch, &waited_s));
        cnn_loader_release(loader, batch);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(waited_s > 0);
    assert_true(waited_s <=
                (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec));
    cnn_loader_destroy(loader);
}

static void no_more_than_there_are_can_be_held(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 2);
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    struct cnn_batch *held[4], *batch = NULL;
    for (int i = 0; i < 4; i++)
        held[i] = next_of(loader);
    assert_int_equal(cnn_loader_next(loader, &batch, NULL), CNN_ERR_FAILED);
    for (int i = 3; i >= 0; i--) // in any order
        cnn_loader_release(loader, held[i]);
    for (int i = 4; i < 9; i++) {
        batch = next_of(loader);
        assert_int_equal(batch->position, i * 6);
        cnn_loader_release(loader, batch);
        cnn_loader_release(loader, batch); // twice does nothing
    }
    cnn_loader_destroy(loader);
}

struct memory {
    int taken, given, limit;
    size_t bytes;
};
static void *take(void *context, size_t bytes) {
    struct memory *memory = context;
    if (memory->taken == memory->limit)
        return NULL;
    memory->taken++;
    memory->bytes += bytes;
    return malloc(bytes);
}
static void give(void *context, void *pointer) {
    ((struct memory *)context)->given++;
    free(pointer);
}

static void batch_memory_comes_from_the_caller(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 2);
    struct memory memory = {.limit = 100};
    options.alloc = take;
    options.free = give;
    options.memory_context = &memory;
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    assert_int_equal(memory.taken, 4);
    assert_int_equal(memory.bytes, cnn_loader_bytes(loader));
    for (int i = 0; i < 20; i++)
        cnn_loader_release(loader, next_of(loader));
    assert_int_equal(memory.taken, 4); // none while it runs
    cnn_loader_destroy(loader);
    assert_int_equal(memory.given, 4);

    memory = (struct memory){.limit = 2};
    loader = NULL;
    assert_int_equal(cnn_loader_create(&loader, &options), CNN_ERR_MEMORY);
    assert_null(loader);
    assert_int_equal(memory.given, 2);
}

static void output_is_what_the_policy_makes(void **state) {
    struct cnn_augment_list list = {.n = 1, .ops = {{.kind = CNN_AUGMENT_CENTER_CROP, .args = {{5, 5}}}}};
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 1);
    options.channels = 3;
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    int h, w, c;
    cnn_loader_output(loader, &h, &w, &c);
    assert_int_equal(h, 5);
    assert_int_equal(w, 5);
    assert_int_equal(c, 3);
    struct cnn_batch *batch = next_of(loader);
    assert_true(batch->h == 5 && batch->w == 5 && batch->c == 3);
    for (int i = 0; i < 6 * 25; i++) // gray, three times
        assert_true(batch->pixels[3 * i] == batch->pixels[3 * i + 1] &&
                    batch->pixels[3 * i] == batch->pixels[3 * i + 2]);
    cnn_loader_destroy(loader);
}

static void refuse(struct cnn_loader_options options, const char *word) {
    struct cnn_loader *loader = NULL;
    assert_int_equal(cnn_loader_create(&loader, &options), CNN_ERR_INPUT);
    assert_null(loader);
    if (!strstr(cnn_error_message(), word))
        fail_msg("'%s' is not in: %s", word, cnn_error_message());
}

static void impossible_options_are_refused(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options good = training(&tiny, &list, 0, 1, 1), bad = good;
    bad.sampler.micro = 5;
    refuse(bad, "train.batch.micro 5");
    bad = good;
    bad.sampler.size = 8;
    refuse(bad, "more ranks than micro-batches");
    bad = good;
    bad.sampler.n_records = N_RECORDS + 1;
    refuse(bad, "it has 203");
    bad = good;
    bad.channels = 2;
    refuse(bad, "number of channels 2");
    bad = good;
    bad.threads = 0;
    refuse(bad, "data.threads 0");
    bad = evaluation(&tiny, &list, 0, 0, 1, 1);
    refuse(bad, "eval.batch");
}

static void starts_out_of_range_are_refused(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 1);
    struct cnn_loader *loader = NULL;
    struct cnn_batch *batch = NULL;
    assert_ok(cnn_loader_create(&loader, &options));
    assert_int_equal(cnn_loader_next(loader, &batch, NULL), CNN_ERR_FAILED);
    assert_int_equal(cnn_loader_start(loader, 0, STEPS + 1), CNN_ERR_INPUT);
    assert_ok(cnn_loader_start(loader, 0, 0));
    assert_non_null(next_of(loader));
    cnn_loader_destroy(loader);
}

static int threads_named(const char *name) {
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));) {
        char path[512], found[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file && fgets(found, sizeof found, file))
            n += strncmp(found, name, strlen(name)) == 0;
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return n;
}

static void threads_have_names_and_end(void **state) {
    struct cnn_augment_list list = as_stored();
    struct cnn_loader_options options = training(&tiny, &list, 0, 1, 3);
    struct cnn_loader *loader = loader_of(&options, 0, 0);
    assert_int_equal(threads_named("cnn-load-"), 3);
    cnn_loader_destroy(loader);
    for (int i = 0; i < 1000 && threads_named("cnn-load-"); i++)
        sleep_ms(1); // the kernel forgets a thread a moment after it is joined
    assert_int_equal(threads_named("cnn-load-"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_for_any_ranks_and_threads),
        cmocka_unit_test(an_epoch_holds_each_record_at_most_once),
        cmocka_unit_test(pixels_are_those_of_the_policy),
        cmocka_unit_test(starting_at_any_step_gives_the_unbroken_run),
        cmocka_unit_test(batches_are_mixed),
        cmocka_unit_test(evaluation_counts_every_record_once),
        cmocka_unit_test(a_pass_can_be_run_again_and_rows_past_the_end_are_zero),
        cmocka_unit_test(start_drops_what_was_prepared_but_not_what_is_held),
        cmocka_unit_test(destroy_at_any_time),
        cmocka_unit_test(works_a_bounded_number_ahead),
        cmocka_unit_test(batches_that_lie_ready_cost_no_wait),
        cmocka_unit_test(waiting_is_measured),
        cmocka_unit_test(no_more_than_there_are_can_be_held),
        cmocka_unit_test(batch_memory_comes_from_the_caller),
        cmocka_unit_test(output_is_what_the_policy_makes),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(starts_out_of_range_are_refused),
        cmocka_unit_test(threads_have_names_and_end),
    };
    return cmocka_run_group_tests(tests, make_tiny, remove_tiny);
}
