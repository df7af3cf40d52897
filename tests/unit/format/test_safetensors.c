#include "format/safetensors.h"

#include "base/checksum.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char root[64], path[128];

static int make_root(void **state) {
    strcpy(root, "/tmp/cnn_test_safetensors_XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(path, sizeof path, "%s/model.safetensors", root);
    return 0;
}

static int remove_root(void **state) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static const float weight[6] = {1, 2, 3, -4, 0.5f, 6};
static const int64_t steps[1] = {1234567890123};
static const uint8_t pixels[5] = {0, 127, 128, 254, 255};
static const uint16_t halves[3] = {0x3c00, 0xc000, 0x7bff};
static const int32_t labels[2] = {-1, 9};

static const struct cnn_tensor tensors[] = {
    {.name = "pixels", .dtype = CNN_DTYPE_U8, .n_dims = 1, .dims = {5}, .data = pixels},
    {.name = "conv.weight", .dtype = CNN_DTYPE_F32, .n_dims = 2, .dims = {2, 3}, .data = weight},
    {.name = "half", .dtype = CNN_DTYPE_F16, .n_dims = 1, .dims = {3}, .data = halves},
    {.name = "bhalf", .dtype = CNN_DTYPE_BF16, .n_dims = 1, .dims = {3}, .data = halves},
    {.name = "bn.num_batches_tracked", .dtype = CNN_DTYPE_I64, .n_dims = 0, .data = steps},
    {.name = "labels", .dtype = CNN_DTYPE_I32, .n_dims = 3, .dims = {1, 2, 1}, .data = labels},
    {.name = "none", .dtype = CNN_DTYPE_F32, .n_dims = 2, .dims = {0, 7}, .data = NULL},
};
#define N_TENSORS (sizeof tensors / sizeof tensors[0])

static const struct cnn_metadata metadata[] = {
    {"step", "100"},
    {"config", "run: {name: \"a\\b\"}\n# caf\xc3\xa9 \"crc32c.header\":\"00000000\"\n"},
    {"empty", ""},
};
#define N_METADATA (sizeof metadata / sizeof metadata[0])

static void write_ours(void) {
    assert_int_equal(cnn_safetensors_write(path, tensors, N_TENSORS, metadata, N_METADATA), CNN_OK);
}

static struct cnn_safetensors *open_ours(void) {
    struct cnn_safetensors *file = NULL;
    if (cnn_safetensors_open(&file, path) != CNN_OK)
        fail_msg("%s", cnn_error_message());
    return file;
}

static char *read_bytes(size_t *out_n) {
    char *bytes = NULL;
    assert_int_equal(cnn_file_read(&bytes, out_n, path, 1 << 24), CNN_OK);
    return bytes;
}

static void everything_comes_back(void **state) {
    write_ours();
    struct cnn_safetensors *file = open_ours();
    assert_int_equal(cnn_safetensors_count(file), N_TENSORS);
    for (size_t i = 0; i < N_TENSORS; i++) {
        const struct cnn_tensor *found = cnn_safetensors_find(file, tensors[i].name);
        assert_non_null(found);
        assert_string_equal(found->name, tensors[i].name);
        assert_int_equal(found->dtype, tensors[i].dtype);
        assert_int_equal(found->n_dims, tensors[i].n_dims);
        size_t bytes = cnn_dtype_bytes(found->dtype);
        assert_int_equal((uintptr_t)found->data % bytes, 0);
        for (int d = 0; d < found->n_dims; d++) {
            assert_int_equal(found->dims[d], tensors[i].dims[d]);
            bytes *= (size_t)found->dims[d];
        }
        assert_non_null(found->data);
        if (bytes > 0)
            assert_memory_equal(found->data, tensors[i].data, bytes);
    }
    for (size_t i = 0; i < N_METADATA; i++)
        assert_string_equal(cnn_safetensors_metadata(file, metadata[i].key), metadata[i].value);
    assert_null(cnn_safetensors_find(file, "conv.bias"));
    assert_null(cnn_safetensors_find(file, "__metadata__"));
    assert_null(cnn_safetensors_metadata(file, "epoch"));
    assert_null(cnn_safetensors_at(file, N_TENSORS));
    assert_string_equal(cnn_safetensors_at(file, 0)->name, "bn.num_batches_tracked"); // the widest
    cnn_safetensors_close(file);
    cnn_safetensors_close(NULL);
}

static void a_file_may_be_empty(void **state) {
    assert_int_equal(cnn_safetensors_write(path, NULL, 0, NULL, 0), CNN_OK);
    struct cnn_safetensors *file = open_ours();
    assert_int_equal(cnn_safetensors_count(file), 0);
    assert_null(cnn_safetensors_find(file, "x"));
    cnn_safetensors_close(file);
}

// The layout the format's description asks for: length, '{', no byte between or after the tensors.
static void the_layout_is_the_published_one(void **state) {
    size_t n;
    uint64_t length;
    write_ours();
    char *bytes = read_bytes(&n);
    memcpy(&length, bytes, 8);
    assert_int_equal((8 + length) % 64, 0);
    assert_int_equal(bytes[8], '{');
    assert_int_equal(n, 8 + length + 8 + 24 + 8 + 6 + 6 + 5);
    assert_memory_equal(bytes + 8 + length, steps, 8);
    assert_memory_equal(bytes + n - 5, pixels, 5);
    char *header = strndup(bytes + 8, length);
    assert_non_null(
        strstr(header, "\"conv.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]}"));
    char crc[40];
    snprintf(crc, sizeof crc, "\"crc32c.data\":\"%08x\"", cnn_crc32c(0, bytes + 8 + length, n - 8 - length));
    assert_non_null(strstr(header, crc));
    char *own = strstr(header, "\"crc32c.header\":\"");
    assert_non_null(own);
    own += strlen("\"crc32c.header\":\"");
    char expected[9], found[9];
    memcpy(found, own, 8);
    found[8] = '\0';
    memcpy(own, "00000000", 8);
    snprintf(expected, sizeof expected, "%08x", cnn_crc32c(0, header, length));
    assert_string_equal(found, expected);
    free(header);
    free(bytes);
}

static void the_same_input_gives_the_same_file(void **state) {
    size_t n_one, n_two;
    write_ours();
    char *one = read_bytes(&n_one);
    write_ours();
    char *two = read_bytes(&n_two);
    assert_int_equal(n_one, n_two);
    assert_memory_equal(one, two, n_one);
    free(one);
    free(two);
}

static enum cnn_status parse(const void *bytes, size_t n) {
    struct cnn_safetensors *file = NULL;
    // A copy of exactly n bytes, so that a sanitizer sees every read past the end.
    void *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    enum cnn_status status = cnn_safetensors_parse(&file, "test.st", copy, n);
    free(copy);
    if (status != CNN_OK) {
        assert_null(file);
        assert_non_null(strstr(cnn_error_message(), "test.st"));
    }
    cnn_safetensors_close(file);
    return status;
}

static void every_flipped_bit_is_found(void **state) {
    size_t n;
    write_ours();
    char *bytes = read_bytes(&n);
    assert_int_equal(parse(bytes, n), CNN_OK);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (char)(1 << bit);
            if (parse(bytes, n) != CNN_ERR_INPUT)
                fail_msg("bit %d of byte %zu flipped and nobody noticed", bit, i);
            bytes[i] ^= (char)(1 << bit);
        }
    for (size_t i = 0; i < n; i++)
        for (int value = 1; value < 256; value += 37) {
            bytes[i] ^= (char)value;
            assert_int_equal(parse(bytes, n), CNN_ERR_INPUT);
            bytes[i] ^= (char)value;
        }
    free(bytes);
}

