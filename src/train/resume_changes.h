// What is different where a run resumes with other settings or other data than its checkpoint was made with.
#ifndef CNN_TRAIN_RESUME_CHANGES_H
#define CNN_TRAIN_RESUME_CHANGES_H
#include "train/resume.h"

// Logs every option that differs from the checkpoint's resolved config, with both values and with what
// follows where that is not obvious; how the learning rate continues where it is not as before; and other
// data. `config`: this run's, resolved as well, so that `auto` is no difference. Does nothing where no
// checkpoint is open. Not collective.
void cnn_resume_report_changes(const struct cnn_resume *resume, const struct cnn_config *config,
                               const struct cnn_run_facts *facts);

#endif
