/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same messages through our parser and through libosip2: method or status, Request-URI, Call-ID, CSeq, tags, the
 * top Via and the numbers of Vias, Contacts, Routes and Record-Routes must agree. Where they may not is in the table.
 * Directories of messages are the arguments.
 */
#include "signaling/sip/message.h"

#include <dirent.h>
#include <osipparser2/osip_parser.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
static const struct {
	const char *file;
	const char *what; /* what is compared; "accepted": only one of the two takes the message */
	const char *why;
} known[] = {
#include "differential_osip.def"
};
/* clang-format on */

static bool used[sizeof(known) / sizeof(known[0])];
static int failures, compared, differing;
static const char *file_name;

static void differs(const char *what, const char *ours, const char *theirs)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].file, file_name) == 0 && strcmp(known[i].what, what) == 0) {
			used[i] = true;
			differing++;
			return;
		}
	}
	printf("FAIL %s: %s: ours '%s', osip '%s'\n", file_name, what, ours, theirs);
	failures++;
}

static void same_text(const char *what, struct sip_text ours, const char *theirs)
{
	char text[1024];

	compared++;
	if (sip_text_equal(ours, sip_text_of(theirs ? theirs : "")))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)ours.len, ours.len ? ours.at : "");
	differs(what, text, theirs ? theirs : "");
}

static void same_number(const char *what, long ours, long theirs)
{
	char a[32], b[32];

	compared++;
	if (ours == theirs)
		return;
	snprintf(a, sizeof(a), "%ld", ours);
	snprintf(b, sizeof(b), "%ld", theirs);
	differs(what, a, b);
}

static int count_values(const struct sip_message *msg, enum sip_header_id id)
{
	struct sip_values it;
	struct sip_text value;
	int count = 0;

	sip_values_init(&it, msg, id);
	while (sip_values_next(&it, &value) == 1)
		count++;
	return count;
}

static void compare_via(struct sip_message *ours, osip_message_t *theirs)
{
	const struct sip_via *via = sip_message_via(ours);
	char branch_name[] = "branch";
	osip_generic_param_t *branch = NULL;
	osip_via_t *other = NULL;

	if (osip_message_get_via(theirs, 0, &other) < 0 || !via) {
		same_number("top Via", via != NULL, other != NULL);
		return;
	}
	osip_via_param_get_byname(other, branch_name, &branch);
	same_text("Via host", via->host, other->host);
	same_number("Via port", via->port, other->port ? atol(other->port) : 0);
	same_text("Via branch", via->branch, branch ? branch->gvalue : "");
}

static void compare_tag(const char *what, const struct sip_name_addr *ours, osip_from_t *theirs)
{
	osip_generic_param_t *tag = NULL;
	char tag_name[] = "tag";

	if (!ours || !theirs) {
		same_number(what, ours != NULL, theirs != NULL);
		return;
	}
	osip_from_param_get_byname(theirs, tag_name, &tag);
	same_text(what, ours->tag, tag ? tag->gvalue : "");
}

static void compare_identity(struct sip_message *ours, osip_message_t *theirs)
{
	const struct sip_cseq *cseq = sip_message_cseq(ours);
	char *call_id = NULL;

	same_number("is a request", ours->is_request, MSG_IS_REQUEST(theirs));
	if (ours->is_request)
		same_text("method", ours->method_text, theirs->sip_method);
	else
		same_number("status", ours->status, theirs->status_code);
	if (theirs->call_id)
		osip_call_id_to_str(theirs->call_id, &call_id);
	same_text("Call-ID", sip_message_call_id(ours), call_id);
	osip_free(call_id);
	if (cseq && theirs->cseq) {
		same_number("CSeq number", cseq->number, atol(theirs->cseq->number));
		same_text("CSeq method", cseq->method_text, theirs->cseq->method);
	} else {
		same_number("CSeq", cseq != NULL, theirs->cseq != NULL);
	}
}

static void compare(struct sip_message *ours, osip_message_t *theirs)
{
	compare_identity(ours, theirs);
	compare_via(ours, theirs);
	compare_tag("From tag", sip_message_from(ours), theirs->from);
	compare_tag("To tag", sip_message_to(ours), theirs->to);
	same_number("Vias", count_values(ours, SIP_H_VIA), osip_list_size(&theirs->vias));
	same_number("Contacts", count_values(ours, SIP_H_CONTACT), osip_list_size(&theirs->contacts));
	same_number("Routes", count_values(ours, SIP_H_ROUTE), osip_list_size(&theirs->routes));
	same_number("Record-Routes", count_values(ours, SIP_H_RECORD_ROUTE), osip_list_size(&theirs->record_routes));
}

static void compare_file(const char *path)
{
	static struct sip_message ours;
	static char data[SIP_MESSAGE_MAX];
	osip_message_t *theirs;
	bool accepted, osip_accepted;
	size_t len;
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		failures++;
		return;
	}
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	if (osip_message_init(&theirs) != 0)
		abort();
	osip_accepted = osip_message_parse(theirs, data, len) == 0;
	accepted = sip_message_parse(&ours, data, len) == SIP_PARSE_OK;
	same_number("accepted", accepted, osip_accepted);
	if (accepted && osip_accepted)
		compare(&ours, theirs);
	osip_message_free(theirs);
}

static void compare_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!directory) {
		perror(path);
		failures++;
		return;
	}
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		file_name = entry->d_name;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		compare_file(name);
	}
	closedir(directory);
}

static void silent(const char *file, int line, osip_trace_level_t level, const char *format, va_list arguments)
{
}

int main(int argc, char **argv)
{
	parser_init();
	osip_trace_initialize_func(TRACE_LEVEL0, silent); /* it would report what we send it on purpose */
	for (int i = 1; i < argc; i++)
		compare_directory(argv[i]);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (used[i])
			continue;
		printf("FAIL %s: %s: the difference in the table is no longer there\n", known[i].file, known[i].what);
		failures++;
	}
	printf("%d values compared, %d known differences, %d failures\n", compared, differing, failures);
	return failures != 0 || compared == 0;
}
