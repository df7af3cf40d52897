#include "train/setup.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "train/alike.h"
#include "train/phases.h"
#include "train/preparation.h"
#include "train/resume_changes.h"
#include <cnn_dist/version.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// Pictures looked at for mean and deviation. Decoding a thousand photographs takes a second or two and
// settles the third digit; raw pixels cost nothing.
#define STATS_RAW 10000
#define STATS_ENCODED 1000

// What a rank says it does in the setup, unless it says more.
static const char setting_up[] = "setting up";

static bool is_rank_0(const struct cnn_run *run) { return run->place.rank == 0; }

static enum cnn_status look_at_folder(struct cnn_run *run) {
    struct cnn_run_folder *folder = &run->outputs.folder;
    CNN_TRY(cnn_run_folder_init(folder, &run->config));
    if (!is_rank_0(run))
        return CNN_OK;
    cnn_comm_set_task(run->comm, "taking over the run folder");
    CNN_TRY(cnn_run_folder_check(folder));
    if (!cnn_folder_exists(folder->path))
        return CNN_OK; // it is made when nothing can be wrong any more
    CNN_TRY(cnn_run_folder_own(folder));
    return cnn_run_folder_open_log(folder);
}

static enum cnn_status check_comm(const struct cnn_run *run) {
    enum cnn_comm_kind kind = run->config.comm.backend;
    if (kind == CNN_COMM_SELF && run->place.size > 1)
        return cnn_fail(CNN_ERR_INPUT,
                        "comm.backend: self supports only one rank, but there are %d; use mpi or auto",
                        run->place.size);
    return CNN_OK;
}

// The epoch of the last step that was done; 0 before the first.
static int64_t last_epoch(const struct cnn_run_state *state) {
    return state->position == 0 && state->epoch > 0 ? state->epoch - 1 : state->epoch;
}

// How the checkpoint's phase was cut, if that was left to the program: phases that say their micro-batch
// themselves say nothing about the others.
static struct cnn_earlier_cut earlier_cut(const struct cnn_run *run, const struct cnn_resume *resume) {
    const struct cnn_run_facts *was = &resume->record.facts;
    const __typeof__(run->config.train) *train = &run->config.train;
    int phase = 0;
    while (phase < train->n_phases && train->phases[phase].until <= last_epoch(&resume->record.state))
        phase++;
    int own = phase < train->n_phases ? train->phases[phase].micro : 0;
    bool is_auto = own == CNN_PHASE_MICRO_AUTO || (own == 0 && train->batch.micro == CNN_AUTO);
    if (!resume->resumed || !is_auto)
        return (struct cnn_earlier_cut){0};
    return (struct cnn_earlier_cut){(int)was->global, (int)was->micro};
}

static enum cnn_status make_schedules(struct cnn_run *run) {
    const struct cnn_timeline *timeline = &run->plan.timeline;
    for (int i = 0; i < timeline->n; i++) {
        struct cnn_config own = run->config;
        CNN_TRY(cnn_config_for_phase(&own, i));
        CNN_TRY(cnn_schedule_init(&run->schedules[i], &own, timeline, i));
    }
    return CNN_OK;
}

// Rank 0: the classes of the checkpoint.
static enum cnn_status read_classes(struct cnn_class_names *out, const struct cnn_resume *resume) {
    if (!resume->checkpoint)
        return CNN_OK;
    enum cnn_status status = cnn_class_names_parse(out, cnn_checkpoint_class_names(resume->checkpoint),
                                                   (int)resume->record.facts.classes);
    return status == CNN_OK ? status : cnn_fail_in(status, "%s", cnn_checkpoint_path(resume->checkpoint));
}

