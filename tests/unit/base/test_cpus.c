#include "base/cpus.h"

#include "base/file.h"

#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64];

static int make_root(void **state) {
    strcpy(root, "/tmp/cnn_test_cpus_XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void put(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, folder);
    assert_int_equal(cnn_folder_create(path), CNN_OK);
    snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    assert_int_equal(cnn_file_replace(path, text, strlen(text)), CNN_OK);
}

static double quota(const char *mount) {
    char file[128], folder[128];
    snprintf(file, sizeof file, "%s/cgroup", root);
    snprintf(folder, sizeof folder, "%s%s", root, mount);
    return cnn_cpus_quota(file, folder);
}

static void no_cgroup_means_no_quota(void **state) {
    assert_true(isinf(quota("/none")));
    put("", "cgroup", "0::/a/b\n");
    assert_true(isinf(quota("/none")));
    put("", "cgroup", "garbage\n\n:\n::::\n");
    assert_true(isinf(quota("/none")));
}

static void version_2(void **state) {
    put("", "cgroup", "0::/job/step\n");
    put("/v2/job/step", "cpu.max", "max 100000\n");
    assert_true(isinf(quota("/v2")));
    put("/v2/job/step", "cpu.max", "350000 100000\n");
    assert_true(quota("/v2") == 3.5);
    put("/v2/job", "cpu.max", "150000 100000\n"); // the group around it allows less
    assert_true(quota("/v2") == 1.5);
    put("", "cgroup", "0::/host/path/not/visible/here\n"); // a container sees its own group at the top
    put("/v2", "cpu.max", "200000 100000\n");
    assert_true(quota("/v2") == 2);
    put("/v2", "cpu.max", "rubbish");
    assert_true(isinf(quota("/v2")));
}

static void version_1(void **state) {
    put("", "cgroup", "3:cpuset:/x\n2:cpu,cpuacct:/job\n1:memory:/job\n0::/\n");
    put("/v1/cpu,cpuacct/job", "cpu.cfs_quota_us", "-1\n");
    put("/v1/cpu,cpuacct/job", "cpu.cfs_period_us", "100000\n");
    assert_true(isinf(quota("/v1")));
    put("/v1/cpu,cpuacct/job", "cpu.cfs_quota_us", "250000\n");
    assert_true(quota("/v1") == 2.5);
    put("/v1/cpu,cpuacct", "cpu.cfs_quota_us", "50000\n");
    put("/v1/cpu,cpuacct", "cpu.cfs_period_us", "50000\n");
    assert_true(quota("/v1") == 1);
}

static void counts_are_sane(void **state) {
    assert_in_range(cnn_cpus_online(), 1, 100000);
    assert_in_range(cnn_cpus_allowed(), 1, cnn_cpus_online());
    assert_int_equal(cnn_cpus_share(1), cnn_cpus_allowed());
    assert_in_range(cnn_cpus_share(2), 1, cnn_cpus_allowed());
    assert_in_range(cnn_cpus_share(1000000), 1, cnn_cpus_allowed());
}

static void the_mask_binds(void **state) {
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cnn_cpus_allowed(), 1);
    assert_int_equal(cnn_cpus_share(2), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_cgroup_means_no_quota, make_root, remove_root),
        cmocka_unit_test_setup_teardown(version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(version_1, make_root, remove_root),
        cmocka_unit_test(counts_are_sane),
        cmocka_unit_test(the_mask_binds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
