// A valid shard without the checksum of its index, changed here and there and cut: opened with every record
// readable or refused, or opened with what it says within bounds. Input: triples (place, place, byte), and a
// length at the end. HDF5 guards its own structures with checksums; bytes from nowhere would only test its
// signature.
#include "data/shard.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

// HDF5 1.10 forgets a block of its own when it refuses a damaged file.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

enum { N = 20, MAX_BYTES = 1 << 16 };

static void require(int condition) {
    if (!condition)
        abort();
}

static uint8_t valid[MAX_BYTES];
static size_t valid_bytes;
static char path[] = "/tmp/cnn-fuzz-shard-XXXXXX";

static void make_valid(void) {
    static const char *const names[4] = {"a", "b", "c", "d"};
    struct cnn_shard_header header = {
        .encoding = CNN_ENCODING_PNG, .n_classes = 4, .n_shards = 1, .records_total = N, .source = "fuzz"};
    struct cnn_shard_writer *writer;
    int fd = mkstemp(path);
    require(fd >= 0 && close(fd) == 0);
    require(cnn_shard_writer_create(&writer, path, &header, names) == CNN_OK);
    for (int i = 0; i < N; i++)
        require(cnn_shard_writer_append(writer, "some bytes that are a picture", (size_t)i + 5, i % 4,
                                        (uint64_t)i) == CNN_OK);
    require(cnn_shard_writer_commit(writer) == CNN_OK);
    cnn_shard_writer_destroy(writer);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    require(file >= 0 && H5Adelete(file, "index_crc32c") >= 0 && H5Fclose(file) >= 0);
    FILE *in = fopen(path, "rb");
    require(in != NULL);
    valid_bytes = fread(valid, 1, sizeof valid, in);
    fclose(in);
}

static void write_changed(const uint8_t *data, size_t bytes) {
    static uint8_t changed[MAX_BYTES];
    size_t length = valid_bytes;
    memcpy(changed, valid, valid_bytes);
    for (; bytes >= 3; data += 3, bytes -= 3)
        changed[((size_t)data[0] << 8 | data[1]) % valid_bytes] = data[2];
    if (bytes == 2)
        length = ((size_t)data[0] << 8 | data[1]) % (valid_bytes + 1);
    FILE *out = fopen(path, "wb");
    require(out != NULL && fwrite(changed, 1, length, out) == length);
    fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct cnn_shard *shard = NULL;
    if (valid_bytes == 0)
        make_valid();
    write_changed(data, bytes);
    enum cnn_status status = cnn_shard_open(&shard, path);
    require(status == CNN_OK || (status == CNN_ERR_INPUT && cnn_error_message()[0] != '\0'));
    for (uint64_t i = 0; status == CNN_OK && i < cnn_shard_count(shard); i++) {
        struct cnn_record record = cnn_shard_record(shard, i);
        require(record.label >= 0 && record.label < cnn_shard_header(shard)->n_classes);
        require(record.bytes > 0 && record.bytes < valid_bytes);
        uint8_t *room = malloc(record.bytes);
        enum cnn_status read = cnn_shard_read(shard, i, room);
        require(read == CNN_OK || read == CNN_ERR_INPUT);
        free(room);
    }
    cnn_shard_close(shard);
    return 0;
}
