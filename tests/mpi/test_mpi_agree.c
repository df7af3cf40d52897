// Errors of one, several or all ranks become one outcome.
#include "mpi_test.h"

#include <string.h>

MPI_TEST(all_well) {
    for (int i = 0; i < 200; i++)
        assert_ok(cnn_comm_agree(comm, CNN_OK));
}

static enum cnn_status fail_here(bool failing) {
    return failing ? cnn_fail(CNN_ERR_IO, "disk %d is full", rank) : CNN_OK;
}

MPI_TEST(one_rank_fails) {
    for (int failing = 0; failing < size; failing++) {
        char expected[64];
        assert_int_equal(cnn_comm_agree(comm, fail_here(rank == failing)), CNN_ERR_IO);
        if (rank == failing)
            snprintf(expected, sizeof expected, "disk %d is full", failing);
        else
            snprintf(expected, sizeof expected, "rank %d: disk %d is full", failing, failing);
        assert_string_equal(cnn_error_message(), expected);
        assert_ok(cnn_comm_agree(comm, CNN_OK)); // and the ranks are still in step
    }
}

// The others hear the first; those that failed keep their own words and status.
MPI_TEST(several_ranks_fail) {
    enum cnn_status mine = CNN_OK;
    if (rank == size - 1)
        mine = cnn_fail(CNN_ERR_MEMORY, "no memory");
    else if (rank == 1)
        mine = cnn_fail(CNN_ERR_INPUT, "bad record");
    enum cnn_status agreed = cnn_comm_agree(comm, mine);
    if (rank == size - 1) {
        assert_int_equal(agreed, CNN_ERR_MEMORY);
        assert_string_equal(cnn_error_message(), "no memory");
    } else if (rank == 1) {
        assert_int_equal(agreed, CNN_ERR_INPUT);
        assert_string_equal(cnn_error_message(), "bad record");
    } else if (size > 2) {
        assert_int_equal(agreed, CNN_ERR_INPUT);
        assert_string_equal(cnn_error_message(), "rank 1: bad record");
    }
}

MPI_TEST(all_ranks_fail) {
    char expected[64];
    assert_int_equal(cnn_comm_agree(comm, fail_here(true)), CNN_ERR_IO);
    snprintf(expected, sizeof expected, "disk %d is full", rank);
    assert_string_equal(cnn_error_message(), expected);
}

MPI_TEST(a_rank_is_named_once) {
    const bool failing = rank == size - 1;
    char expected[64];
    snprintf(expected, sizeof expected, "rank %d: the link is down", size - 1);
    assert_int_equal(cnn_comm_agree(comm, failing ? cnn_fail(CNN_ERR_COMM, "%s", expected) : CNN_OK),
                     CNN_ERR_COMM);
    assert_string_equal(cnn_error_message(), expected);
}

MPI_TEST(stopping_is_told_as_it_is) {
    enum cnn_status mine = rank == 0 ? cnn_fail(CNN_STOPPED, "stopped") : CNN_OK;
    assert_int_equal(cnn_comm_agree(comm, mine), CNN_STOPPED);
}

static const struct CMUnitTest tests[] = {
    MPI_UNIT(all_well),       MPI_UNIT(one_rank_fails),       MPI_UNIT(several_ranks_fail),
    MPI_UNIT(all_ranks_fail), MPI_UNIT(a_rank_is_named_once), MPI_UNIT(stopping_is_told_as_it_is),
};
MPI_MAIN(tests)
