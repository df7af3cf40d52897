// The two halves of an import, and the folder they work in. Private to import/.
#ifndef CNN_DATA_IMPORT_IMPORT_H
#define CNN_DATA_IMPORT_IMPORT_H
#include "base/owner.h"
#include "data/import/plan.h"

enum cnn_import_state {
    CNN_IMPORT_NEW,   // nothing is there
    CNN_IMPORT_BEGUN, // the half of this very import
    CNN_IMPORT_THERE, // all of it
};
// Looks what OUT holds, and begins where it holds nothing: CNN_ERR_INPUT where it is something else.
// *made_out: the folder was not there before. *owner: this process, which may write to OUT/.import as number
// `rank` of those that share the import; NULL where there is nothing to do. The caller releases it, also
// after an error.
enum cnn_status cnn_import_prepare(enum cnn_import_state *out, bool *made_out, struct cnn_owner **owner,
                                   const struct cnn_import_plan *plan, int rank) CNN_MUST_CHECK;
// CNN_ERR_INPUT where another import is writing to OUT/.import, which exists.
enum cnn_status cnn_import_own(struct cnn_owner **out, const char *folder, int rank) CNN_MUST_CHECK;
// Counts what stands in the finished datasets of the plan; `out->ignored` stays.
enum cnn_status cnn_import_count(struct cnn_import_result *out,
                                 const struct cnn_import_plan *plan) CNN_MUST_CHECK;
// Counts the lines of a quarantine report, and their reasons. None where there is no such file.
enum cnn_status cnn_import_count_quarantined(struct cnn_import_result *out, const char *path) CNN_MUST_CHECK;
// Puts what is in OUT/.import into place.
enum cnn_status cnn_import_put_in_place(const struct cnn_import_plan *plan) CNN_MUST_CHECK;
// Removes OUT/.import and what it holds.
void cnn_import_clear_work(const char *folder);

#endif
