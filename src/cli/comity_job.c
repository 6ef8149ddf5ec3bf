/* comity-job: the process of one job on one node; started by comityd, never by people. */
#include "node/job_run.h"

int main(void)
{
    return cm_job_run();
}
