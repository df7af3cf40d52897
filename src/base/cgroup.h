// Limits that the cgroups around this process set, version 1 or 2.
#ifndef CNN_BASE_CGROUP_H
#define CNN_BASE_CGROUP_H

// How one kind of limit is read of a group whose files lie in `folder``path`; infinity where it sets none.
typedef double (*cnn_cgroup_reader)(const char *folder, const char *path);
struct cnn_cgroup_limit {
    const char *controller; // as version 1 names it: "cpu"
    cnn_cgroup_reader v1, v2;
};

// The least limit of all groups that `cgroup_file` (/proc/self/cgroup) names under `cgroup_mount`
// (/sys/fs/cgroup), and of all groups around them; infinity where there is none. Not collective.
double cnn_cgroup_least(const struct cnn_cgroup_limit *limit, const char *cgroup_file,
                        const char *cgroup_mount);

// The text of a group's file, for readers; NULL when it is not there. The caller frees.
char *cnn_cgroup_text(const char *folder, const char *path, const char *name);

#endif
