#include "train/phases.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum cnn_status fail_in_phase(const struct cnn_run *run, int phase, enum cnn_status status) {
    if (status == CNN_OK || phase >= run->config.train.n_phases)
        return status;
    return cnn_fail_in(status, "train.phases[%d]", phase);
}

static enum cnn_status make_loader(struct cnn_loader **out, const struct cnn_run *run, int phase) {
    struct cnn_config *own = NULL; // large
    CNN_TRY(cnn_malloc(&own, 1, sizeof *own));
    *own = run->config;
    enum cnn_status status = cnn_config_for_phase(own, phase);
    if (status == CNN_OK)
        status = cnn_network_train_loader(out, own, run->backend, run->inputs.train, run->inputs.channels,
                                          run->threads.loader, &run->plan.phases[phase].sampler,
                                          run->place.local_size == run->place.size);
    free(own);
    return status;
}

// What a phase calls `size` is what the network sees.
static enum cnn_status check_size(const struct cnn_run *run, int phase, struct cnn_shape input) {
    const struct cnn_phase *own = &run->config.train.phases[phase];
    if (phase >= run->config.train.n_phases || own->height == 0 ||
        (own->height == input.h && own->width == input.w))
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "its size is %d x %d, but augment.train changes it after the last crop to %d x %d; move the crop to "
        "the end",
        own->height, own->width, input.h, input.w);
}

static bool same_parameter(const struct cnn_param *a, const struct cnn_param *b) {
    return strcmp(a->name, b->name) == 0 && a->n_dims == b->n_dims &&
           memcmp(a->dims, b->dims, (size_t)a->n_dims * sizeof *a->dims) == 0;
}

static enum cnn_status check_parameters(const struct cnn_model *first, const struct cnn_model *other) {
    int i = 0, n = first->n_params < other->n_params ? first->n_params : other->n_params;
    while (i < n && same_parameter(&first->params[i], &other->params[i]))
        i++;
    if (i == first->n_params && i == other->n_params)
        return CNN_OK;
    return cnn_fail(
        CNN_ERR_INPUT,
        "%s has different parameters for images of %d x %d and %d x %d (%s differs); use the same size in "
        "all phases, or a network without this restriction",
        first->arch, other->input.h, other->input.w, first->input.h, first->input.w,
        i < n ? first->params[i].name : "the number of parameters");
}

static enum cnn_status make_model(struct cnn_run *run, int phase, const struct cnn_loader *loader) {
    struct cnn_shape input;
    cnn_loader_output(loader, &input.h, &input.w, &input.c);
    CNN_TRY(check_size(run, phase, input));
    CNN_TRY(cnn_network_model(&run->models[phase], &run->config, input, run->inputs.classes));
    if (phase >= run->phase)
        CNN_TRY(cnn_network_check_norms(run->models[phase], run->plan.phases[phase].sampler.micro,
                                        run->config.train.sync_batch_norm ? run->place.size : 1));
    return check_parameters(run->models[0], run->models[phase]);
}

// A replica as the phase will have it. It computes nothing, so statistics of pixels do not matter.
static enum cnn_status try_replica(const struct cnn_run *run, int phase) {
    struct cnn_replica *replica = NULL;
    const struct cnn_replica_options options = {
        .model = run->models[phase],
        .backend = run->backend,
        .micro_batch = run->plan.phases[phase].sampler.micro,
        .training = true,
        .micros = run->plan.phases[phase].micros,
        .std = {1, 1, 1},
    };
    CNN_TRY(cnn_replica_create(&replica, &options));
    cnn_replica_destroy(replica);
    return CNN_OK;
}

static enum cnn_status prepare(struct cnn_run *run, int phase) {
    struct cnn_loader *loader = NULL;
    CNN_TRY(make_loader(&loader, run, phase));
    enum cnn_status status = make_model(run, phase, loader);
    if (status == CNN_OK && phase == run->phase) {
        run->loader = loader;
        return CNN_OK;
    }
    cnn_loader_destroy(loader);
    return status == CNN_OK && phase > run->phase ? try_replica(run, phase) : status;
}

