#include "data/verify.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/sweep.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct room {
    uint8_t *data;
    size_t bytes;
};

static enum cnn_status grow(struct room *room, size_t bytes) {
    if (bytes <= room->bytes)
        return CNN_OK;
    free(room->data);
    room->data = NULL;
    room->bytes = 0;
    CNN_TRY(cnn_malloc(&room->data, bytes, 1));
    room->bytes = bytes;
    return CNN_OK;
}

static enum cnn_status check_picture(const struct cnn_shard_header *header, const void *data, size_t bytes) {
    struct cnn_image_info info;
    uint8_t *pixels;
    if (header->encoding == CNN_ENCODING_RAW) // any bytes are a picture
        return CNN_OK;
    CNN_TRY(cnn_image_decode(&pixels, &info, data, bytes, 3));
    free(pixels);
    if (header->h > 0 && (info.h != header->h || info.w != header->w))
        return cnn_fail(CNN_ERR_INPUT, "is %d x %d in a dataset of %d x %d images", info.h, info.w, header->h,
                        header->w);
    return CNN_OK;
}

static enum cnn_status check_record(const struct cnn_dataset *dataset, uint64_t i, struct room *room) {
    struct cnn_record record = cnn_dataset_record(dataset, i);
    CNN_TRY(grow(room, record.bytes));
    CNN_TRY(cnn_dataset_read(dataset, i, room->data));
    enum cnn_status status = check_picture(cnn_dataset_header(dataset), room->data, record.bytes);
    if (status != CNN_OK)
        return cnn_fail_in(status, "%s: record with id %" PRIu64, cnn_dataset_file(dataset, i), record.id);
    return CNN_OK;
}

struct verify {
    const struct cnn_dataset *dataset;
    struct room *rooms; // one a thread
    struct cnn_verify_result result;
    cnn_verify_report report;
    void *context;
    pthread_mutex_t lock; // of result and report
};

static enum cnn_status visit(void *context, int thread, uint64_t i) {
    struct verify *verify = context;
    enum cnn_status status = check_record(verify->dataset, i, &verify->rooms[thread]);
    if (status == CNN_ERR_MEMORY)
        return status;
    pthread_mutex_lock(&verify->lock);
    if (status != CNN_OK) {
        verify->report(verify->context, verify->dataset, i, cnn_error_message());
        verify->result.bad++;
    }
    verify->result.records++;
    verify->result.bytes += cnn_dataset_record(verify->dataset, i).bytes;
    pthread_mutex_unlock(&verify->lock);
    return CNN_OK;
}

enum cnn_status cnn_dataset_verify(struct cnn_verify_result *out, const struct cnn_dataset *dataset, int rank,
                                   int size, int threads, cnn_verify_report report, void *context) {
    uint64_t count = cnn_dataset_count(dataset), share = count / (uint64_t)size,
             rest = count % (uint64_t)size, r = (uint64_t)rank;
    uint64_t begin = r * share + (r < rest ? r : rest), end = begin + share + (r < rest);
    struct verify verify = {.dataset = dataset, .report = report, .context = context};
    CNN_TRY(cnn_calloc(&verify.rooms, (size_t)threads, sizeof *verify.rooms));
    pthread_mutex_init(&verify.lock, NULL);
    enum cnn_status status = cnn_sweep(begin, end, threads, visit, &verify);
    pthread_mutex_destroy(&verify.lock);
    for (int t = 0; t < threads; t++)
        free(verify.rooms[t].data);
    free(verify.rooms);
    if (status == CNN_OK)
        *out = verify.result;
    return status;
}

enum cnn_status cnn_dataset_verify_files(int *out_bad, const char *path, cnn_verify_file_report report,
                                         void *context) {
    char **names, file[4096];
    size_t n;
    CNN_TRY(cnn_folder_list(&names, &n, path, "", ".h5"));
    *out_bad = 0;
    for (size_t i = 0; i < n; i++) {
        struct cnn_shard *shard = NULL;
        enum cnn_status status = cnn_path_format(file, sizeof file, "%s/%s", path, names[i]);
        if (status == CNN_OK)
            status = cnn_shard_open(&shard, file);
        if (status != CNN_OK) {
            report(context, cnn_error_message());
            ++*out_bad;
        }
        cnn_shard_close(shard);
    }
    cnn_names_free(names, n);
    return CNN_OK;
}