// The datasets, the same ones on all ranks, in the network's numbering. Collective.
static enum cnn_status open_inputs(struct cnn_run *run, const struct cnn_resume *resume) {
    static const char *const options[] = {"data.train", "data.val"};
    struct cnn_inputs *inputs = &run->inputs;
    CNN_TRY(cnn_comm_agree(run->comm, check_comm(run)));
    CNN_TRY(cnn_comm_agree(run->comm, cnn_inputs_open(inputs, &run->config)));
    const struct cnn_dataset *const datasets[] = {inputs->train, inputs->val};
    CNN_TRY(cnn_check_datasets_alike(run->comm, 2, options, datasets));
    if (resume->resumed) {
        CNN_TRY(cnn_comm_agree(run->comm, read_classes(&inputs->names, resume)));
        CNN_TRY(cnn_class_names_broadcast(&inputs->names, run->comm));
    }
    return cnn_comm_agree(run->comm, cnn_inputs_match(inputs, &run->config, resume->resumed));
}

static enum cnn_status make_plan(struct cnn_run *run, const struct cnn_resume *resume) {
    CNN_TRY(cnn_plan_make(&run->plan, &run->config, run->place, cnn_dataset_count(run->inputs.train),
                          earlier_cut(run, resume)));
    CNN_TRY(make_schedules(run));
    cnn_coordinator_init(&run->coordinator, &run->config, &run->plan.timeline, run->inputs.val != NULL);
    run->threads = cnn_plan_threads(&run->config, run->place.local_size);
    cnn_plan_report_threads(&run->threads, run->place);
    run->phase = cnn_timeline_stretch_of_epoch(&run->plan.timeline, last_epoch(&resume->record.state));
    cnn_plan_resolve(&run->plan, &run->config);
    run->config.model.classes = run->inputs.classes;
    return CNN_OK;
}

static enum cnn_status make_network(struct cnn_run *run) {
    CNN_TRY(cnn_network_backend(&run->backend, &run->config, run->threads.compute, run->place.local_rank,
                                run->place.local_size));
    return cnn_phases_prepare(run);
}

static void set_fingerprint(char out[CNN_FINGERPRINT_BYTES], const struct cnn_dataset *dataset) {
    if (dataset)
        snprintf(out, CNN_FINGERPRINT_BYTES, "%016" PRIx64, cnn_dataset_fingerprint(dataset));
}

static void set_facts(struct cnn_run *run) {
    struct cnn_run_facts *facts = &run->record.facts;
    *facts = (struct cnn_run_facts){
        .classes = run->inputs.classes,
        .channels = run->inputs.channels,
        .seed = (int64_t)run->config.run.seed,
        .records = (int64_t)cnn_dataset_count(run->inputs.train),
    };
    snprintf(facts->arch, sizeof facts->arch, "%s", run->model->arch);
    cnn_preparation_note_size(facts, run->inputs.train, run->inputs.val);
    set_fingerprint(facts->train_fingerprint, run->inputs.train);
    set_fingerprint(facts->val_fingerprint, run->inputs.val);
    cnn_phase_set_facts(run);
}

// From the config, from the checkpoint, or measured once by rank 0. Collective.
static enum cnn_status find_statistics(struct cnn_run *run, const struct cnn_resume *resume) {
    struct cnn_run_facts *facts = &run->record.facts;
    __typeof__(run->config.data) *data = &run->config.data;
    bool raw = cnn_dataset_header(run->inputs.train)->encoding == CNN_ENCODING_RAW;
    uint64_t limit = raw ? STATS_RAW : STATS_ENCODED;
    enum cnn_status status = CNN_OK;
    if (!data->has_stats && resume->resumed) {
        memcpy(data->mean, resume->record.facts.mean, sizeof data->mean);
        memcpy(data->std, resume->record.facts.std, sizeof data->std);
    } else if (!data->has_stats) {
        if (is_rank_0(run))
            cnn_comm_set_task(run->comm, "computing the statistics of the dataset");
        if (is_rank_0(run))
            status = cnn_dataset_stats(run->inputs.train, run->inputs.channels, limit, run->threads.loader,
                                       data->mean, data->std);
        CNN_TRY(cnn_comm_agree(run->comm, status));
        CNN_TRY(cnn_comm_broadcast(run->comm, data->mean, sizeof data->mean, 0));
        CNN_TRY(cnn_comm_broadcast(run->comm, data->std, sizeof data->std, 0));
    }
    data->has_stats = true;
    memcpy(facts->mean, data->mean, sizeof facts->mean);
    memcpy(facts->std, data->std, sizeof facts->std);
    return CNN_OK;
}

