#include "data/import/work.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_INDEX_BYTES ((size_t)1 << 36)

static const char magic[8] = "CNNWORK1";

// ---- making ----

// A new file, so that a process which lost the folder goes on writing to one without a name.
static enum cnn_status open_images(struct cnn_work_shard *shard) {
    CNN_TRY(cnn_owner_check_path(shard->images));
    if (unlink(shard->images) == 0 || errno == ENOENT)
        shard->fd = open(shard->images, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (shard->fd < 0)
        return cnn_fail(errno == ENOSPC || errno == EIO ? CNN_ERR_IO : CNN_ERR_INPUT, "cannot write %s: %s",
                        shard->images, strerror(errno));
    return CNN_OK;
}

enum cnn_status cnn_work_begin(struct cnn_work_shard *out, const char *folder, int s) {
    *out = (struct cnn_work_shard){.fd = -1};
    CNN_TRY(cnn_import_work_path(out->images, folder, s, "images"));
    CNN_TRY(cnn_import_work_path(out->index, folder, s, "index"));
    CNN_TRY(open_images(out));
    return cnn_shard_gather_init(&out->gather, out->fd, out->images);
}

enum cnn_status cnn_work_add(struct cnn_work_shard *shard, const void *data, size_t bytes, int label,
                             uint64_t id, uint32_t crc32c, const struct cnn_image_info *info) {
    struct cnn_work_facts *facts = &shard->facts;
    if (facts->n == 0) {
        facts->h = info->h;
        facts->w = info->w;
    } else if (facts->h != info->h || facts->w != info->w) {
        facts->h = facts->w = 0;
    }
    facts->n++;
    facts->n_jpeg += info->encoding == CNN_ENCODING_JPEG;
    return cnn_shard_gather_append(&shard->gather, data, bytes, label, id, crc32c);
}

// Names may hold tabs and newlines, which would end their field.
static void flatten(uint8_t *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] == 0x7f)
            text[i] = '?';
}

enum cnn_status cnn_work_reject(struct cnn_work_shard *shard, const char *path, const char *reason) {
    struct cnn_bytes *report = &shard->report;
    size_t begin = report->n;
    CNN_TRY(cnn_bytes_add(report, path, strlen(path)));
    flatten(report->data + begin, report->n - begin);
    CNN_TRY(cnn_bytes_add(report, "\t", 1));
    begin = report->n;
    CNN_TRY(cnn_bytes_add(report, reason, strlen(reason)));
    flatten(report->data + begin, report->n - begin);
    shard->facts.n_rejected++;
    return cnn_bytes_add(report, "\n", 1);
}

static enum cnn_status write_part(struct cnn_file_writer *writer, uint32_t *crc, const void *data,
                                  size_t bytes) {
    *crc = cnn_crc32c(*crc, data, bytes);
    return cnn_file_writer_write(writer, data, bytes);
}

static enum cnn_status write_index(struct cnn_file_writer *writer, const struct cnn_work_shard *shard) {
    const struct cnn_shard_index *index = &shard->gather.index;
    size_t n = (size_t)index->n;
    uint32_t crc = 0;
    CNN_TRY(write_part(writer, &crc, magic, sizeof magic));
    CNN_TRY(write_part(writer, &crc, &shard->facts, sizeof shard->facts));
    CNN_TRY(write_part(writer, &crc, index->offsets, (n + 1) * sizeof *index->offsets));
    CNN_TRY(write_part(writer, &crc, index->labels, n * sizeof *index->labels));
    CNN_TRY(write_part(writer, &crc, index->crc32c, n * sizeof *index->crc32c));
    CNN_TRY(write_part(writer, &crc, index->ids, n * sizeof *index->ids));
    CNN_TRY(write_part(writer, &crc, shard->report.data, shard->report.n));
    CNN_TRY(write_part(writer, &crc, shard->gather.buffer, (size_t)shard->facts.small_bytes));
    return cnn_file_writer_write(writer, &crc, sizeof crc);
}

