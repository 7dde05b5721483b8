/* SPDX-License-Identifier: Apache-2.0 */
#include "end_reason.h"

const struct end_reason_info end_reason_info[END_REASON_COUNT] = {
    [END_NONE] = {"", 0, "the call has not ended"},
#define END_REASON(id, word, cause, when) [END_##id] = {word, cause, when},
#include "end_reason.def"
#undef END_REASON
};

const char *const end_direction_word[] = {
    [END_BY_NOBODY] = "",
    [END_BY_CALLER] = "caller",
    [END_BY_CALLEE] = "callee",
    [END_BY_SERVER] = "server",
};
