// Private to comm/: a thread that knows for whom this rank waits and for how long, exchanges signs of life
// with the other ranks (heartbeat.h), says who holds the job up, and ends the job when a limit is over. Waits
// only say when they begin and end, and look at a flag. May be called from any thread.
#ifndef CNN_COMM_WATCHDOG_H
#define CNN_COMM_WATCHDOG_H
#include "comm/comm.h"

#include <stdatomic.h>

enum cnn_wait { CNN_WAIT_CONTROL, CNN_WAIT_EXCHANGE, CNN_N_WAITS }; // one thread each

struct cnn_watchdog;
// Starts the thread, before MPI: until cnn_watchdog_join it can only tell that others did not come. `rank` as
// the launcher says; negative: not known.
enum cnn_status cnn_watchdog_create(struct cnn_watchdog **out, struct cnn_comm *comm,
                                    int rank) CNN_MUST_CHECK;
// MPI has started, comm knows rank, size and host. Signs of life need MPI_THREAD_MULTIPLE.
enum cnn_status cnn_watchdog_join(struct cnn_watchdog *watchdog) CNN_MUST_CHECK;
// No more signs of life: MPI_Finalize comes. Where that takes longer than the limit, the process ends with
// this exit code.
void cnn_watchdog_leave(struct cnn_watchdog *watchdog, int exit_code);
void cnn_watchdog_destroy(struct cnn_watchdog *watchdog); // accepts NULL

void cnn_watchdog_set_timeout(struct cnn_watchdog *watchdog, double timeout_s);
void cnn_watchdog_set_stage(struct cnn_watchdog *watchdog, enum cnn_stage stage, int64_t step);
void cnn_watchdog_set_task(struct cnn_watchdog *watchdog, const char *task); // static
void cnn_watchdog_renew_task(struct cnn_watchdog *watchdog);
void cnn_watchdog_set_listener(struct cnn_watchdog *watchdog, const struct cnn_comm_listener *listener);

// A wait for other ranks begins. limit_s 0: the job's. `blocking`: inside a call of MPI that does not return;
// where its limit is over, the watchdog ends the process.
void cnn_watchdog_begin(struct cnn_watchdog *watchdog, enum cnn_wait wait, double limit_s, bool blocking);
// Whose message is missing; only used where ranks exchange no signs of life, or all of them wait.
void cnn_watchdog_expect(struct cnn_watchdog *watchdog, enum cnn_wait wait, int rank);
void cnn_watchdog_end(struct cnn_watchdog *watchdog, enum cnn_wait wait);

// The job ends: no wait may go on. From then on every call of cnn_watchdog_give fails with the reason.
bool cnn_watchdog_is_over(const struct cnn_watchdog *watchdog);
enum cnn_status cnn_watchdog_give(struct cnn_watchdog *watchdog) CNN_MUST_CHECK;
// Another rank or rank 0's watchdog found the reason and says it; this rank need not.
bool cnn_watchdog_was_told(struct cnn_watchdog *watchdog);
// Ends the job for a reason of this rank's, which the other ranks learn. Does not return.
_Noreturn void cnn_watchdog_abort(struct cnn_watchdog *watchdog, const char *reason, int exit_code);

#endif