static void save_advances(void *comm) { cnn_comm_renew_task(comm); }

static enum cnn_status make_saver(struct cnn_run *run, const char *config_text, struct cnn_best best) {
    struct cnn_saver_options options = {
        .folder = run->outputs.folder.checkpoints,
        .model = run->model,
        .keep = run->config.checkpoint.keep,
        .best = best,
        .texts = {.config = config_text,
                  .class_names = run->inputs.class_names,
                  .version = cnn_dist_version()},
        .on_progress = save_advances,
        .context = run->comm,
    };
    return cnn_saver_create(&run->outputs.saver, &options);
}

// A run folder that came into being since this process looked has no part in what was set up meanwhile.
static enum cnn_status own_folder(struct cnn_run_folder *folder) {
    int64_t *steps = NULL;
    size_t n = 0;
    if (folder->owner)
        return CNN_OK;
    CNN_TRY(cnn_run_folder_own(folder));
    CNN_TRY(cnn_store_steps(&steps, &n, folder->checkpoints));
    free(steps);
    if (n > 0)
        return cnn_fail(
            CNN_ERR_INPUT,
            "another process trained in %s while this one started; run the command again to resume "
            "from there",
            folder->path);
    return CNN_OK;
}

static enum cnn_status fill_folder(struct cnn_run *run, const struct cnn_resume *resume) {
    struct cnn_outputs *outputs = &run->outputs;
    struct cnn_best best;
    char *text = NULL;
    CNN_TRY(cnn_run_folder_open_log(&outputs->folder));
    CNN_TRY(cnn_store_rewind(&best, outputs->folder.checkpoints, run->resumed ? &run->record.state : NULL,
                             run->resumed ? cnn_checkpoint_path(resume->checkpoint) : NULL));
    outputs->unended = !cnn_metrics_is_ended(outputs->folder.metrics);
    CNN_TRY(cnn_metrics_open(&outputs->metrics, outputs->folder.metrics,
                             run->resumed ? run->record.state.step : -1, outputs->folder.owner));
    CNN_TRY(cnn_config_format(&text, &run->config));
    enum cnn_status status = cnn_file_replace(outputs->folder.config, text, strlen(text));
    if (status == CNN_OK)
        status = make_saver(run, text, best);
    free(text);
    return status;
}

// The first thing that changes anything on disk.
static enum cnn_status open_outputs(struct cnn_run *run, const struct cnn_resume *resume) {
    if (!is_rank_0(run))
        return CNN_OK;
    cnn_comm_set_task(run->comm, "preparing the run folder");
    CNN_TRY(cnn_run_folder_create(&run->outputs.folder));
    CNN_TRY(own_folder(&run->outputs.folder));
    return cnn_error_after_changes(fill_folder(run, resume));
}

static void set_state(struct cnn_run *run, const struct cnn_resume *resume) {
    run->resumed = resume->resumed;
    run->record.state = resume->resumed ? resume->record.state : (struct cnn_run_state){.best_step = -1};
}

static enum cnn_status start_loader(struct cnn_run *run) {
    const struct cnn_run_state *state = &run->record.state;
    if (cnn_timeline_stretch_of_epoch(&run->plan.timeline, state->epoch) != run->phase)
        return CNN_OK; // the next phase begins with a loader of its own
    return cnn_loader_start(run->loader, (uint64_t)state->epoch,
                            (uint64_t)(state->position / run->record.facts.global));
}

enum cnn_status cnn_run_check_stop(const struct cnn_run *run) {
    const struct cnn_train_options *options = run->options;
    const char *reason = options->stop_requested ? options->stop_requested(options->stop_context) : NULL;
    return cnn_comm_agree(run->comm, reason ? cnn_fail(CNN_STOPPED, "%s", reason) : CNN_OK);
}

// A stop while nothing is written yet leaves everything as it was. Collective.
static enum cnn_status check_early_stop(const struct cnn_run *run) {
    enum cnn_status status = cnn_run_check_stop(run);
    if (status == CNN_STOPPED && is_rank_0(run))
        cnn_log_info("%s before the first step; nothing was changed", cnn_error_message());
    return status;
}

