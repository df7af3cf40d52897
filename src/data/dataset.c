#include "data/dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/splits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cnn_dataset {
    char *path;
    struct cnn_shard_header header; // of the first shard, with shard = 0
    int n;
    struct cnn_shard **shards;
    char **files;    // their paths
    uint64_t *first; // n + 1: records before each shard
    uint64_t fingerprint;
    int *label_of,
        *stored_of; // renumbered: the label of each stored one, and back (-1: none); otherwise NULL
};

#define HOW_TO_MAKE                                                                                          \
    "make it with `cnn_dist dataset import` or `cnn_dist dataset synth` (the scripts in datasets/ show how)"

// "NAME-00003-of-00016.h5" -> length of NAME, 3, 16. False for other names.
static bool parse_name(const char *name, size_t *out_prefix, int *out_shard, int *out_shards) {
    const size_t tail = strlen("-00000-of-00000.h5");
    size_t length = strlen(name);
    int end = 0;
    if (length <= tail)
        return false;
    *out_prefix = length - tail;
    return sscanf(name + *out_prefix, "-%5d-of-%5d.h5%n", out_shard, out_shards, &end) == 2 &&
           (size_t)end == tail && *out_shard >= 0 && *out_shards > 0;
}

// The sorted names of a folder must be exactly NAME-00000-of-N .. NAME-(N-1)-of-N.
static enum cnn_status check_names(const char *path, char *const *names, size_t n) {
    size_t prefix, first_prefix = 0;
    int shard, shards, first_shards = 0;
    for (size_t i = 0; i < n; i++) {
        if (!parse_name(names[i], &prefix, &shard, &shards))
            return cnn_fail(CNN_ERR_INPUT, "%s/%s: not a shard name; expected NAME-00000-of-00016.h5", path,
                            names[i]);
        if (i == 0) {
            first_prefix = prefix;
            first_shards = shards;
        }
        if (prefix != first_prefix || strncmp(names[i], names[0], prefix) != 0 || shards != first_shards)
            return cnn_fail(
                CNN_ERR_INPUT,
                "%s contains shards of more than one dataset: %s and %s; put each dataset into its own "
                "folder",
                path, names[0], names[i]);
    }
    for (size_t i = 0; i < (size_t)first_shards; i++)
        if (i >= n || !parse_name(names[i], &prefix, &shard, &shards) || (size_t)shard != i)
            return cnn_fail(CNN_ERR_INPUT,
                            "%s: shard %.*s-%05zu-of-%05d.h5 is missing; the import did not finish, or the "
                            "copy is incomplete",
                            path, (int)first_prefix, names[0], i, first_shards);
    return CNN_OK;
}

