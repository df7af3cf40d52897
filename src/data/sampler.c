#include "data/sampler.h"
#include "base/random.h"

#include <inttypes.h>

static enum cnn_status check_rank(const struct cnn_sampler *sampler) {
    if (sampler->size < 1 || sampler->rank < 0 || sampler->rank >= sampler->size)
        return cnn_fail(CNN_ERR_INPUT, "invalid rank %d of %d ranks", sampler->rank, sampler->size);
    return CNN_OK;
}

// The largest divisor of n that is at most `most`; n, most >= 1.
static int largest_divisor(int n, int most) {
    int best = 1;
    for (int d = 1; (int64_t)d * d <= n; d++) {
        if (n % d)
            continue;
        if (d <= most && d > best)
            best = d;
        if (n / d <= most && n / d > best)
            best = n / d;
    }
    return best;
}

// The multiples of micro, or the divisors of global, next to what was asked for.
static enum cnn_status fail_uneven_micro(int global, int micro) {
    int below = global - global % micro;
    int64_t above = (int64_t)below + micro;
    if (below == 0)
        return cnn_fail(
            CNN_ERR_INPUT,
            "train.batch.micro %d is larger than train.batch.global %d: use a micro of at most %d", micro,
            global, global);
    return cnn_fail(
        CNN_ERR_INPUT,
        "train.batch.micro %d does not divide train.batch.global %d: use a micro of %d, or a global of %d "
        "or %" PRId64,
        micro, global, largest_divisor(global, micro), below, above);
}

static enum cnn_status check_ranks_divide(const struct cnn_sampler *sampler) {
    int micros = sampler->global / sampler->micro, size = sampler->size;
    if (size > micros)
        return cnn_fail(
            CNN_ERR_INPUT,
            "more ranks than micro-batches: %d micro-batch%s for %d ranks (train.batch.global %d / "
            "train.batch.micro %d); use at most %d rank%s or a smaller train.batch.micro",
            micros, micros == 1 ? "" : "es", size, sampler->global, sampler->micro, micros,
            micros == 1 ? "" : "s");
    if (micros % size == 0)
        return CNN_OK;
    int fits = largest_divisor(micros, size);
    return cnn_fail(
        CNN_ERR_INPUT,
        "%d micro-batches (train.batch.global %d / train.batch.micro %d) cannot be shared evenly by %d "
        "ranks; use %d rank%s, or a global that is a multiple of %" PRId64,
        micros, sampler->global, sampler->micro, size, fits, fits == 1 ? "" : "s",
        (int64_t)sampler->micro * size);
}

static int repeats_of(const struct cnn_sampler *sampler) {
    return sampler->repeats > 1 ? sampler->repeats : 1;
}

static enum cnn_status check_order(const struct cnn_sampler *sampler) {
    int repeats = repeats_of(sampler), global = sampler->global;
    if (sampler->sampling == CNN_SAMPLING_CLASS_BALANCED && sampler->shuffle != CNN_SHUFFLE_FULL)
        return cnn_fail(CNN_ERR_INPUT, "data.sampling class_balanced requires data.shuffle full");
    if (sampler->shuffle == CNN_SHUFFLE_WINDOW && sampler->window < 1)
        return cnn_fail(CNN_ERR_INPUT, "data.window is %d; it must be at least 1", sampler->window);
    if (global % repeats)
        return cnn_fail(
            CNN_ERR_INPUT,
            "data.repeats %d does not divide train.batch.global %d: use %d repeats, or a global of "
            "%" PRId64,
            repeats, global, largest_divisor(global, repeats), ((int64_t)global / repeats + 1) * repeats);
    return CNN_OK;
}

enum cnn_status cnn_sampler_check(const struct cnn_sampler *sampler) {
    CNN_TRY(check_rank(sampler));
    if (sampler->global < 1 || sampler->micro < 1)
        return cnn_fail(CNN_ERR_INPUT,
                        "train.batch.global %d and train.batch.micro %d must both be at least 1",
                        sampler->global, sampler->micro);
    if (sampler->global % sampler->micro)
        return fail_uneven_micro(sampler->global, sampler->micro);
    CNN_TRY(check_ranks_divide(sampler));
    if (sampler->n_records < (uint64_t)sampler->global)
        return cnn_fail(CNN_ERR_INPUT,
                        "the training set has %" PRIu64
                        " records, fewer than the batch of one step (train.batch.global %d); use a smaller "
                        "train.batch.global or more data",
                        sampler->n_records, sampler->global);
    return check_order(sampler);
}