static void every_other_length_is_found(void **state) {
    size_t n;
    write_ours();
    char *bytes = read_bytes(&n);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(parse(bytes, cut), CNN_ERR_INPUT);
    char *longer = calloc(1, n + 64);
    memcpy(longer, bytes, n);
    for (size_t more = 1; more <= 64; more++)
        assert_int_equal(parse(longer, n + more), CNN_ERR_INPUT);
    free(longer);
    free(bytes);
}

// What open() does with a damaged file on disk, beyond what parse() is tested for.
static void damaged_files_are_refused_by_name(void **state) {
    size_t n;
    struct cnn_safetensors *file = NULL;
    write_ours();
    char *bytes = read_bytes(&n);
    bytes[n - 1] ^= 1;
    assert_int_equal(cnn_file_replace(path, bytes, n), CNN_OK);
    assert_int_equal(cnn_safetensors_open(&file, path), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), path));
    assert_non_null(strstr(cnn_error_message(), "checksum"));
    assert_int_equal(cnn_file_replace(path, bytes, n - 3), CNN_OK);
    assert_int_equal(cnn_safetensors_open(&file, path), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), path));
    assert_int_equal(cnn_safetensors_open(&file, root), CNN_ERR_INPUT); // a folder
    assert_non_null(strstr(cnn_error_message(), root));
    strcat(path, ".none");
    assert_int_equal(cnn_safetensors_open(&file, path), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), path));
    assert_null(file);
    free(bytes);
}

