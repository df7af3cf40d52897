#include "comm/launcher.h"

#include "comm/comm.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int forget(void **state) {
    static const char *const names[] = {
        "OMPI_COMM_WORLD_SIZE", "PMIX_RANK",    "PMI_RANK",     "PMI_FD",       "PMI_SIZE",
        "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_ID"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    return 0;
}

static void expect(const char *name, int size, bool can_join) {
    struct cnn_launcher found = cnn_launcher_find();
    if (name)
        assert_string_equal(found.name, name);
    else
        assert_null(found.name);
    assert_int_equal(found.size, size);
    assert_int_equal(found.can_join, can_join);
}

static void nothing_started_it(void **state) { expect(NULL, 0, false); }

static void open_mpi(void **state) {
    setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
    expect("mpirun", 4, true);
    setenv("SLURM_STEP_NUM_TASKS", "2", 1); // mpirun inside a SLURM job: its daemons are the step's tasks
    setenv("PMIX_RANK", "0", 1);
    expect("mpirun", 4, true);
}

static void pmi(void **state) {
    setenv("PMI_RANK", "1", 1);
    setenv("PMI_SIZE", "3", 1);
    expect("PMI", 3, true);
}

static void srun_with_pmix(void **state) {
    setenv("SLURM_STEP_NUM_TASKS", "8", 1);
    setenv("PMIX_RANK", "5", 1);
    expect("PMIx", 8, true);
}

static void a_batch_script_is_one_process(void **state) {
    setenv("SLURM_NTASKS", "8", 1);
    setenv("SLURM_PROCID", "0", 1);
    expect(NULL, 0, false);
    setenv("SLURM_STEP_NUM_TASKS", "1", 1);
    expect(NULL, 0, false);
}

static void nonsense_is_no_number(void **state) {
    setenv("OMPI_COMM_WORLD_SIZE", "many", 1);
    expect("mpirun", 0, true);
    setenv("OMPI_COMM_WORLD_SIZE", "99999999999", 1);
    expect("mpirun", 0, true);
}

// Ranks that cannot find each other would each train alone.
static void srun_without_mpi_is_refused(void **state) {
    struct cnn_comm *comm = NULL;
    setenv("SLURM_STEP_NUM_TASKS", "8", 1);
    expect("srun", 8, false);
    assert_int_equal(cnn_comm_start(&comm), CNN_ERR_UNSUPPORTED);
    assert_null(comm);
    assert_non_null(strstr(cnn_error_message(), "srun started 8 copies"));
    assert_non_null(strstr(cnn_error_message(), "--mpi=pmix"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, forget, forget)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_started_it),
        TEST(open_mpi),
        TEST(pmi),
        TEST(srun_with_pmix),
        TEST(a_batch_script_is_one_process),
        TEST(nonsense_is_no_number),
        TEST(srun_without_mpi_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
