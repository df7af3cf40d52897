#include "train/resume.h"

#include "base/log.h"
#include "base/memory.h"
#include "train/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum cnn_status refuse_existing(const char *folder) {
    int64_t *steps = NULL;
    size_t n;
    CNN_TRY(cnn_store_steps(&steps, &n, folder));
    free(steps);
    if (n > 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "%s contains %zu checkpoint%s of an earlier run; give this run another name (--set "
                        "run.name=...), resume with --resume auto, or delete the folder",
                        folder, n, n == 1 ? "" : "s");
    return CNN_OK;
}

static enum cnn_status choose(struct cnn_checkpoint **out, const char *mode, const char *folder) {
    if (strcmp(mode, "none") == 0)
        return refuse_existing(folder);
    if (strcmp(mode, "auto") == 0)
        return cnn_store_open_newest(out, folder);
    enum cnn_status status = cnn_checkpoint_open(out, mode);
    return status == CNN_OK ? status : cnn_fail_in(status, "--resume");
}

enum cnn_status cnn_resume_choose(struct cnn_resume *out, const char *mode, const char *folder,
                                  struct cnn_comm *comm) {
    struct cnn_resume resume = {0};
    enum cnn_status status = cnn_comm_rank(comm) == 0 ? choose(&resume.checkpoint, mode, folder) : CNN_OK;
    if (resume.checkpoint) {
        resume.resumed = true;
        resume.record = *cnn_checkpoint_record(resume.checkpoint);
    }
    status = cnn_comm_agree(comm, status);
    if (status == CNN_OK)
        status = cnn_comm_broadcast(comm, &resume.record, sizeof resume.record, 0);
    if (status == CNN_OK)
        status = cnn_comm_broadcast(comm, &resume.resumed, sizeof resume.resumed, 0);
    if (status != CNN_OK) {
        cnn_resume_finish(&resume);
        return status;
    }
    *out = resume;
    return CNN_OK;
}

void cnn_resume_finish(struct cnn_resume *resume) {
    cnn_checkpoint_close(resume->checkpoint);
    *resume = (struct cnn_resume){0};
}

static enum cnn_status must_agree(const char *path, const char *option, int64_t was, int64_t is) {
    if (was == is)
        return CNN_OK;
    return cnn_fail(CNN_ERR_INPUT,
                    "cannot resume from %s: %s was %" PRId64 " and is %" PRId64
                    " now; set it back, or start another run (--set run.name=...)",
                    path, option, was, is);
}

// Batches of epochs that are over count as well: they made the number of the step.
static enum cnn_status check_place(const struct cnn_resume *resume, const struct cnn_timeline *timeline) {
    const struct cnn_run_state *state = &resume->record.state;
    int64_t step_of_epoch = state->position / resume->record.facts.global;
    if (cnn_timeline_is_at(timeline, state->step, state->epoch, step_of_epoch))
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "train.phases: %s was written after step %" PRId64 ", before step %" PRId64 " of epoch %" PRId64
        "; this config gives another epoch for that step; restore the phases that are over and what "
        "data.train had, or start another run (--set run.name=...)",
        cnn_checkpoint_path(resume->checkpoint), state->step, step_of_epoch + 1, state->epoch + 1);
}

enum cnn_status cnn_resume_check(const struct cnn_resume *resume, const struct cnn_model *model,
                                 const struct cnn_run_facts *facts, const struct cnn_timeline *timeline) {
    if (!resume->checkpoint)
        return CNN_OK;
    const struct cnn_run_facts *was = &resume->record.facts;
    const char *path = cnn_checkpoint_path(resume->checkpoint);
    CNN_TRY(must_agree(path, "data.channels", was->channels, facts->channels));
    CNN_TRY(cnn_checkpoint_check(resume->checkpoint, model, true));
    CNN_TRY(must_agree(path, "records of data.train", was->records, facts->records));
    CNN_TRY(must_agree(path, timeline->n > 1 ? "batch of the phase" : "train.batch.global", was->global,
                       facts->global));
    CNN_TRY(must_agree(path, "run.seed", was->seed, facts->seed));
    CNN_TRY(check_place(resume, timeline));
    return CNN_OK;
}

