/* SPDX-License-Identifier: Apache-2.0 */
/* Why and by whom a call attempt ended: the vocabulary of the records. */
#ifndef TANDEM_COMMON_END_REASON_H
#define TANDEM_COMMON_END_REASON_H

enum end_reason {
	END_NONE,
#define END_REASON(id, word, cause, when) END_##id,
#include "end_reason.def"
#undef END_REASON
	END_REASON_COUNT
};

enum end_direction { END_BY_NOBODY, END_BY_CALLER, END_BY_CALLEE, END_BY_SERVER };

struct end_reason_info {
	const char *word;
	unsigned int q850_cause;
	const char *when;
};
extern const struct end_reason_info end_reason_info[END_REASON_COUNT];
extern const char *const end_direction_word[]; /* "", "caller", "callee", "server" */

#endif
