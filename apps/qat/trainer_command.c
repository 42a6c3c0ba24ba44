// SPDX-License-Identifier: Apache-2.0
// nibble-qat sft and qat.
#include <stdlib.h>

#include "apps/common/cli.h"
#include "apps/qat/qat_commands.h"
#include "apps/qat/trainer.h"

static int train(nb_trainer *trainer)
{
    nb_error error = {0};
    nb_status status = nb_trainer_run(trainer, &error);
    if (status == NB_OK && trainer->step == trainer->n_steps)
        status = nb_trainer_finish(trainer, &error);
    if (status == NB_ERR_STOPPED)
        nb_note("interrupted after step %llu of %llu; --resume goes on from there", (unsigned long long)trainer->step,
                (unsigned long long)trainer->n_steps);
    return status == NB_OK ? nb_trainer_report(trainer) : nb_fail_error(status, &error);
}

static int run(bool is_qat, int argc, char **argv)
{
    int exit_code;
    nb_trainer *trainer = nb_alloc(sizeof *trainer);
    if (nb_train_options_parse(&trainer->options, is_qat, argc, argv, &exit_code)) {
        if (nb_trainer_open(trainer, &exit_code))
            exit_code = train(trainer);
        nb_trainer_close(trainer);
    }
    free(trainer);
    return exit_code;
}

int nb_command_sft(int argc, char **argv)
{
    return run(false, argc, argv);
}

int nb_command_qat(int argc, char **argv)
{
    return run(true, argc, argv);
}