static bool same_text(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

// NULL, or what the two shards say differently.
static const char *difference(const struct cnn_shard *a, const struct cnn_shard *b) {
    const struct cnn_shard_header *x = cnn_shard_header(a), *y = cnn_shard_header(b);
    if (x->encoding != y->encoding)
        return "encoding";
    if (x->h != y->h || x->w != y->w || x->c != y->c)
        return "image size";
    if (x->n_classes != y->n_classes)
        return "num_classes";
    if (x->n_shards != y->n_shards)
        return "shards";
    if (x->records_total != y->records_total)
        return "records_total";
    if (!same_text(x->source, y->source))
        return "source";
    for (int label = 0; label < x->n_classes; label++)
        if (!same_text(cnn_shard_class_name(a, label), cnn_shard_class_name(b, label)))
            return "class_names";
    return NULL;
}

static enum cnn_status open_shard(struct cnn_dataset *dataset, const char *name) {
    char file[4096];
    int i = dataset->n;
    CNN_TRY(cnn_path_format(file, sizeof file, "%s/%s", dataset->path, name));
    CNN_TRY(cnn_strdup(&dataset->files[i], file));
    enum cnn_status status = cnn_shard_open(&dataset->shards[i], file);
    if (status != CNN_OK) {
        free(dataset->files[i]);
        return status;
    }
    dataset->n++;
    const struct cnn_shard_header *header = cnn_shard_header(dataset->shards[i]);
    const char *differs = i > 0 ? difference(dataset->shards[0], dataset->shards[i]) : NULL;
    if (differs)
        return cnn_fail(
            CNN_ERR_INPUT,
            "%s and %s differ in %s: the import did not finish (run it again), or shards of different "
            "datasets are mixed",
            dataset->files[0], file, differs);
    if (header->shard != i)
        return cnn_fail(CNN_ERR_INPUT, "%s: the header says shard %d; the file was renamed", file,
                        header->shard);
    dataset->first[i + 1] = dataset->first[i] + cnn_shard_count(dataset->shards[i]);
    return CNN_OK;
}

static enum cnn_status open_all(struct cnn_dataset *dataset, char *const *names, size_t n) {
    CNN_TRY(cnn_calloc(&dataset->shards, n, sizeof *dataset->shards));
    CNN_TRY(cnn_calloc(&dataset->files, n, sizeof *dataset->files));
    CNN_TRY(cnn_calloc(&dataset->first, n + 1, sizeof *dataset->first));
    for (size_t i = 0; i < n; i++)
        CNN_TRY(open_shard(dataset, names[i]));
    dataset->header = *cnn_shard_header(dataset->shards[0]);
    if (dataset->header.n_shards != (int)n)
        return cnn_fail(CNN_ERR_INPUT, "%s: found %zu shards, but the headers say %d; files were renamed",
                        dataset->path, n, dataset->header.n_shards);
    if (dataset->first[n] != dataset->header.records_total)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s: the shards hold %" PRIu64 " records, but the headers say %" PRIu64
                        ": the import did not finish; run it again",
                        dataset->path, dataset->first[n], dataset->header.records_total);
    if (dataset->first[n] == 0)
        return cnn_fail(CNN_ERR_INPUT, "%s: the dataset is empty", dataset->path);
    return CNN_OK;
}