static size_t largest_parameter(const struct cnn_model *model) {
    size_t largest = 0;
    for (int i = 0; i < model->n_params; i++)
        if (cnn_param_count(&model->params[i]) > largest)
            largest = cnn_param_count(&model->params[i]);
    return largest;
}

// One parameter from rank 0's file (`values`, NULL elsewhere) into every rank's arena. *mine keeps this
// rank's own error while the others are still to be served.
static enum cnn_status share(struct cnn_comm *comm, struct cnn_replica *replica, float *arena, int param,
                             size_t n, const float *values, float *buffer, enum cnn_status *mine) {
    if (values)
        memcpy(buffer, values, n * sizeof *buffer);
    CNN_TRY(cnn_comm_broadcast(comm, buffer, n * sizeof *buffer, 0));
    if (*mine == CNN_OK)
        *mine = cnn_replica_set(replica, arena, param, buffer);
    return CNN_OK;
}

static enum cnn_status share_all(const struct cnn_checkpoint *checkpoint, struct cnn_comm *comm,
                                 const struct cnn_model *model, struct cnn_worker *worker, float *buffer,
                                 enum cnn_status *mine) {
    float *parameters = cnn_replica_parameters(worker->replica),
          *velocity = cnn_optimizer_velocity(worker->optimizer);
    for (int i = 0; i < model->n_params; i++) {
        const struct cnn_param *param = &model->params[i];
        size_t n = cnn_param_count(param);
        const float *values = checkpoint ? cnn_checkpoint_parameter(checkpoint, param) : NULL;
        CNN_TRY(share(comm, worker->replica, parameters, i, n, values, buffer, mine));
        if (cnn_param_is_statistic(param))
            continue;
        values = checkpoint ? cnn_checkpoint_velocity(checkpoint, param) : NULL;
        CNN_TRY(share(comm, worker->replica, velocity, i, n, values, buffer, mine));
    }
    return CNN_OK;
}

static enum cnn_status restore(const struct cnn_resume *resume, struct cnn_comm *comm,
                               const struct cnn_model *model, struct cnn_worker *worker) {
    float *buffer = NULL;
    CNN_TRY(cnn_comm_agree(comm, cnn_malloc(&buffer, largest_parameter(model), sizeof *buffer)));
    enum cnn_status mine = CNN_OK;
    enum cnn_status status = share_all(resume->checkpoint, comm, model, worker, buffer, &mine);
    free(buffer);
    cnn_optimizer_resumed(worker->optimizer, &resume->record.state);
    if (status == CNN_OK && mine == CNN_OK)
        mine = cnn_replica_refresh(worker->replica);
    return status == CNN_OK ? cnn_comm_agree(comm, mine) : status;
}

enum cnn_status cnn_resume_restore(const struct cnn_resume *resume, struct cnn_comm *comm,
                                   const struct cnn_model *model, uint64_t seed, struct cnn_worker *worker) {
    if (resume->resumed)
        return restore(resume, comm, model, worker);
    // Every rank draws the same values: they are a function of the seed alone.
    return cnn_comm_agree(comm, cnn_replica_init(worker->replica, seed));
}

enum cnn_status cnn_resume_parameters(const struct cnn_checkpoint *checkpoint, const struct cnn_model *model,
                                      struct cnn_replica *replica) {
    float *arena = cnn_replica_parameters(replica), *buffer = NULL;
    CNN_TRY(cnn_checkpoint_check(checkpoint, model, false));
    CNN_TRY(cnn_malloc(&buffer, largest_parameter(model), sizeof *buffer));
    enum cnn_status status = CNN_OK;
    for (int i = 0; status == CNN_OK && i < model->n_params; i++) {
        memcpy(buffer, cnn_checkpoint_parameter(checkpoint, &model->params[i]),
               cnn_param_count(&model->params[i]) * sizeof *buffer);
        status = cnn_replica_set(replica, arena, i, buffer);
    }
    free(buffer);
    return status == CNN_OK ? cnn_replica_refresh(replica) : status;
}
