// Jobs that end badly, one way an argument; expect_failure.sh looks at how they end.
#include "base/clock.h"
#include "base/log.h"
#include "comm/comm.h"
#include "comm/reducer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

static bool is_last(const struct cnn_comm *comm) { return cnn_comm_rank(comm) == cnn_comm_size(comm) - 1; }

// The last rank does not come to a barrier.
static int absent(struct cnn_comm *comm, bool stopped) {
    cnn_comm_set_timeout(comm, 1);
    cnn_comm_set_stage(comm, CNN_STAGE_EVALUATION, -1);
    if (is_last(comm) && stopped)
        raise(SIGSTOP);
    if (is_last(comm))
        sleep(100);
    return wait_for_ever(comm);
}

// Rank 0 takes much longer than the limit, and says so.
static int busy(struct cnn_comm *comm, unsigned int seconds) {
    cnn_comm_set_timeout(comm, 0.5);
    if (cnn_comm_rank(comm) == 0) {
        cnn_comm_set_task(comm, "saving a checkpoint");
        sleep(seconds);
        cnn_comm_set_task(comm, NULL);
    }
    const int code = wait_for_ever(comm);
    cnn_comm_finish(comm, code);
    return code == 0 ? 9 : code; // expect_failure.sh wants one
}

// All ranks are suspended for much longer than the limit while the last one is about to come.
static int suspended(struct cnn_comm *comm) {
    cnn_comm_set_timeout(comm, 1.5);
    const pid_t rank = getpid(), child = cnn_comm_barrier(comm) == CNN_OK ? fork() : -1;
    if (child < 0)
        return 3;
    if (child == 0) {
        usleep(300000);
        kill(rank, SIGSTOP);
        sleep(4);
        kill(rank, SIGCONT);
        _exit(0);
    }
    if (is_last(comm)) {
        usleep(500000); // ends with the suspension
        usleep(500000);
    }
    const int code = wait_for_ever(comm);
    waitpid(child, NULL, 0);
    cnn_comm_finish(comm, code);
    return code == 0 ? 9 : code;
}

static void on_lost(void *context, const char *reason) { fprintf(stderr, "rank 0 learned: %s\n", reason); }

// The last rank fails while rank 0 computes.
static int alone(struct cnn_comm *comm) {
    const struct cnn_comm_listener listener = {.lost = on_lost};
    if (cnn_comm_rank(comm) == 0) {
        cnn_comm_set_listener(comm, &listener);
        sleep(100);
    }
    if (is_last(comm)) {
        (void)!cnn_fail(CNN_ERR_MEMORY, "no memory for the test");
        cnn_comm_abort(comm, 4);
    }
    return wait_for_ever(comm);
}

// The last rank is stopped before it leaves.
static int stopped_at_the_end(struct cnn_comm *comm) {
    cnn_comm_set_timeout(comm, 1);
    if (is_last(comm))
        raise(SIGSTOP);
    cnn_comm_finish(comm, 0); // must not hang
    return 6;
}

static void print_log(void *context, enum cnn_log_level level, const char *line) {
    fprintf(stderr, "log: %s\n", line);
}

int main(int argc, char **argv) {
    struct cnn_comm *comm;
    const char *way = argc > 1 ? argv[1] : "", *rank = getenv("OMPI_COMM_WORLD_RANK");
    if (cnn_log_add_sink(print_log, NULL, CNN_LOG_WARN) != CNN_OK)
        return 2;
    if (!strcmp(way, "stopped-before-start") && rank && !strcmp(rank, "1"))
        raise(SIGSTOP);
    if (!strcmp(way, "absent-at-start") && rank && !strcmp(rank, "1"))
        sleep(100);
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
    if (!strcmp(way, "absent"))
        return absent(comm, false);
    if (!strcmp(way, "stopped"))
        return absent(comm, true);
    if (!strcmp(way, "busy"))
        return busy(comm, 3);
    if (!strcmp(way, "too-busy"))
        return busy(comm, 100);
    if (!strcmp(way, "suspended"))
        return suspended(comm);
    if (!strcmp(way, "alone"))
        return alone(comm);
    if (!strcmp(way, "stopped-at-the-end"))
        return stopped_at_the_end(comm);
    if (!strcmp(way, "abort") && first)
        cnn_comm_abort(comm, 7);
    if (!strcmp(way, "killed") && first)
        raise(SIGKILL);
    return wait_for_ever(comm);
}