uint64_t cnn_sampler_steps(const struct cnn_sampler *sampler) {
    return sampler->n_records / (uint64_t)sampler->global;
}

uint64_t cnn_sampler_left_out(const struct cnn_sampler *sampler) {
    if (sampler->sampling == CNN_SAMPLING_CLASS_BALANCED)
        return 0;
    return sampler->n_records % (uint64_t)sampler->global;
}

int cnn_sampler_micros(const struct cnn_sampler *sampler) {
    return sampler->global / sampler->micro / sampler->size;
}

uint64_t cnn_sampler_record(const struct cnn_sampler *sampler, uint64_t epoch, uint64_t position) {
    if (sampler->shuffle == CNN_SHUFFLE_NONE)
        return position;
    return cnn_permute(sampler->seed, CNN_PURPOSE_ORDER, epoch, sampler->n_records, position);
}

struct cnn_sampler_turn cnn_sampler_turn(const struct cnn_sampler *sampler, uint64_t epoch,
                                         uint64_t position) {
    uint64_t repeats = (uint64_t)repeats_of(sampler), global = (uint64_t)sampler->global;
    if (repeats == 1)
        return (struct cnn_sampler_turn){.epoch = epoch, .place = position};
    uint64_t places = global / repeats, step = position / global, row = position % global;
    return (struct cnn_sampler_turn){
        .epoch = epoch / repeats,
        .place = epoch % repeats * (sampler->n_records / repeats) + step * places + row % places,
        .repeat = (uint32_t)(row / places),
    };
}

uint64_t cnn_sampler_position(const struct cnn_sampler *sampler, uint64_t step, int j) {
    uint64_t first = (uint64_t)sampler->rank * (uint64_t)cnn_sampler_micros(sampler) + (uint64_t)j;
    return step * (uint64_t)sampler->global + first * (uint64_t)sampler->micro;
}

uint64_t cnn_sampler_substitute(const struct cnn_sampler *sampler, uint64_t epoch, uint64_t record,
                                int attempt) {
    uint64_t others = sampler->n_records - 1;
    if (others == 0)
        return record;
    struct cnn_draws draws = cnn_draws_of(sampler->seed, CNN_PURPOSE_SUBSTITUTE, epoch, record);
    uint64_t drawn = 0;
    for (int i = 0; i <= attempt; i++) {
        drawn = (uint64_t)cnn_draw_u32(&draws) << 32;
        drawn |= cnn_draw_u32(&draws);
    }
    drawn %= others;
    return drawn < record ? drawn : drawn + 1; // steps over the record itself
}

enum cnn_status cnn_sampler_check_pass(const struct cnn_sampler *sampler) {
    CNN_TRY(check_rank(sampler));
    if (sampler->micro < 1)
        return cnn_fail(CNN_ERR_INPUT, "eval.batch is %d; it must be at least 1", sampler->micro);
    if (sampler->n_records < 1)
        return cnn_fail(CNN_ERR_INPUT, "the evaluation set is empty");
    return CNN_OK;
}

uint64_t cnn_sampler_pass_batches(const struct cnn_sampler *sampler) {
    uint64_t micro = (uint64_t)sampler->micro, size = (uint64_t)sampler->size, rank = (uint64_t)sampler->rank;
    uint64_t batches = sampler->n_records / micro + (sampler->n_records % micro != 0);
    return batches / size + (rank < batches % size);
}

uint64_t cnn_sampler_pass_position(const struct cnn_sampler *sampler, uint64_t batch) {
    return (batch * (uint64_t)sampler->size + (uint64_t)sampler->rank) * (uint64_t)sampler->micro;
}

int cnn_sampler_pass_records(const struct cnn_sampler *sampler, uint64_t batch) {
    uint64_t left = sampler->n_records - cnn_sampler_pass_position(sampler, batch);
    return left < (uint64_t)sampler->micro ? (int)left : sampler->micro;
}