// A header as other programs write it, and its data.
static enum cnn_status parse_foreign(const char *header, const void *data, size_t data_bytes) {
    uint64_t length = strlen(header);
    unsigned char bytes[4096];
    assert_true(8 + length + data_bytes <= sizeof bytes);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, data, data_bytes);
    return parse(bytes, 8 + length + data_bytes);
}

static void foreign_files_need_no_checksums(void **state) {
    assert_int_equal(parse_foreign("{}", "", 0), CNN_OK);
    assert_int_equal(parse_foreign("{\"__metadata__\":{\"format\":\"pt\"},"
                                   "\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}   ",
                                   "01234567", 8),
                     CNN_OK);
    // In any order of keys, with empty and scalar tensors, with spaces.
    assert_int_equal(parse_foreign("{ \"b\" : {\"data_offsets\":[1,5],\"shape\":[],\"dtype\":\"I32\"},"
                                   "\"e\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[1,1]},"
                                   "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                                   "01234", 5),
                     CNN_OK);
}

static void misaligned_tensors_are_copied_into_place(void **state) {
    static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                                 "\"b\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[3,11]},"
                                 "\"c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[11,19]}}";
    unsigned char bytes[512];
    uint64_t length = sizeof header - 1;
    int64_t number = 0x0102030405060708;
    float two[2] = {1.5f, -2};
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, "xyz", 3);
    memcpy(bytes + 8 + length + 3, &number, 8);
    memcpy(bytes + 8 + length + 11, two, 8);
    struct cnn_safetensors *file = NULL;
    assert_int_equal(cnn_safetensors_parse(&file, "odd", bytes, 8 + length + 19), CNN_OK);
    const int64_t *b = cnn_safetensors_find(file, "b")->data;
    const float *c = cnn_safetensors_find(file, "c")->data;
    assert_int_equal((uintptr_t)b % 8, 0);
    assert_int_equal((uintptr_t)c % 4, 0);
    assert_true(*b == number && c[0] == 1.5f && c[1] == -2);
    assert_memory_equal(cnn_safetensors_find(file, "a")->data, "xyz", 3);
    cnn_safetensors_close(file);
}

#define A(dtype, shape, offsets)                                                                             \
    "\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define B(dtype, shape, offsets)                                                                             \
    "\"b\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"

