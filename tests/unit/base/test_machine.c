#include "base/machine.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void the_processor_is_read(void **state) {
    struct cnn_processor got;
    cnn_processor_read(&got, "processor\t: 0\nmodel\t\t: 85\nmodel name\t: A Processor @ 2 GHz\n"
                             "flags\t\t: fpu avx avx2 fma avx512f avx512bw avx512vl avx512dq amx_bf16\n\n"
                             "processor\t: 1\nmodel name\t: Another\nflags\t\t: avx512_bf16\n");
    assert_string_equal(got.model, "A Processor @ 2 GHz");
    assert_true(got.avx2 && got.avx512 && got.amx_bf16);
    assert_false(got.avx512_bf16); // the first processor speaks for all
}

static void flags_are_whole_words(void **state) {
    struct cnn_processor got;
    cnn_processor_read(&got, "vmx flags\t: avx2 fma\nflags\t: xavx2 avx2x fma avx512fp16");
    assert_false(got.avx2 || got.avx512);
    cnn_processor_read(&got, "flags\t: fma avx2");
    assert_true(got.avx2);
    cnn_processor_read(&got, "flags:fma"); // without FMA's partner
    assert_false(got.avx2);
    cnn_processor_read(&got, "");
    assert_string_equal(got.model, "");
}

static void this_machine_has_parts(void **state) {
    struct cnn_topology topology;
    cnn_topology_find(&topology);
    assert_true(topology.packages >= 1 && topology.cores >= 1 && topology.numa_nodes >= 1);
}

// A cgroup of this limit around a process on a machine with 1000 kB of memory.
static double limit_with(const char *cgroup_line, const char *folder, const char *name, const char *text) {
    char root[] = "/tmp/cnn_test_machine_XXXXXX", path[128], cgroup[128], command[128];
    struct cnn_memory_room room;
    assert_non_null(mkdtemp(root));
    snprintf(cgroup, sizeof cgroup, "%s/cgroup", root);
    assert_int_equal(cnn_file_replace(cgroup, cgroup_line, strlen(cgroup_line)), CNN_OK);
    snprintf(path, sizeof path, "%s%s", root, folder);
    assert_int_equal(cnn_folder_create(path), CNN_OK);
    snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    assert_int_equal(cnn_file_replace(path, text, strlen(text)), CNN_OK);
    cnn_memory_room_read(&room, "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  500 kB\n", cgroup, root);
    assert_true(room.total_bytes == 1000 * 1024.0 && room.available_bytes == 500 * 1024.0);
    snprintf(command, sizeof command, "rm -rf %s", root);
    assert_int_equal(system(command), 0);
    return room.limit_bytes;
}

static void cgroups_bind_memory(void **state) {
    assert_true(limit_with("0::/job/step\n", "/job", "memory.max", "4096\n") == 4096);
    assert_true(isinf(limit_with("0::/job\n", "/job", "memory.max", "max\n")));
    assert_true(limit_with("4:memory:/job\n0::/\n", "/memory/job", "memory.limit_in_bytes", "8192\n") ==
                8192);
    // version 1 says "none" with a number that no machine has
    assert_true(isinf(
        limit_with("4:memory:/job\n", "/memory/job", "memory.limit_in_bytes", "9223372036854771712\n")));
    assert_true(isinf(limit_with("4:cpu:/job\n", "/memory/job", "memory.limit_in_bytes", "8192\n")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_processor_is_read),
        cmocka_unit_test(flags_are_whole_words),
        cmocka_unit_test(this_machine_has_parts),
        cmocka_unit_test(cgroups_bind_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
