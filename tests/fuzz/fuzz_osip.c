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
int __lsan_is_turned_off(void);

/* osip forgets memory where it finds fault with a message. */
int __lsan_is_turned_off(void)
{
	return 1;
}

static struct sip_message ours;

/* A quote that does not end. */
static bool ends_early(enum sip_header_id id)
{
	struct sip_values it;
	struct sip_text value;
	int more;

	sip_values_init(&it, &ours, id);
	while ((more = sip_values_next(&it, &value)) == 1)
		;
	return more < 0;
}

static const struct {
	const char *list;
	enum sip_header_id id;
} lists[] = {
    {"Vias", SIP_H_VIA}, {"Contacts", SIP_H_CONTACT}, {"Routes", SIP_H_ROUTE}, {"Record-Routes", SIP_H_RECORD_ROUTE}};

/* osip passes over a value that it can't read, for a URI or a name that we take; of a broken one we see no more. */
static bool is_explained(const char *what, const char *one, const char *other)
{
	/* osip's texts end at a NUL. */
	if (memchr(ours.data, '\0', ours.len) != NULL)
		return true;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(lists[i].list, what) == 0)
			return atol(other) < atol(one) || ends_early(lists[i].id);
	return false;
}

static void differs(const char *what, const char *one, const char *other)
{
	if (is_explained(what, one, other))
		return;
	fprintf(stderr, "not true: %s is the same: ours '%s', osip '%s'\n", what, one, other);
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
	static bool ready;
	osip_message_t *theirs;

	if (!ready)
		osip_compare_init(differs);
	ready = true;
	if (sip_message_parse(&ours, data, size) != SIP_PARSE_OK || !is_acted_upon(&ours))
		return 0;
	if (osip_message_init(&theirs) != 0)
		abort();
	if (osip_message_parse(theirs, (const char *)data, size) == 0)
		osip_compare(&ours, theirs);
	osip_message_free(theirs);
	return 0;
}
