#include "train/plan.h"

#include "base/cpus.h"
#include "base/log.h"
#include "train/schedule.h"

// The global batch nearest to `global`, at least `size`, that `size` ranks can share evenly.
static int nearest_multiple(int global, int size) {
    int below = global / size * size;
    return below == 0 || global - below > size / 2 ? below + size : below;
}

static enum cnn_status choose_micro(int *out, const struct cnn_config *config, int size, int wanted) {
    int global = config->train.batch.global, micro = config->train.batch.micro;
    if (micro == CNN_AUTO && wanted > 0 && global % wanted == 0 && global / wanted % size == 0)
        micro = wanted;
    if (micro == CNN_AUTO) {
        if (global % size != 0)
            return cnn_fail(
                CNN_ERR_INPUT,
                "train.batch.global: %d does not divide by %d ranks; use %d, or another number of ranks",
                global, size, nearest_multiple(global, size));
        micro = global / size;
    }
    *out = micro;
    return CNN_OK;
}

enum cnn_status cnn_plan_make(struct cnn_plan *out, const struct cnn_config *config, struct cnn_place place,
                              uint64_t n_records, int wanted_micro) {
    int micro = 1, global = config->train.batch.global;
    CNN_TRY(choose_micro(&micro, config, place.size, wanted_micro));
    struct cnn_plan plan = {
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
        .eval_batch = config->eval.batch == CNN_AUTO ? micro : config->eval.batch,
    };
    CNN_TRY(cnn_sampler_check(&plan.sampler));
    plan.steps_per_epoch = (int64_t)cnn_sampler_steps(&plan.sampler);
    plan.total_steps = cnn_schedule_total_steps(config->train.epochs, plan.steps_per_epoch);
    *out = plan;
    return CNN_OK;
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

bool cnn_plan_report_threads(const struct cnn_thread_plan *threads, struct cnn_place place) {
    int fair = threads->online / place.local_size;
    if (place.local_rank != 0)
        return false;
    if (threads->share < fair) {
        cnn_log_warn("rank %d may use %d of the host's %d processors (its part would be %d): an affinity "
                     "mask or CPU quota holds "
                     "it back; under mpirun try --bind-to none",
                     place.rank, threads->share, threads->online, fair);
        return true;
    }
    if (fair < 1) {
        cnn_log_warn("%d ranks share %d processors: they take turns, fewer ranks would be faster",
                     place.local_size, threads->online);
        return true;
    }
    if (threads->compute > threads->allowed) {
        cnn_log_warn("train.threads: %d compute threads on %d processors get in each other's way",
                     threads->compute, threads->allowed);
        return true;
    }
    return false;
}
