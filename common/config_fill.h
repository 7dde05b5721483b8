/* SPDX-License-Identifier: Apache-2.0 */
/* Inner parts of config_load(); see config.h. */
#ifndef TANDEM_COMMON_CONFIG_FILL_H
#define TANDEM_COMMON_CONFIG_FILL_H

#include "config.h"
#include "config_raw.h"
#include "config_report.h"

#define CONFIG_NAME_MAX 59 /* of a port, network or gateway; what shared memory has room for */

/*
 * Turn text into values, one key at a time; texts move over to `config`. Every fault is reported, and what is
 * wrong is left at its default, so that the whole file is judged.
 */
void config_fill(struct config *config, struct raw_config *raw, struct report *report);

/* What only shows when all is read: names used twice, references, overlaps, sizes. `cores`: how many this machine has.
 */
int config_check(const struct config *config, struct report *report, unsigned int cores);

#endif
