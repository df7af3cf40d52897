// Prediction and evaluation see a picture in the same way: the probabilities of picture files are those of
// the same pictures in a dataset, bit for bit, for every shipped config and for pictures of all kinds.
#include "train_fixture.h"

#include "base/memory.h"
#include "base/random.h"
#include "data/import.h"
#include "data/picture_loader.h"
#include "image/image.h"
#include "train/classifier.h"
#include "train/evaluate.h"
#include "train/network.h"
#include "train/resume.h"

#define PICTURES 7
#define CLASSES 3

static struct cnn_comm *comm;

#define must(call)                                                                                           \
    do {                                                                                                     \
        if ((call) != CNN_OK)                                                                                \
            fail_msg("%s: %s", #call, cnn_error_message());                                                  \
    } while (0)

struct kind {
    const char *config; // below configs/; NULL: `lists` says it all
    const char *set[2]; // overrides: augment.train, augment.eval
    int h, w, c;        // of the pictures; `varied`: of the smallest
    bool jpeg, raw, varied;
    int channels;         // of the network
    int train_h, train_w; // what training shows
    int batch;            // of the evaluation
};

static void write_picture(const char *path, const struct kind *kind, int i) {
    const int h = kind->h + (kind->varied ? 3 * i : 0), w = kind->w + (kind->varied ? (7 - i) * 5 : 0);
    struct cnn_draws draws = cnn_draws_of(9, CNN_PURPOSE_TEST, 0, (uint64_t)i);
    uint8_t *pixels = malloc((size_t)(h * w * kind->c)), *file = NULL;
    size_t bytes = 0;
    for (int k = 0; k < h * w * kind->c; k++) // smooth, so that JPEG has something to say, and a little noise
        pixels[k] = (uint8_t)(k / (kind->c * (i + 1)) % 200 + (int)cnn_draw_below(&draws, 40));
    if (kind->jpeg)
        must(cnn_image_encode_jpeg(&file, &bytes, pixels, h, w, kind->c, 90));
    else
        must(cnn_image_encode_png(&file, &bytes, pixels, h, w, kind->c));
    must(cnn_file_replace(path, file, bytes));
    free(file);
    free(pixels);
}

// FOLDER/pictures/CLASS/I.png, and the dataset FOLDER/data. paths: in the order of the records' ids.
static struct cnn_dataset *make_pictures(const char *folder, const struct kind *kind, char **paths) {
    char path[700], class_folder[600];
    struct cnn_import_result result;
    struct cnn_dataset *dataset = NULL;
    for (int i = 0; i < PICTURES; i++) {
        snprintf(class_folder, sizeof class_folder, "%s/pictures/%c", folder, 'a' + i * CLASSES / PICTURES);
        must(cnn_folder_create(class_folder));
        snprintf(path, sizeof path, "%s/%d.%s", class_folder, i, kind->jpeg ? "jpg" : "png");
        write_picture(path, kind, i);
        must(cnn_strdup(&paths[i], path));
    }
    const struct cnn_import_options options = {.out = in_folder(folder, "data"),
                                               .raw_h = kind->raw ? kind->h : 0,
                                               .raw_w = kind->raw ? kind->w : 0,
                                               .gray = kind->raw && kind->c == 1};
    must(cnn_import_folder(&result, in_folder(folder, "pictures"), &options));
    assert_int_equal(result.records, PICTURES);
    must(cnn_dataset_open(&dataset, in_folder(folder, "data")));
    return dataset;
}

static struct cnn_config *read_config(const struct kind *kind) {
    struct cnn_config *config = calloc(1, sizeof *config);
    const char *set[4] = {"model.arch=resnet8", "train.threads=1"};
    size_t n = 2;
    for (int i = 0; i < 2 && kind->set[i]; i++)
        set[n++] = kind->set[i];
    if (kind->config)
        must(cnn_config_read(config, in_folder(CNN_SOURCE_DIR "/configs", kind->config), set, n));
    else
        must(cnn_config_parse(config, "test", "", 0, set, n));
    return config;
}

static struct cnn_backend *backend_of(const struct cnn_config *config) {
    struct cnn_backend *backend = NULL;
    must(cnn_network_backend(&backend, config, 1, 0, 1));
    return backend;
}

// A checkpoint of a network that has learned nothing.
static void write_checkpoint(const char *path, const struct cnn_config *config,
                             const struct cnn_run_record *record) {
    struct cnn_backend *backend = backend_of(config);
    struct cnn_model *model = NULL;
    struct cnn_replica *replica = NULL;
    struct cnn_snapshot *snapshot = NULL;
    char *text = NULL;
    const struct cnn_run_facts *facts = &record->facts;
    const struct cnn_shape input = {(int)facts->height, (int)facts->width, (int)facts->channels};
    must(cnn_network_model(&model, config, input, CLASSES));
    must(cnn_replica_create(&replica,
                            &(struct cnn_replica_options){
                                .model = model, .backend = backend, .micro_batch = 2, .std = {1, 1, 1}}));
    must(cnn_replica_init(replica, 11));
    must(cnn_snapshot_create(&snapshot, model, false));
    must(cnn_snapshot_take(snapshot, replica, NULL));
    must(cnn_config_format(&text, config));
    const struct cnn_checkpoint_texts texts = {
        .config = text, .class_names = "[\"a\",\"b\",\"c\"]", .version = "1"};
    must(cnn_checkpoint_write(path, snapshot, record, &texts));
    free(text);
    cnn_snapshot_destroy(snapshot);
    cnn_replica_destroy(replica);
    cnn_model_destroy(model);
    cnn_backend_destroy(backend);
}

static struct cnn_run_record record_of(const struct kind *kind, const struct cnn_dataset *val) {
    struct cnn_run_record record = {.facts = {.arch = "resnet8",
                                              .classes = CLASSES,
                                              .channels = kind->channels,
                                              .height = kind->train_h,
                                              .width = kind->train_w,
                                              .records = PICTURES,
                                              .global = 8,
                                              .micro = 4,
                                              .mean = {0.4, 0.5, 0.6},
                                              .std = {0.2, 0.25, 0.3}}};
    cnn_preparation_note_size(&record.facts, NULL, val);
    return record;
}

static enum cnn_status keep(void *context, uint64_t id, int32_t label, const float *probabilities) {
    assert_true(id < PICTURES);
    assert_int_equal(label, (int)id * CLASSES / PICTURES);
    memcpy((float *)context + id * CLASSES, probabilities, CLASSES * sizeof *probabilities);
    return CNN_OK;
}

// Of a dataset, with the checkpoint's parameters.
static void evaluate(const char *path, const struct kind *kind, const struct cnn_dataset *dataset,
                     float *probabilities) {
    struct cnn_config *config = calloc(1, sizeof *config);
    struct cnn_checkpoint *checkpoint = NULL;
    struct cnn_evaluator *evaluator = NULL;
    struct cnn_evaluation result;
    struct cnn_preparation preparation;
    must(cnn_checkpoint_open(&checkpoint, path));
    const char *text = cnn_checkpoint_config(checkpoint);
    must(cnn_config_parse(config, path, text, strlen(text), NULL, 0));
    const struct cnn_run_facts *facts = &cnn_checkpoint_record(checkpoint)->facts;
    must(cnn_preparation_make(&preparation, config, facts, dataset));
    struct cnn_backend *backend = backend_of(config);
    const struct cnn_observer observer = {.context = probabilities, .record = keep};
    struct cnn_evaluator_options options = {.config = config,
                                            .preparation = &preparation,
                                            .comm = comm,
                                            .backend = backend,
                                            .dataset = dataset,
                                            .classes = CLASSES,
                                            .batch = kind->batch,
                                            .threads = 1,
                                            .observer = &observer};
    memcpy(options.mean, facts->mean, sizeof options.mean);
    memcpy(options.std, facts->std, sizeof options.std);
    must(cnn_evaluator_create(&evaluator, &options));
    must(cnn_resume_parameters(checkpoint, cnn_evaluator_model(evaluator), cnn_evaluator_replica(evaluator)));
    must(cnn_evaluator_run(evaluator, NULL, NULL, &result));
    assert_int_equal(result.n, PICTURES);
    cnn_evaluator_destroy(evaluator);
    cnn_backend_destroy(backend);
    cnn_checkpoint_close(checkpoint);
    free(config);
}

// Of files, as `predict` does it.
static void predict(struct cnn_classifier *classifier, char *const *paths, float *probabilities) {
    const struct cnn_preparation *preparation = cnn_classifier_preparation(classifier);
    const struct cnn_picture_batch *batch;
    struct cnn_picture_loader *loader = NULL;
    struct cnn_policy *policy = NULL;
    must(cnn_policy_create(&policy, &preparation->list, false, 0, 0));
    const struct cnn_picture_loader_options options = {.paths = paths,
                                                       .n = PICTURES,
                                                       .policy = policy,
                                                       .channels = preparation->channels,
                                                       .threads = 2,
                                                       .batch = 3,
                                                       .ahead = 1};
    must(cnn_picture_loader_create(&loader, &options));
    for (;;) {
        must(cnn_picture_loader_next(loader, &batch));
        if (!batch)
            break;
        assert_int_equal(batch->n_bad, 0);
        must(cnn_classifier_run_batch(classifier, batch->pixels, batch->n,
                                      probabilities + batch->first * CLASSES));
    }
    cnn_picture_loader_destroy(loader);
    cnn_policy_destroy(policy);
}

// The same through the public API, one file at a time.
static void predict_files(struct cnn_classifier *classifier, char *const *paths, float *probabilities) {
    for (int i = 0; i < PICTURES; i++) {
        char *data = NULL;
        size_t bytes;
        must(cnn_file_read(&data, &bytes, paths[i], 1 << 24));
        must(cnn_classifier_run_file(classifier, data, bytes, probabilities + i * CLASSES));
        free(data);
    }
}

static void check_predictions(const char *checkpoint, char *const *paths, const float *expected) {
    float got[PICTURES * CLASSES];
    struct cnn_classifier *classifier = NULL;
    must(cnn_classifier_open(&classifier, checkpoint, 1));
    predict_files(classifier, paths, got);
    assert_memory_equal(got, expected, sizeof got);
    memset(got, 0, sizeof got);
    predict(classifier, paths, got);
    assert_memory_equal(got, expected, sizeof got);
    cnn_classifier_close(classifier);
}

static void check(const struct kind *kind) {
    void *folder = NULL;
    char *paths[PICTURES], *checkpoint;
    float expected[PICTURES * CLASSES] = {0};
    assert_int_equal(make_folder(&folder), 0);
    struct cnn_config *config = read_config(kind);
    struct cnn_dataset *dataset = make_pictures(folder, kind, paths);
    const struct cnn_run_record record = record_of(kind, dataset);
    must(cnn_strdup(&checkpoint, in_folder(folder, "network.safetensors")));
    write_checkpoint(checkpoint, config, &record);
    evaluate(checkpoint, kind, dataset, expected);
    for (int i = 1; i < PICTURES; i++) // the test sees something
        assert_memory_not_equal(expected, expected + i * CLASSES, CLASSES * sizeof *expected);
    check_predictions(checkpoint, paths, expected);
    for (int i = 0; i < PICTURES; i++)
        free(paths[i]);
    free(checkpoint);
    cnn_dataset_close(dataset);
    free(config);
    assert_int_equal(remove_folder(&folder), 0);
}

static void check_all(const struct kind *kinds, size_t n) {
    for (size_t i = 0; i < n; i++) {
        print_message("%s %s %d x %d x %d\n", kinds[i].config ? kinds[i].config : "", kinds[i].set[1],
                      kinds[i].h, kinds[i].w, kinds[i].c);
        check(&kinds[i]);
    }
}

static void every_shipped_config(void **state) {
    static const struct kind kinds[] = {
        {.config = "cifar10.yaml",
         .h = 32,
         .w = 32,
         .c = 3,
         .raw = true,
         .channels = 3,
         .train_h = 32,
         .train_w = 32,
         .batch = 4},
        {.config = "fashion_mnist.yaml",
         .h = 28,
         .w = 28,
         .c = 1,
         .raw = true,
         .channels = 1,
         .train_h = 28,
         .train_w = 28,
         .batch = 2},
        {.config = "quickstart.yaml",
         .h = 24,
         .w = 24,
         .c = 3,
         .jpeg = true,
         .channels = 3,
         .train_h = 24,
         .train_w = 24,
         .batch = 8},
        {.config = "resnet.yaml",
         .h = 270,
         .w = 300,
         .c = 3,
         .jpeg = true,
         .varied = true,
         .channels = 3,
         .train_h = 224,
         .train_w = 224,
         .batch = 3},
        {.config = "vgg.yaml",
         .h = 230,
         .w = 220,
         .c = 3,
         .jpeg = true,
         .varied = true,
         .channels = 3,
         .train_h = 224,
         .train_w = 224,
         .batch = 4},
    };
    (void)state;
    check_all(kinds, sizeof kinds / sizeof *kinds);
}

#define EMPTY "augment.eval=[]"
static void every_kind_of_picture(void **state) {
    static const struct kind kinds[] = {
        // not square; smaller in training than as stored; gray files for colour, colour files for gray
        {.set = {"augment.train=[]", EMPTY},
         .h = 16,
         .w = 48,
         .c = 3,
         .channels = 3,
         .train_h = 16,
         .train_w = 48,
         .batch = 4},
        {.set = {"augment.train=[random_crop: {size: 16}]", EMPTY},
         .h = 32,
         .w = 32,
         .c = 3,
         .channels = 3,
         .train_h = 16,
         .train_w = 16,
         .batch = 5},
        {.set = {"augment.train=[random_crop: {size: 12}]", EMPTY},
         .h = 40,
         .w = 18,
         .c = 1,
         .jpeg = true,
         .channels = 1,
         .train_h = 12,
         .train_w = 12,
         .batch = 1},
        {.set = {"augment.train=[random_resized_crop: {size: 20}]", EMPTY},
         .h = 21,
         .w = 37,
         .c = 1,
         .channels = 3,
         .train_h = 20,
         .train_w = 20,
         .batch = 16},
        {.set = {"augment.train=[]", EMPTY},
         .h = 18,
         .w = 26,
         .c = 3,
         .jpeg = true,
         .channels = 1,
         .train_h = 18,
         .train_w = 26,
         .batch = 3},
        // lists that set a size, and lists that rely on the stored one
        {.set = {"augment.train=[]", "augment.eval=[resize: 20]"},
         .h = 16,
         .w = 48,
         .c = 3,
         .channels = 3,
         .train_h = 16,
         .train_w = 48,
         .batch = 4},
        {.set = {"augment.train=[]", "augment.eval=[flip_horizontal: 1, equalize: 1, pad: [2, 5]]"},
         .h = 24,
         .w = 20,
         .c = 3,
         .raw = true,
         .channels = 3,
         .train_h = 24,
         .train_w = 20,
         .batch = 4},
        {.set = {"augment.train=[resize_exact: 16]", "augment.eval=[resize: 30, center_crop: [16, 24]]"},
         .h = 33,
         .w = 35,
         .c = 1,
         .jpeg = true,
         .varied = true,
         .channels = 1,
         .train_h = 16,
         .train_w = 16,
         .batch = 4},
        {.set = {"augment.train=[fit: 16]", "augment.eval=[fit: [16, 40]]"},
         .h = 33,
         .w = 35,
         .c = 3,
         .varied = true,
         .channels = 3,
         .train_h = 16,
         .train_w = 16,
         .batch = 6},
    };
    (void)state;
    check_all(kinds, sizeof kinds / sizeof *kinds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_config),
        cmocka_unit_test(every_kind_of_picture),
    };
    if (cnn_comm_start(&comm) != CNN_OK)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cnn_comm_finish(comm, failed);
    return failed;
}
