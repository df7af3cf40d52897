// The machine a rank runs on: processor, threads, memory, GPUs, disk.
#include "backend/backend.h"
#include "base/cpus.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/doctor.h"
#include "cli/judge.h"
#include "config/config.h"
#include "train/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum cnn_status cnn_check_processor(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct cnn_processor processor;
    struct cnn_topology topology;
    cnn_processor_find(&processor);
    cnn_topology_find(&topology);
    cnn_judge_processor(out, &processor, &topology);

    struct cnn_backend *backend = NULL;
    struct cnn_backend_options options = {.threads = cnn_cpus_share(cnn_comm_local_size(doctor->comm))};
    if (cnn_backend_create(&backend, CNN_BACKEND_CPU, &options) == CNN_OK)
        cnn_found_ok(out, "backend %s", cnn_backend_description(backend));
    else
        cnn_found_fail(out, "see the libraries above", "the CPU backend does not start: %s",
                       cnn_error_message());
    cnn_backend_destroy(backend);
    return CNN_OK;
}

// The same judgement as at the start of training.
enum cnn_status cnn_check_threads(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct cnn_place place = {.rank = cnn_comm_rank(doctor->comm),
                              .size = cnn_comm_size(doctor->comm),
                              .local_rank = cnn_comm_local_rank(doctor->comm),
                              .local_size = cnn_comm_local_size(doctor->comm)};
    struct cnn_thread_plan threads = {.allowed = cnn_cpus_allowed(),
                                      .online = cnn_cpus_online(),
                                      .share = cnn_cpus_share(place.local_size)};
    double quota = cnn_cpus_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    char sentence[512], limit[64] = "";
    threads.compute = threads.loader = threads.share;
    if (isfinite(quota))
        snprintf(limit, sizeof limit, ", CPU quota %.1f", quota);
    cnn_found_ok(out, "processors: %d of %d on the host available%s, %d for each of %d rank%s",
                 threads.allowed, threads.online, limit, threads.share, place.local_size,
                 place.local_size == 1 ? "" : "s");
    if (cnn_plan_judge_threads(sentence, sizeof sentence, &threads, place))
        cnn_found_warn(out, "", "%s", sentence);
    return CNN_OK;
}

enum cnn_status cnn_check_memory(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct cnn_memory_room room;
    cnn_memory_room_find(&room);
    cnn_judge_memory(out, &room, cnn_comm_local_size(doctor->comm));
    return CNN_OK;
}

enum cnn_status cnn_check_devices(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct cnn_devices *devices;
    CNN_TRY(cnn_calloc(&devices, 1, sizeof *devices));
    cnn_devices_find(devices);
    cnn_judge_devices(out, devices, cnn_comm_local_size(doctor->comm),
                      cnn_file_exists("/proc/driver/nvidia/version"));
    free(devices);
    return CNN_OK;
}

enum cnn_status cnn_check_shared_memory(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    struct cnn_disk_space space;
    if (cnn_disk_space(&space, "/dev/shm") == CNN_OK)
        cnn_judge_shared_memory(out, space.free_bytes, cnn_comm_local_size(doctor->comm));
    else
        cnn_found_warn(out, "mount it; ranks on the same host exchange gradients through it", "/dev/shm: %s",
                       cnn_error_message());
    return CNN_OK;
}

// What the lines below call the folder whose disk is tried.
static void name_place(char *out, size_t out_bytes, const char *dir, const char *folder) {
    char *full = realpath(folder, NULL);
    const char *place = full ? full : folder;
    if (strcmp(dir, folder) == 0)
        snprintf(out, out_bytes, "%s", place);
    else
        snprintf(out, out_bytes, "%s (does not exist yet; would be created in %s)", dir, place);
    free(full);
}

static enum cnn_status try_disk(struct cnn_findings *out, const char *dir) {
    struct cnn_disk_space space;
    struct cnn_disk_speed speed;
    char folder[4096], place[2 * 4096 + 64];
    CNN_TRY(cnn_folder_nearest(folder, dir));
    CNN_TRY(cnn_disk_space(&space, folder));
    name_place(place, sizeof place, dir, folder);
    if (!cnn_judge_space(out, place, &space))
        return CNN_OK;
    CNN_TRY(cnn_disk_try(&speed, folder));
    cnn_judge_disk(out, &speed);
    return CNN_OK;
}

// Rank 0 alone owns the run folder.
enum cnn_status cnn_check_disk(const struct cnn_doctor *doctor, struct cnn_findings *out) {
    if (try_disk(out, doctor->dir) != CNN_OK)
        cnn_found_fail(out, "choose another folder (--dir here, run.dir for training)", "run folder %s: %s",
                       doctor->dir, cnn_error_message());
    return CNN_OK;
}
