// Which augmentations of a list a record gets: probabilities and choices drawn, lists inside lists unfolded.
// Every entry of a list has draws of its own, by its position, so that what stands later changes nothing
// before it.
#ifndef CNN_IMAGE_CHOOSE_H
#define CNN_IMAGE_CHOOSE_H
#include "image/image.h"

struct cnn_chosen {
    int n;
    struct {
        const struct cnn_augment *op;
        struct cnn_draws draws; // after those that chose it
    } ops[CNN_AUGMENT_MAX_OPS];
};

// The draws of the entry at `position`, from those of the record, of which none may have been used.
struct cnn_draws cnn_draws_at(struct cnn_draws record, int position);
// `list` is checked (cnn_choose_check) and stays in place while *out is used.
void cnn_choose(struct cnn_chosen *out, const struct cnn_augment_list *list, struct cnn_draws record);
// Refuses lists whose spans do not nest, or too deep, and choices of which none can be drawn.
enum cnn_status cnn_choose_check(const struct cnn_augment_list *list) CNN_MUST_CHECK;

#endif
