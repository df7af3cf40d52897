// Whole epochs, order and pixels, for every shuffle and sampling: the same for any ranks and threads.
#include "order_fixture.h"

#include "base/checksum.h"
#include "data/loader.h"

enum { GLOBAL = 24, MICRO = 6, EPOCHS = 2, STEPS = UNEVEN_RECORDS / GLOBAL };

struct cut {
    int ranks, threads;
};
static const struct cut cuts[] = {{1, 1}, {1, 3}, {2, 1}, {2, 3}, {4, 1}, {4, 3}};

struct data {
    struct cnn_dataset *raw, *jpeg;
};

// 192 photographs of changing size, in one shard beside the folder of raw ones.
static void make_jpegs(struct cnn_dataset **out, const char *folder) {
    char path[1024];
    struct cnn_shard_header header = {
        .encoding = CNN_ENCODING_JPEG, .n_classes = 4, .n_shards = 1, .records_total = UNEVEN_RECORDS};
    struct cnn_shard_writer *writer = NULL;
    static uint8_t pixels[64 * 64 * 3];
    snprintf(path, sizeof path, "%s/jpeg-00000-of-00001.h5", folder);
    assert_ok(cnn_folder_create(folder));
    assert_ok(cnn_shard_writer_create(&writer, path, &header, NULL));
    for (uint64_t i = 0; i < UNEVEN_RECORDS; i++) {
        uint8_t *jpeg = NULL;
        size_t bytes = 0;
        struct cnn_draws draws = cnn_draws_of(9, CNN_PURPOSE_TEST, 0, i);
        for (size_t k = 0; k < sizeof pixels; k += 3) // blocks of colours
            for (size_t c = 0; c < 3; c++)
                pixels[k + c] = k % 48 ? pixels[k - 3 + c] : (uint8_t)cnn_draw_u32(&draws);
        assert_ok(cnn_image_encode_jpeg(&jpeg, &bytes, pixels, 30 + (int)(i % 34), 64, 3, 90));
        assert_ok(cnn_shard_writer_append(writer, jpeg, bytes, uneven_label(i), i));
        free(jpeg);
    }
    assert_ok(cnn_shard_writer_commit(writer));
    cnn_shard_writer_destroy(writer);
    assert_ok(cnn_dataset_open(out, folder));
}

static struct data data;

static int make(void **state) {
    if (scratch_create(state))
        return -1;
    make_uneven(&data.raw, in(*state, "raw"));
    make_jpegs(&data.jpeg, in(*state, "jpeg"));
    return 0;
}

static int end(void **state) {
    cnn_dataset_close(data.raw);
    cnn_dataset_close(data.jpeg);
    return scratch_remove(state);
}

struct epochs {
    uint64_t ids[EPOCHS][UNEVEN_RECORDS];
    uint32_t pixels[EPOCHS][UNEVEN_RECORDS]; // checksum of picture and label
};

static void keep(struct epochs *out, const struct cnn_batch *batch) {
    size_t bytes = (size_t)batch->h * (size_t)batch->w * (size_t)batch->c;
    for (int i = 0; i < batch->n; i++) {
        uint64_t p = batch->position + (uint64_t)i;
        uint32_t crc = cnn_crc32c(0, batch->pixels + (size_t)i * bytes, bytes);
        assert_int_equal(out->pixels[batch->epoch][p], 0); // nobody else had this position
        out->ids[batch->epoch][p] = batch->ids[i];
        out->pixels[batch->epoch][p] = cnn_crc32c(crc, &batch->labels[i], sizeof batch->labels[i]);
    }
}

static void read_rank(struct epochs *out, struct cnn_loader_options options, int rank) {
    struct cnn_loader *loader = NULL;
    options.sampler.rank = rank;
    assert_ok(cnn_loader_create(&loader, &options));
    assert_ok(cnn_loader_start(loader, 0, 0));
    for (int b = 0; b < EPOCHS * STEPS * (GLOBAL / MICRO / options.sampler.size); b++) {
        struct cnn_batch *batch = NULL;
        assert_ok(cnn_loader_next(loader, &batch, NULL));
        keep(out, batch);
        cnn_loader_release(loader, batch);
    }
    cnn_loader_destroy(loader);
}

static void read_epochs(struct epochs *out, struct cnn_loader_options options, struct cut cut) {
    memset(out, 0, sizeof *out);
    options.threads = cut.threads;
    options.sampler.size = cut.ranks;
    for (int rank = 0; rank < cut.ranks; rank++)
        read_rank(out, options, rank);
}

static struct cnn_loader_options options_of(const struct cnn_dataset *dataset,
                                            const struct cnn_augment_list *list, int channels) {
    return (struct cnn_loader_options){
        .dataset = dataset,
        .augment = list,
        .channels = channels,
        .ahead = 3,
        .whole_windows = true,
        .sampler = {.n_records = UNEVEN_RECORDS, .seed = 21, .window = 3, .global = GLOBAL, .micro = MICRO},
    };
}

static void assert_all_cuts_agree(struct epochs *out, const struct cnn_loader_options *options) {
    static struct epochs found;
    read_epochs(out, *options, cuts[0]);
    for (size_t k = 1; k < sizeof cuts / sizeof *cuts; k++) {
        read_epochs(&found, *options, cuts[k]);
        assert_memory_equal(found.ids, out->ids, sizeof found.ids);
        assert_memory_equal(found.pixels, out->pixels, sizeof found.pixels);
    }
}

