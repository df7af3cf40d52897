// The members of an archive, made of any bytes: where the first byte is odd, as the members that lines of a
// kind, a path and a target describe, otherwise as an archive (zip, tar, compressed). Every link leads to a
// member, or is said to be lost.
#include "data/import/members.h"

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

static void check_records(struct cnn_members *members) {
    static const char *const unders[] = {NULL, "a", "./a/../b/"};
    for (size_t k = 0; k < sizeof unders / sizeof *unders; k++) {
        struct cnn_records records = {0};
        const struct cnn_members_options options = {.under = unders[k], .folders = true, .what = "fuzz"};
        enum cnn_status status = cnn_members_make_records(&records, members, &options);
        require(status == CNN_OK || status == CNN_ERR_INPUT);
        for (uint64_t i = 0; i < records.n && status == CNN_OK; i++) {
            uint64_t at = records.files[i].at;
            bool link = at == CNN_MEMBER_LOST || at == CNN_MEMBER_CIRCLE || at == CNN_RECORD_IS_FOLDER;
            require(link || !members->scattered ||
                    (at < members->n && members->items[at].kind == CNN_ARCHIVE_FILE));
        }
        cnn_records_finish(&records);
    }
}

static void add_lines(struct cnn_members *members, char *text) {
    char *rest, *line = strtok_r(text, "\n", &rest);
    for (; line; line = strtok_r(NULL, "\n", &rest)) {
        char *target = strchr(line + 1, ' ');
        struct cnn_archive_member member = {.path = line + 1,
                                            .target = target ? target + 1 : "",
                                            .kind = (enum cnn_archive_kind)((unsigned char)line[0] % 5),
                                            .at = CNN_ARCHIVE_NOWHERE};
        if (target)
            *target = '\0';
        require(cnn_members_add(members, &member) == CNN_OK || strlen(line) > 4000);
    }
}

static void read_archive(struct cnn_members *members, const uint8_t *data, size_t bytes) {
    struct cnn_archive *archive;
    struct cnn_archive_member member;
    char path[64];
    bool end = false;
    int fd = memfd_create("archive", 0);
    require(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (cnn_archive_open(&archive, path) == CNN_OK) {
        while (cnn_archive_next(archive, &member, &end) == CNN_OK && !end)
            require(cnn_members_add(members, &member) == CNN_OK || strlen(member.path) > 4000);
        cnn_archive_close(archive);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct cnn_members members = {0};
    if (bytes < 1)
        return 0;
    if (data[0] % 2) {
        char *text = strndup((const char *)data + 1, bytes - 1);
        require(text != NULL);
        add_lines(&members, text);
        free(text);
    } else {
        read_archive(&members, data + 1, bytes - 1);
    }
    check_records(&members);
    cnn_members_finish(&members);
    return 0;
}