// The finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of `x`.
static uint64_t scramble(uint64_t x) {
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t mix(uint64_t hash, uint64_t value) { return scramble(hash ^ scramble(value)); }

static uint64_t take_fingerprint(const struct cnn_dataset *dataset) {
    const struct cnn_shard_header *header = &dataset->header;
    uint64_t hash = mix((uint64_t)header->encoding, (uint64_t)header->n_classes);
    hash = mix(hash, (uint64_t)header->h << 40 | (uint64_t)header->w << 16 | (uint64_t)header->c);
    for (int i = 0; i < dataset->n; i++) {
        hash = mix(hash, cnn_shard_count(dataset->shards[i]));
        hash = mix(hash, cnn_shard_fingerprint(dataset->shards[i]));
    }
    return hash;
}

// "DIR/train, DIR/val" where these are datasets.
static enum cnn_status fail_no_shards(const char *path) {
    char **splits, text[600] = "";
    size_t n, used = 0;
    CNN_TRY(cnn_splits_list(&splits, &n, path));
    for (size_t i = 0; i < n && used < sizeof text; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%s/%s", i > 0 ? ", " : "", path, splits[i]);
    cnn_names_free(splits, n);
    if (n > 0)
        return cnn_fail(CNN_ERR_INPUT, "%s is not a dataset but a folder of %zu: give %s%s", path, n,
                        n > 1 ? "one of " : "", text);
    return cnn_fail(CNN_ERR_INPUT, "no dataset at %s: the folder contains no shards; " HOW_TO_MAKE, path);
}

enum cnn_status cnn_dataset_open(struct cnn_dataset **out, const char *path) {
    char **names = NULL;
    size_t n = 0;
    if (!cnn_folder_exists(path))
        return cnn_fail(CNN_ERR_INPUT, "no dataset at %s: no such folder; " HOW_TO_MAKE, path);
    CNN_TRY(cnn_folder_list(&names, &n, path, "", ".h5"));
    struct cnn_dataset *dataset = NULL;
    enum cnn_status status = n > 0 ? check_names(path, names, n) : fail_no_shards(path);
    if (status == CNN_OK)
        status = cnn_calloc(&dataset, 1, sizeof *dataset);
    if (status == CNN_OK)
        status = cnn_strdup(&dataset->path, path);
    if (status == CNN_OK)
        status = open_all(dataset, names, n);
    cnn_names_free(names, n);
    if (status != CNN_OK) {
        cnn_dataset_close(dataset);
        return status;
    }
    dataset->fingerprint = take_fingerprint(dataset);
    *out = dataset;
    return CNN_OK;
}

void cnn_dataset_close(struct cnn_dataset *dataset) {
    if (!dataset)
        return;
    for (int i = 0; i < dataset->n; i++) {
        cnn_shard_close(dataset->shards[i]);
        free(dataset->files[i]);
    }
    free(dataset->shards);
    free(dataset->files);
    free(dataset->first);
    free(dataset->label_of);
    free(dataset->stored_of);
    free(dataset->path);
    free(dataset);
}

const struct cnn_shard_header *cnn_dataset_header(const struct cnn_dataset *dataset) {
    return &dataset->header;
}

const char *cnn_dataset_path(const struct cnn_dataset *dataset) { return dataset->path; }

uint64_t cnn_dataset_count(const struct cnn_dataset *dataset) { return dataset->first[dataset->n]; }

int cnn_dataset_channels(const struct cnn_dataset *dataset) {
    return dataset->header.encoding == CNN_ENCODING_RAW ? dataset->header.c : 3;
}

const char *cnn_dataset_class_name(const struct cnn_dataset *dataset, int label) {
    bool known = label >= 0 && label < dataset->header.n_classes;
    if (dataset->stored_of)
        label = known ? dataset->stored_of[label] : -1;
    return cnn_shard_class_name(dataset->shards[0], label);
}

uint64_t cnn_dataset_fingerprint(const struct cnn_dataset *dataset) { return dataset->fingerprint; }

enum cnn_status cnn_dataset_renumber(struct cnn_dataset *dataset, const struct cnn_class_map *map,
                                     int n_classes) {
    int *label_of = NULL, *stored_of = NULL;
    CNN_TRY(cnn_malloc(&label_of, (size_t)map->n, sizeof *label_of));
    enum cnn_status status = cnn_malloc(&stored_of, (size_t)n_classes, sizeof *stored_of);
    if (status != CNN_OK) {
        free(label_of);
        return status;
    }
    memcpy(label_of, map->label, (size_t)map->n * sizeof *label_of);
    for (int label = 0; label < n_classes; label++)
        stored_of[label] = -1;
    for (int stored = 0; stored < map->n; stored++)
        if (label_of[stored] >= 0)
            stored_of[label_of[stored]] = stored;
    free(dataset->label_of);
    free(dataset->stored_of);
    dataset->label_of = label_of;
    dataset->stored_of = stored_of;
    dataset->header.n_classes = n_classes;
    return CNN_OK;
}

// The shard that holds record i: the last one that begins at or before it and is not empty.
static int find_shard(const struct cnn_dataset *dataset, uint64_t i) {
    int low = 0, high = dataset->n; // first[low] <= i < first[high]
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (dataset->first[middle] <= i)
            low = middle;
        else
            high = middle;
    }
    return low;
}

const char *cnn_dataset_file(const struct cnn_dataset *dataset, uint64_t i) {
    return dataset->files[find_shard(dataset, i)];
}

struct cnn_record cnn_dataset_record(const struct cnn_dataset *dataset, uint64_t i) {
    int s = find_shard(dataset, i);
    struct cnn_record record = cnn_shard_record(dataset->shards[s], i - dataset->first[s]);
    if (dataset->label_of)
        record.label = dataset->label_of[record.label];
    return record;
}

const uint64_t *cnn_dataset_shards(const struct cnn_dataset *dataset, int *out_n) {
    *out_n = dataset->n;
    return dataset->first;
}

void cnn_dataset_expect(const struct cnn_dataset *dataset, uint64_t i, uint64_t n) {
    while (n > 0) {
        int s = find_shard(dataset, i);
        uint64_t left = dataset->first[s + 1] - i, part = n < left ? n : left;
        cnn_shard_expect(dataset->shards[s], i - dataset->first[s], part);
        i += part;
        n -= part;
    }
}

enum cnn_status cnn_dataset_read(const struct cnn_dataset *dataset, uint64_t i, void *data) {
    int s = find_shard(dataset, i);
    return cnn_shard_read(dataset->shards[s], i - dataset->first[s], data);
}