// A step's cost compared with those of other phases, for the time that is left.
static double cost_of(const struct cnn_run *run, int phase) {
    if (run->plan.timeline.n == 1)
        return 1;
    return (double)run->plan.phases[phase].sampler.global * cnn_model_flops(run->models[phase]);
}

void cnn_phase_set_facts(struct cnn_run *run) {
    struct cnn_run_facts *facts = &run->record.facts;
    facts->height = run->model->input.h;
    facts->width = run->model->input.w;
    facts->global = run->plan.phases[run->phase].sampler.global;
    facts->micro = run->plan.phases[run->phase].sampler.micro;
}

enum cnn_status cnn_phases_prepare(struct cnn_run *run) {
    for (int i = 0; i < run->plan.timeline.n; i++) {
        CNN_TRY(fail_in_phase(run, i, prepare(run, i)));
        run->step_cost[i] = cost_of(run, i);
    }
    run->model = run->models[run->phase];
    return CNN_OK;
}

static enum cnn_status build_worker(struct cnn_run *run) {
    const struct cnn_phase_plan *plan = &run->plan.phases[run->phase];
    struct cnn_worker_options options = {
        .config = &run->config,
        .comm = run->comm,
        .backend = run->backend,
        .model = run->model,
        .micro = plan->sampler.micro,
        .micros = plan->micros,
        .all_micros = plan->all_micros,
        .source = cnn_batch_source_of_loader(run->loader),
    };
    memcpy(options.mean, run->record.facts.mean, sizeof options.mean);
    memcpy(options.std, run->record.facts.std, sizeof options.std);
    return cnn_worker_create(&run->worker, &options);
}

static enum cnn_status build_evaluator(struct cnn_run *run) {
    if (!run->inputs.val)
        return CNN_OK;
    struct cnn_preparation preparation;
    CNN_TRY(cnn_comm_agree(
        run->comm, cnn_preparation_make(&preparation, &run->config, &run->record.facts, run->inputs.val)));
    struct cnn_evaluator_options options = {
        .config = &run->config,
        .preparation = &preparation,
        .comm = run->comm,
        .backend = run->backend,
        .dataset = run->inputs.val,
        .of = run->worker->replica,
        .classes = run->inputs.classes,
        .batch = run->plan.eval_batch,
        .threads = run->threads.loader,
    };
    memcpy(options.mean, run->record.facts.mean, sizeof options.mean);
    memcpy(options.std, run->record.facts.std, sizeof options.std);
    return cnn_evaluator_create(&run->evaluator, &options);
}

enum cnn_status cnn_phase_build(struct cnn_run *run) {
    CNN_TRY(build_worker(run));
    return build_evaluator(run);
}

// This rank's state, which is that of all ranks, into host memory.
static enum cnn_status take_state(struct cnn_snapshot **out, const struct cnn_run *run) {
    struct cnn_snapshot *snapshot = NULL;
    CNN_TRY(cnn_snapshot_create(&snapshot, run->model, true));
    enum cnn_status status =
        cnn_snapshot_take(snapshot, run->worker->replica, cnn_optimizer_velocity(run->worker->optimizer));
    if (status != CNN_OK) {
        cnn_snapshot_destroy(snapshot);
        return status;
    }
    *out = snapshot;
    return CNN_OK;
}

static enum cnn_status give_state(const struct cnn_run *run, struct cnn_snapshot *snapshot) {
    struct cnn_replica *replica = run->worker->replica;
    float *parameters = cnn_replica_parameters(replica),
          *velocity = cnn_optimizer_velocity(run->worker->optimizer);
    for (int i = 0; i < run->model->n_params; i++) {
        CNN_TRY(cnn_replica_set(replica, parameters, i, cnn_snapshot_parameter(snapshot, i)));
        if (cnn_snapshot_velocity(snapshot, i))
            CNN_TRY(cnn_replica_set(replica, velocity, i, cnn_snapshot_velocity(snapshot, i)));
    }
    cnn_optimizer_resumed(run->worker->optimizer, &run->record.state);
    return cnn_replica_refresh(replica);
}

