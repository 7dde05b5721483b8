/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of any message that we act upon, and that libosip2 takes, nothing may be read in two ways: between two that read it
 * differently somebody slips through. Who takes what, the differential test asks of messages that are known.
 */
#include <ctype.h>
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

static bool has_nul(enum sip_header_id id)
{
	return memchr(ours.data, '\0', ours.len) != NULL;
}

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

/* A display name that ought to stand in quotes (RFC 4475 section 3.1.2.15). */
static bool wants_quotes(const struct sip_name_addr *name)
{
	for (uint32_t i = 0; !name->display_quoted && i < name->display.len; i++)
		if (!isalnum((unsigned char)name->display.at[i]) && !strchr("-.!%*_+`'~ \t", name->display.at[i]))
			return true;
	return false;
}

/* A value that osip does not read, for its URI or for its name. */
static bool has_unreadable(enum sip_header_id id)
{
	struct sip_name_addr name;
	struct sip_values it;
	struct sip_text value;
	struct sip_uri uri;

	sip_values_init(&it, &ours, id);
	while (sip_values_next(&it, &value) == 1)
		if (sip_name_addr_parse(&name, value) != 0 || sip_uri_parse(&uri, name.uri) != 0 ||
		    uri.scheme == SIP_SCHEME_OTHER || wants_quotes(&name))
			return true;
	return ends_early(id);
}

static const struct {
	const char *what; /* NULL: anything */
	enum sip_header_id id;
	bool (*applies)(enum sip_header_id id);
	const char *why;
} explained[] = {
    {NULL, SIP_H_OTHER, has_nul, "osip's texts end at a NUL"},
    {"Vias", SIP_H_VIA, ends_early, "ours ends with a value whose quotes don't; osip looks at each line alone"},
    {"Contacts", SIP_H_CONTACT, has_unreadable, "osip passes over a value that it can't read; we count it"},
    {"Routes", SIP_H_ROUTE, has_unreadable, "likewise"},
    {"Record-Routes", SIP_H_RECORD_ROUTE, has_unreadable, "likewise"},
};

static void differs(const char *what, const char *one, const char *other)
{
	for (size_t i = 0; i < sizeof(explained) / sizeof(explained[0]); i++)
		if ((!explained[i].what || strcmp(explained[i].what, what) == 0) &&
		    explained[i].applies(explained[i].id))
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
