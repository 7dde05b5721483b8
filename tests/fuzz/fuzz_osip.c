/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of any message that we act upon, and that libosip2 takes, nothing may be read in two ways: between two that read it
 * differently somebody slips through. Who takes what, the differential test asks of messages that are known.
 */
#include <stdio.h>
#include <stdlib.h>

#include "signaling/sip/check.h"
#include "tests/fuzz/osip_compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *now;
static size_t now_size;

/* osip takes a text to its first NUL, wherever that stands. */
static bool is_explained(void)
{
	return memchr(now, '\0', now_size) != NULL;
}

static void differs(const char *what, const char *ours, const char *theirs)
{
	if (is_explained())
		return;
	fprintf(stderr, "not true: %s is the same: ours '%s', osip '%s'\n", what, ours, theirs);
	abort();
}

static bool is_acted_upon(struct sip_message *msg)
{
	static const struct sip_abilities all = {.methods = ~0u, .schemes = ~0u};
	struct sip_check check;

	if (msg->is_request)
		sip_check_request(&check, msg, &all);
	else
		sip_check_response(&check, msg);
	return check.verdict == SIP_ACCEPT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sip_message ours;
	static bool ready;
	osip_message_t *theirs;

	if (!ready)
		osip_compare_init(differs);
	ready = true;
	now = data;
	now_size = size;
	if (sip_message_parse(&ours, data, size) != SIP_PARSE_OK || !is_acted_upon(&ours))
		return 0;
	if (osip_message_init(&theirs) != 0)
		abort();
	if (osip_message_parse(theirs, (const char *)data, size) == 0)
		osip_compare(&ours, theirs);
	osip_message_free(theirs);
	return 0;
}