// What follows needs the run's place: the checkpoint's, or the beginning.
static enum cnn_status create_from(struct cnn_run *run, const struct cnn_resume *resume) {
    cnn_comm_set_task(run->comm, setting_up);
    CNN_TRY(open_inputs(run, resume));
    CNN_TRY(cnn_comm_agree(run->comm, make_plan(run, resume)));
    CNN_TRY(cnn_comm_agree(run->comm, make_network(run)));
    set_facts(run);
    set_state(run, resume);
    CNN_TRY(cnn_comm_agree(run->comm,
                           cnn_resume_check(resume, run->model, &run->record.facts, &run->plan.timeline)));
    CNN_TRY(check_early_stop(run));
    CNN_TRY(find_statistics(run, resume));
    CNN_TRY(check_early_stop(run));
    cnn_comm_set_task(run->comm, setting_up);
    CNN_TRY(cnn_phase_build(run));
    CNN_TRY(cnn_resume_restore(resume, run->comm, run->model, run->config.run.seed, run->worker));
    CNN_TRY(check_early_stop(run));
    CNN_TRY(cnn_comm_agree(run->comm, open_outputs(run, resume)));
    return cnn_comm_agree(run->comm, cnn_error_after_changes(start_loader(run)));
}

static enum cnn_status create_all(struct cnn_run *run) {
    struct cnn_resume resume = {0};
    CNN_TRY(cnn_comm_name_hosts(run->comm, run->host_ranks, sizeof run->host_ranks));
    CNN_TRY(cnn_check_configs_alike(run->comm, &run->config));
    CNN_TRY(cnn_comm_agree(run->comm, look_at_folder(run)));
    cnn_comm_set_task(run->comm, is_rank_0(run) ? "checking checkpoints" : setting_up);
    CNN_TRY(cnn_resume_choose(&resume, run->options->resume, run->outputs.folder.checkpoints, run->comm));
    enum cnn_status status = create_from(run, &resume);
    if (status == CNN_OK && resume.checkpoint) {
        cnn_log_info("resuming from checkpoint %s", cnn_checkpoint_path(resume.checkpoint));
        cnn_resume_report_changes(&resume, &run->config, &run->record.facts);
    }
    cnn_resume_finish(&resume);
    return status;
}

enum cnn_status cnn_run_create(struct cnn_run **out, const struct cnn_train_options *options) {
    struct cnn_run *run = NULL;
    CNN_TRY(cnn_comm_agree(options->comm, cnn_calloc(&run, 1, sizeof *run)));
    run->options = options;
    run->comm = options->comm;
    run->config = *options->config;
    run->place = (struct cnn_place){
        .rank = cnn_comm_rank(options->comm),
        .size = cnn_comm_size(options->comm),
        .local_rank = cnn_comm_local_rank(options->comm),
        .local_size = cnn_comm_local_size(options->comm),
    };
    cnn_comm_set_task(run->comm, setting_up);
    enum cnn_status status = create_all(run);
    cnn_comm_set_task(run->comm, NULL);
    if (status != CNN_OK) {
        if (run->outputs.folder.log_fd >= 0 && status != CNN_STOPPED)
            cnn_log_info("ended before the first step: %s", cnn_error_message());
        cnn_run_destroy(run, status);
        return status;
    }
    *out = run;
    return CNN_OK;
}

void cnn_run_destroy(struct cnn_run *run, enum cnn_status status) {
    if (!run)
        return;
    const bool broken = status == CNN_ERR_COMM || (run->worker && run->worker->broken);
    cnn_saver_destroy(run->outputs.saver);
    cnn_metrics_close(run->outputs.metrics);
    cnn_run_folder_finish(&run->outputs.folder);
    // Then the exchange may still touch the rest, and a device gives nothing back while it waits for lost
    // ranks.
    if (broken)
        return;
    cnn_evaluator_destroy(run->evaluator);
    cnn_worker_destroy(run->worker);
    cnn_loader_destroy(run->loader);
    for (int i = 0; i < run->plan.timeline.n; i++)
        cnn_model_destroy(run->models[i]);
    cnn_backend_destroy(run->backend);
    cnn_inputs_close(&run->inputs);
    free(run);
}
