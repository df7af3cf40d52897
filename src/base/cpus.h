// Which processors this process may really use: the affinity mask, cgroup quota and the ranks it shares a
// host with.
#ifndef CNN_BASE_CPUS_H
#define CNN_BASE_CPUS_H

// Processors in this process's affinity mask, bounded by the cgroup CPU quota; at least 1.
int cnn_cpus_allowed(void);
// The least CPU quota, in processors, of the cgroups (v1 or v2) that `cgroup_file` (/proc/self/cgroup) names
// under `cgroup_mount` (/sys/fs/cgroup); infinity where there is none.
double cnn_cpus_quota(const char *cgroup_file, const char *cgroup_mount);
// Processors online on the host.
int cnn_cpus_online(void);
// This rank's fair share of the processors: if the launcher bound it to fewer than the host has, its mask;
// otherwise the mask divided by the ranks on this host. At least 1. A mask that the launcher itself has (a
// container's, a job's) is shared by its ranks and therefore divided.
int cnn_cpus_share(int local_size);

#endif
