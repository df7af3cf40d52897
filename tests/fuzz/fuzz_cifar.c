// Any two files as CIFAR-10 or CIFAR-100 in its binary form: imported whole or refused with a reason before
// anything is written. The first byte says which, the next two how many of the rest are the first file.
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
    static char folder[] = "/tmp/cnn-fuzz-cifar-XXXXXX";
    static int made;
    if (!made) {
        require(mkdtemp(folder) != NULL);
        made = 1;
    }
    return folder;
}

static int hold(char path[64], const uint8_t *data, size_t bytes) {
    int fd = memfd_create("cifar", 0);
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
    if (bytes < 3)
        return 0;
    size_t cut = (size_t)data[1] << 8 | data[2], rest = bytes - 3;
    char first[64], second[64];
    const char *const files[] = {first, second};
    cut = cut < rest ? cut : rest;
    int first_fd = hold(first, data + 3, cut), second_fd = hold(second, data + 3 + cut, rest - cut);
    struct cnn_import_options options = {.out = scratch(), .name = "f"};
    struct cnn_import_result result;
    enum cnn_status status = cnn_import_cifar(&result, (enum cnn_cifar)(data[0] % 3), files,
                                              1 + data[0] / 3 % 2, NULL, 0, &options);
    require(status == CNN_OK || status == CNN_ERR_INPUT);
    require(status == CNN_OK || cnn_error_message()[0] != '\0');
    require(status != CNN_OK || (result.records > 0 && result.n_classes > 0));
    close(first_fd);
    close(second_fd);
    empty(options.out);
    return 0;
}