// Each would load if the one thing wrong with it were overlooked; the data are eight bytes.
static void bad_headers(void **state) {
    static const struct {
        const char *header, *says;
    } cases[] = {
        {"", "JSON"},
        {"[]", "JSON"},
        {" {" A("\"F32\"", "[2]", "[0,8]") "}", "JSON"}, // the format asks for '{' first
        {"{" A("\"F32\"", "[2]", "[0,8]") "", "JSON"},
        {"{" A("\"F32\"", "[2]", "[0,8]") "} x", "JSON"},
        {"{" A("\"F32\"", "[2]", "[0,8]") "}{}", "JSON"},
        {"{" A("\"F32\"", "[NaN]", "[0,8]") "}", "JSON"},
        {"{" A("\"F32\"", "[Infinity]", "[0,8]") "}", "JSON"},
        {"{\"__metadata__\":{\"loss\":NaN}," A("\"F32\"", "[2]", "[0,8]") "}", "JSON"},
        {"{" A("\"F32\"", "[2]", "[0,8]") "," A("\"F32\"", "[2]", "[0,8]") "}", "JSON"}, // twice
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}," A("\"F32\"", "[2]", "[0,8]") "}", "JSON"},
        {"{\"__metadata__\":{\"step\":1}," A("\"F32\"", "[2]", "[0,8]") "}", "step"},
        {"{\"__metadata__\":[]," A("\"F32\"", "[2]", "[0,8]") "}", "__metadata__"},
        {"{\"__metadata__\":{\"crc32c.data\":\"00000000\"}," A("\"F32\"", "[2]", "[0,8]") "}", "damaged"},
        {"{\"__metadata__\":{\"crc32c.extra\":\"00000000\"}," A("\"F32\"", "[2]", "[0,8]") "}", "damaged"},
        {"{" A("\"F64\"", "[1]", "[0,8]") "}", "F64"},
        {"{" A("\"f32\"", "[2]", "[0,8]") "}", "f32"},
        {"{" A("\"\"", "[2]", "[0,8]") "}", "dtype"},
        {"{" A("32", "[2]", "[0,8]") "}", "dtype"},
        {"{" A("\"F32\"", "[3]", "[0,8]") "}", "shape"},
        {"{" A("\"F32\"", "[1]", "[0,8]") "}", "shape"},
        {"{" A("\"F32\"", "2", "[0,8]") "}", "shape"},
        {"{" A("\"F32\"", "[2.0]", "[0,8]") "}", "whole"},
        {"{" A("\"F32\"", "[\"2\"]", "[0,8]") "}", "whole"},
        {"{" A("\"F32\"", "[-2]", "[0,8]") "}", "whole"},
        {"{" A("\"F32\"", "[-1,-2]", "[0,8]") "}", "whole"},
        {"{" A("\"F32\"", "[2,1,1,1,1,1,1,1,1]", "[0,8]") "}", "shape"},
        {"{" A("\"F32\"", "[4611686018427387906]", "[0,8]") "}", "shape"},     // 2^62+2: times 4 wraps to 8
        {"{" A("\"F32\"", "[4294967296,4294967296,2]", "[0,8]") "}", "shape"}, // wraps to 0
        {"{" A("\"F32\"", "[99999999999999999999999]", "[0,8]") "}", "JSON"},  // no integer
        {"{" A("\"F32\"", "[2]", "[0]") "}", "data_offsets"},
        {"{" A("\"F32\"", "[2]", "[0,8,8]") "}", "data_offsets"},
        {"{" A("\"F32\"", "[2]", "[0.0,8.0]") "}", "data_offsets"},
        {"{" A("\"F32\"", "[2]", "{}") "}", "data_offsets"},
        {"{" A("\"F32\"", "[2]", "[8,0]") "}", "outside"},
        {"{" A("\"F32\"", "[2]", "[1,9]") "}", "outside"},
        {"{" A("\"F32\"", "[2]", "[-8,0]") "}", "outside"},
        {"{" A("\"F32\"", "[1]", "[4,8]") "}", "gap"},
        {"{" A("\"F32\"", "[1]", "[0,4]") "}", "follow"},
        {"{" A("\"F32\"", "[2]", "[0,8]") "," B("\"F32\"", "[1]", "[4,8]") "}", "overlap"},
        {"{" A("\"F32\"", "[2]", "[0,8]") "," B("\"F32\"", "[2]", "[0,8]") "}", "overlap"},
        {"{" A("\"F32\"", "[1]", "[0,4]") "," B("\"U8\"", "[3]", "[5,8]") "}", "gap"},
        {"{" A("\"F32\"", "[2]", "[0,8]") "," B("\"F32\"", "[0]", "[4,4]") "}",
         "overlap"}, // empty, yet within another
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":1}}", "expected"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "expected"},
        {"{\"a\":[]}", "expected"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "name"},
        {"{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "JSON"},
        {"{\"\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "JSON"},
    };
    assert_int_equal(parse_foreign("{" A("\"F32\"", "[2]", "[0,8]") "}", "01234567", 8), CNN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (parse_foreign(cases[i].header, "01234567", 8) != CNN_ERR_INPUT)
            fail_msg("accepted: %s", cases[i].header);
        if (!strstr(cnn_error_message(), cases[i].says))
            fail_msg("%s: expected '%s' in: %s", cases[i].header, cases[i].says, cnn_error_message());
    }
}

