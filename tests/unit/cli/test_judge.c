#include "cli/judge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct cnn_findings found;

static int reset(void **state) {
    memset(&found, 0, sizeof found);
    return 0;
}

// Finding `i` has this verdict and these words in it; what is not all right says what to do.
static void assert_found(int i, enum cnn_verdict verdict, const char *words) {
    assert_true(i < found.n);
    const struct cnn_finding *finding = &found.items[i];
    if (finding->verdict != verdict || !strstr(finding->text, words))
        fail_msg("expected %s with '%s', got %s '%s'", cnn_verdict_name(verdict), words,
                 cnn_verdict_name(finding->verdict), finding->text);
    assert_int_equal(*finding->advice != '\0', verdict != CNN_VERDICT_OK);
}

// ---- libraries ----

static void judge_library(const char *built, const char *here) {
    struct cnn_libraries list = {0};
    cnn_judge_library(&found, cnn_libraries_add(&list, "HDF5", built, here));
}

static void libraries_must_be_those_built_with(void **state) {
    judge_library("1.10.8", "1.10.9");
    judge_library("1.10.8", "1.14.0");
    judge_library("1.10.8", "2.0.0");
    judge_library("1.10.8", NULL);
    assert_found(0, CNN_VERDICT_OK, "HDF5 1.10.9");
    assert_found(1, CNN_VERDICT_WARN, "HDF5 1.14.0 is installed, built with 1.10.8");
    assert_found(2, CNN_VERDICT_FAIL, "HDF5 2.0.0 is installed, but cnn_dist was built with 1.10.8");
    assert_found(3, CNN_VERDICT_OK, "built with 1.10.8");
    assert_int_equal(found.n, 4);
}

// ---- the machine ----

static void a_processor_without_avx2_is_slow(void **state) {
    struct cnn_topology topology = {.packages = 2, .cores = 8, .numa_nodes = 1};
    struct cnn_processor old = {.model = "Old"}, new = {.model = "New", .avx2 = true, .avx512_bf16 = true};
    cnn_judge_processor(&found, &old, &topology);
    cnn_judge_processor(&found, &new, &topology);
    assert_found(0, CNN_VERDICT_OK, "Old: 2 packages, 8 cores, 1 NUMA node");
    assert_found(1, CNN_VERDICT_WARN, "does not support AVX2");
    assert_found(3, CNN_VERDICT_OK, "AVX2, AVX-512 BF16");
}

static void memory_is_counted_for_each_rank(void **state) {
    const double gib = 1 << 30;
    struct cnn_memory_room room = {
        .total_bytes = 16 * gib, .available_bytes = 8 * gib, .limit_bytes = INFINITY};
    cnn_judge_memory(&found, &room, 4);
    cnn_judge_memory(&found, &room, 5);
    room.limit_bytes = gib;
    cnn_judge_memory(&found, &room, 1);
    cnn_judge_memory(&found, &(struct cnn_memory_room){.limit_bytes = INFINITY}, 1);
    assert_found(0, CNN_VERDICT_OK, "8.00 GiB of 16.00 GiB");
    assert_found(1, CNN_VERDICT_WARN, "for 5 ranks");
    assert_found(2, CNN_VERDICT_WARN, "limited to 1.00 GiB by a cgroup");
    assert_found(3, CNN_VERDICT_WARN, "cannot determine");
}

static void shared_memory_must_hold_the_exchange(void **state) {
    cnn_judge_shared_memory(&found, (double)CNN_COMM_SHARED_BYTES, 2);
    cnn_judge_shared_memory(&found, (double)CNN_COMM_SHARED_BYTES - 1, 2);
    assert_found(0, CNN_VERDICT_OK, "32.00 MiB free");
    assert_found(1, CNN_VERDICT_WARN, "/dev/shm");
}

// ---- the exchange ----

