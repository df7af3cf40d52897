// A collection of odd real files, where there is one: each is decoded or refused as its manifest says.
#include "picture.h"

// Files of the folder unusual/ that are refused; the others there are decoded.
static const char *const refused[] = {
    "unusual/ultrahdr.jpg",      // ends early
    "unusual/testimgari.jpg",    // arithmetic coding
    "unusual/monkey12.jpg",      // 12 bits
    "unusual/cogs_animated.gif", // not a JPEG or PNG
};

// Files of the folder corrupt/ that lose nothing: bytes between two segments.
static const char *const harmless[] = {
    "corrupt/jpeg_ff00_header.jpg",
    "corrupt/junk_jpeg_header.jpg",
    "corrupt/photoshop-200dpi-broken.jpg",
    "corrupt/truncated_app14.jpg",
};

static bool is_decodable(const char *name) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strcmp(name, harmless[i]) == 0)
            return true;
    if (strncmp(name, "corrupt/", 8) == 0)
        return false;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(name, refused[i]) == 0)
            return false;
    return strcmp(dot, ".jpg") == 0 || strcmp(dot, ".png") == 0 || strcmp(dot, ".mpo") == 0;
}

static void check_decoded(const char *name, const uint8_t *data, size_t bytes, const uint8_t *pixels,
                          const struct cnn_image_info *info) {
    struct cnn_augment_list ops = {
        2,
        {{.kind = CNN_AUGMENT_RANDOM_RESIZED_CROP, .args = {{32}, {0.08, 1}, {0.75, 4.0 / 3}}},
         {.kind = CNN_AUGMENT_FLIP_HORIZONTAL, .args = {{0.5}}}}};
    struct cnn_policy *policy;
    struct cnn_image_scratch scratch = {0};
    struct cnn_image_info probed, raw = {CNN_ENCODING_RAW, info->h, info->w, 3};
    uint8_t a[32 * 32 * 3], b[32 * 32 * 3];
    assert_ok(cnn_image_probe(&probed, data, bytes));
    assert_memory_equal(&probed, info, sizeof probed);
    assert_ok(cnn_policy_create(&policy, &ops, false, 0, 0));
    for (uint64_t i = 0; i < 5; i++) {
        assert_ok(cnn_policy_apply(policy, a, 3, data, bytes, NULL, draws_of(i), &scratch));
        assert_ok(cnn_policy_apply(policy, b, 3, pixels, (size_t)info->h * (size_t)info->w * 3, &raw,
                                   draws_of(i), &scratch));
        double distance = 0;
        for (size_t k = 0; k < sizeof a; k++)
            distance += abs(a[k] - b[k]);
        if (distance / sizeof a > 4)
            fail_msg("%s: decoded in part it differs by %g from the whole", name, distance / sizeof a);
    }
    cnn_policy_destroy(policy);
    cnn_image_scratch_finish(&scratch);
}

static void check_file(const char *folder, const char *name) {
    char path[2 * PATH_MAX], *data;
    size_t bytes;
    uint8_t *pixels = NULL;
    struct cnn_image_info info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(cnn_file_read(&data, &bytes, path, 1 << 24));
    enum cnn_status status = cnn_image_decode(&pixels, &info, data, bytes, 3);
    if (is_decodable(name) && status != CNN_OK)
        fail_msg("%s is refused: %s", name, cnn_error_message());
    if (!is_decodable(name) && status != CNN_ERR_INPUT)
        fail_msg("%s: status %d where it should be refused", name, (int)status);
    if (status == CNN_OK)
        check_decoded(name, (uint8_t *)data, bytes, pixels, &info);
    free(pixels);
    free(data);
}

static void test_edge_folder(void **state) {
    char folder[PATH_MAX], path[2 * PATH_MAX], line[1024];
    if (!test_data())
        skip();
    snprintf(folder, sizeof folder, "%s/edge", test_data());
    snprintf(path, sizeof path, "%s/MANIFEST.tsv", folder);
    FILE *manifest = fopen(path, "r");
    if (!manifest) {
        print_message("no %s\n", path);
        skip();
    }
    assert_non_null(fgets(line, sizeof line, manifest)); // titles
    int n = 0;
    for (; fgets(line, sizeof line, manifest); n++) {
        line[strcspn(line, "\t")] = 0;
        check_file(folder, line);
    }
    assert_true(n > 50);
    fclose(manifest);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_edge_folder)};
    return cmocka_run_group_tests_name("image/edge", tests, NULL, NULL);
}