static void long_names_are_refused(void **state) {
    char header[512], name[200];
    memset(name, 'n', sizeof name);
    static const char rest[] = "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    snprintf(header, sizeof header, "{\"%.159s%s", name, rest);
    assert_int_equal(parse_foreign(header, "", 0), CNN_OK);
    snprintf(header, sizeof header, "{\"%.160s%s", name, rest);
    assert_int_equal(parse_foreign(header, "", 0), CNN_ERR_INPUT);
}

static void absurd_header_lengths_are_refused(void **state) {
    static const uint64_t lengths[] = {3, 100000001, 1ull << 32, 1ull << 63, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        unsigned char bytes[10];
        memcpy(bytes, &lengths[i], 8);
        memcpy(bytes + 8, "{}", 2);
        assert_int_equal(parse(bytes, sizeof bytes), CNN_ERR_INPUT);
    }
}

static void deep_json_is_refused(void **state) {
    char header[4001];
    memset(header, '[', sizeof header - 1);
    memcpy(header, "{\"a\":", 5);
    header[sizeof header - 1] = '\0';
    assert_int_equal(parse_foreign(header, "", 0), CNN_ERR_INPUT);
}

static enum cnn_status write_one(struct cnn_tensor tensor, const char *key, const char *value) {
    struct cnn_metadata pair = {key, value};
    return cnn_safetensors_write(path, &tensor, 1, &pair, key ? 1 : 0);
}

static void bad_input_writes_nothing(void **state) {
    struct cnn_tensor good = tensors[1], bad;
    assert_int_equal(write_one(good, "k", "v"), CNN_OK);
    assert_int_equal(remove(path), 0);
    bad = good, bad.name[0] = '\0';
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    bad = good, memset(bad.name, 'x', sizeof bad.name);
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    bad = good, strcpy(bad.name, "__metadata__");
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    bad = good, strcpy(bad.name, "\xff\xfe");
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    bad = good, bad.dtype = (enum cnn_dtype)99;
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    bad = good, bad.n_dims = 9;
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    bad = good, bad.dims[0] = -1;
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    bad = good, bad.dims[0] = INT64_MAX;
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    bad = good, bad.data = NULL;
    assert_int_equal(write_one(bad, NULL, NULL), CNN_ERR_INPUT);
    assert_int_equal(write_one(good, "crc32c.data", "0"), CNN_ERR_INPUT);
    assert_int_equal(write_one(good, "\xff", "v"), CNN_ERR_INPUT);
    assert_int_equal(write_one(good, "k", "\xff"), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), path));
    struct cnn_tensor twice[2] = {good, good};
    assert_int_equal(cnn_safetensors_write(path, twice, 2, NULL, 0), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), "conv.weight"));
    struct cnn_metadata pairs[2] = {{"k", "1"}, {"k", "2"}};
    assert_int_equal(cnn_safetensors_write(path, &good, 1, pairs, 2), CNN_ERR_INPUT);
    assert_false(cnn_file_exists(path));
}

static void an_unwritable_place_is_said(void **state) {
    strcat(root, "/none");
    snprintf(path, sizeof path, "%s/m.safetensors", root);
    assert_int_equal(write_one(tensors[1], NULL, NULL), CNN_ERR_INPUT);
    assert_non_null(strstr(cnn_error_message(), path));
    root[strlen(root) - 5] = '\0';
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_ROOT(everything_comes_back),
        IN_ROOT(a_file_may_be_empty),
        IN_ROOT(the_layout_is_the_published_one),
        IN_ROOT(the_same_input_gives_the_same_file),
        IN_ROOT(every_flipped_bit_is_found),
        IN_ROOT(every_other_length_is_found),
        IN_ROOT(damaged_files_are_refused_by_name),
        cmocka_unit_test(foreign_files_need_no_checksums),
        cmocka_unit_test(misaligned_tensors_are_copied_into_place),
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(absurd_header_lengths_are_refused),
        cmocka_unit_test(deep_json_is_refused),
        IN_ROOT(bad_input_writes_nothing),
        IN_ROOT(an_unwritable_place_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
