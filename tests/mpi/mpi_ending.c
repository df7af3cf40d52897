// Jobs that end badly, one way an argument; expect_failure.sh looks at how they end.
#include "base/clock.h"
#include "comm/comm.h"
#include "comm/reducer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 4000 };
static float gradients[N];

static enum cnn_status create(struct cnn_reducer **out, struct cnn_comm *comm, double timeout_s) {
    const struct cnn_reducer_options options = {
        .gradients = gradients, .n = N, .bucket_bytes = 4 * 1000, .timeout_s = timeout_s};
    return cnn_reducer_create(out, comm, &options);
}

static int step(struct cnn_comm *comm, struct cnn_reducer *reducer) {
    cnn_reducer_begin(reducer);
    cnn_reducer_ready(reducer, N);
    enum cnn_status status = cnn_reducer_finish(reducer);
    if (status == CNN_OK)
        return 0;
    fprintf(stderr, "%s\n", cnn_error_message());
    if (cnn_comm_agree(comm, status) != status) // must come back at once: this rank cannot talk any more
        fprintf(stderr, "agree changed the status\n");
    return cnn_status_exit_code(status);
}

// The last rank sleeps far past the timeout of the others in the second step.
static int late(struct cnn_comm *comm, bool leave) {
    struct cnn_reducer *reducer;
    if (create(&reducer, comm, 1) != CNN_OK)
        return 3;
    if (step(comm, reducer) != 0)
        return 3;
    if (cnn_comm_rank(comm) == cnn_comm_size(comm) - 1)
        sleep(100);
    int code = step(comm, reducer);
    cnn_reducer_destroy(reducer);
    if (!leave && code)
        cnn_comm_abort(comm, code);
    cnn_comm_finish(comm, 0); // must not hang
    return code;
}

// Rank 0 fails in the middle of a step, when its thread already waits for the others' first bucket.
static int abandon(struct cnn_comm *comm) {
    struct cnn_reducer *reducer;
    if (create(&reducer, comm, 100) != CNN_OK)
        return 3;
    if (cnn_comm_rank(comm) != 0)
        sleep(100);
    cnn_reducer_begin(reducer);
    cnn_reducer_ready(reducer, 2000);
    usleep(200000);
    cnn_reducer_destroy(reducer); // must not wait for the timeout
    fprintf(stderr, "the step was given up\n");
    cnn_comm_abort(comm, 4);
}

// Until the job is ended.
static int wait_for_ever(struct cnn_comm *comm) {
    if (cnn_comm_barrier(comm) == CNN_OK)
        return 0;
    if (!cnn_comm_was_told(comm))
        fprintf(stderr, "%s\n", cnn_error_message());
    cnn_comm_abort(comm, 5);
}

int main(int argc, char **argv) {
    struct cnn_comm *comm;
    const char *way = argc > 1 ? argv[1] : "";
    if (cnn_comm_start(&comm) != CNN_OK) {
        fprintf(stderr, "%s\n", cnn_error_message());
        return 2;
    }
    bool first = cnn_comm_rank(comm) == 0;
    if (!strcmp(way, "late"))
        return late(comm, false);
    if (!strcmp(way, "late-leave"))
        return late(comm, true);
    if (!strcmp(way, "abandon"))
        return abandon(comm);
    if (!strcmp(way, "abort") && first)
        cnn_comm_abort(comm, 7);
    if (!strcmp(way, "killed") && first)
        raise(SIGKILL);
    return wait_for_ever(comm);
}
