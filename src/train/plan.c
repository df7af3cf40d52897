#include "train/plan.h"

#include "base/cpus.h"
#include "base/log.h"

#include <stdio.h>

// The global batch nearest to `global`, at least `size`, that `size` ranks can share evenly.
static int nearest_multiple(int global, int size) {
    int below = global / size * size;
    return below == 0 || global - below > size / 2 ? below + size : below;
}

static enum cnn_status choose_micro(int *out, const struct cnn_config *config, int size,
                                    struct cnn_earlier_cut earlier) {
    int global = config->train.batch.global, micro = config->train.batch.micro;
    int parts = earlier.global > 0 && earlier.micro > 0 ? earlier.global / earlier.micro : 0;
    if (micro == CNN_AUTO && parts > 0 && global % parts == 0 && parts % size == 0)
        micro = global / parts;
    if (micro == CNN_AUTO) {
        if (global % size != 0)
            return cnn_fail(
                CNN_ERR_INPUT,
                "train.batch.global %d is not divisible by %d ranks; use %d, or another number of ranks",
                global, size, nearest_multiple(global, size));
        micro = global / size;
    }
    *out = micro;
    return CNN_OK;
}

// `config`: the phase's own.
static enum cnn_status plan_phase(struct cnn_phase_plan *out, const struct cnn_config *config,
                                  struct cnn_place place, uint64_t n_records,
                                  struct cnn_earlier_cut earlier) {
    int micro = 1, global = config->train.batch.global;
    CNN_TRY(choose_micro(&micro, config, place.size, earlier));
    struct cnn_phase_plan plan = {
        .sampler =
            {
                .n_records = n_records,
                .seed = config->run.seed,
                .shuffle = config->data.shuffle,
                .sampling = config->data.sampling,
                .window = config->data.window,
                .repeats = config->data.repeats,
                .global = global,
                .micro = micro,
                .rank = place.rank,
                .size = place.size,
            },
        .all_micros = global / micro,
        .micros = global / micro / place.size,
    };
    CNN_TRY(cnn_sampler_check(&plan.sampler));
    plan.steps_per_epoch = (int64_t)cnn_sampler_steps(&plan.sampler);
    *out = plan;
    return CNN_OK;
}

// Phases that begin before the end of training, what follows train.phases counted as one.
static int count_phases(const struct cnn_config *config) {
    int n = 1;
    while (n <= config->train.n_phases && config->train.phases[n - 1].until < config->train.epochs)
        n++;
    return n;
}

enum cnn_status cnn_plan_make(struct cnn_plan *out, const struct cnn_config *config, struct cnn_place place,
                              uint64_t n_records, struct cnn_earlier_cut earlier) {
    struct cnn_plan plan = {.eval_batch = config->eval.batch};
    int64_t steps[CNN_MAX_PHASES + 1], until[CNN_MAX_PHASES + 1];
    int n = count_phases(config);
    for (int i = 0; i < n; i++) {
        struct cnn_config own = *config;
        CNN_TRY(cnn_config_for_phase(&own, i));
        enum cnn_status status = plan_phase(&plan.phases[i], &own, place, n_records, earlier);
        if (status != CNN_OK && i < config->train.n_phases)
            return cnn_fail_in(status, "train.phases[%d], whose batch is %d", i, own.train.batch.global);
        CNN_TRY(status);
        steps[i] = plan.phases[i].steps_per_epoch;
        until[i] = i < config->train.n_phases ? config->train.phases[i].until : 0;
    }
    cnn_timeline_init(&plan.timeline, n, steps, until, config->train.epochs);
    if (plan.eval_batch == CNN_AUTO)
        plan.eval_batch = plan.phases[n - 1].sampler.micro;
    *out = plan;
    return CNN_OK;
}

void cnn_plan_resolve(const struct cnn_plan *plan, struct cnn_config *config) {
    for (int i = 0; i < plan->timeline.n; i++) {
        int micro = plan->phases[i].sampler.micro;
        if (i < config->train.n_phases)
            config->train.phases[i].micro = micro;
        else
            config->train.batch.micro = micro;
    }
}

struct cnn_thread_plan cnn_plan_threads(const struct cnn_config *config, int local_size) {
    struct cnn_thread_plan plan = {
        .allowed = cnn_cpus_allowed(),
        .online = cnn_cpus_online(),
        .share = cnn_cpus_share(local_size),
    };
    plan.compute = config->train.threads == CNN_AUTO ? plan.share : config->train.threads;
    plan.loader = config->data.threads == CNN_AUTO ? plan.share : config->data.threads;
    return plan;
}

bool cnn_plan_judge_threads(char *out, size_t out_bytes, const struct cnn_thread_plan *threads,
                            struct cnn_place place) {
    int fair = threads->online / place.local_size;
    if (threads->share < fair)
        snprintf(out, out_bytes,
                 "rank %d may use only %d of the host's %d processors (its share would be %d) because of an "
                 "affinity mask or CPU quota; under mpirun, try --bind-to none",
                 place.rank, threads->share, threads->online, fair);
    else if (fair < 1)
        snprintf(out, out_bytes, "%d ranks share %d processors and take turns; fewer ranks would be faster",
                 place.local_size, threads->online);
    else if (threads->compute > threads->allowed)
        snprintf(out, out_bytes,
                 "train.threads: %d compute threads are more than the %d available "
                 "processors and slow each other down",
                 threads->compute, threads->allowed);
    else
        return false;
    return true;
}

bool cnn_plan_report_threads(const struct cnn_thread_plan *threads, struct cnn_place place) {
    char text[512];
    if (place.local_rank != 0 || !cnn_plan_judge_threads(text, sizeof text, threads, place))
        return false;
    cnn_log_warn("%s", text);
    return true;
}