static void tear_down(struct cnn_run *run) {
    cnn_evaluator_destroy(run->evaluator);
    cnn_worker_destroy(run->worker);
    cnn_loader_destroy(run->loader);
    run->evaluator = NULL;
    run->worker = NULL;
    run->loader = NULL;
}

static enum cnn_status enter(struct cnn_run *run, int phase, struct cnn_snapshot *snapshot) {
    tear_down(run);
    run->phase = phase;
    run->model = run->models[phase];
    cnn_phase_set_facts(run);
    CNN_TRY(cnn_comm_agree(run->comm, make_loader(&run->loader, run, phase)));
    CNN_TRY(cnn_phase_build(run));
    CNN_TRY(cnn_comm_agree(run->comm, give_state(run, snapshot)));
    return cnn_comm_agree(run->comm, cnn_loader_start(run->loader, (uint64_t)run->record.state.epoch, 0));
}

enum cnn_status cnn_phase_enter(struct cnn_run *run, int phase) {
    struct cnn_snapshot *snapshot = NULL;
    enum cnn_status status = cnn_comm_agree(run->comm, take_state(&snapshot, run));
    if (status == CNN_OK)
        status = enter(run, phase, snapshot);
    cnn_snapshot_destroy(snapshot);
    return fail_in_phase(run, phase, status);
}

void cnn_phase_describe(const struct cnn_run *run, int phase, char *out, size_t out_bytes) {
    const struct cnn_timeline *timeline = &run->plan.timeline;
    const struct cnn_stretch *stretch = &timeline->stretches[phase];
    const struct cnn_sampler *sampler = &run->plan.phases[phase].sampler;
    const struct cnn_schedule *schedule = &run->schedules[phase];
    double last = phase + 1 < timeline->n ? (double)stretch[1].first_epoch : timeline->epochs;
    char rate[96] = "", epochs[64];
    if (schedule->per_batch)
        snprintf(rate, sizeof rate, " = %g x %d / %d", schedule->written, schedule->global,
                 schedule->per_batch);
    if (last > (double)stretch->first_epoch + 1)
        snprintf(epochs, sizeof epochs, "epochs %" PRId64 " to %g", stretch->first_epoch + 1, last);
    else
        snprintf(epochs, sizeof epochs, "epoch %" PRId64, stretch->first_epoch + 1);
    snprintf(out, out_bytes,
             "%d of %d: %s, images of %d x %d, batch %d in micro-batches of %d, %" PRId64
             " step%s per epoch, rate %g%s",
             phase + 1, timeline->n, epochs, run->models[phase]->input.h, run->models[phase]->input.w,
             sampler->global, sampler->micro, stretch->steps_per_epoch,
             stretch->steps_per_epoch == 1 ? "" : "s", schedule->rate, rate);
}

struct cnn_event cnn_phase_event(const struct cnn_run *run, const char *message) {
    const struct cnn_run_state *state = &run->record.state;
    return (struct cnn_event){
        .kind = CNN_EVENT_PHASE,
        .epoch = (uint64_t)state->epoch + 1,
        .step = (uint64_t)state->step + 1,
        .phase =
            {
                .message = message,
                .height = run->model->input.h,
                .width = run->model->input.w,
                .global_batch = run->plan.phases[run->phase].sampler.global,
                .micro_batch = run->plan.phases[run->phase].sampler.micro,
                .steps_per_epoch = (uint64_t)run->plan.phases[run->phase].steps_per_epoch,
                .rate = run->schedules[run->phase].rate,
            },
    };
}

double cnn_phases_cost_left(const struct cnn_run *run) {
    const struct cnn_timeline *timeline = &run->plan.timeline;
    double cost = 0;
    int64_t from = run->record.state.step;
    for (int i = run->phase; i < timeline->n; i++) {
        int64_t until = i + 1 < timeline->n ? timeline->stretches[i + 1].first_step : timeline->total_steps;
        cost += (double)(until - from) * run->step_cost[i];
        from = until;
    }
    return cost;
}
