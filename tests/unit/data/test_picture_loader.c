// Picture files in batches: in order, whatever the threads do; files that fail leave a reason and a black
// row.
#include "data/picture_loader.h"

#include "base/file.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES 23
#define H 3
#define W 5

#define must(call)                                                                                           \
    do {                                                                                                     \
        if ((call) != CNN_OK)                                                                                \
            fail_msg("%s: %s", #call, cnn_error_message());                                                  \
    } while (0)

struct fixture {
    char folder[64];
    char *paths[FILES];
    struct cnn_policy *policy;
};

// A third of the files are damaged, one is absent.
static bool is_bad(int i) { return i % 3 == 1; }

static void write_file(const char *path, int i) {
    uint8_t pixels[H * W], *file = NULL;
    size_t bytes = 0;
    memset(pixels, 10 + i, sizeof pixels);
    must(cnn_image_encode_png(&file, &bytes, pixels, H, W, 1));
    if (i != 4)
        must(cnn_file_replace(path, file, is_bad(i) ? bytes / 2 : bytes));
    free(file);
}

static int set_up(void **state) {
    static struct fixture fixture;
    const struct cnn_augment_list list = {.n = 1, .ops = {{.kind = CNN_AUGMENT_FIT, .args = {{H, W}}}}};
    strcpy(fixture.folder, "/tmp/cnn-pictures-XXXXXX");
    assert_non_null(mkdtemp(fixture.folder));
    for (int i = 0; i < FILES; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%d.png", fixture.folder, i);
        must(cnn_strdup(&fixture.paths[i], path));
        write_file(path, i);
    }
    must(cnn_policy_create(&fixture.policy, &list, false, 0, 0));
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    char command[128];
    for (int i = 0; i < FILES; i++)
        free(fixture->paths[i]);
    cnn_policy_destroy(fixture->policy);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    return system(command);
}

static struct cnn_picture_loader *loader_of(const struct fixture *fixture, int threads, int batch,
                                            int ahead) {
    const struct cnn_picture_loader_options options = {.paths = fixture->paths,
                                                       .n = FILES,
                                                       .policy = fixture->policy,
                                                       .channels = 1,
                                                       .threads = threads,
                                                       .batch = batch,
                                                       .ahead = ahead};
    struct cnn_picture_loader *loader = NULL;
    must(cnn_picture_loader_create(&loader, &options));
    return loader;
}

static void check_row(const struct fixture *fixture, const struct cnn_picture_batch *batch, int row) {
    const int i = (int)batch->first + row;
    const uint8_t *pixels = batch->pixels + row * H * W;
    for (int k = 0; k < H * W; k++)
        assert_int_equal(pixels[k], is_bad(i) ? 0 : 10 + i);
    if (!is_bad(i))
        assert_null(batch->reasons[row]);
    else
        assert_non_null(strstr(batch->reasons[row], fixture->paths[i]));
}

static void files_come_in_order(void **state) {
    static const int batches[] = {1, 4, 23, 40};
    const struct fixture *fixture = *state;
    for (int threads = 1; threads <= 5; threads += 2)
        for (int k = 0; k < 4; k++) {
            struct cnn_picture_loader *loader = loader_of(fixture, threads, batches[k], 1 + k % 2);
            const struct cnn_picture_batch *batch;
            int n = 0, n_bad = 0;
            for (;;) {
                must(cnn_picture_loader_next(loader, &batch));
                if (!batch)
                    break;
                assert_int_equal(batch->first, n);
                for (int row = 0; row < batch->n; row++)
                    check_row(fixture, batch, row);
                n += batch->n;
                n_bad += batch->n_bad;
            }
            assert_int_equal(n, FILES);
            assert_int_equal(n_bad, 8);
            cnn_picture_loader_destroy(loader);
        }
}

static void it_may_end_early(void **state) {
    for (int taken = 0; taken < 3; taken++) {
        struct cnn_picture_loader *loader = loader_of(*state, 3, 2, 2);
        const struct cnn_picture_batch *batch;
        for (int i = 0; i < taken; i++)
            must(cnn_picture_loader_next(loader, &batch));
        cnn_picture_loader_destroy(loader);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_in_order),
        cmocka_unit_test(it_may_end_early),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
