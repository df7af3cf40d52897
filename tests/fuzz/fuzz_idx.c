// Any two files as idx images and labels, gz or not: imported whole or refused with a reason before anything
// is written. The first two bytes say how many of the rest are the images.
#include "base/file.h"
#include "data/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int condition) {
    if (!condition)
        abort();
}

static const char *scratch(void) {
    static char folder[] = "/tmp/cnn-fuzz-idx-XXXXXX";
    static int made;
    if (!made) {
        require(mkdtemp(folder) != NULL);
        made = 1;
    }
    return folder;
}

static int hold(char path[64], const uint8_t *data, size_t bytes) {
    int fd = memfd_create("idx", 0);
    require(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void empty(const char *folder) {
    char **names, path[4096];
    size_t n;
    require(cnn_folder_list(&names, &n, folder, "", "") == CNN_OK);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        require(unlink(path) == 0);
    }
    cnn_names_free(names, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes < 2)
        return 0;
    size_t cut = (size_t)data[0] << 8 | data[1], rest = bytes - 2;
    char images[64], labels[64];
    cut = cut < rest ? cut : rest;
    int images_fd = hold(images, data + 2, cut), labels_fd = hold(labels, data + 2 + cut, rest - cut);
    struct cnn_import_options options = {.out = scratch(), .name = "f"};
    struct cnn_import_result result;
    enum cnn_status status = cnn_import_idx(&result, images, labels, NULL, 0, &options);
    require(status == CNN_OK || status == CNN_ERR_INPUT);
    require(status == CNN_OK || cnn_error_message()[0] != '\0');
    require(status != CNN_OK || (result.records > 0 && result.n_classes > 0));
    close(images_fd);
    close(labels_fd);
    empty(options.out);
    return 0;
}