static void assert_each_once(const struct epochs *epochs) {
    for (int e = 0; e < EPOCHS; e++) {
        int seen[UNEVEN_RECORDS] = {0};
        for (int p = 0; p < UNEVEN_RECORDS; p++)
            assert_int_equal(seen[epochs->ids[e][p]]++, 0);
    }
}

// Raw records and JPEGs of many sizes; the ids of a uniform epoch are those of the dataset, each once.
static void every_order_is_the_same_for_any_cut(void **state) {
    static const enum cnn_shuffle shuffles[] = {CNN_SHUFFLE_FULL, CNN_SHUFFLE_WINDOW, CNN_SHUFFLE_NONE};
    static struct epochs epochs;
    struct cnn_augment_list small = {.n = 2,
                                     .ops = {{.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{8, 8}, {2, 2}}},
                                             {.kind = CNN_AUGMENT_FLIP_HORIZONTAL, .args = {{0.5, 0.5}}}}};
    struct cnn_augment_list photo = {
        .n = 2,
        .ops = {{.kind = CNN_AUGMENT_RANDOM_RESIZED_CROP, .args = {{20, 20}, {0.08, 1}, {0.75, 1.3333}}},
                {.kind = CNN_AUGMENT_FLIP_HORIZONTAL, .args = {{0.5, 0.5}}}}};
    for (int s = 0; s < 3; s++) {
        struct cnn_loader_options raw = options_of(data.raw, &small, 1);
        raw.sampler.shuffle = shuffles[s];
        assert_all_cuts_agree(&epochs, &raw);
        assert_each_once(&epochs);
        assert_memory_not_equal(epochs.pixels[0], epochs.pixels[1], sizeof epochs.pixels[0]);
    }
    struct cnn_loader_options jpeg = options_of(data.jpeg, &photo, 3);
    assert_all_cuts_agree(&epochs, &jpeg);
    assert_each_once(&epochs);
}

static void samplings_are_the_same_for_any_cut(void **state) {
    static struct epochs epochs;
    struct cnn_augment_list small = {.n = 1,
                                     .ops = {{.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{8, 8}, {2, 2}}}}};
    struct cnn_loader_options options = options_of(data.raw, &small, 1);
    options.sampler.sampling = CNN_SAMPLING_CLASS_BALANCED;
    assert_all_cuts_agree(&epochs, &options);
    int of_class[4] = {0};
    for (int p = 0; p < UNEVEN_RECORDS; p++)
        of_class[uneven_label(epochs.ids[0][p])]++;
    assert_true(of_class[0] == 64 && of_class[1] == 64 && of_class[3] == 64);
    options.sampler.repeats = 3;
    assert_all_cuts_agree(&epochs, &options);
}

// Three showings of a record in a step are three pictures.
static void repeats_are_augmented_anew(void **state) {
    static struct epochs epochs;
    struct cnn_augment_list small = {.n = 1,
                                     .ops = {{.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{8, 8}, {4, 4}}}}};
    struct cnn_loader_options options = options_of(data.raw, &small, 1);
    options.sampler.repeats = 3;
    assert_all_cuts_agree(&epochs, &options);
    int same = 0;
    for (int p = 0; p < UNEVEN_RECORDS; p++) {
        int next = p / GLOBAL * GLOBAL + (p + GLOBAL / 3) % GLOBAL; // the next showing, or the first again
        assert_int_equal(epochs.ids[0][p], epochs.ids[0][next]);
        same += epochs.pixels[0][p] == epochs.pixels[0][next];
    }
    assert_true(same < UNEVEN_RECORDS / 8); // 81 places for a crop
}

// Starting in the middle of an epoch gives what the unbroken run has there.
static void any_order_can_be_resumed(void **state) {
    static struct epochs whole, rest;
    struct cnn_augment_list small = {.n = 1,
                                     .ops = {{.kind = CNN_AUGMENT_RANDOM_CROP, .args = {{8, 8}, {2, 2}}}}};
    struct cnn_loader_options options = options_of(data.raw, &small, 1);
    options.sampler.shuffle = CNN_SHUFFLE_WINDOW;
    options.sampler.repeats = 2;
    read_epochs(&whole, options, cuts[0]);
    struct cnn_loader *loader = NULL;
    options.threads = 2;
    options.sampler.size = 1;
    assert_ok(cnn_loader_create(&loader, &options));
    assert_ok(cnn_loader_start(loader, 1, 5));
    for (int b = 0; b < (STEPS - 5) * (GLOBAL / MICRO); b++) {
        struct cnn_batch *batch = NULL;
        assert_ok(cnn_loader_next(loader, &batch, NULL));
        keep(&rest, batch);
        cnn_loader_release(loader, batch);
    }
    cnn_loader_destroy(loader);
    assert_memory_equal(&rest.ids[1][5 * GLOBAL], &whole.ids[1][5 * GLOBAL], (STEPS - 5) * GLOBAL * 8);
    assert_memory_equal(&rest.pixels[1][5 * GLOBAL], &whole.pixels[1][5 * GLOBAL], (STEPS - 5) * GLOBAL * 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_is_the_same_for_any_cut),
        cmocka_unit_test(samplings_are_the_same_for_any_cut),
        cmocka_unit_test(repeats_are_augmented_anew),
        cmocka_unit_test(any_order_can_be_resumed),
    };
    return cmocka_run_group_tests(tests, make, end);
}
