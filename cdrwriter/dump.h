/* SPDX-License-Identifier: Apache-2.0 */
/* tandem-cdrwriter --dump-spool DIR: what is in a spool, for a person; reads only, also beside a running writer. */
#ifndef TANDEM_CDRWRITER_DUMP_H
#define TANDEM_CDRWRITER_DUMP_H

/* One line of JSON a record on stdout, remarks on stderr. Exit status: 0, 1 when something was damaged, 2 when nothing
 * could be read. */
int dump_spool(const char *directory);

#endif
