#include "train/banner.h"

#include "base/clock.h"
#include "base/log.h"
#include "train/phases.h"
#include <cnn_dist/version.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

static void log_place(const struct cnn_run *run) {
    int size = run->place.size, hosts = cnn_comm_hosts(run->comm);
    const char *library = size == 1 ? "no exchange" : cnn_comm_library(run->comm);
    cnn_log_info("cnn_dist %s: run %s in %s", cnn_dist_version(), run->config.run.name,
                 run->outputs.folder.path);
    cnn_log_info("ranks      %d on %d host%s (%s), each with %d compute and %d loader thread%s; processors: "
                 "%d of %d on this host",
                 size, hosts, plural(hosts), library, run->threads.compute, run->threads.loader,
                 plural(run->threads.loader), run->threads.allowed, run->threads.online);
    cnn_log_info("backend    %s", cnn_backend_description(run->backend));
}

static void log_model(const struct cnn_run *run) {
    const struct cnn_model *model = run->model;
    cnn_log_info(
        "model      %s: %.2f million parameters, %.1f MFLOPs per image, input %d x %d x %d, %d classes",
        model->arch, (double)cnn_model_count(model) / 1e6, cnn_model_flops(model) / 1e6, model->input.h,
        model->input.w, model->input.c, model->n_classes);
}

static void log_phases(const struct cnn_run *run) {
    const struct cnn_timeline *timeline = &run->plan.timeline;
    char text[256];
    cnn_log_info("length     %g epochs in %d phases = %" PRId64 " steps", timeline->epochs, timeline->n,
                 timeline->total_steps);
    for (int i = 0; i < timeline->n; i++) {
        cnn_phase_describe(run, i, text, sizeof text);
        cnn_log_info("phase      %s", text);
    }
}

static void log_length(const struct cnn_run *run) {
    const struct cnn_timeline *timeline = &run->plan.timeline;
    if (timeline->n > 1) {
        log_phases(run);
        return;
    }
    cnn_log_info("length     %g epoch%s x %" PRId64 " steps = %" PRId64 " steps", timeline->epochs,
                 timeline->epochs == 1 ? "" : "s", timeline->stretches[0].steps_per_epoch,
                 timeline->total_steps);
}

// Records that do not fill a step at the end of an epoch.
static void log_left_out(const struct cnn_sampler *sampler) {
    uint64_t left_out = cnn_sampler_left_out(sampler), n = sampler->n_records;
    if (left_out == 0)
        return;
    if (sampler->shuffle == CNN_SHUFFLE_NONE)
        cnn_log_warn(
            "%" PRIu64 " of %" PRIu64 " records are never trained on: train.batch.global %d does not divide "
            "the number of records, and with data.shuffle none every epoch leaves out the same ones; use "
            "data.shuffle full, or a batch that divides it",
            left_out, n, sampler->global);
    else
        cnn_log_info("unused     %" PRIu64 " of %" PRIu64
                     " records, different ones each epoch: train.batch.global %d "
                     "does not divide the number of records",
                     left_out, n, sampler->global);
}

static void log_data(const struct cnn_run *run) {
    const struct cnn_phase_plan *plan = &run->plan.phases[run->phase];
    const struct cnn_run_facts *facts = &run->record.facts;
    cnn_log_info("data       %" PRIu64 " training records (%s), %" PRIu64 " evaluation records%s%s%s",
                 plan->sampler.n_records, run->config.data.train,
                 run->inputs.val ? cnn_dataset_count(run->inputs.val) : 0, run->inputs.val ? " (" : "",
                 run->inputs.val ? run->config.data.val : "", run->inputs.val ? ")" : "");
    if (facts->channels == 1)
        cnn_log_info("pixels     mean %.4f, standard deviation %.4f", facts->mean[0], facts->std[0]);
    else
        cnn_log_info("pixels     mean %.4f %.4f %.4f, standard deviation %.4f %.4f %.4f", facts->mean[0],
                     facts->mean[1], facts->mean[2], facts->std[0], facts->std[1], facts->std[2]);
    cnn_log_info("batch      %d per step = %d rank%s x %d micro-batch%s x %d", plan->sampler.global,
                 run->place.size, plural(run->place.size), plan->micros, plan->micros == 1 ? "" : "es",
                 plan->sampler.micro);
    log_length(run);
    for (int i = 0; i < run->plan.timeline.n; i++) {
        const struct cnn_sampler *sampler = &run->plan.phases[i].sampler;
        if (i == 0 || sampler->global != run->plan.phases[i - 1].sampler.global)
            log_left_out(sampler);
    }
}

static void log_memory(const struct cnn_run *run) {
    struct cnn_replica_memory memory = cnn_replica_memory(run->worker->replica);
    char parameters[32], gradients[32], velocity[32], activations[32], unshared[32], scratch[32], loader[32];
    cnn_format_bytes(parameters, sizeof parameters, (double)memory.parameters);
    cnn_format_bytes(gradients, sizeof gradients, (double)memory.gradients);
    cnn_format_bytes(velocity, sizeof velocity, (double)memory.parameters);
    cnn_format_bytes(activations, sizeof activations, (double)memory.activations);
    cnn_format_bytes(unshared, sizeof unshared, (double)memory.activations_unshared);
    cnn_format_bytes(scratch, sizeof scratch, (double)memory.scratch);
    cnn_format_bytes(loader, sizeof loader, (double)cnn_loader_bytes(run->loader));
    cnn_log_info("memory     per rank: parameters %s, gradients %s, momentum %s, activations %s (%s without "
                 "reuse), scratch %s, batches %s",
                 parameters, gradients, velocity, activations, unshared, scratch, loader);
}

static bool same_form(const struct cnn_replica_form *a, const struct cnn_replica_form *b) {
    return strcmp(a->kernel, b->kernel) == 0 && strcmp(a->implementation, b->implementation) == 0;
}

// How layers are computed: one line for all that are computed alike, at the first of them.
static void log_forms(const struct cnn_replica *replica) {
    const int n = cnn_replica_n_forms(replica);
    for (int i = 0; i < n; i++) {
        const struct cnn_replica_form form = cnn_replica_form(replica, i);
        int before = 0, alike = 0;
        for (int j = 0; j < n; j++) {
            const struct cnn_replica_form other = cnn_replica_form(replica, j);
            before += j < i && same_form(&form, &other);
            alike += same_form(&form, &other);
        }
        if (before == 0 && alike == 1)
            cnn_log_info("computed   %s (%s): %s", form.layer, form.kernel, form.implementation);
        else if (before == 0)
            cnn_log_info("computed   %s and %d more (%s): %s", form.layer, alike - 1, form.kernel,
                         form.implementation);
    }
}

void cnn_banner_log(const struct cnn_run *run) {
    char rate[512];
    if (run->place.rank != 0)
        return;
    log_place(run);
    log_model(run);
    log_data(run);
    cnn_inputs_report(&run->inputs);
    log_memory(run);
    log_forms(run->worker->replica);
    cnn_schedule_describe(&run->schedules[run->phase], rate, sizeof rate);
    cnn_log_info("rate       %s", rate);
}
