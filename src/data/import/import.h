// The two halves of an import, and the folder they work in. Private to import/.
#ifndef CNN_DATA_IMPORT_IMPORT_H
#define CNN_DATA_IMPORT_IMPORT_H
#include "data/import/plan.h"

enum cnn_import_state {
    CNN_IMPORT_NEW,   // nothing is there
    CNN_IMPORT_BEGUN, // the half of this very import
    CNN_IMPORT_THERE, // all of it
};
// Looks what OUT holds, and begins where it holds nothing: CNN_ERR_INPUT where it is something else.
// *made_out: the folder was not there before.
enum cnn_status cnn_import_prepare(enum cnn_import_state *out, bool *made_out,
                                   const struct cnn_import_plan *plan) CNN_MUST_CHECK;
// Counts what stands in the finished datasets of the plan; `out->ignored` stays.
enum cnn_status cnn_import_count(struct cnn_import_result *out,
                                 const struct cnn_import_plan *plan) CNN_MUST_CHECK;
// Puts what is in OUT/.import into place.
enum cnn_status cnn_import_put_in_place(const struct cnn_import_plan *plan) CNN_MUST_CHECK;
// Removes OUT/.import and what it holds.
void cnn_import_clear_work(const char *folder);

#endif