static void a_slow_exchange_is_warned_of(void **state) {
    struct cnn_comm_bench_result result = {
        .bytes = 1024, .ranks = 2, .median_s = 1e-4, .bus_bytes_per_s = 3e8};
    cnn_judge_latency(&found, &result);
    cnn_judge_bandwidth(&found, &result, 1); // slow for memory
    cnn_judge_bandwidth(&found, &result, 2); // but not for a network
    result.median_s = 0.05;
    result.bus_bytes_per_s = 5e7;
    cnn_judge_latency(&found, &result);
    cnn_judge_bandwidth(&found, &result, 2);
    assert_found(0, CNN_VERDICT_OK, "1.00 KiB over 2 ranks: 0.10 ms");
    assert_found(1, CNN_VERDICT_WARN, "expected at least 0.5");
    assert_found(2, CNN_VERDICT_OK, "0.30 GB/s");
    assert_found(3, CNN_VERDICT_WARN, "expected at most 5");
    assert_found(4, CNN_VERDICT_WARN, "expected at least 0.1");
}

static void gpus_are_expected_to_be_faster(void **state) {
    struct cnn_comm_bench_result result = {
        .bytes = 1024, .ranks = 2, .way = "NCCL 2.28.9", .median_s = 1e-4, .bus_bytes_per_s = 6e9};
    cnn_judge_devices_bandwidth(&found, &result, 1);
    result.bus_bytes_per_s = 1e9;
    cnn_judge_devices_bandwidth(&found, &result, 1);
    cnn_judge_devices_bandwidth(&found, &result, 2);
    assert_found(0, CNN_VERDICT_OK, "in GPU memory by NCCL 2.28.9: 0.1 ms, 6.00 GB/s");
    assert_found(1, CNN_VERDICT_WARN, "expected at least 5.0");
    assert_found(2, CNN_VERDICT_OK, "1.00 GB/s");
}

// ---- the disk ----

static void a_full_disk_fails_before_it_is_tried(void **state) {
    struct cnn_disk_space space = {.free_bytes = 1e8, .total_bytes = 1e12};
    assert_false(cnn_judge_space(&found, "here", &space));
    space.free_bytes = 1e9;
    assert_true(cnn_judge_space(&found, "here", &space));
    space.free_bytes = 1e11;
    assert_true(cnn_judge_space(&found, "here", &space));
    assert_true(cnn_judge_space(&found, "here", &(struct cnn_disk_space){0})); // says nothing of itself
    assert_found(0, CNN_VERDICT_FAIL, "disk of here");
    assert_found(1, CNN_VERDICT_WARN, "disk of here");
    assert_found(2, CNN_VERDICT_OK, "disk of here");
    assert_int_equal(found.n, 3);
}

static void a_slow_disk_is_warned_of(void **state) {
    cnn_judge_disk(&found, &(struct cnn_disk_speed){5e8, 5e8, 1e-3});
    cnn_judge_disk(&found, &(struct cnn_disk_speed){4e7, 9e7, 0.2});
    for (int i = 0; i < 3; i++)
        assert_found(i, CNN_VERDICT_OK, "disk");
    assert_found(3, CNN_VERDICT_WARN, "writes 40 MB/s, expected at least 50");
    assert_found(4, CNN_VERDICT_WARN, "reads 90 MB/s, expected at least 100");
    assert_found(5, CNN_VERDICT_WARN, "200 ms");
}

// ---- devices ----

static struct cnn_devices devices;

static void make_devices(int n) {
    devices = (struct cnn_devices){.state = CNN_DEVICES_FOUND, .n = n, .driver = "13.0", .needed = "7.5"};
    for (int i = 0; i < n; i++)
        devices.items[i] = (struct cnn_device){.name = "H100",
                                               .total_bytes = (size_t)80 << 30,
                                               .free_bytes = (size_t)79 << 30,
                                               .capability = {9, 0},
                                               .supported = true};
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            devices.links[i][j] = CNN_LINK_NVLINK;
}

static void good_devices_are_good(void **state) {
    make_devices(2);
    cnn_judge_devices(&found, &devices, 2, true);
    assert_found(0, CNN_VERDICT_OK, "GPU 0 H100: 79.00 GiB of 80.00 GiB free, compute capability 9.0");
    assert_found(1, CNN_VERDICT_OK, "GPU 1 H100");
    assert_found(2, CNN_VERDICT_OK, "2 GPUs for 2 ranks, driver for CUDA 13.0");
    assert_found(3, CNN_VERDICT_OK, "NVLink");
    assert_int_equal(found.n, 4);
}

