#include "base/machine.h"

#include "base/cgroup.h"
#include "base/file.h"

#include <hwloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT_BYTES ((size_t)16 << 20) // cpuinfo of a machine with thousands of processors

// ---- the processor ----

// The value of the first line "key : value", and its length; NULL where there is none.
static const char *value_of(const char *text, const char *key, int *length) {
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        const char *at = line + strlen(key);
        at += strspn(at, " \t");
        if (*at != ':')
            continue;
        at += 1 + strspn(at + 1, " \t");
        *length = (int)strcspn(at, "\n");
        return at;
    }
    return NULL;
}

static bool has_word(const char *words, int length, const char *word) {
    size_t n = strlen(word);
    for (const char *at = words; at + n <= words + length; at += strcspn(at, " \n") + 1)
        if (strncmp(at, word, n) == 0 && strchr(" \n", at[n]))
            return true;
    return false;
}

void cnn_processor_read(struct cnn_processor *out, const char *cpuinfo) {
    int length = 0;
    *out = (struct cnn_processor){0};
    const char *model = value_of(cpuinfo, "model name", &length);
    if (model)
        snprintf(out->model, sizeof out->model, "%.*s", length, model);
    const char *flags = value_of(cpuinfo, "flags", &length);
    if (!flags)
        return;
    out->avx2 = has_word(flags, length, "avx2") && has_word(flags, length, "fma");
    out->avx512 = has_word(flags, length, "avx512f") && has_word(flags, length, "avx512bw") &&
                  has_word(flags, length, "avx512vl") && has_word(flags, length, "avx512dq");
    out->avx512_bf16 = has_word(flags, length, "avx512_bf16");
    out->amx_bf16 = has_word(flags, length, "amx_bf16");
}

static char *text_of(const char *path) {
    char *text = NULL;
    size_t bytes;
    return cnn_file_read(&text, &bytes, path, MAX_TEXT_BYTES) == CNN_OK ? text : NULL;
}

void cnn_processor_find(struct cnn_processor *out) {
    char *text = text_of("/proc/cpuinfo");
    cnn_processor_read(out, text ? text : "");
    free(text);
}

// ---- its parts ----

static int count(hwloc_topology_t topology, hwloc_obj_type_t type) {
    int n = hwloc_get_nbobjs_by_type(topology, type);
    return n > 0 ? n : 0;
}

void cnn_topology_find(struct cnn_topology *out) {
    hwloc_topology_t topology;
    *out = (struct cnn_topology){0};
    setenv("HWLOC_HIDE_ERRORS", "2", 0); // where there is no /sys it would print so by itself
    if (hwloc_topology_init(&topology) != 0)
        return;
    if (hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) == 0 &&
        hwloc_topology_load(topology) == 0)
        *out = (struct cnn_topology){.packages = count(topology, HWLOC_OBJ_PACKAGE),
                                     .cores = count(topology, HWLOC_OBJ_CORE),
                                     .numa_nodes = count(topology, HWLOC_OBJ_NUMANODE)};
    hwloc_topology_destroy(topology);
}

// ---- its memory ----

static double meminfo_bytes(const char *meminfo, const char *key) {
    int length;
    const char *value = value_of(meminfo, key, &length);
    return value ? 1024 * strtod(value, NULL) : 0; // the file counts in "kB" of 1024 bytes
}

static double limit_in(const char *folder, const char *path, const char *name) {
    char *text = cnn_cgroup_text(folder, path, name), *end = text;
    double limit = text ? strtod(text, &end) : 0; // "max" where there is none
    bool limited = end != text && limit > 0;
    free(text);
    return limited ? limit : INFINITY;
}

static double limit_v1(const char *folder, const char *path) {
    return limit_in(folder, path, "/memory.limit_in_bytes"); // without a limit: more than any machine has
}

static double limit_v2(const char *folder, const char *path) { return limit_in(folder, path, "/memory.max"); }

void cnn_memory_room_read(struct cnn_memory_room *out, const char *meminfo, const char *cgroup_file,
                          const char *cgroup_mount) {
    static const struct cnn_cgroup_limit limit = {.controller = "memory", .v1 = limit_v1, .v2 = limit_v2};
    *out = (struct cnn_memory_room){.total_bytes = meminfo_bytes(meminfo, "MemTotal"),
                                    .available_bytes = meminfo_bytes(meminfo, "MemAvailable"),
                                    .limit_bytes = cnn_cgroup_least(&limit, cgroup_file, cgroup_mount)};
    if (out->limit_bytes >= out->total_bytes)
        out->limit_bytes = INFINITY;
}

void cnn_memory_room_find(struct cnn_memory_room *out) {
    char *text = text_of("/proc/meminfo");
    cnn_memory_room_read(out, text ? text : "", "/proc/self/cgroup", "/sys/fs/cgroup");
    free(text);
}