enum cnn_status cnn_work_complete(struct cnn_work_shard *shard) {
    struct cnn_file_writer writer = {0};
    struct cnn_shard_gather *gather = &shard->gather;
    CNN_TRY(cnn_shard_gather_end(gather));
    if (fsync(shard->fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        return cnn_fail(CNN_ERR_IO, "cannot save %s: %s", shard->images, strerror(errno));
    shard->facts.small_bytes = gather->buffered;
    shard->facts.report_bytes = shard->report.n;
    CNN_TRY(cnn_file_writer_open(&writer, shard->index));
    enum cnn_status status = write_index(&writer, shard);
    if (status == CNN_OK)
        status = cnn_file_writer_commit(&writer);
    cnn_file_writer_discard(&writer);
    return status;
}

void cnn_work_close(struct cnn_work_shard *shard) {
    if (shard->images[0] == '\0')
        return;
    cnn_shard_gather_finish(&shard->gather);
    free(shard->report.data);
    if (shard->fd >= 0)
        close(shard->fd);
    shard->images[0] = '\0';
}

// ---- reading ----

struct reader {
    const char *data;
    size_t at, bytes;
};

static enum cnn_status read_part(struct reader *reader, void *out_pointer, uint64_t bytes) {
    if (bytes > reader->bytes - reader->at)
        return cnn_fail(CNN_ERR_INPUT, "cut short");
    CNN_TRY(cnn_malloc(out_pointer, (size_t)bytes + 1, 1));
    char *out = *(char **)out_pointer;
    memcpy(out, reader->data + reader->at, (size_t)bytes);
    out[bytes] = '\0';
    reader->at += (size_t)bytes;
    return CNN_OK;
}

static enum cnn_status read_parts(struct cnn_work_index *out, struct reader *reader) {
    uint32_t crc;
    struct cnn_shard_index *index = &out->index;
    if (reader->bytes < sizeof magic + sizeof out->facts + sizeof crc ||
        memcmp(reader->data, magic, sizeof magic) != 0)
        return cnn_fail(CNN_ERR_INPUT, "not an index");
    reader->bytes -= sizeof crc;
    memcpy(&crc, reader->data + reader->bytes, sizeof crc);
    if (crc != cnn_crc32c(0, reader->data, reader->bytes))
        return cnn_fail(CNN_ERR_INPUT, "damaged");
    memcpy(&out->facts, reader->data + sizeof magic, sizeof out->facts);
    reader->at = sizeof magic + sizeof out->facts;
    uint64_t n = index->n = out->facts.n;
    if (n > reader->bytes / 8)
        return cnn_fail(CNN_ERR_INPUT, "damaged");
    CNN_TRY(read_part(reader, &index->offsets, (n + 1) * sizeof *index->offsets));
    CNN_TRY(read_part(reader, &index->labels, n * sizeof *index->labels));
    CNN_TRY(read_part(reader, &index->crc32c, n * sizeof *index->crc32c));
    CNN_TRY(read_part(reader, &index->ids, n * sizeof *index->ids));
    CNN_TRY(read_part(reader, &out->report, out->facts.report_bytes));
    return read_part(reader, &out->small, out->facts.small_bytes);
}

enum cnn_status cnn_work_read(struct cnn_work_index *out, const char *folder, int s) {
    char path[4096], *data;
    struct reader reader = {0};
    *out = (struct cnn_work_index){0};
    CNN_TRY(cnn_import_work_path(path, folder, s, "index"));
    CNN_TRY(cnn_file_read(&data, &reader.bytes, path, MAX_INDEX_BYTES));
    reader.data = data;
    enum cnn_status status = read_parts(out, &reader);
    free(data);
    return status == CNN_OK ? status : cnn_fail_in(status, "%s (remove it, and run the import again)", path);
}

void cnn_work_index_finish(struct cnn_work_index *index) {
    cnn_shard_index_finish(&index->index);
    free(index->report);
    free(index->small);
    *index = (struct cnn_work_index){0};
}