static void what_is_wrong_with_a_device_is_said(void **state) {
    make_devices(4);
    strcpy(devices.items[0].problem, "cannot be started: out of memory");
    devices.items[1].supported = false;
    devices.items[1].capability[0] = 6;
    devices.items[2].prohibited = true;
    devices.items[3].free_bytes = (size_t)30 << 30;
    devices.links[2][1] = CNN_LINK_HOST;
    devices.links[3][1] = CNN_LINK_PCIE;
    cnn_judge_devices(&found, &devices, 1, true);
    assert_found(0, CNN_VERDICT_FAIL, "GPU 0 H100: cannot be started: out of memory");
    assert_found(1, CNN_VERDICT_FAIL, "compute capability 6.0, this build needs 7.5");
    assert_found(2, CNN_VERDICT_FAIL, "GPU 2");
    assert_found(3, CNN_VERDICT_WARN, "only 30.00 GiB of 80.00 GiB free");
    assert_found(4, CNN_VERDICT_OK, "4 GPUs for 1 rank");
    assert_found(5, CNN_VERDICT_WARN, "GPU 2 reaches GPU 1 only through host memory");
}

static void ranks_that_share_a_device_are_warned(void **state) {
    make_devices(1);
    cnn_judge_devices(&found, &devices, 2, true);
    devices.items[0].exclusive = true;
    cnn_judge_devices(&found, &devices, 2, true);
    assert_found(1, CNN_VERDICT_WARN, "2 ranks share 1 GPU");
    assert_found(3, CNN_VERDICT_FAIL, "2 ranks share 1 GPU");
    assert_int_equal(found.n, 4);
}

static void judge_state(enum cnn_devices_state devices_state, const char *driver, bool driver_here) {
    devices = (struct cnn_devices){.state = devices_state, .problem = "why"};
    strcpy(devices.driver, driver);
    cnn_judge_devices(&found, &devices, 1, driver_here);
}

static void no_device_is_no_failure(void **state) {
    judge_state(CNN_DEVICES_NOT_BUILT, "", false);
    judge_state(CNN_DEVICES_NOT_BUILT, "", true);
    judge_state(CNN_DEVICES_NO_DRIVER, "", false);
    judge_state(CNN_DEVICES_NO_DRIVER, "12.4", true);
    judge_state(CNN_DEVICES_NONE, "13.0", true);
    judge_state(CNN_DEVICES_FAILED, "13.0", true);
    assert_found(0, CNN_VERDICT_OK, "built without CUDA");
    assert_found(1, CNN_VERDICT_WARN, "an NVIDIA driver is installed");
    assert_found(2, CNN_VERDICT_WARN, "no NVIDIA driver: why");
    assert_found(3, CNN_VERDICT_WARN, "supports only CUDA 12.4: why");
    assert_found(4, CNN_VERDICT_WARN, "no GPU");
    assert_found(5, CNN_VERDICT_FAIL, "why");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(libraries_must_be_those_built_with, reset),
        cmocka_unit_test_setup(a_processor_without_avx2_is_slow, reset),
        cmocka_unit_test_setup(memory_is_counted_for_each_rank, reset),
        cmocka_unit_test_setup(shared_memory_must_hold_the_exchange, reset),
        cmocka_unit_test_setup(a_slow_exchange_is_warned_of, reset),
        cmocka_unit_test_setup(gpus_are_expected_to_be_faster, reset),
        cmocka_unit_test_setup(a_full_disk_fails_before_it_is_tried, reset),
        cmocka_unit_test_setup(a_slow_disk_is_warned_of, reset),
        cmocka_unit_test_setup(good_devices_are_good, reset),
        cmocka_unit_test_setup(what_is_wrong_with_a_device_is_said, reset),
        cmocka_unit_test_setup(ranks_that_share_a_device_are_warned, reset),
        cmocka_unit_test_setup(no_device_is_no_failure, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
