#include "image/choose.h"

#include <math.h>
#include <pthread.h>

// Blocks of four draws that an entry may use: a picture of 60 million values that all are drawn.
#define POSITION_BITS 24

struct cnn_draws cnn_draws_at(struct cnn_draws record, int position) {
    record.counter[0] += (uint32_t)position << POSITION_BITS;
    return record;
}

static double weight_of(const struct cnn_augment *choice, const struct cnn_augment *inside) {
    return choice->args[1][0] != 0 ? inside->weight : 1;
}

// The entry inside `op`, the choice, that is drawn.
static const struct cnn_augment *pick(const struct cnn_augment *op, struct cnn_draws *draws) {
    const struct cnn_augment *end = op + 1 + cnn_augment_span(op), *last = NULL;
    double sum = 0, at = cnn_draw_uniform(draws);
    for (const struct cnn_augment *in = op + 1; in < end; in += 1 + cnn_augment_span(in))
        sum += weight_of(op, in);
    at *= sum;
    for (const struct cnn_augment *in = op + 1; in < end; in += 1 + cnn_augment_span(in)) {
        double weight = weight_of(op, in);
        if (weight > 0 && at < weight)
            return in;
        at -= weight;
        last = weight > 0 ? in : last; // where rounding leads past the end
    }
    return last;
}

static int p_args[CNN_N_AUGMENTS]; // which argument is a probability, -1 where none is

static void find_p_args(void) {
    for (int i = 0; i < CNN_N_AUGMENTS; i++) {
        int arg = cnn_augment_arg_index((enum cnn_augment_kind)i, "p");
        p_args[i] = arg >= 0 && cnn_augment_table[i].args[arg].type == CNN_ARG_REAL ? arg : -1;
    }
}

struct choosing {
    struct cnn_chosen *out;
    const struct cnn_augment_list *list;
    struct cnn_draws record;
};

static void choose_all(struct choosing *choosing, const struct cnn_augment *from,
                       const struct cnn_augment *end);

static void choose_one(struct choosing *choosing, const struct cnn_augment *op) {
    struct cnn_draws draws = cnn_draws_at(choosing->record, (int)(op - choosing->list->ops));
    int p = p_args[op->kind];
    if (p >= 0 && !(cnn_draw_uniform(&draws) < op->args[p][0]))
        return;
    if (op->kind == CNN_AUGMENT_RANDOM_CHOICE) {
        const struct cnn_augment *one = pick(op, &draws);
        choose_one(choosing, one);
    } else if (cnn_augment_span(op) > 0) {
        choose_all(choosing, op + 1, op + 1 + cnn_augment_span(op));
    } else {
        choosing->out->ops[choosing->out->n].op = op;
        choosing->out->ops[choosing->out->n++].draws = draws;
    }
}

// As deep as the lists are, which is checked beforehand.
static void choose_all(struct choosing *choosing, const struct cnn_augment *from,
                       const struct cnn_augment *end) {
    for (const struct cnn_augment *op = from; op < end; op += 1 + cnn_augment_span(op))
        choose_one(choosing, op);
}

void cnn_choose(struct cnn_chosen *out, const struct cnn_augment_list *list, struct cnn_draws record) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct choosing choosing = {out, list, record};
    pthread_once(&once, find_p_args);
    out->n = 0;
    choose_all(&choosing, list->ops, list->ops + list->n);
}

// That one of its entries can be drawn.
static enum cnn_status check_weights(const struct cnn_augment *op) {
    const struct cnn_augment *end = op + 1 + cnn_augment_span(op);
    double sum = 0, least = 0;
    for (const struct cnn_augment *in = op + 1; in < end; in += 1 + cnn_augment_span(in)) {
        sum += weight_of(op, in);
        least = weight_of(op, in) < least ? weight_of(op, in) : least;
    }
    if (!(sum > 0) || !isfinite(sum) || least < 0)
        return cnn_fail(CNN_ERR_INPUT,
                        "augment: random_choice: the weights in `p` add up to %g; they must be at least 0, "
                        "and one of them above 0",
                        sum);
    return CNN_OK;
}

static enum cnn_status check_spans(const struct cnn_augment_list *list) {
    int ends[CNN_AUGMENT_MAX_DEPTH + 1] = {list->n}, depth = 0;
    for (int i = 0; i < list->n; i++) {
        const struct cnn_augment_info *info = &cnn_augment_table[list->ops[i].kind];
        bool holds = info->args[0].type == CNN_ARG_OPS;
        double span = holds ? list->ops[i].args[0][0] : 0;
        while (i >= ends[depth])
            depth--;
        if (!holds)
            continue;
        if (!(span >= 1 && span <= ends[depth] - i - 1))
            return cnn_fail(CNN_ERR_INPUT, "augment: %s contains %g augmentations, but %d follow", info->name,
                            span, ends[depth] - i - 1);
        if (depth == CNN_AUGMENT_MAX_DEPTH)
            return cnn_fail(CNN_ERR_INPUT, "augment: lists are nested more than %d deep",
                            CNN_AUGMENT_MAX_DEPTH);
        ends[++depth] = i + 1 + (int)span;
    }
    return CNN_OK;
}

enum cnn_status cnn_choose_check(const struct cnn_augment_list *list) {
    CNN_TRY(check_spans(list));
    for (int i = 0; i < list->n; i++)
        if (list->ops[i].kind == CNN_AUGMENT_RANDOM_CHOICE)
            CNN_TRY(check_weights(&list->ops[i]));
    return CNN_OK;
}
