// What `doctor` thinks of what it found: pure functions, and the thresholds they go by.
#ifndef CNN_CLI_JUDGE_H
#define CNN_CLI_JUDGE_H
#include "backend/devices.h"
#include "base/library.h"
#include "base/machine.h"
#include "cli/disk_speed.h"
#include "cli/findings.h"
#include "comm/bench.h"

// Another major version fails, another minor one is warned of.
void cnn_judge_library(struct cnn_findings *out, const struct cnn_library *library);

void cnn_judge_processor(struct cnn_findings *out, const struct cnn_processor *processor,
                         const struct cnn_topology *topology);

// For `local_size` ranks of this host.
void cnn_judge_memory(struct cnn_findings *out, const struct cnn_memory_room *room, int local_size);

// For `local_size` ranks of this host. `driver_here`: the kernel has NVIDIA's driver, whatever this build
// knows.
void cnn_judge_devices(struct cnn_findings *out, const struct cnn_devices *devices, int local_size,
                       bool driver_here);

void cnn_judge_shared_memory(struct cnn_findings *out, double free_bytes, int local_size);

// Of an exchange of few bytes, and of one of many.
void cnn_judge_latency(struct cnn_findings *out, const struct cnn_comm_bench_result *result);
void cnn_judge_bandwidth(struct cnn_findings *out, const struct cnn_comm_bench_result *result, int hosts);
void cnn_judge_devices_bandwidth(struct cnn_findings *out, const struct cnn_comm_bench_result *result,
                                 int hosts); // of gradients of GPUs

// `place`: the folder, in words. False: there is too little even to try its speed.
bool cnn_judge_space(struct cnn_findings *out, const char *place, const struct cnn_disk_space *space);
void cnn_judge_disk(struct cnn_findings *out, const struct cnn_disk_speed *speed);

#endif
