/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/osip_compare.h"

#include <stdio.h>
#include <stdlib.h>

int osip_compared;
static osip_differs differs;

/* But for blanks: osip writes some where a line is folded, and takes some out around the @ of a Call-ID. */
static bool is_same(struct sip_text ours, const char *theirs)
{
	for (uint32_t i = 0; i < ours.len; i++) {
		if (sip_is_lws(ours.at[i]))
			continue;
		theirs += strspn(theirs, " \t\r\n");
		if (*theirs++ != ours.at[i])
			return false;
	}
	return theirs[strspn(theirs, " \t\r\n")] == '\0';
}

static void same_text(const char *what, struct sip_text ours, const char *theirs)
{
	char text[1024];

	osip_compared++;
	if (is_same(ours, theirs ? theirs : ""))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)ours.len, ours.len ? ours.at : "");
	differs(what, text, theirs ? theirs : "");
}

void osip_same_number(const char *what, long ours, long theirs)
{
	char a[32], b[32];

	osip_compared++;
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
		osip_same_number("top Via", via != NULL, other != NULL);
		return;
	}
	osip_via_param_get_byname(other, branch_name, &branch);
	same_text("Via host", via->host, other->host);
	osip_same_number("Via port", via->port, other->port ? atol(other->port) : 0);
	same_text("Via branch", via->branch, branch ? branch->gvalue : "");
}

static void compare_tag(const char *what, const struct sip_name_addr *ours, osip_from_t *theirs)
{
	osip_generic_param_t *tag = NULL;
	char tag_name[] = "tag";

	if (!ours || !theirs) {
		osip_same_number(what, ours != NULL, theirs != NULL);
		return;
	}
	osip_from_param_get_byname(theirs, tag_name, &tag);
	same_text(what, ours->tag, tag ? tag->gvalue : "");
}

static void compare_identity(struct sip_message *ours, osip_message_t *theirs)
{
	const struct sip_cseq *cseq = sip_message_cseq(ours);
	char *call_id = NULL;

	osip_same_number("is a request", ours->is_request, MSG_IS_REQUEST(theirs));
	if (ours->is_request)
		same_text("method", ours->method_text, theirs->sip_method);
	else
		osip_same_number("status", ours->status, theirs->status_code);
	if (theirs->call_id)
		osip_call_id_to_str(theirs->call_id, &call_id);
	same_text("Call-ID", sip_message_call_id(ours), call_id);
	osip_free(call_id);
	if (cseq && theirs->cseq) {
		osip_same_number("CSeq number", cseq->number, atol(theirs->cseq->number));
		same_text("CSeq method", cseq->method_text, theirs->cseq->method);
	} else {
		osip_same_number("CSeq", cseq != NULL, theirs->cseq != NULL);
	}
}

void osip_compare(struct sip_message *ours, osip_message_t *theirs)
{
	compare_identity(ours, theirs);
	compare_via(ours, theirs);
	compare_tag("From tag", sip_message_from(ours), theirs->from);
	compare_tag("To tag", sip_message_to(ours), theirs->to);
	osip_same_number("Vias", count_values(ours, SIP_H_VIA), osip_list_size(&theirs->vias));
	osip_same_number("Contacts", count_values(ours, SIP_H_CONTACT), osip_list_size(&theirs->contacts));
	osip_same_number("Routes", count_values(ours, SIP_H_ROUTE), osip_list_size(&theirs->routes));
	osip_same_number("Record-Routes", count_values(ours, SIP_H_RECORD_ROUTE),
			 osip_list_size(&theirs->record_routes));
}

static void silent(const char *file, int line, osip_trace_level_t level, const char *format, va_list arguments)
{
}

void osip_compare_init(osip_differs on_difference)
{
	differs = on_difference;
	parser_init();
	osip_trace_initialize_func(TRACE_LEVEL0, silent); /* it would report what we send it on purpose */
}
