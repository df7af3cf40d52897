// What kind of machine this is: its processor, its parts, its memory. Only to tell people; what a rank may
// use of it is in cpus.h.
#ifndef CNN_BASE_MACHINE_H
#define CNN_BASE_MACHINE_H
#include <stdbool.h>

struct cnn_processor {
    char model[128]; // "" where the system does not say
    bool avx2, avx512, avx512_bf16, amx_bf16;
};
// From the text of /proc/cpuinfo; what it does not mention is empty or false. Not collective.
void cnn_processor_read(struct cnn_processor *out, const char *cpuinfo);
// Of this machine.
void cnn_processor_find(struct cnn_processor *out);

struct cnn_topology {
    int packages, cores, numa_nodes; // 0: not known
};
void cnn_topology_find(struct cnn_topology *out);

struct cnn_memory_room {
    double total_bytes, available_bytes; // of the machine; 0: not known
    double limit_bytes;                  // what the cgroups around this process allow; infinity: all
};
// From the text of /proc/meminfo, and cgroups as in cgroup.h.
void cnn_memory_room_read(struct cnn_memory_room *out, const char *meminfo, const char *cgroup_file,
                          const char *cgroup_mount);
void cnn_memory_room_find(struct cnn_memory_room *out);

#endif
